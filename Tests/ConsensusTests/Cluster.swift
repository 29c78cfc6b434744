import Consensus
import Primitives
import Testing

// A cluster in memory: nodes with a disk that syncs late and loses what was not synced, and a network that
// loses, delays, repeats and reorders. Time is virtual, and everything follows from the seed.

/// What a node finds again after a crash.
struct Disk {
    var hardState = HardState()
    var snapshot: SnapshotReference
    /// The position before the first of `entries`.
    var base = LogPosition.origin
    var entries: [Entry] = []

    var lastIndex: LogIndex { base.index + UInt64(entries.count) }

    func term(at index: LogIndex) -> Term? {
        if index == base.index { return base.term }
        guard index > base.index, index <= lastIndex else { return nil }
        return entries[Int(index - base.index) - 1].term
    }

    func holds(_ position: LogPosition) -> Bool {
        position.index <= snapshot.position.index || term(at: position.index) == position.term
    }

    mutating func write(_ persist: Persist) {
        if let position = persist.resetTo {
            base = position
            entries = []
        }
        if let first = persist.entries.first {
            precondition(
                first.index > base.index && first.index <= lastIndex.next, "gap before \(first.index)")
            entries.removeLast(Int(lastIndex.next - first.index))
            entries += persist.entries
        }
        if let hardState = persist.hardState { self.hardState = hardState }
    }

    mutating func compact(upTo index: LogIndex) {
        guard index > base.index, let term = term(at: index) else { return }
        entries.removeFirst(Int(index - base.index))
        base = LogPosition(index: index, term: term)
    }

    /// As the rule in `Raft.Restored` says: a log that does not hold the snapshot's position does not count.
    mutating func recover() -> Raft.Restored {
        if term(at: snapshot.position.index) != snapshot.position.term {
            base = snapshot.position
            entries = []
        }
        var log = LogTerms(after: base)
        var configurations: [PlacedConfiguration] = []
        for entry in entries {
            log.append(term: entry.term)
            if entry.kind == .configuration, let configuration = try? Configuration(decoding: entry.payload) {
                configurations.append(PlacedConfiguration(index: entry.index, configuration: configuration))
            }
        }
        return Raft.Restored(
            hardState: hardState, snapshot: snapshot, log: log, configurations: configurations)
    }
}

/// One node with its owner.
final class Node {
    let id: NodeID
    var raft: Raft
    /// What has reached the platter.
    var disk: Disk
    /// What the owner has written, synced or not.
    var memory: Disk
    var unsynced: [Persist] = []
    var isUp = true
    var incarnation = 0
    var applied: LogIndex
    var inbox: [Event] = []
    var hasTurn = false
    var wake = Instant.never

    init(id: NodeID, disk: Disk, raft: Raft) {
        self.id = id
        self.disk = disk
        memory = disk
        self.raft = raft
        applied = disk.snapshot.position.index
    }
}

final class Cluster {
    struct Faults {
        var loss: UInt64 = 0  // of 1000
        var duplicates: UInt64 = 0  // of 1000
        var delay = Instant.Span.milliseconds(1)..<Instant.Span.microseconds(1001)
        var sync = Instant.Span.milliseconds(1)..<Instant.Span.microseconds(1001)
        var turn = Instant.Span.zero
        var fetchFailures: UInt64 = 0  // of 1000
        var shortSends: UInt64 = 0  // of 1000: the owner sends fewer entries than asked
    }

    private enum Item {
        case deliver(Message)
        case turn(NodeID, incarnation: Int)
        case synced(NodeID, incarnation: Int, sequence: UInt64)
        case wake(NodeID, incarnation: Int)
        case fetched(NodeID, incarnation: Int, SnapshotReference, from: NodeID)
    }

    var faults = Faults()
    var now = Instant.zero
    private(set) var nodes: [Node] = []
    var checker = Checker()
    var tune: (inout Raft.Options) -> Void = { _ in }
    /// Told of each event a node takes and each effect it asks for.
    var observe: ((Cluster, NodeID, Observation) -> Void)?
    var generator: SeededGenerator
    private var blocked: Set<Link> = []
    private var queue = TimeQueue<Item>()
    private var effects: [Effect] = []

    enum Observation {
        case event(Event)
        case effect(Effect)
    }

    struct Link: Hashable {
        let from: NodeID
        let to: NodeID
    }

    init(
        _ count: Int, configuration: Configuration? = nil, seed: UInt64 = 1,
        tune: @escaping (inout Raft.Options) -> Void = { _ in }
    ) {
        generator = SeededGenerator(seed: seed)
        self.tune = tune
        let ids = (1...UInt64(count)).map { NodeID($0) }
        let founding = SnapshotReference(
            position: .origin, configuration: configuration ?? Configuration(voters: ids))
        for id in ids {
            var disk = Disk(snapshot: founding)
            nodes.append(Node(id: id, disk: disk, raft: makeRaft(id, disk.recover())))
        }
        for node in nodes { arrangeWake(node) }
    }

