// A cluster in memory: replicas with a disk that syncs late and loses what was not synced, and a network that loses,
// delays, repeats and reorders. Time is virtual, and everything follows from the seed.
import Consensus
import Primitives
import Replication
import Store
import Testing

/// One node: its replica, and what its owner does for it.
final class Node {
    let id: NodeID
    var replica: Replica
    /// What has reached the platter.
    var disk: NodeDisk
    /// What was written, synced or not.
    var memory: NodeDisk
    var unsynced: [Persist] = []
    var isUp = true
    var incarnation = 0
    var inbox: [ReplicaEvent] = []
    var hasTurn = false
    var wake = Instant.never
    var wallSkew: Int64 = 0
    /// Forwards that came in this incarnation, so that none is taken twice.
    var seen: Set<UInt64> = []
    /// Turns at one instant, to find loops that never sleep.
    var turns = (at: Instant.zero, count: 0)
    /// Snapshots of a leader installed by this node.
    var installs = 0
    var checkpoints = 0

    init(id: NodeID, disk: NodeDisk, replica: Replica) {
        self.id = id
        self.disk = disk
        memory = disk
        self.replica = replica
    }
}

final class Cluster {
    struct Faults {
        var loss: UInt64 = 0  // of 1000
        var duplicates: UInt64 = 0  // of 1000
        /// Of 1000 forwards that are lost, those whose sender is told, sooner or later.
        var tellsLoss: UInt64 = 0
        var delay = Instant.Span.microseconds(500)..<Instant.Span.milliseconds(2)
        var sync = Instant.Span.microseconds(100)..<Instant.Span.milliseconds(1)
        var fetchFailures: UInt64 = 0  // of 1000
        var checkpointFailures: UInt64 = 0  // of 1000
    }

    enum Item {
        case deliver(PeerMessage, from: NodeID, to: NodeID, number: UInt64)
        case event(ReplicaEvent, NodeID, incarnation: Int)
        case turn(NodeID, incarnation: Int)
        case synced(NodeID, incarnation: Int, sequence: UInt64)
        case wake(NodeID, incarnation: Int)
        case logRead(Replicate, NodeID, incarnation: Int)
        case fetched(SnapshotReference, NodeID, from: NodeID, incarnation: Int)
        case checkpointed(Keyspace, SnapshotReference, NodeID, incarnation: Int)
        case call(() -> Void)
    }

    struct Link: Hashable {
        let from: NodeID
        let to: NodeID
    }

    var faults = Faults()
    /// Whether the log is cut at the newest checkpoint already, so that nodes need snapshots sooner.
    var cutsEagerly = false
    private(set) var now = Instant.zero
    private(set) var nodes: [Node] = []
    let limits: Replica.Limits
    let storeLimits: Store.Limits
    private let tune: (inout Raft.Options) -> Void
    var generator: SeededGenerator
    /// Told of each effect, after the turn's last event.
    var observe: (Node, ReplicaEffect) -> Void = { _, _ in }
    /// Told of each message handed to the network.
    var onSend: (PeerMessage, _ from: NodeID, _ to: NodeID) -> Void = { _, _, _ in }
    private var blocked: Set<Link> = []
    private var queue = TimeQueue<Item>()
    private var lastMessage: UInt64 = 0
    /// The term of each applied entry and the revision after it: the same on all nodes.
    private var applied: [LogIndex: (term: Term, revision: Revision)] = [:]

    init(
        _ count: Int, seed: UInt64 = 1, limits: Replica.Limits = Replica.Limits(),
        storeLimits: Store.Limits = Store.Limits(), tune: @escaping (inout Raft.Options) -> Void = { _ in }
    ) {
        generator = SeededGenerator(seed: seed)
        self.limits = limits
        self.storeLimits = storeLimits
        self.tune = tune
        let ids = (1...UInt64(count)).map { NodeID($0) }
        for id in ids {
            var disk = NodeDisk(founding: Configuration(voters: ids), limits: storeLimits)
            let replica = restore(id, &disk)
            nodes.append(Node(id: id, disk: disk, replica: replica))
        }
        for node in nodes { arrangeWake(node) }
    }

