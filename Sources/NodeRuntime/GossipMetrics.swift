// What is counted of datagrams, and of the opinions that come of them.
import API
import Gossip
import Telemetry

/// The series of the datagrams and the membership.
struct GossipMetrics {
    private let datagrams: [Metrics.Counter]
    private let refused: Metrics.Family
    private let events: Metrics.Family
    private let members: Metrics.Family

    init(_ metrics: inout Metrics) {
        datagrams = [
            metrics.counter("parley_datagrams_sent_total", help: "Datagrams that the kernel took."),
            metrics.counter(
                "parley_datagrams_unsent_total",
                help: "Datagrams that the kernel did not take, or whose receiver's address is not known."),
            metrics.counter("parley_datagrams_received_total", help: "Datagrams that were taken."),
        ]
        refused = metrics.family(
            "parley_datagrams_refused_total", .counter, help: "Datagrams that were dropped, by the reason.",
            labels: ["reason"])
        events = metrics.family(
            "parley_membership_total", .counter,
            help: "What happened as members were probed, by what it was.", labels: ["event"])
        members = metrics.family(
            "parley_members", .gauge, help: "The other nodes, by what this one believes of them.",
            labels: ["state"])
    }

    func set(_ status: GossipStatus, in metrics: inout Metrics) {
        let counts = [status.datagrams.sent, status.datagrams.unsent, status.datagrams.received]
        for (counter, count) in zip(datagrams, counts) { metrics.set(counter, to: count) }
        for (reason, count) in status.datagrams.refused {
            metrics.set(metrics.counter(in: refused, [reason]), to: count)
        }
        for (name, count) in status.counters.named {
            metrics.set(metrics.counter(in: events, [name]), to: count)
        }
        for state in MemberState.allCases {
            let count = status.view.members.count { $0.state == state }
            metrics.set(metrics.gauge(in: members, ["\(state)"]), to: count)
        }
    }
}

/// The series of the node's clock.
struct ClockMetrics {
    private let isWrong: Metrics.Gauge
    private let correction: Metrics.Gauge
    private let refused: Metrics.Counter

    init(_ metrics: inout Metrics) {
        isWrong = metrics.gauge(
            "parley_clock_wrong", help: "1 if the machine's clock is far from what most nodes agree on.")
        correction = metrics.gauge(
            "parley_clock_correction_seconds", help: "What is added to the machine's clock because of that.")
        refused = metrics.counter(
            "parley_clock_refused_total", help: "Hybrid times of peers that were too far ahead to follow.")
    }

    func set(_ watch: ClockWatch, in metrics: inout Metrics) {
        metrics.set(isWrong, to: watch.isWrong ? 1 : 0)
        metrics.set(correction, to: Double(watch.correction) / 1_000_000)
        metrics.set(refused, to: watch.refused)
    }
}
