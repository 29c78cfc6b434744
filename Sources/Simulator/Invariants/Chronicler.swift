// The one place that knows how steps of the simulation become facts.

import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Wire

/// Checks all promises of the product while it is simulated, and counts rare states.
public final class Chronicler: Observer {
    /// How often which rare state was seen in this run.
    public var marks: MarkCounts { book.counts }

    private let book = MarkBook()
    private let listeners: [any FactListener]
    private var chronicle: Chronicle?
    private var source: SimulatedSource?
    /// Duplicates that each node's links had counted, by node and peer.
    private var duplicates: [UInt64] = []

    /// Watches a run.
    ///
    /// - Parameters:
    ///   - seed: decides what is sampled.
    ///   - checks: whether promises are checked.
    ///   - counts: whether rare states are counted.
    public init(seed: UInt64, checks: Bool = true, counts: Bool = true) {
        var listeners: [any FactListener] = checks ? allInvariants(seed: seed) : []
        if counts { listeners += allMarks(book) }
        self.listeners = listeners
    }

    /// Checks all promises but these, by ``standardInvariants``.
    public init(seed: UInt64, without names: Set<String>) {
        listeners = allInvariants(seed: seed).filter { !names.contains(type(of: $0).name) }
    }

    /// Turns the step into facts.
    public func observe(_ step: borrowing Step, in simulation: Simulation) throws(Violation) {
        let chronicle = self.chronicle ?? begin(simulation)
        chronicle.time = step.time
        chronicle.step = step.number
        try take(step.what, chronicle, simulation)
        if step.number % 64 == 0 { try chronicle.tell(.tick, .tick) }
    }

    /// Looks at the end of the run.
    public func end(_ simulation: Simulation) throws(Violation) {
        guard let chronicle else { return }
        try chronicle.tell(.ended, .ended)
    }

    private func begin(_ simulation: Simulation) -> Chronicle {
        let count = simulation.nodes.count
        let limits = simulation.nodes.first?.settings.storeLimits ?? Store.Limits()
        let chronicle = Chronicle(count: count, limits: limits, listeners: listeners)
        let source = SimulatedSource(simulation)
        chronicle.source = source
        self.source = source
        self.chronicle = chronicle
        duplicates = [UInt64](repeating: 0, count: count * count)
        return chronicle
    }

    private func take(_ what: Step.What, _ chronicle: Chronicle, _ simulation: Simulation) throws(Violation) {
        switch what {
        case .turn(let turn):
            // A disk may have gone bad since its node last used it.
            for node in chronicle.nodes { node.isInjured = simulation.nodes[node.index].isInjured }
            try take(turn, chronicle, simulation)
        case .logTurn(let turn):
            let node = chronicle.nodes[turn.node]
            node.isInjured = simulation.nodes[turn.node].isInjured
            try chronicle.tell(.disk, .disk(turn.node, turn))
            for case .persisted(let sequence, _) in turn.reports {
                try chronicle.becomesDurable(node, upTo: sequence)
            }
        case .checkpointTurn(let turn):
            let node = chronicle.nodes[turn.node]
            for report in turn.reports {
                switch report {
                case .written(let reference, _, _, _), .snapshotLoaded(_, let reference):
                    node.disk.note(checkpoint: reference.position)
                case .failed, .part, .damaged, .snapshotFailed: break
                }
            }
            try chronicle.tell(.checkpoints, .checkpoints(turn.node, turn))
        case .started(let node): try starts(chronicle.nodes[node], chronicle, simulation)
        case .died(let node, let death):
            chronicle.nodes[node].isInjured = simulation.nodes[node].isInjured
            try chronicle.dies(chronicle.nodes[node], death)
        default: try takeRest(what, chronicle, simulation)
        }
    }

    private func takeRest(
        _ what: Step.What, _ chronicle: Chronicle, _ simulation: Simulation
    ) throws(Violation) {
        switch what {
        case .refusedToStart(let node, let reason):
            try chronicle.tell(.refusedToStart, .refusedToStart(node, reason: reason))
        case .paused(let node):
            chronicle.nodes[node].isPaused = true
            try chronicle.tell(.stalled, .stalled(node, isPaused: true))
        case .resumed(let node):
            chronicle.nodes[node].isPaused = false
            try chronicle.tell(.stalled, .stalled(node, isPaused: false))
        case .invoked(let number): try chronicle.tell(.invoked, .invoked(simulation.operations[number]))
        case .returned(let number): try chronicle.tell(.returned, .returned(simulation.operations[number]))
        case .lost(let transit): try chronicle.tell(.transit, .transit(transit, .lost))
        case .duplicated(let transit): try chronicle.tell(.transit, .transit(transit, .duplicated))
        case .timedOut(let transit): try chronicle.tell(.transit, .transit(transit, .timedOut))
        case .broke(let transit): try chronicle.tell(.transit, .transit(transit, .broken))
        case .fault(let place, let begins):
            try chronicle.tell(.fault, .fault(simulation.plan.faults[place].action, begins: begins))
        case .phase(let phase): try chronicle.tell(.phase, .phase(phase))
        case .started, .died, .turn, .logTurn, .checkpointTurn: break
        }
    }

    private func starts(
        _ node: NodeGhost, _ chronicle: Chronicle, _ simulation: Simulation
    ) throws(Violation) {
        let simulated = simulation.nodes[node.index]
        guard let state = NodeState(of: &simulated.core), let raft = simulated.core?.replica.raft else {
            return
        }
        node.isInjured = simulated.isInjured
        for peer in chronicle.nodes.indices { duplicates[node.index * chronicle.nodes.count + peer] = 0 }
        let first = raft.firstIndex.previous
        let base = LogPosition(index: first, term: raft.term(at: first) ?? .zero)
        let log = chronicle.recall(base: base, upTo: raft.lastIndex) { raft.term(at: $0) }
        try chronicle.starts(node, state, log: log)
    }
}