    subscript(_ id: NodeID) -> Node { nodes[Int(id.rawValue) - 1] }

    private func restore(_ id: NodeID, _ disk: inout NodeDisk) -> Replica {
        var options = Raft.Options(id: id)
        tune(&options)
        return disk.restore(options: options, limits: limits, seed: generator.next(), now: now)
    }

    // MARK: What a test may do

    /// The node that leads in the latest term, if any that is up does.
    var leader: Node? {
        nodes.filter { $0.isUp && $0.replica.raft.role == .leader }
            .max { $0.replica.raft.term < $1.replica.raft.term }
    }

    func run(for span: Instant.Span) {
        let end = now + span
        while let next = queue.nextTime, next <= end { runOne() }
        now = end
    }

    /// Runs until `condition` holds or `limit` has passed; says whether it does.
    func run(upTo limit: Instant.Span, until condition: () -> Bool) -> Bool {
        let end = now + limit
        while !condition() {
            guard let next = queue.nextTime, next <= end else { return false }
            runOne()
        }
        return true
    }

    func call(after span: Instant.Span, _ body: @escaping () -> Void) {
        queue.add(.call(body), at: now + span)
    }

    /// Hands an event to a node, in a turn with all others of this instant.
    func post(_ event: ReplicaEvent, to id: NodeID) {
        let node = self[id]
        guard node.isUp else { return }
        node.inbox.append(event)
        guard !node.hasTurn else { return }
        node.hasTurn = true
        queue.add(.turn(id, incarnation: node.incarnation), at: now)
    }

    func isBlocked(_ from: NodeID, _ to: NodeID) -> Bool { blocked.contains(Link(from: from, to: to)) }
    func block(_ from: NodeID, _ to: NodeID) { blocked.insert(Link(from: from, to: to)) }
    func heal() { blocked.removeAll() }

    /// Cuts a node off from all others.
    func isolate(_ id: NodeID) {
        for other in nodes where other.id != id {
            block(id, other.id)
            block(other.id, id)
        }
    }

    /// Stops a node at once. Some of what was not synced may have reached the disk all the same.
    func crash(_ id: NodeID) {
        let node = self[id]
        guard node.isUp else { return }
        let survivors = generator.next(below: UInt64(node.unsynced.count + 1))
        for persist in node.unsynced.prefix(Int(survivors)) { node.disk.write(persist) }
        node.unsynced = []
        node.isUp = false
        node.incarnation += 1
        node.inbox = []
        node.hasTurn = false
        node.wake = .never
        for other in nodes where other.isUp {
            queue.add(
                .event(.peerDisconnected(id), other.id, incarnation: other.incarnation),
                at: now + generator.next(in: faults.delay))
        }
    }

    func restart(_ id: NodeID) {
        let node = self[id]
        guard !node.isUp else { return }
        node.isUp = true
        node.replica = restore(id, &node.disk)
        node.memory = node.disk
        node.seen = []
        checkApplied(node)
        arrangeWake(node)
    }

    func chance(_ ofThousand: UInt64) -> Bool { ofThousand > 0 && generator.next(below: 1000) < ofThousand }

    // MARK: The machinery

    private func runOne() {
        guard let (time, item) = queue.take() else { return }
        now = max(now, time)
        switch item {
        case .deliver(let message, let from, let to, let number): deliver(message, from, to, number)
        case .event(let event, let id, let incarnation):
            if self[id].incarnation == incarnation { post(event, to: id) }
        case .turn(let id, let incarnation):
            guard self[id].incarnation == incarnation else { return }
            self[id].hasTurn = false
            takeTurn(self[id])
        case .synced(let id, let incarnation, let sequence):
            if self[id].incarnation == incarnation { sync(self[id], sequence) }
        case .wake(let id, let incarnation):
            let node = self[id]
            guard node.incarnation == incarnation, node.wake <= now, !node.hasTurn else { return }
            node.wake = .never
            node.hasTurn = true
            queue.add(.turn(id, incarnation: incarnation), at: now)
        case .logRead(let replicate, let id, let incarnation):
            if self[id].incarnation == incarnation { sendFromLog(replicate, self[id]) }
        case .fetched(let reference, let id, let source, let incarnation):
            if self[id].incarnation == incarnation { install(reference, self[id], from: source) }
        case .checkpointed(let keyspace, let reference, let id, let incarnation):
            if self[id].incarnation == incarnation { finishCheckpoint(keyspace, reference, self[id]) }
        case .call(let body): body()
        }
    }