    subscript(_ id: NodeID) -> Node { nodes[Int(id.rawValue) - 1] }
    subscript(_ id: UInt64) -> Node { nodes[Int(id) - 1] }

    private func makeRaft(_ id: NodeID, _ restored: Raft.Restored) -> Raft {
        var options = Raft.Options(id: id)
        tune(&options)
        return Raft(options: options, restored: restored, seed: generator.next(), now: now)
    }

    // MARK: What a test may do

    /// The node that leads in the latest term, if any that is up does.
    /// The changes of role, term or leader that there were, by what the specification calls them.
    private(set) var steps: Set<String> = []

    var leader: Node? {
        nodes.filter { $0.isUp && $0.raft.role == .leader }.max { $0.raft.term < $1.raft.term }
    }

    func run(for span: Instant.Span) { run(until: now + span) }

    func run(until end: Instant) {
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

    /// Hands an event to a node, in a turn of its own or with others.
    func post(_ event: Event, to id: NodeID) {
        let node = self[id]
        guard node.isUp else { return }
        node.inbox.append(event)
        guard !node.hasTurn else { return }
        node.hasTurn = true
        let wait = faults.turn == .zero ? Instant.Span.zero : generator.next(in: .zero..<faults.turn)
        queue.add(.turn(id, incarnation: node.incarnation), at: now + wait)
    }

    func isBlocked(_ from: NodeID, _ to: NodeID) -> Bool { blocked.contains(Link(from: from, to: to)) }

    func block(_ from: NodeID, _ to: NodeID) { blocked.insert(Link(from: from, to: to)) }

    /// Nodes of different groups can't reach each other.
    func partition(_ groups: [[NodeID]]) {
        heal()
        for group in groups {
            for node in group {
                for other in nodes where !group.contains(other.id) {
                    block(node, other.id)
                    block(other.id, node)
                }
            }
        }
    }

    func heal() { blocked.removeAll() }

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
    }

    func restart(_ id: NodeID) {
        let node = self[id]
        guard !node.isUp else { return }
        node.isUp = true
        let restored = node.disk.recover()
        node.memory = node.disk
        node.raft = makeRaft(id, restored)
        node.applied = node.disk.snapshot.position.index
        checker.restarted(node)
        arrangeWake(node)
    }

    /// Takes a checkpoint at what was applied, and drops the log before it but for `keeping` entries.
    func checkpoint(_ id: NodeID, keeping: UInt64 = 0) {
        let node = self[id]
        let index = node.applied
        guard node.isUp, index > node.disk.snapshot.position.index, let term = node.memory.term(at: index)
        else { return }
        let configuration = self.configuration(of: node, at: index)
        let reference = SnapshotReference(
            position: LogPosition(index: index, term: term), configuration: configuration)
        node.disk.snapshot = reference
        node.memory.snapshot = reference
        let first = LogIndex(index.rawValue - min(keeping, index.rawValue))
        // The log on disk can only be cut where it has arrived.
        let cut = min(first, node.disk.lastIndex)
        node.disk.compact(upTo: cut)
        node.memory.compact(upTo: cut)
        post(.compacted(reference, firstIndex: node.memory.base.index.next), to: id)
    }

    private func configuration(of node: Node, at index: LogIndex) -> Configuration {
        var result = node.memory.snapshot.configuration
        for entry in node.memory.entries where entry.kind == .configuration && entry.index <= index {
            if entry.index > node.memory.snapshot.position.index {
                result = (try? Configuration(decoding: entry.payload)) ?? result
            }
        }
        return result
    }

    // MARK: The machinery

    private func runOne() {
        guard let (time, item) = queue.take() else { return }
        now = max(now, time)
        switch item {
        case .deliver(let message):
            if !isBlocked(message.from, message.to) { post(.received(message), to: message.to) }
        case .turn(let id, let incarnation):
            let node = self[id]
            guard node.incarnation == incarnation else { return }
            node.hasTurn = false
            takeTurn(node)
        case .synced(let id, let incarnation, let sequence):
            let node = self[id]
            if node.incarnation == incarnation { sync(node, sequence) }
        case .wake(let id, let incarnation):
            let node = self[id]
            guard node.incarnation == incarnation, node.wake <= now else { return }
            node.wake = .never
            if node.raft.deadline <= now { post(.timeout, to: id) } else { arrangeWake(node) }
        case .fetched(let id, let incarnation, let reference, let source):
            if self[id].incarnation == incarnation { install(self[id], reference, from: source) }
        }
    }

    private func arrangeWake(_ node: Node) {
        guard node.isUp, node.raft.deadline < node.wake else { return }
        node.wake = node.raft.deadline
        queue.add(.wake(node.id, incarnation: node.incarnation), at: max(now, node.wake))
    }

