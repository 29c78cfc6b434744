import API
import Consensus
import Faults
import HTTP
import HTTPServer
import NodeCore
import Primitives
import Telemetry
import Watches

/// What the node counts. Belongs to the node loop; nothing here is shared.
struct NodeMetrics {
    private var metrics = Metrics()
    private let requestsFamily: Metrics.Family
    private let durationFamily: Metrics.Family
    private var series: [RouteKey: Series] = [:]
    /// The request under way on each connection, by slot.
    private var underWay: [UnderWay?] = []
    private let forwards: Metrics.Counter
    private let peerRefusals: Metrics.Counter
    private let syncs: Metrics.Histogram
    private let persists: Metrics.Counter
    private let entries: Metrics.Counter
    private let leaderChanges: Metrics.Counter
    private let elections: Metrics.Counter
    private let checkpoints: Metrics.Counter
    private let checkpointDamages: Metrics.Counter
    private let checkpointBytes: Metrics.Gauge
    private let checkpointSeconds: Metrics.Gauge
    private let peerBytesSent: Metrics.Counter
    private let unknownOutcomes: Metrics.Counter
    private let gauges: [(name: String, gauge: Metrics.Gauge)]
    private let linkFamilies: [Metrics.Family]
    private let watches: WatchMetrics
    private let gossip: GossipMetrics
    private let clock: ClockMetrics
    private let ladder: LinkMetrics
    /// Made when they are first told of, since most nodes never have any.
    private var faults: FaultMetrics?
    private var lastLeader: NodeID?

    /// Bytes of the log on disk.
    var logBytes = 0

    private struct RouteKey: Hashable {
        var route: RouteID?
        var method: Method
        var status: Int
    }

    private struct Series {
        var count: Metrics.Counter
        var duration: Metrics.Histogram
    }

    private struct UnderWay {
        var route: RouteID?
        var method: Method
        var began: Instant
    }

    init() {
        requestsFamily = metrics.family(
            "parley_http_requests_total", .counter, help: "Requests by route, method and status.",
            labels: ["route", "method", "status"])
        durationFamily = metrics.family(
            "parley_http_request_duration_seconds", .histogram(bounds: Metrics.latencyBounds),
            help: "Time from a request to its answer.", labels: ["route", "method"])
        forwards = metrics.counter(
            "parley_forwarded_total", help: "Writes of this node's clients that went to the leader.")
        peerRefusals = metrics.counter(
            "parley_peer_refusals_total", help: "Batches that a peer refused, as of another cluster.")
        syncs = metrics.histogram(
            "parley_wal_fsync_seconds", help: "Time of one sync of the log.", bounds: Metrics.latencyBounds)
        persists = metrics.counter("parley_wal_persists_total", help: "Groups of entries handed to the log.")
        entries = metrics.counter("parley_wal_entries_total", help: "Entries handed to the log.")
        leaderChanges = metrics.counter("parley_raft_leader_changes_total", help: "Changes of leader seen.")
        elections = metrics.counter("parley_raft_elections_total", help: "Elections that this node began.")
        checkpoints = metrics.counter("parley_checkpoints_total", help: "Checkpoints written.")
        checkpointDamages = metrics.counter(
            "parley_checkpoints_damaged_total",
            help: "Checkpoints found damaged on disk when they were read for a peer.")
        checkpointBytes = metrics.gauge("parley_checkpoint_bytes", help: "Size of the newest checkpoint.")
        checkpointSeconds = metrics.gauge(
            "parley_checkpoint_seconds", help: "How long the newest checkpoint took.")
        peerBytesSent = metrics.counter(
            "parley_peer_sent_bytes_total", help: "Bytes sent to peers in requests.")
        unknownOutcomes = metrics.counter(
            "parley_outcome_unknown_total", help: "Writes whose outcome was unknown when they were answered.")
        let names = [
            ("parley_raft_term", "The node's term."), ("parley_raft_is_leader", "1 if this node leads."),
            ("parley_raft_commit_index", "Last committed entry."),
            ("parley_raft_applied_index", "Last applied entry."),
            ("parley_raft_last_index", "Last entry of the log."),
            ("parley_store_revision", "The store's revision."), ("parley_store_keys", "Keys in the store."),
            ("parley_store_bytes", "Bytes of keys and values."),
            ("parley_read_lag_seconds", "Age of this node's state."),
            ("parley_wal_bytes", "Bytes of the log on disk."),
            ("parley_http_connections", "Open connections."),
            ("parley_requests_pending", "Requests that wait for the replica."),
            ("parley_waiters", "Answers that are held back."),
            ("parley_storage_short", "1 if the disk is full."),
            ("parley_uptime_seconds", "Age of the process."),
            ("parley_http_received_bytes", "Bytes read from clients and peers."),
            ("parley_http_sent_bytes", "Bytes written to clients and peers."),
        ]
        watches = WatchMetrics(&metrics)
        gossip = GossipMetrics(&metrics)
        clock = ClockMetrics(&metrics)
        ladder = LinkMetrics(&metrics)
        var gauges: [(name: String, gauge: Metrics.Gauge)] = []
        for (name, help) in names { gauges.append((name, metrics.gauge(name, help: help))) }
        self.gauges = gauges
        linkFamilies = [
            metrics.family(
                "parley_peer_messages_sent", .gauge, help: "Messages sent, by peer.", labels: ["peer"]),
            metrics.family(
                "parley_peer_messages_received", .gauge, help: "Messages received, by peer.", labels: ["peer"]
            ),
            metrics.family(
                "parley_peer_requests_failed", .gauge, help: "Requests without an answer, by peer.",
                labels: ["peer"]),
            metrics.family(
                "parley_peer_rtt_seconds", .gauge, help: "Smoothed time of a request, by peer.",
                labels: ["peer"]),
        ]
    }