    private func arrangeWake(_ node: Node) {
        let deadline = max(now, node.replica.deadline)
        guard node.isUp, deadline < node.wake else { return }
        node.wake = deadline
        queue.add(.wake(node.id, incarnation: node.incarnation), at: deadline)
    }

    /// As the node loop does it.
    private func takeTurn(_ node: Node) {
        node.turns = node.turns.at == now ? (now, node.turns.count + 1) : (now, 1)
        precondition(node.turns.count < 5_000, "node \(node.id) never sleeps: \(node.replica.raft)")
        let wall = WallTime(milliseconds: 1_800_000_000_000 + now.nanoseconds / 1_000_000 + node.wallSkew)
        var effects: [ReplicaEffect] = []
        let inbox = node.inbox
        node.inbox = []
        for event in inbox { node.replica.step(event, at: now, wall: wall, into: &effects) }
        if node.replica.deadline <= now { node.replica.step(.timeout, at: now, wall: wall, into: &effects) }
        node.replica.endTurn(at: now, wall: wall, into: &effects)
        checkApplied(node)
        for effect in effects {
            perform(effect, node)
            observe(node, effect)
        }
        arrangeWake(node)
    }

    private func checkApplied(_ node: Node) {
        let keyspace = node.replica.keyspace
        let here = (term: keyspace.appliedTerm, revision: keyspace.revision)
        if let known = applied[keyspace.appliedIndex] {
            if known != here { Issue.record("entry \(keyspace.appliedIndex) differs on node \(node.id)") }
        } else {
            applied[keyspace.appliedIndex] = here
        }
    }

    private func perform(_ effect: ReplicaEffect, _ node: Node) {
        switch effect {
        case .persist(let persist):
            node.memory.write(persist)
            node.unsynced.append(persist)
            queue.add(
                .synced(node.id, incarnation: node.incarnation, sequence: persist.sequence),
                at: now + generator.next(in: faults.sync))
        case .send(let message, let peer): send(message, from: node.id, to: peer)
        case .readLog(let replicate):
            queue.add(
                .logRead(replicate, node.id, incarnation: node.incarnation),
                at: now + generator.next(in: faults.sync))
        case .checkpoint(let keyspace, let reference):
            precondition(keyspace.appliedIndex == reference.position.index)
            queue.add(
                .checkpointed(keyspace, reference, node.id, incarnation: node.incarnation),
                at: now + generator.next(in: faults.delay) + generator.next(in: faults.delay))
        case .fetchSnapshot(let reference, let source):
            queue.add(
                .fetched(reference, node.id, from: source, incarnation: node.incarnation),
                at: now + generator.next(in: faults.delay) + generator.next(in: faults.delay))
        case .answered, .refused, .settled, .changed, .stepped, .replaced, .readable, .readRefused,
            .announced, .messageEnded,
            .deliver, .traced, .transferEnded, .transition:
            break
        }
    }

    private func sync(_ node: Node, _ sequence: UInt64) {
        guard let last = node.unsynced.lastIndex(where: { $0.sequence <= sequence }) else { return }
        for persist in node.unsynced[...last] {
            node.disk.write(persist)
            for message in persist.thenSend { send(.consensus(message), from: node.id, to: message.to) }
        }
        node.unsynced.removeSubrange(...last)
        post(.persisted(sequence: sequence), to: node.id)
    }

    private func sendFromLog(_ replicate: Replicate, _ node: Node) {
        let entries = node.memory.entries(in: replicate.range, maxBytes: replicate.maxBytes)
        guard !entries.isEmpty else { return post(.peerUnreachable(replicate.to), to: node.id) }
        send(
            .consensus(replicate.message(from: node.id, carrying: entries)), from: node.id, to: replicate.to)
    }

