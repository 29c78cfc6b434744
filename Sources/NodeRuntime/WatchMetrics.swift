// What is counted of watches.
import Telemetry
import Watches

/// The series of the watches.
struct WatchMetrics {
    private let watchers: Metrics.Gauge
    private let behind: Metrics.Gauge
    private let claimWatchers: Metrics.Gauge
    private let counters: [Metrics.Counter]

    init(_ metrics: inout Metrics) {
        watchers = metrics.gauge("parley_watchers", help: "Open watches.")
        behind = metrics.gauge(
            "parley_watchers_behind", help: "Open watches that are not up to date and read by themselves.")
        claimWatchers = metrics.gauge(
            "parley_claim_watchers", help: "Open watches of locks and elections.")
        counters = [
            metrics.counter("parley_watch_begun_total", help: "Watches that have begun."),
            metrics.counter(
                "parley_watch_pieces_sent_total", help: "Revisions given to watches, each counted."),
            metrics.counter("parley_watch_pieces_written_total", help: "Revisions written for watches."),
            metrics.counter(
                "parley_watch_fell_behind_total",
                help: "How often a watch fell behind because it was read slowly."),
            metrics.counter(
                "parley_watch_compacted_total",
                help: "Watches that ended because what came next was compacted."),
            metrics.counter(
                "parley_claim_watch_states_sent_total",
                help: "States given to watches of locks and elections, each counted."),
            metrics.counter(
                "parley_claim_watch_states_written_total",
                help: "States written for watches of locks and elections."),
            metrics.counter(
                "parley_claim_watch_passed_over_total",
                help: "How often a watch of a lock or an election had no room for a state."),
        ]
    }

    func set(_ watches: WatchTable, _ claims: ClaimWatches, in metrics: inout Metrics) {
        metrics.set(watchers, to: watches.count)
        metrics.set(behind, to: watches.behind)
        metrics.set(claimWatchers, to: claims.count)
        let values = [
            watches.counters.begun, watches.counters.pieces, watches.counters.written,
            watches.counters.fellBehind, watches.counters.compacted, claims.counters.told,
            claims.counters.written, claims.counters.passedOver,
        ]
        for (counter, value) in zip(counters, values) { metrics.set(counter, to: value) }
    }
}
