import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Testing

@testable import Simulator

/// Each promise about the store, writes, reads and snapshots, kept and broken.
struct InvariantStoreTests {
    private let request = RequestID(high: 0, low: 1)

    /// Node 0 leads, and a write is committed and applied by all.
    private func scene(_ invariant: any FactListener) throws -> Scene {
        let scene = try Scene(invariant)
        try scene.elect(0, term: 1)
        try scene.commit([entry(1, 1), put(2, 1, request: 1)], by: 0)
        return scene
    }

    /// The state of a store in which something else was done.
    private func otherKeyspace() -> Keyspace {
        var keyspace = Keyspace()
        keyspace.skip(index: LogIndex(1), term: Term(1))
        _ = keyspace.apply(
            encoded: put(2, 1, request: 1, value: "2").payload, index: LogIndex(2), term: Term(1))
        return keyspace
    }

    private func answered(_ outcome: Outcome) -> Fact {
        .client(0, .answered(token: 7, request, outcome))
    }

    @Test func `I19: a replica with other numbers, or with other records`() throws {
        let scene = try scene(EqualStates())
        scene.node(0).now.applied = LogIndex(1)
        expectViolation("I19") {
            try scene.turn(0) {
                $0.applied = LogIndex(2); $0.state.revision = Revision(9)
            }
        }
        try scene.tell(.ended)
        scene.source.keyspaces[1] = otherKeyspace()
        expectViolation("I19") { try scene.tell(.ended) }
    }

    @Test func `I21 and I22: what the ledger does is consistent`() throws {
        let scene = try Scene(RevisionsCount(), AllOrNothing())
        try scene.elect(0, term: 1)
        let puts = [BatchPut(key: [1], value: [1]), BatchPut(key: [2], value: [2])]
        try scene.commit(
            [
                entry(1, 1), put(2, 1, request: 1),
                command(3, 1, request: 2, .batch(puts, createOnly: false)),
                command(4, 1, request: 3, .increment(key: Array("a".utf8), by: .max)),
                command(5, 1, request: 4, .deleteRange(.all)),
                command(6, 1, request: 5, .compact(Revision(2))),
            ], by: 0)
        #expect(scene.chronicle.store.state(at: LogIndex(5))?.revision == Revision(4))
        #expect(scene.chronicle.store.state(at: LogIndex(6))?.compactRevision == Revision(2))
    }

    @Test func `I21: a revision that jumps`() throws {
        let invariant = RevisionsCount()
        var after = StoreGhost.Applied(state: Fingerprint())
        after.state.revision = Revision(3)
        after.outcome = .put(PutOutcome(revision: Revision(3), createRevision: Revision(3), version: 1))
        expectViolation("I21") { try invariant.check(after, after: Fingerprint(), LogIndex(1)) }
        after.state.revision = Revision(2)
        expectViolation("I21") { try invariant.check(after, after: Fingerprint(), LogIndex(1)) }
    }

    @Test func `I22: a refused command that changes something`() throws {
        let invariant = AllOrNothing()
        var after = Fingerprint()
        after.count = 1
        expectViolation("I22") {
            try invariant.check(.refused(.overflow), Fingerprint(), after, LogIndex(1))
        }
        expectViolation("I22") {
            try invariant.check(
                .deleted(count: 1, revision: Revision(2), previous: nil), Fingerprint(), after, LogIndex(1))
        }
    }

    @Test func `I23: a request that is committed twice`() throws {
        let scene = try scene(ExactlyOnce())
        expectViolation("I23") { try scene.commit([put(3, 1, request: 1)], by: 0) }
    }

    @Test func `I24 and I25: applying again, and after a checkpoint, does the same`() throws {
        let scene = try Scene(ApplyingIsDeterministic(), LimitsAreReplicated())
        try scene.elect(0, term: 1)
        var entries = [entry(1, 1)]
        for index in 2...130 {
            entries.append(
                put(UInt64(index), 1, request: UInt64(index), key: "k\(index % 7)", value: "\(index)"))
        }
        try scene.commit(entries, by: 0)
        #expect(scene.chronicle.ledger.lastIndex == LogIndex(130))
    }

    @Test func `I26: a checkpoint that holds something else, or that names another entry`() throws {
        let scene = try scene(SnapshotsAreReplays())
        let reference = SnapshotReference(position: position(2, 1), configuration: scene.source.members)
        let good = scene.chronicle.store.keyspace
        try scene.tell(.asks(0, .checkpoint(.write(good, reference))))
        expectViolation("I26") {
            try scene.tell(.asks(0, .checkpoint(.write(self.otherKeyspace(), reference))))
        }
        let early = SnapshotReference(position: position(1, 1), configuration: scene.source.members)
        expectViolation("I26") { try scene.tell(.asks(0, .checkpoint(.write(good, early)))) }
        let loaded = CheckpointTurn(
            node: 1, life: 1, commands: [], reports: [.snapshotLoaded(otherKeyspace(), reference)])
        expectViolation("I26") { try scene.tell(.checkpoints(1, loaded)) }
        scene.source.keyspaces[2] = otherKeyspace()
        expectViolation("I26") { try scene.tell(.started(2)) }
    }

    @Test func `I26: a checkpoint with other members than the log`() throws {
        let scene = try scene(SnapshotsAreReplays())
        scene.source.members = Configuration(voters: [NodeID(1)])
        let reference = SnapshotReference(position: position(2, 1), configuration: scene.source.members)
        expectViolation("I26") {
            try scene.tell(
                .asks(0, .checkpoint(.write(scene.chronicle.store.keyspace, reference))))
        }
    }