    private func takeTurn(_ node: Node) {
        let inbox = node.inbox
        node.inbox = []
        effects.removeAll(keepingCapacity: true)
        for event in inbox {
            let before = effects.count
            observe?(self, node.id, .event(event))
            node.raft.step(event, at: now, into: &effects)
            checker.check(event, node, Array(effects[before...]), self)
        }
        node.raft.flush(at: now, into: &effects)
        let toDo = effects
        for effect in toDo {
            observe?(self, node.id, .effect(effect))
            perform(effect, node)
        }
        checker.check(node, self)
        arrangeWake(node)
    }

    private func perform(_ effect: Effect, _ node: Node) {
        switch effect {
        case .persist(let persist):
            node.memory.write(persist)
            checker.appended(persist.entries, node)
            node.unsynced.append(persist)
            let wait = generator.next(in: faults.sync)
            queue.add(
                .synced(node.id, incarnation: node.incarnation, sequence: persist.sequence), at: now + wait)
        case .send(let message): send(message)
        case .replicate(let replicate): send(replicate, node)
        case .committed(let index): checker.committed(upTo: index, node, self)
        case .fetchSnapshot(let reference, let source):
            let wait = generator.next(in: faults.delay) + generator.next(in: faults.delay)
            queue.add(
                .fetched(node.id, incarnation: node.incarnation, reference, from: source), at: now + wait)
        case .readReady(let token, let index): checker.readReady(token, index, node)
        case .proposed, .proposalRefused, .readFailed, .transferEnded: break
        case .transition(let step):
            steps.insert("\(step.from.name) -> \(step.to.name): \(step.reason.cause.name)")
        }
    }

    private func send(_ replicate: Replicate, _ node: Node) {
        var range = replicate.range
        if !range.isEmpty && chance(faults.shortSends) {
            range =
                range
                .lowerBound..<(range.lowerBound + generator.next(below: range.upperBound - range.lowerBound))
        }
        // A checkpoint may have cut the log since.
        guard range.isEmpty || range.lowerBound > node.memory.base.index else { return }
        let first = range.isEmpty ? 0 : Int(range.lowerBound - node.memory.base.index) - 1
        let entries =
            range.isEmpty
            ? [] : Array(node.memory.entries[first..<first + Int(range.upperBound - range.lowerBound)])
        let append = Append(previous: replicate.previous, entries: entries, commit: replicate.commit)
        send(Message(from: node.id, to: replicate.to, term: replicate.term, body: .append(append)))
    }

    private func send(_ message: Message) {
        checker.sent(message, self[message.from])
        guard !isBlocked(message.from, message.to), !chance(faults.loss) else { return }
        queue.add(.deliver(message), at: now + generator.next(in: faults.delay))
        if chance(faults.duplicates) {
            queue.add(
                .deliver(message),
                at: now + generator.next(in: faults.delay) + generator.next(in: faults.delay))
        }
    }

    private func sync(_ node: Node, _ sequence: UInt64) {
        guard let last = node.unsynced.lastIndex(where: { $0.sequence <= sequence }) else { return }
        for persist in node.unsynced[...last] {
            node.disk.write(persist)
            for message in persist.thenSend { send(message) }
        }
        node.unsynced.removeSubrange(...last)
        post(.persisted(sequence: sequence), to: node.id)
    }

    private func install(_ node: Node, _ reference: SnapshotReference, from source: NodeID) {
        if !self[source].isUp || isBlocked(source, node.id) || chance(faults.fetchFailures) {
            return post(.snapshotFailed(reference), to: node.id)
        }
        if reference.position.index > node.applied {
            checker.installed(reference, node)
            node.applied = reference.position.index
            node.disk.snapshot = reference
            node.memory.snapshot = reference
        }
        post(.snapshotInstalled(reference), to: node.id)
    }

    private func chance(_ ofThousand: UInt64) -> Bool {
        ofThousand > 0 && generator.next(below: 1000) < ofThousand
    }
}

/// A binary heap; of items at the same time the one added first comes first.
struct TimeQueue<Item> {
    private var heap: [(time: Instant, order: UInt64, item: Item)] = []
    private var added: UInt64 = 0

    var nextTime: Instant? { heap.first?.time }

    mutating func add(_ item: Item, at time: Instant) {
        heap.append((time, added, item))
        added += 1
        var place = heap.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard isEarlier(place, parent) else { break }
            heap.swapAt(place, parent)
            place = parent
        }
    }

    mutating func take() -> (Instant, Item)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var place = 0
            while true {
                var least = place
                for child in [2 * place + 1, 2 * place + 2]
                where child < heap.count && isEarlier(child, least) {
                    least = child
                }
                if least == place { break }
                heap.swapAt(place, least)
                place = least
            }
        }
        return (first.time, first.item)
    }

    private func isEarlier(_ a: Int, _ b: Int) -> Bool {
        heap[a].time != heap[b].time ? heap[a].time < heap[b].time : heap[a].order < heap[b].order
    }
}