// MARK: - Turns

extension Chronicler {
    private func take(_ turn: Turn, _ chronicle: Chronicle, _ simulation: Simulation) throws(Violation) {
        let node = chronicle.nodes[turn.node]
        node.clock = turn.now
        node.clockLife = node.life
        node.wall = turn.wall
        for place in turn.events.indices {
            try take(turn.events[place], turn, node, chronicle, simulation)
        }
        chronicle.enters(node, NodeState(of: &simulation.nodes[turn.node].core) ?? node.now)
        for place in turn.effects.indices {
            if case .log(.persist(let persist)) = turn.effects[place] {
                try chronicle.persists(node, persist)
            }
        }
        try chronicle.becomes(node)
        for place in turn.effects.indices { try take(turn.effects[place], node, chronicle) }
        try chronicle.tell(.turned, .turned(turn.node))
    }

    private func take(
        _ event: NodeEvent, _ turn: Turn, _ node: NodeGhost, _ chronicle: Chronicle, _ simulation: Simulation
    ) throws(Violation) {
        switch event {
        case .peerRequest(_, let envelope, _):
            try take(envelope, isAnswer: false, turn, node, chronicle, simulation)
        case .peerAnswered(_, _, let envelope?):
            try take(envelope, isAnswer: true, turn, node, chronicle, simulation)
        default: try chronicle.tell(.event, .event(node.index, event))
        }
    }

    private func take(
        _ envelope: Envelope, isAnswer: Bool, _ turn: Turn, _ node: NodeGhost, _ chronicle: Chronicle,
        _ simulation: Simulation
    ) throws(Violation) {
        let isRepeated = isRepeated(envelope, turn, simulation)
        try chronicle.tell(
            .heard, .heard(node.index, envelope, isAnswer: isAnswer, isRepeated: isRepeated))
        guard !isRepeated else { return }
        for message in envelope.messages {
            if case .consensus(let message) = message {
                try chronicle.tell(.received(message.body), .received(node.index, message))
            } else {
                try chronicle.tell(.told, .told(node.index, message))
            }
        }
    }

    /// Whether the node has dropped the batch because it had come before: its link has counted it. If two
    /// batches of a peer come in one turn, one of them a repetition, that is not told apart: then both are
    /// taken for new ones.
    private func isRepeated(_ envelope: Envelope, _ turn: Turn, _ simulation: Simulation) -> Bool {
        let peer = Int(envelope.from.rawValue) - 1
        guard peer >= 0, peer < simulation.nodes.count, peer != turn.node else { return false }
        let link = peer < turn.node ? peer : peer - 1
        let count = Self.duplicates(of: &simulation.nodes[turn.node].core, link)
        let place = turn.node * simulation.nodes.count + peer
        guard count > duplicates[place] else { return false }
        let rise = count - duplicates[place]
        var batches: UInt64 = 0
        for event in turn.events {
            switch event {
            case .peerRequest(_, let other, _) where other.from == envelope.from: batches += 1
            case .peerAnswered(_, _, let other?) where other.from == envelope.from: batches += 1
            default: break
            }
        }
        guard rise >= batches else {
            duplicates[place] = count
            return false
        }
        duplicates[place] += 1
        return true
    }

    /// In place: a link is too large to be copied for this.
    private static func duplicates(of node: inout Node?, _ link: Int) -> UInt64 {
        node == nil ? 0 : node!.links[link].duplicates
    }

    private func take(_ effect: NodeEffect, _ node: NodeGhost, _ chronicle: Chronicle) throws(Violation) {
        switch effect {
        case .post(let envelope), .answer(_, let envelope, _):
            for message in envelope.messages {
                if case .consensus(let message) = message {
                    try chronicle.tell(.sent(message.body), .sent(node.index, message))
                } else {
                    try chronicle.tell(.tells, .tells(node.index, message, to: envelope.to))
                }
            }
        case .log(.persist): break
        case .client(let effect): try chronicle.tell(.client, .client(node.index, effect))
        case .log, .checkpoint, .fetch, .cancelFetch:
            try chronicle.tell(.asks, .asks(node.index, effect))
        }
    }
}

/// Asks the simulated nodes.
final class SimulatedSource: NodeSource {
    private unowned let simulation: Simulation

    init(_ simulation: Simulation) { self.simulation = simulation }

    func keyspace(of node: Int) -> Keyspace? { simulation.nodes[node].core?.replica.keyspace }
    func peers(of node: Int) -> [PeerView] { simulation.nodes[node].core?.replica.raft.peers ?? [] }
    func leadingSince(of node: Int) -> Instant? { simulation.nodes[node].core?.replica.raft.leadingSince }
    func configuration(of node: Int) -> Configuration? {
        simulation.nodes[node].core?.replica.raft.configuration
    }

    func timers(of node: Int) -> TimerQueue? { simulation.nodes[node].core?.replica.timers }

    func machine(of node: Int) -> (disk: SimulatedDisk, settings: RestoreSettings)? {
        (simulation.nodes[node].disk, simulation.nodes[node].settings)
    }

    func queues(of node: Int) -> QueueSizes {
        let node = simulation.nodes[node]
        var sizes = QueueSizes()
        sizes.options = node.settings.options
        sizes.openFiles = node.disk.openFiles
        guard let core = node.core else { return sizes }
        sizes.outbox = core.links.reduce(0) { max($0, $1.outbox.count) }
        sizes.openReads = core.replica.raft.openReads
        sizes.appendsInFlight = core.replica.raft.peers.reduce(0) { max($0, $1.appendsInFlight) }
        return sizes
    }
}