    @Test func `I27: an install that takes a node back`() throws {
        let scene = try scene(InstallsOnlyAdvance())
        let reference = SnapshotReference(position: position(5, 1), configuration: scene.source.members)
        let loaded = Fact.event(1, .checkpoint(.snapshotLoaded(Keyspace(), reference)))
        expectViolation("I27") { try scene.turn(1, hears: [loaded]) { $0.applied = LogIndex(3) } }
    }

    @Test func `I28: a log cut below no checkpoint`() throws {
        let scene = try scene(CutsAreCovered())
        let reference = SnapshotReference(position: position(2, 1), configuration: scene.source.members)
        expectViolation("I28") { try scene.tell(.asks(0, .log(.cut(below: LogIndex(3), reference)))) }
        scene.node(0).disk.note(checkpoint: reference.position)
        try scene.tell(.asks(0, .log(.cut(below: LogIndex(3), reference))))
        try scene.turn(0) {
            $0.first = LogIndex(3); $0.snapshot = LogIndex(2)
        }
        expectViolation("I28") {
            try scene.turn(1) {
                $0.first = LogIndex(2); $0.snapshot = LogIndex(1)
            }
        }
    }

    // MARK: Reads

    @Test func `I33: a read that does not see what was committed when it began`() throws {
        let scene = try Scene(FreshReads())
        try scene.elect(0, term: 1)
        try scene.commit([entry(1, 1)], by: 0)
        try scene.turn(0, entries: [put(2, 1, request: 1)])
        try scene.turn(0) { $0.commit = LogIndex(2) }
        try scene.tell(.event(1, .read(token: 5, deadline: .never)))
        expectViolation("I33") { try scene.tell(.client(1, .readable(token: 5))) }
        expectViolation("I33") { try scene.tell(.client(1, .readable(token: 6))) }
    }

    private func record(_ number: Int, _ action: ClientAction, _ outcome: ClientOutcome?) -> OperationRecord {
        var record = OperationRecord(number: number, client: 0, node: 0, action: action, invoked: .zero)
        record.outcome = outcome
        record.requestID = request
        return record
    }

    @Test func `I33: a client that is shown less than another one was told before`() throws {
        let scene = try Scene(FreshReads())
        let get = ClientAction.get([1], isStale: false)
        try scene.tell(.invoked(record(0, get, nil)))
        try scene.tell(.returned(record(0, get, .item(nil, at: Revision(4)))))
        try scene.tell(.invoked(record(1, get, nil)))
        try scene.tell(.invoked(record(2, .get([1], isStale: true), nil)))
        try scene.tell(.returned(record(2, .get([1], isStale: true), .item(nil, at: Revision(3)))))
        expectViolation("I33") { try scene.tell(.returned(record(1, get, .item(nil, at: Revision(3))))) }
    }

    @Test func `I34: an index named by a leader that has committed nothing in its term`() throws {
        let scene = try scene(ReadyLeadersAnswer())
        let answer = Message.Body.readIndexResponse(token: 1, index: LogIndex(2))
        try scene.tell(.sent(0, message(0, 1, 1, answer)))
        expectViolation("I34") { try scene.tell(.sent(1, message(1, 2, 2, answer))) }
    }

    @Test func `I35: a read that mixes revisions, or names one that does not exist`() throws {
        let scene = try scene(TrueSnapshots())
        let item = Item(
            key: Array("a".utf8), value: Array("1".utf8), createRevision: Revision(2),
            modRevision: Revision(2), version: 1)
        let get = ClientAction.get(item.key, isStale: true)
        try scene.tell(.returned(record(0, get, .item(item, at: Revision(2)))))
        try scene.tell(.returned(record(0, get, .item(nil, at: Revision(1)))))
        expectViolation("I35") { try scene.tell(.returned(record(0, get, .item(item, at: Revision(1))))) }
        expectViolation("I35") { try scene.tell(.returned(record(0, get, .item(item, at: Revision(3))))) }
        let range = ClientAction.range(.all, limit: 1, isStale: true)
        try scene.tell(.returned(record(0, range, .items([item], more: false, at: Revision(2)))))
        expectViolation("I35") {
            try scene.tell(.returned(record(0, range, .items([item], more: true, at: Revision(2)))))
        }
    }

    // MARK: Answers

    @Test func `answers: a write answered that is not committed, or with another outcome`() throws {
        let scene = try scene(TrueAnswers())
        let outcome = Outcome.put(
            PutOutcome(revision: Revision(2), createRevision: Revision(2), version: 1))
        try scene.tell(answered(outcome))
        expectViolation("answers") { try scene.tell(self.answered(.refused(.overflow))) }
        expectViolation("answers") {
            try scene.tell(.client(0, .answered(token: 8, RequestID(high: 0, low: 9), outcome)))
        }
        scene.node(0).now.applied = LogIndex(1)
        expectViolation("answers") { try scene.tell(self.answered(outcome)) }
        let write = ClientAction.write(.compact(Revision(1)), forwards: true)
        expectViolation("answers") {
            try scene.tell(.returned(record(0, write, .written(.refused(.overflow)))))
        }
    }

    @Test func `refusals: a write refused for certain that is committed`() throws {
        let scene = try scene(TrueRefusals())
        try scene.tell(.client(0, .refused(token: 1, request, .unknown)))
        expectViolation("refusals") {
            try scene.tell(.client(0, .refused(token: 1, self.request, .overloaded)))
        }
        let other = RequestID(high: 0, low: 2)
        try scene.tell(.client(0, .refused(token: 2, other, .noLeader)))
        expectViolation("refusals") { try scene.commit([put(3, 1, request: 2)], by: 0) }
    }
}
