// What is counted of links, of what is said over them to all nodes, and of events.
import API
import Gossip
import Links
import Telemetry

/// The series of the links, the broadcasts and the events.
struct LinkMetrics {
    private let messages: Metrics.Family
    private let payloads: Metrics.Family
    private let sent: Metrics.Family
    private let broadcasts: Metrics.Family
    private let events: Metrics.Family

    init(_ metrics: inout Metrics) {
        messages = metrics.family(
            "parley_link_messages_total", .counter, help: "Messages over links, by rung and what happened.",
            labels: ["rung", "event"])
        payloads = metrics.family(
            "parley_link_payloads_total", .counter, help: "Payloads of links, by what happened.",
            labels: ["event"])
        events = metrics.family(
            "parley_events_total", .counter, help: "Events that spread by gossip, by what happened.",
            labels: ["event"])
        sent = metrics.family(
            "parley_messages_total", .counter,
            help: "Messages from this node to inboxes, by what was promised and how far they came.",
            labels: ["delivery", "result"])
        broadcasts = metrics.family(
            "parley_broadcasts_total", .counter, help: "Messages to all nodes, by what happened.",
            labels: ["event"])
    }

    func set(_ layer: EventLayer, in metrics: inout Metrics) {
        let counters = layer.events.counters
        for (name, count) in [
            ("published", counters.published), ("delivered", counters.delivered),
            ("duplicate", counters.duplicates), ("expired", counters.expired), ("evicted", counters.evicted),
            ("given_up", counters.givenUp), ("comparison", counters.comparisons),
            ("repair", counters.repairs), ("sent", counters.sent), ("malformed", counters.malformed),
            ("unknown", counters.unknownSenders + counters.unknownOrigins), ("stale", counters.stale),
        ] {
            metrics.set(metrics.counter(in: events, [name]), to: count)
        }
    }

    func set(_ outbox: Outbox, in metrics: inout Metrics) {
        for (delivery, states) in outbox.counters {
            for (state, count) in states {
                metrics.set(metrics.counter(in: sent, [delivery.rawValue, state.rawValue]), to: count)
            }
        }
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
