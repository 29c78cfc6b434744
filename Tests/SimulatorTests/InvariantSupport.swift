// A made-up cluster: what happens to it is what a test says. So each promise can be broken on purpose.

import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Testing

@testable import Simulator

/// Nodes that say what a test wants them to say.
final class ScriptedNodes: NodeSource {
    var keyspaces: [Int: Keyspace] = [:]
    var peers: [Int: [PeerView]] = [:]
    var configurations: [Int: Configuration] = [:]
    var queues: [Int: QueueSizes] = [:]
    var leadingSince: Instant?
    var machines: [Int: (disk: SimulatedDisk, settings: RestoreSettings)] = [:]
    var members: Configuration

    init(count: Int) { members = Configuration(voters: (1...UInt64(count)).map { NodeID($0) }) }

    func keyspace(of node: Int) -> Keyspace? { keyspaces[node] }
    func peers(of node: Int) -> [PeerView] { peers[node] ?? [] }
    func configuration(of node: Int) -> Configuration? { configurations[node] ?? members }
    func leadingSince(of node: Int) -> Instant? { leadingSince }
    func queues(of node: Int) -> QueueSizes { queues[node] ?? QueueSizes() }
    var timers: TimerQueue?
    func timers(of node: Int) -> TimerQueue? { timers }
    func machine(of node: Int) -> (disk: SimulatedDisk, settings: RestoreSettings)? { machines[node] }
}

/// A chronicle in which a test writes.
final class Scene {
    let source: ScriptedNodes
    let chronicle: Chronicle
    private var sequence: UInt64 = 0

    init(_ invariants: any FactListener..., count: Int = 3) throws {
        source = ScriptedNodes(count: count)
        chronicle = Chronicle(count: count, listeners: invariants)
        chronicle.source = source
        for node in chronicle.nodes { try chronicle.starts(node, NodeState(), log: LogGhost()) }
    }

    func node(_ place: Int) -> NodeGhost { chronicle.nodes[place] }

    /// A turn of a node: what it hears, what it persists, what it is afterwards, and what it says.
    func turn(
        _ place: Int, hears: [Fact] = [], term: UInt64? = nil, vote: UInt64? = nil,
        resetTo: LogPosition? = nil,
        entries: [Entry] = [], says: [Fact] = [], _ change: (inout NodeState) -> Void = { _ in }
    ) throws {
        let node = node(place)
        for fact in hears { try tell(fact) }
        var state = node.now
        if let term {
            state.term = Term(term)
            state.vote = vote.map { NodeID($0) }
        }
        if let resetTo {
            state.last = resetTo
            (state.first, state.snapshot, state.commit) = (resetTo.index.next, resetTo.index, resetTo.index)
        }
        if let last = entries.last { state.last = LogPosition(index: last.index, term: last.term) }
        change(&state)
        chronicle.enters(node, state)
        if term != nil || resetTo != nil || !entries.isEmpty {
            sequence += 1
            let hardState = term.map { HardState(term: Term($0), vote: state.vote, commit: state.commit) }
            try chronicle.persists(
                node,
                Persist(sequence: sequence, hardState: hardState, resetTo: resetTo, entries: entries))
        }
        try chronicle.becomes(node)
        for fact in says { try tell(fact) }
        try chronicle.tell(.turned, .turned(place))
    }

    /// Everything that a node has asked to persist is durable.
    func sync(_ place: Int) throws { try chronicle.becomesDurable(node(place), upTo: sequence) }

    /// A node is elected by all, and puts its opening entry in its log.
    func elect(_ place: Int, term: UInt64) throws {
        for node in chronicle.nodes.indices {
            try turn(node, hears: hearsRequest(node, place, term), term: term, vote: UInt64(place) + 1) {
                $0.role = node == place ? .candidate : .follower
            }
            try sync(node)
        }
        try turn(place, entries: [entry(node(place).now.last.index.rawValue + 1, term)]) { $0.role = .leader }
    }

    private func hearsRequest(_ node: Int, _ candidate: Int, _ term: UInt64) -> [Fact] {
        guard node != candidate else { return [] }
        return [
            .received(
                node,
                message(
                    candidate, node, term,
                    .voteRequest(
                        VoteRequest(
                            last: self.node(candidate).now.last, isPreVote: false, isTransfer: false))))
        ]
    }

    /// Entries are durable on all nodes, committed and applied by all, by the leader first.
    func commit(_ entries: [Entry], by leader: Int) throws {
        guard let last = entries.last else { return }
        for node in chronicle.nodes.indices {
            if self.node(node).now.last.index < last.index {
                let missing = entries.filter { $0.index > self.node(node).now.last.index }
                try turn(node, entries: missing)
            }
            try sync(node)
        }
        let order = [leader] + chronicle.nodes.indices.filter { $0 != leader }
        for node in order {
            try turn(node) { $0.commit = last.index }
            guard let state = chronicle.store.state(at: last.index) else { return }
            source.keyspaces[node] = chronicle.store.keyspace
            try turn(node) { (new: inout NodeState) in
                (new.applied, new.state) = (last.index, state)
            }
        }
    }

    func tell(_ fact: Fact) throws { try chronicle.tell(fact.kind, fact) }
}

extension Fact {
    /// The kind under which it is told.
    var kind: FactKinds {
        switch self {
        case .started: .started
        case .refusedToStart: .refusedToStart
        case .died: .died
        case .stalled: .stalled
        case .heard: .heard
        case .received(_, let message): .received(message.body)
        case .told: .told
        case .event: .event
        case .logged: .logged
        case .elected: .elected
        case .grown: .grown
        case .committed: .committed
        case .applied: .applied
        case .sent(_, let message): .sent(message.body)
        case .tells: .tells
        case .client: .client
        case .asks: .asks
        case .turned: .turned
        case .disk: .disk
        case .durable: .durable
        case .checkpoints: .checkpoints
        case .invoked: .invoked
        case .returned: .returned
        case .transit: .transit
        case .fault: .fault
        case .phase: .phase
        case .tick: .tick
        case .ended: .ended
        }
    }
}

// MARK: - Things to say

func message(_ from: Int, _ to: Int, _ term: UInt64, _ body: Message.Body) -> Message {
    Message(from: NodeID(UInt64(from) + 1), to: NodeID(UInt64(to) + 1), term: Term(term), body: body)
}

func position(_ index: UInt64, _ term: UInt64) -> LogPosition {
    LogPosition(index: LogIndex(index), term: Term(term))
}

/// An opening entry.
func entry(_ index: UInt64, _ term: UInt64) -> Entry {
    Entry(index: LogIndex(index), term: Term(term), kind: .noop, payload: [])
}

/// An entry that writes a value under a request's number.
func put(_ index: UInt64, _ term: UInt64, request: UInt64, key: String = "a", value: String = "1") -> Entry {
    let operation = Operation.put(
        key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false)
    return command(index, term, request: request, operation)
}

func command(_ index: UInt64, _ term: UInt64, request: UInt64, _ operation: Store.Operation) -> Entry {
    let command = Command(
        requestID: RequestID(high: 0, low: request), time: WallTime(milliseconds: 1), operation: operation)
    return Entry(index: LogIndex(index), term: Term(term), kind: .command, payload: command.encode())
}

/// Expects that a promise is broken, and no other one.
func expectViolation(
    _ name: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    let violation = #expect(throws: Violation.self, sourceLocation: sourceLocation) { try body() }
    #expect(violation?.invariant == name, "\(violation?.details ?? "")", sourceLocation: sourceLocation)
}
