import JSON
import Platform
import Primitives
import Telemetry

/// What a measurement found.
struct BenchResult {
    var operation: BenchOperation
    var connections: Int
    /// Requests a second that were to be sent; nil for a closed loop.
    var rate: Double?
    /// How long was measured.
    var elapsed = Instant.Span.zero
    /// Of the successful requests, in nanoseconds.
    var latency = LatencyHistogram()
    var failed = 0
    /// Requests of a fixed rate that were due and could never be sent.
    var unsent = 0
    var firstError: String?
    /// Processor time of the servers in that time; nil if it was not asked for.
    var serverTime: Instant.Span?
    /// Processor time of this program in that time.
    var clientTime = Instant.Span.zero

    mutating func fail(_ reason: String) {
        failed += 1
        note(reason)
    }

    /// Keeps the first reason.
    mutating func note(_ reason: String) { firstError = firstError ?? reason }

    var requestsPerSecond: Double {
        elapsed > .zero ? Double(latency.count) * 1e9 / Double(elapsed.nanoseconds) : 0
    }

    var serverMicrosecondsPerRequest: Double? {
        guard let serverTime, latency.count > 0 else { return nil }
        return Double(serverTime.nanoseconds) / 1000 / Double(latency.count)
    }

    /// How much of one core the load generator used.
    var clientLoad: Double {
        elapsed > .zero ? Double(clientTime.nanoseconds) / Double(elapsed.nanoseconds) : 0
    }

    /// One JSON object in one line.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("operation", operation.rawValue)
        writer.field("connections", connections)
        if let rate { writer.field("rate", rate) }
        writer.field("seconds", Double(elapsed.milliseconds) / 1000)
        writer.field("requests", latency.count)
        writer.field("failed", failed)
        if unsent > 0 { writer.field("unsent", unsent) }
        writer.field("requests_per_second", rounded(requestsPerSecond))
        for (name, value) in quantiles { writer.field("\(name)_us", rounded(Double(value) / 1000)) }
        writer.field("mean_us", rounded(latency.mean / 1000))
        if let time = serverMicrosecondsPerRequest {
            writer.field("server_cpu_us_per_request", rounded(time))
        }
        writer.field("client_cores", rounded(clientLoad))
        if let firstError { writer.field("first_error", firstError) }
        writer.endObject()
        return writer.take()
    }

    /// The line of the table.
    var row: [String] {
        let mode = rate.map { "\(Int($0))/s" } ?? "\(connections) conn."
        let cpu = serverMicrosecondsPerRequest.map { "\(rounded($0)) us" } ?? "-"
        return [operation.rawValue, mode, "\(Int(requestsPerSecond.rounded()))", "\(failed + unsent)"]
            + quantiles.map { milliseconds($0.value) } + [cpu]
    }

    static let header = [
        "OPERATION", "LOAD", "REQUESTS/S", "FAILED", "P50", "P99", "P99.9", "MAX", "SERVER CPU/REQUEST",
    ]

    private var quantiles: [(name: String, value: UInt64)] {
        [
            ("p50", latency.quantile(0.5)), ("p99", latency.quantile(0.99)),
            ("p999", latency.quantile(0.999)),
            ("max", latency.max),
        ]
    }

    private func milliseconds(_ nanoseconds: UInt64) -> String {
        let hundredths = (nanoseconds + 5000) / 10_000
        let fraction = String(hundredths % 100 + 100).dropFirst()
        return "\(hundredths / 100).\(fraction) ms"
    }

    private func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }
}

/// Reads clocks and processor times at the two ends of a measurement.
struct BenchMeter {
    private let pids: [Int32]
    private let window: Range<Instant>
    private var first: Reading?
    private var last: Reading?

    private typealias Reading = (server: Instant.Span, client: Instant.Span)

    init(pids: [Int32], window: Range<Instant>) {
        self.pids = pids
        self.window = window
    }

    /// Takes a reading if an end has come.
    mutating func look(at now: Instant) {
        if first == nil && now >= window.lowerBound { first = reading() }
        if last == nil && now >= window.upperBound { last = reading() }
    }

    /// When the next reading is due.
    func next(_ now: Instant) -> Instant {
        first == nil ? window.lowerBound : last == nil ? window.upperBound : .never
    }

    /// Writes the differences into the result.
    mutating func finish(_ result: inout BenchResult, at now: Instant) {
        look(at: now)
        guard let first else { return }
        let last = self.last ?? reading()
        // What counts is chosen by the window; the readings may come a little late.
        result.elapsed = window.upperBound - window.lowerBound
        if !pids.isEmpty { result.serverTime = last.server - first.server }
        result.clientTime = last.client - first.client
    }

    private func reading() -> Reading {
        (ProcessTimes.used(by: pids), Clock.threadTime())
    }
}
