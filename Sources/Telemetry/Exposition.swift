// How metrics are told to those who scrape them. Two texts that look alike and differ in small ways:
// Prometheus' text format 0.0.4 and OpenMetrics 1.0.0.

extension Metrics {
    /// A text format for metrics.
    public enum Format: Sendable {
        /// Prometheus' text format, version 0.0.4.
        case prometheus
        /// OpenMetrics, version 1.0.0: counters' families are named without `_total`, units are declared, and
        /// the text ends with `# EOF`, so that a truncated one is not taken for whole.
        case openMetrics

        /// The value of the `Content-Type` field.
        public var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }

        /// The format for a request with this `Accept` field: OpenMetrics only if it is asked for by name and
        /// not refused by `q=0`.
        public init(accept: String?) {
            self = .prometheus
            for range in (accept ?? "").lowercased().split(separator: ",") {
                let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
                guard parts.first == "application/openmetrics-text" else { continue }
                let quality = parts.first { $0.hasPrefix("q=") }?.dropFirst(2)
                if let quality, Double(String(quality)) == 0 { continue }
                self = .openMetrics
            }
        }
    }

    /// All families as text in UTF-8, in the order of their registration. Families without series are left
    /// out.
    public func exposition(_ format: Format) -> [UInt8] {
        var text = ExpositionText(format: format)
        for family in families where !family.series.isEmpty {
            text.describe(family)
            for series in family.series {
                switch family.kind {
                case .counter:
                    text.sample(
                        family, "_total", series.labels, value: String(counters[series.slot]))
                case .gauge: text.sample(family, "", series.labels, value: number(gauges[series.slot]))
                case .histogram(let bounds): write(family, series, bounds, into: &text)
                }
            }
        }
        if format == .openMetrics { text.line("# EOF") }
        return text.bytes
    }

    private func write(
        _ family: FamilyRecord, _ series: Series, _ bounds: [Double], into text: inout ExpositionText
    ) {
        var total: UInt64 = 0
        for (place, bound) in bounds.enumerated() {
            total &+= buckets[series.firstBucket + place]
            text.sample(
                family, "_bucket", series.labels, bucket: text.bound(bound), value: String(total))
        }
        total &+= buckets[series.firstBucket + bounds.count]
        text.sample(family, "_bucket", series.labels, bucket: "+Inf", value: String(total))
        text.sample(family, "_sum", series.labels, value: number(sums[series.slot]))
        text.sample(family, "_count", series.labels, value: String(total))
    }
}

/// The lines of an exposition while they are being written.
private struct ExpositionText {
    let format: Metrics.Format
    private(set) var bytes: [UInt8] = []

    init(format: Metrics.Format) { self.format = format }

    mutating func line(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        bytes.append(10)
    }

    /// The lines that come before a family's samples.
    mutating func describe(_ family: Metrics.FamilyRecord) {
        let type: String
        var name = family.name
        switch family.kind {
        case .counter:
            type = "counter"
            if format == .prometheus { name += "_total" }
        case .gauge: type = "gauge"
        case .histogram: type = "histogram"
        }
        let help = escaped(family.help, quotes: format == .openMetrics)
        guard format == .openMetrics else {
            line("# HELP \(name) \(help)")
            line("# TYPE \(name) \(type)")
            return
        }
        line("# TYPE \(name) \(type)")
        for unit in ["seconds", "bytes"] where name.hasSuffix("_" + unit) { line("# UNIT \(name) \(unit)") }
        line("# HELP \(name) \(help)")
    }

    /// One sample.
    mutating func sample(
        _ family: Metrics.FamilyRecord, _ suffix: String, _ values: [String], bucket: String? = nil,
        value: String
    ) {
        var text = family.name + suffix
        var labels = zip(family.labelNames, values).map { "\($0)=\"\(escaped($1, quotes: true))\"" }
        if let bucket { labels.append("le=\"\(bucket)\"") }
        if !labels.isEmpty { text += "{" + labels.joined(separator: ",") + "}" }
        line(text + " " + value)
    }

    /// A bucket's bound: OpenMetrics wants it in the form of a float, Prometheus writes whole numbers short.
    func bound(_ bound: Double) -> String { format == .openMetrics ? "\(bound)" : number(bound) }

    /// Backslash and line feed escaped, and quotation marks where they would end the text.
    private func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 92 || $0 == 10 || $0 == 34 }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// A sample's value: whole numbers without a fraction, and the words of both formats for what is no number.
private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    if value == value.rounded(), abs(value) < 9_007_199_254_740_992 { return String(Int64(value)) }
    return "\(value)"
}