    /// Notes what the node thinks of the others.
    mutating func note(_ status: GossipStatus) { gossip.set(status, in: &metrics) }

    /// Notes whether the node's clock can be believed.
    mutating func note(_ watch: ClockWatch) { clock.set(watch, in: &metrics) }

    /// Notes what went over links.
    mutating func note(_ layer: LinkLayer, _ events: EventLayer, _ outbox: Outbox) {
        ladder.set(layer, in: &metrics)
        ladder.set(outbox, in: &metrics)
        ladder.set(events, in: &metrics)
    }

    /// Notes how the watches stand.
    mutating func note(_ table: WatchTable, _ claims: ClaimWatches) {
        watches.set(table, claims, in: &metrics)
    }

    /// Notes which faults act, and what they did.
    mutating func note(_ table: FaultTable) {
        let known = faults ?? FaultMetrics(&metrics)
        known.set(table, in: &metrics)
        faults = known
    }

    /// A request was understood; no route is one that leads nowhere.
    mutating func began(_ connection: ConnectionID, _ route: RouteID?, _ method: Method, at now: Instant) {
        let slot = Int(connection.slot)
        while underWay.count <= slot { underWay.append(nil) }
        underWay[slot] = UnderWay(route: route, method: method, began: now)
    }

    /// When the request under way on a connection was understood.
    func start(on connection: ConnectionID) -> Instant? {
        let slot = Int(connection.slot)
        return slot < underWay.count ? underWay[slot]?.began : nil
    }

    /// The request under way on a connection was answered, or its answer has begun.
    mutating func answered(_ connection: ConnectionID, _ status: Int, at now: Instant) {
        if status == 504 { metrics.increment(unknownOutcomes) }
        let slot = Int(connection.slot)
        guard slot < underWay.count, let request = underWay[slot] else { return }
        underWay[slot] = nil
        let key = RouteKey(route: request.route, method: request.method, status: status)
        let series = self.series[key] ?? register(key)
        metrics.increment(series.count)
        metrics.observe(Double((now - request.began).nanoseconds) / 1e9, in: series.duration)
    }

    private mutating func register(_ key: RouteKey) -> Series {
        let route = key.route?.entry.pattern ?? "none"
        let method = "\(key.method)".lowercased()
        let new = Series(
            count: metrics.counter(in: requestsFamily, [route, method, "\(key.status)"]),
            duration: metrics.histogram(in: durationFamily, [route, method]))
        series[key] = new
        return new
    }

    /// Writes of this node's clients went to the leader.
    mutating func forwarded(_ count: Int) { metrics.increment(forwards, by: UInt64(count)) }

    /// A peer refused a batch.
    mutating func peerRefused() { metrics.increment(peerRefusals) }

    mutating func persisting(_ persist: Persist) {
        metrics.increment(persists)
        metrics.increment(entries, by: UInt64(persist.entries.count))
    }

    mutating func synced(_ span: Instant.Span) {
        metrics.observe(Double(span.nanoseconds) / 1e9, in: syncs)
    }

    mutating func transitioned(_ transition: Transition) {
        if transition.to == .candidate && transition.from != .candidate { metrics.increment(elections) }
        if let leader = transition.leader, leader != lastLeader {
            lastLeader = leader
            metrics.increment(leaderChanges)
        }
    }

    /// A checkpoint that a peer wants was found damaged.
    mutating func foundDamagedCheckpoint() { metrics.increment(checkpointDamages) }

    mutating func checkpointed(bytes: Int, took: Instant.Span) {
        metrics.increment(checkpoints)
        metrics.set(checkpointBytes, to: bytes)
        metrics.set(checkpointSeconds, to: Double(took.nanoseconds) / 1e9)
    }

    mutating func peerBytes(_ count: Int) { metrics.increment(peerBytesSent, by: UInt64(count)) }

    mutating func exposition(
        openMetrics: Bool, status: NodeStatus, server: HTTPServer.Counters, openConnections: Int,
        requests: Int,
        waiters: Int, links: [(name: String, link: PeerLink)]
    ) -> [UInt8] {
        let values: [Double] = [
            Double(status.term.rawValue), status.role == .leader ? 1 : 0, Double(status.commitIndex.rawValue),
            Double(status.appliedIndex.rawValue), Double(status.lastIndex.rawValue),
            Double(status.revision.rawValue), Double(status.keyCount), Double(status.logicalBytes),
            Double(status.lag.nanoseconds) / 1e9, Double(status.logBytes), Double(openConnections),
            Double(requests), Double(waiters), status.isShortOfSpace ? 1 : 0,
            Double(status.uptime.nanoseconds) / 1e9, Double(server.bytesReceived), Double(server.bytesSent),
        ]
        for (place, gauge) in gauges.enumerated() { metrics.set(gauge.gauge, to: values[place]) }
        for (name, link) in links {
            let rtt = Double(link.roundTrip?.nanoseconds ?? 0) / 1e9
            let numbers = [Double(link.sent), Double(link.received), Double(link.failures), rtt]
            for (place, family) in linkFamilies.enumerated() {
                metrics.set(metrics.gauge(in: family, [name]), to: numbers[place])
            }
        }
        return metrics.exposition(openMetrics ? .openMetrics : .prometheus)
    }
}