    // MARK: Network

    private func send(_ message: PeerMessage, from: NodeID, to: NodeID) {
        onSend(message, from, to)
        lastMessage += 1
        let number = lastMessage
        if isBlocked(from, to) || chance(faults.loss) { return lose(message, from, to, isCertain: true) }
        queue.add(
            .deliver(message, from: from, to: to, number: number), at: now + generator.next(in: faults.delay))
        guard chance(faults.duplicates) else { return }
        let later = now + generator.next(in: faults.delay) + generator.next(in: faults.delay)
        queue.add(.deliver(message, from: from, to: to, number: number), at: later)
    }

    private func deliver(_ message: PeerMessage, _ from: NodeID, _ to: NodeID, _ number: UInt64) {
        let node = self[to]
        guard node.isUp, !isBlocked(from, to) else {
            // Another copy may have got through.
            return lose(message, from, to, isCertain: faults.duplicates == 0)
        }
        if case .consensus = message {} else if !node.seen.insert(number).inserted { return }
        post(.received(message, from: from), to: to)
    }

    /// The sender may hear that its message was lost, perhaps long after it has sent others.
    private func lose(_ message: PeerMessage, _ from: NodeID, _ to: NodeID, isCertain: Bool) {
        let sender = self[from]
        guard sender.isUp, chance(faults.tellsLoss) else { return }
        var span = generator.next(in: faults.delay)
        if chance(300) { span = generator.next(in: .milliseconds(1)..<(.seconds(2))) }
        if case .forward(let forward) = message {
            guard isCertain else { return }
            queue.add(
                .event(.undelivered(forward.requests), from, incarnation: sender.incarnation), at: now + span)
        }
        queue.add(.event(.peerUnreachable(to), from, incarnation: sender.incarnation), at: now + span)
    }

    // MARK: Checkpoints

    private func finishCheckpoint(_ keyspace: Keyspace, _ reference: SnapshotReference, _ node: Node) {
        if chance(faults.checkpointFailures) { return post(.checkpointFailed, to: node.id) }
        node.checkpoints += 1
        node.disk.keep(keyspace, reference)
        node.memory.keep(keyspace, reference)
        // The log is kept for the older one, or not at all, and can only be cut where it has arrived.
        let kept = cutsEagerly ? reference.position.index : node.memory.olderCheckpoint
        var cut = min(kept, node.disk.lastIndex)
        for persist in node.unsynced {
            let start = persist.resetTo?.index ?? persist.entries.first?.index.previous ?? cut
            cut = min(cut, start)
        }
        node.disk.cut(upTo: cut)
        node.memory.cut(upTo: cut)
        post(.checkpointWritten(reference, firstIndex: node.memory.base.index.next), to: node.id)
    }

    private func install(_ reference: SnapshotReference, _ node: Node, from source: NodeID) {
        let (held, isThere) = (self[source].disk.checkpoint, self[source].isUp && !isBlocked(source, node.id))
        guard isThere, held.reference == reference, !chance(faults.fetchFailures) else {
            return post(.snapshotFailed(reference), to: node.id)
        }
        guard let loaded = copy(held.keyspace, reference) else {
            Issue.record("checkpoint \(reference.position) can't be read")
            return
        }
        node.installs += 1
        node.disk.keep(loaded, reference)
        node.memory.keep(loaded, reference)
        post(.snapshotLoaded(loaded, reference), to: node.id)
    }

    /// As it arrives: written as a file and read again.
    private func copy(_ keyspace: Keyspace, _ reference: SnapshotReference) -> Keyspace? {
        var writer = CheckpointWriter(
            keyspace, cluster: ClusterID(1), configuration: reference.configuration.encode())
        var reader = CheckpointReader(limits: storeLimits)
        do {
            while let chunk = writer.next() { try reader.receive(chunk) }
            return try reader.finish()
        } catch {
            return nil
        }
    }
}
