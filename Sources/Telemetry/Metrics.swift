// The hot path adds to an array element and nothing more: no lock, no hashing, no name. Names and labels are
// looked at when a series is registered and when somebody asks for the exposition.

/// The counters, gauges and histograms of one node.
///
/// A value owned by one thread, usually the node's. Register what you count once, keep the handles, and pass
/// them to ``increment(_:by:)``, ``set(_:to:)`` and ``observe(_:in:)``. Each family holds at most
/// ``seriesLimit`` series, so that labels taken from outside can not fill the memory: whatever comes after
/// that is counted in one series whose label values are all `other`.
public struct Metrics: Sendable {
    /// A number that only grows. Registered by ``counter(in:_:)``.
    public struct Counter: Sendable, Hashable { let slot: Int }
    /// A number that goes up and down. Registered by ``gauge(in:_:)``.
    public struct Gauge: Sendable, Hashable { let slot: Int }
    /// A distribution over fixed buckets. Registered by ``histogram(in:_:)``.
    public struct Histogram: Sendable, Hashable {
        let slot: Int
        let firstBucket: Int
        let bounds: Int
    }
    /// Series of one name that differ in their labels. Registered by ``family(_:_:help:labels:)``.
    public struct Family: Sendable, Hashable { let place: Int }

    /// What a family holds.
    public enum Kind: Sendable, Equatable {
        /// Numbers that only grow; exposed with the suffix `_total`.
        case counter
        /// Numbers that go up and down.
        case gauge
        /// Distributions over buckets with these upper bounds (inclusive, ascending); `+Inf` is added.
        case histogram(bounds: [Double])
    }

    /// The most series in one family.
    public static let seriesLimit = 1000

    struct Series: Sendable {
        var labels: [String]
        /// Into `counters`, `gauges` or `sums`, by the family's kind.
        var slot: Int
        /// Into `buckets`; histograms only.
        var firstBucket: Int
    }

    struct FamilyRecord: Sendable {
        var name: String
        var help: String
        var kind: Kind
        var labelNames: [String]
        var series: [Series] = []
        /// Label values to the place in `series`; only ever looked up, never walked.
        var places: [[String]: Int] = [:]
        /// Into `allBounds`; histograms only.
        var firstBound = 0
    }

    private(set) var families: [FamilyRecord] = []
    private(set) var counters: [UInt64] = []
    private(set) var gauges: [Double] = []
    /// Sums of what histograms observed, by slot.
    private(set) var sums: [Double] = []
    /// Where the bounds of the histogram with this slot begin in `allBounds`.
    private var boundsStart: [Int] = []
    /// Observations by bucket, not cumulative: for each histogram one place per bound and one for `+Inf`.
    private(set) var buckets: [UInt64] = []
    private var allBounds: [Double] = []

    /// Starts without any family.
    public init() {}

