// What is counted of links, and of what is said over them to all nodes.
import API
import Links
import Telemetry

/// The series of the links and the broadcasts.
struct LinkMetrics {
    private let messages: Metrics.Family
    private let payloads: Metrics.Family
    private let broadcasts: Metrics.Family

    init(_ metrics: inout Metrics) {
        messages = metrics.family(
            "parley_link_messages_total", .counter, help: "Messages over links, by rung and what happened.",
            labels: ["rung", "event"])
        payloads = metrics.family(
            "parley_link_payloads_total", .counter, help: "Payloads of links, by what happened.",
            labels: ["event"])
        broadcasts = metrics.family(
            "parley_broadcasts_total", .counter, help: "Messages to all nodes, by what happened.",
            labels: ["event"])
    }

    func set(_ layer: LinkLayer, in metrics: inout Metrics) {
        for rung in LinkRung.allCases {
            var sums: [String: UInt64] = [:]
            for link in layer.links.values {
                for (name, count) in link.counters[rung].named { sums[name, default: 0] += count }
            }
            for (name, count) in sums.sorted(by: { $0.key < $1.key }) {
                metrics.set(metrics.counter(in: messages, [rung.name, name]), to: count)
            }
        }
        let links = layer.links.values.map(\.counters)
        for (name, count) in [
            ("sent", links.reduce(0) { $0 + $1.payloadsSent }),
            ("received", links.reduce(0) { $0 + $1.payloadsReceived }),
            ("malformed", links.reduce(0) { $0 + $1.malformed }),
            ("stale", links.reduce(0) { $0 + $1.stale }),
            ("misaddressed", links.reduce(0) { $0 + $1.misaddressed }),
        ] as [(String, UInt64)] {
            metrics.set(metrics.counter(in: payloads, [name]), to: count)
        }
        let said = layer.broadcast.counters
        for (name, count) in [
            ("broadcast", said.broadcast), ("relayed", said.relayed), ("delivered", said.delivered),
            ("duplicate", said.duplicates), ("malformed", said.malformed), ("late", said.late),
            ("forgotten", said.forgotten), ("overflow", said.overflows), ("skipped", said.skipped),
        ] {
            metrics.set(metrics.counter(in: broadcasts, [name]), to: count)
        }
    }
}
