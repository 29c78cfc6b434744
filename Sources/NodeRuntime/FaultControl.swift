// What a node needs to keep in mind about faults.
import API
import Faults
import HTTPServer
import Primitives
import Telemetry
import Wire

/// The faults of a node, what they hold up, and who is still to be told of a change.
final class FaultControl {
    /// A transfer that arrives later.
    enum Held: Sendable {
        /// A batch on its way out.
        case batch(Envelope)
        /// A part of a snapshot on its way in.
        case part(id: UInt64, offset: UInt64, bytes: [UInt8], isLast: Bool)
    }

    /// A change that other nodes are being told of, and that its client waits for.
    struct Change {
        var connection: ConnectionID
        var plan: FaultPlan
        var action: FaultOrder.Action
        var status: FaultStatus
        /// The peers that have not answered, by the numbers of the batches.
        var open: [UInt64: NodeID] = [:]
    }

    /// Changes that may be under way.
    static let mostChanges = 64
    /// Batches from here on carry orders about faults: links never count so far.
    static let firstBatch: UInt64 = 1 << 63

    var table = FaultTable()
    var held = DelayLine<Held>()
    /// The snapshot that is being fetched, and from where.
    var fetch: (id: UInt64, source: NodeID)?
    var changes: [UInt64: Change] = [:]
    /// For how long the node is to stand still, once this turn is over.
    var pause: Instant.Span?
    private var lastBatch = firstBatch
    private var lastFault = 0
    private var lastChange: UInt64 = 0

    /// Nothing is wrong yet.
    init() {}

    /// When something is to be done.
    var deadline: Instant { min(table.deadline, held.deadline) }

    func nextBatch() -> UInt64 {
        lastBatch += 1
        return lastBatch
    }

    /// An id that no other node gives.
    func nextID(_ node: String) -> String {
        lastFault += 1
        return "\(node)-\(lastFault)"
    }

    func add(_ change: Change) -> UInt64 {
        lastChange += 1
        changes[lastChange] = change
        return lastChange
    }

    /// The change that a batch is about.
    func change(of batch: UInt64) -> UInt64? { changes.first { $0.value.open[batch] != nil }?.key }
}

/// The series of faults.
struct FaultMetrics {
    private let active: Metrics.Gauge
    private let hits: [Metrics.Counter]

    init(_ metrics: inout Metrics) {
        active = metrics.gauge("parley_faults_active", help: "Faults that act on purpose.")
        let family = metrics.family(
            "parley_fault_hits_total", .counter, help: "Messages that faults did something to, by what.",
            labels: ["kind"])
        var hits: [Metrics.Counter] = []
        for (kind, _) in FaultHits().byKind { hits.append(metrics.counter(in: family, [kind])) }
        self.hits = hits
    }

    func set(_ table: FaultTable, in metrics: inout Metrics) {
        metrics.set(active, to: table.count)
        for (counter, hit) in zip(hits, table.total.byKind) { metrics.set(counter, to: hit.count) }
    }
}

// MARK: - Names

extension Roster {
    private func name(_ node: NodeID) -> String { member(node)?.name ?? "\(node)" }
    private func name(_ node: NodeID?) -> String { node.map { name($0) } ?? "*" }
    private func names(_ nodes: [NodeID]) -> [String] { nodes.map { name($0) } }

    /// A fault in few words, for the log.
    func words(_ kind: Fault.Kind) -> String {
        func list(_ nodes: [NodeID]) -> String { names(nodes).joined(separator: ",") }
        switch kind {
        case .link(let from, let to, let effect):
            return "\(name(from)) to \(name(to))" + (effect.blocks ? ", blocked" : "")
        case .partition(.groups(let groups, let bridge)):
            let sides = groups.map { list($0) }.joined(separator: " / ")
            return "partition \(sides)" + (bridge.isEmpty ? "" : ", bridge \(list(bridge))")
        case .partition(.oneWay(let from, let to)): return "\(list(from)) to \(list(to)), blocked"
        case .pause(let node): return "pause of \(name(node))"
        }
    }

    /// A fault as it is shown.
    func view(_ kind: Fault.Kind) -> FaultStatus.Item.Kind {
        switch kind {
        case .link(let from, let to, let effect): .link(from: name(from), to: name(to), effect)
        case .partition(.groups(let groups, let bridge)):
            .groups(groups.map { names($0) }, bridge: names(bridge))
        case .partition(.oneWay(let from, let to)): .oneWay(from: names(from), to: names(to))
        case .pause(let node): .pause(name(node))
        }
    }
}