    /// Registers a family, which stands in the exposition in the order of registration.
    ///
    /// - Parameters:
    ///   - name: as in the exposition. A counter's `_total` may be left out.
    ///   - labels: the names of the labels; each series gives their values in this order.
    ///
    /// Stops the process if the name or a label is not one that Prometheus accepts, if it was registered
    /// before, or if bounds don't ascend: those are mistakes of the programmer.
    public mutating func family(_ name: String, _ kind: Kind, help: String, labels: [String] = []) -> Family {
        var base = name
        if case .counter = kind, base.hasSuffix("_total") { base.removeLast("_total".count) }
        precondition(isMetricName(base), "not a metric name: \(name)")
        precondition(labels.allSatisfy(isLabelName), "not label names: \(labels)")
        precondition(!families.contains { $0.name == base }, "metric registered twice: \(name)")
        var record = FamilyRecord(name: base, help: help, kind: kind, labelNames: labels)
        if case .histogram(let bounds) = kind {
            precondition(
                zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 } && bounds.allSatisfy(\.isFinite),
                "bounds must be finite and ascend: \(name)")
            precondition(!labels.contains("le"), "le is the buckets' own label: \(name)")
            record.firstBound = allBounds.count
            allBounds.append(contentsOf: bounds)
        }
        families.append(record)
        return Family(place: families.count - 1)
    }

    /// The counter of `family` with these label values; the same one each time.
    public mutating func counter(in family: Family, _ labels: [String] = []) -> Counter {
        precondition(
            families[family.place].kind == .counter, "\(families[family.place].name) holds no counters")
        return Counter(slot: series(in: family, labels).slot)
    }

    /// The gauge of `family` with these label values; the same one each time.
    public mutating func gauge(in family: Family, _ labels: [String] = []) -> Gauge {
        precondition(families[family.place].kind == .gauge, "\(families[family.place].name) holds no gauges")
        return Gauge(slot: series(in: family, labels).slot)
    }

    /// The histogram of `family` with these label values; the same one each time.
    public mutating func histogram(in family: Family, _ labels: [String] = []) -> Histogram {
        guard case .histogram(let bounds) = families[family.place].kind else {
            preconditionFailure("\(families[family.place].name) holds no histograms")
        }
        let series = series(in: family, labels)
        return Histogram(slot: series.slot, firstBucket: series.firstBucket, bounds: bounds.count)
    }

    /// A counter that is the only one of its name.
    public mutating func counter(_ name: String, help: String) -> Counter {
        counter(in: family(name, .counter, help: help))
    }

    /// A gauge that is the only one of its name.
    public mutating func gauge(_ name: String, help: String) -> Gauge {
        gauge(in: family(name, .gauge, help: help))
    }

    /// A histogram that is the only one of its name.
    public mutating func histogram(
        _ name: String, help: String, bounds: [Double] = latencyBounds
    ) -> Histogram {
        histogram(in: family(name, .histogram(bounds: bounds), help: help))
    }

    /// Adds to a counter; wraps at 2^64.
    public mutating func increment(_ counter: Counter, by amount: UInt64 = 1) {
        counters[counter.slot] &+= amount
    }

    /// Gives a counter that is kept elsewhere (by a thread of its own, by the kernel) its present value.
    public mutating func set(_ counter: Counter, to value: UInt64) { counters[counter.slot] = value }

    /// Sets a gauge.
    public mutating func set(_ gauge: Gauge, to value: Double) { gauges[gauge.slot] = value }

    /// Sets a gauge to a whole number.
    public mutating func set(_ gauge: Gauge, to value: some BinaryInteger) {
        gauges[gauge.slot] = Double(value)
    }

    /// Adds to a gauge; a negative amount takes away.
    public mutating func add(_ amount: Double, to gauge: Gauge) { gauges[gauge.slot] += amount }

    /// Counts an observation, in the unit that the name says (seconds, bytes).
    public mutating func observe(_ value: Double, in histogram: Histogram) {
        let start = boundsStart[histogram.slot]
        var bucket = 0
        while bucket < histogram.bounds && value > allBounds[start + bucket] { bucket += 1 }
        buckets[histogram.firstBucket + bucket] &+= 1
        sums[histogram.slot] += value
    }

    /// A counter's present value.
    public func value(of counter: Counter) -> UInt64 { counters[counter.slot] }
    /// A gauge's present value.
    public func value(of gauge: Gauge) -> Double { gauges[gauge.slot] }
    /// How many observations a histogram counted.
    public func count(of histogram: Histogram) -> UInt64 {
        buckets[histogram.firstBucket...(histogram.firstBucket + histogram.bounds)].reduce(0, &+)
    }

    /// Upper bounds in seconds from 50 µs to 10 s, for durations of requests, syncs and round trips.
    public static let latencyBounds: [Double] = [
        0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
        2.5, 5,
        10,
    ]

    private mutating func series(in family: Family, _ labels: [String]) -> Series {
        let record = families[family.place]
        precondition(
            labels.count == record.labelNames.count,
            "\(record.name) has \(record.labelNames.count) labels, not \(labels.count)")
        if let place = record.places[labels] { return record.series[place] }
        var labels = labels
        if record.series.count >= Metrics.seriesLimit - 1 && !labels.isEmpty {
            labels = labels.map { _ in "other" }
            if let place = record.places[labels] { return record.series[place] }
        }
        let made = makeSeries(of: record, labels)
        families[family.place].places[labels] = record.series.count
        families[family.place].series.append(made)
        return made
    }

    private mutating func makeSeries(of record: FamilyRecord, _ labels: [String]) -> Series {
        switch record.kind {
        case .counter:
            counters.append(0)
            return Series(labels: labels, slot: counters.count - 1, firstBucket: 0)
        case .gauge:
            gauges.append(0)
            return Series(labels: labels, slot: gauges.count - 1, firstBucket: 0)
        case .histogram(let bounds):
            sums.append(0)
            boundsStart.append(record.firstBound)
            buckets.append(contentsOf: repeatElement(0, count: bounds.count + 1))
            return Series(
                labels: labels, slot: sums.count - 1, firstBucket: buckets.count - bounds.count - 1)
        }
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`, the names that the text format allows.
private func isMetricName(_ name: String) -> Bool {
    isLabelName(String(name.filter { $0 != ":" }))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, without the prefix `__` that Prometheus keeps for itself.
private func isLabelName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(48...57).contains(first), !name.hasPrefix("__") else { return false }
    return name.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
    }
}
