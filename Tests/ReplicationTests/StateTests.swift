import Consensus
import Primitives
import Store
import Testing

@testable import Replication

struct CurrencyTests {
    private func heartbeat(_ owner: Owner, _ commit: UInt64, leaderCommit: UInt64? = nil) -> ReplicaEvent {
        let heartbeat = Heartbeat(
            commit: LogIndex(commit), round: 0, leaderCommit: LogIndex(leaderCommit ?? commit))
        return owner.message(.heartbeat(heartbeat), from: NodeID(2))
    }

    @Test func `a node is current when it hears its leader and has applied what that has committed`() {
        var owner = Owner()
        owner.follow()
        #expect(owner.replica.currentAsOf == owner.now)
        let heard = owner.now
        _ = owner.wait(.milliseconds(200))
        owner.turn(owner.put(1))
        #expect(owner.replica.currentAsOf == heard)
        owner.turn(heartbeat(owner, 1))
        #expect(owner.replica.currentAsOf == owner.now)
    }

    @Test func `a heartbeat of a leader that has committed more does not make a node current`() {
        var owner = Owner()
        owner.follow()
        let heard = owner.now
        _ = owner.wait(.milliseconds(100))
        owner.turn(heartbeat(owner, 1, leaderCommit: 2))
        #expect(owner.replica.currentAsOf == heard)
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(1))
        owner.turn(owner.append([owner.command(1)], from: NodeID(2), term: Term(1)))
        #expect(owner.replica.currentAsOf == owner.now)
    }

    @Test func `an old heartbeat does not make a node current that has heard of more`() {
        var owner = Owner()
        owner.follow()
        let heard = owner.now
        _ = owner.wait(.milliseconds(100))
        // Entries from 51 on, which don't fit, and a commit index of 60.
        let previous = LogPosition(index: LogIndex(50), term: Term(1))
        let append = Append(previous: previous, entries: [], commit: LogIndex(60))
        owner.turn(owner.message(.append(append), from: NodeID(2)))
        owner.turn(heartbeat(owner, 1))
        #expect(owner.replica.currentAsOf == heard)
    }

    @Test func `a node that needs a snapshot is not current before it has it`() {
        var owner = Owner()
        owner.follow()
        let heard = owner.now
        _ = owner.wait(.milliseconds(100))
        let (keyspace, reference) = snapshot(through: 40, term: 1)
        owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2)))
        owner.turn(heartbeat(owner, 0))
        #expect(owner.replica.currentAsOf == heard)
        owner.turn(.snapshotLoaded(keyspace, reference))
        owner.turn(heartbeat(owner, 40))
        #expect(owner.replica.currentAsOf == owner.now)
    }

    @Test func `a new leader is current only when it has committed in its term`() {
        var owner = Owner()
        owner.follow()
        let heard = owner.now
        owner.turn(owner.append([owner.command(1)], from: NodeID(2), term: Term(1), commit: LogIndex(1)))
        _ = owner.wait(.milliseconds(300))
        owner.now = owner.replica.raft.deadline
        owner.turn(.timeout)
        let term = owner.replica.raft.term.next
        owner.turn(
            owner.message(
                .voteResponse(VoteResponse(granted: true, isPreVote: true)), from: NodeID(2), term: term))
        owner.sync()
        owner.turn(
            owner.message(.voteResponse(VoteResponse(granted: true, isPreVote: false)), from: NodeID(2)))
        #expect(owner.replica.raft.role == .leader)
        #expect(owner.replica.currentAsOf == heard)
        owner.commit()
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(3))
        #expect(owner.replica.currentAsOf == owner.now)
    }

    @Test func `a follower of a new leader is current only when that has committed in its term`() {
        var owner = Owner()
        owner.follow()
        let heard = owner.now
        owner.turn(owner.append([owner.command(1)], from: NodeID(2), term: Term(1), commit: LogIndex(1)))
        _ = owner.wait(.milliseconds(300))
        owner.turn(owner.append([nil], from: NodeID(3), term: Term(2), commit: LogIndex(1)))
        #expect(owner.replica.currentAsOf == heard)
        let heartbeat = Heartbeat(commit: LogIndex(3), round: 0)
        owner.turn(owner.message(.heartbeat(heartbeat), from: NodeID(3)))
        #expect(owner.replica.currentAsOf == owner.now)
    }

    @Test func `another node than the leader does not make a node current`() {
        var owner = Owner()
        owner.follow(term: 5)
        let heard = owner.now
        _ = owner.wait(.milliseconds(100))
        let stale = Heartbeat(commit: LogIndex(1), round: 0)
        owner.turn(owner.message(.heartbeat(stale), from: NodeID(2), term: Term(4)))
        owner.turn(owner.message(.heartbeat(stale), from: NodeID(3), term: Term(4)))
        #expect(owner.replica.currentAsOf == heard)
    }
}

/// A state after `count` entries: the first a leader's first, the others puts with tokens from 101 on.
private func snapshot(through count: UInt64, term: UInt64) -> (Keyspace, SnapshotReference) {
    var keyspace = Keyspace()
    keyspace.skip(index: LogIndex(1), term: Term(1))
    for index in 2...count {
        let command = Command(
            requestID: Owner.request(100 + index), time: WallTime(milliseconds: 1),
            operation: Owner.operation("key"))
        _ = keyspace.apply(command, index: LogIndex(index), term: Term(index == count ? term : 1))
    }
    let position = LogPosition(index: LogIndex(count), term: Term(term))
    return (keyspace, SnapshotReference(position: position, configuration: Owner.members))
}

struct CheckpointTests {
    private let small: Replica.Limits = {
        var limits = Replica.Limits()
        limits.checkpointLogBytes = 1_000
        return limits
    }()

    private func write(_ owner: inout Owner, bytes: Int) -> [ReplicaEffect] {
        let effects = owner.turn(owner.put(1, "key", [UInt8](repeating: 1, count: bytes)))
        return effects + owner.commit()
    }

    @Test func `a checkpoint is due when the log has outgrown the limit and the data, one at a time`() throws
    {
        var owner = Owner(limits: small)
        owner.lead()
        #expect(write(&owner, bytes: 300).checkpoints.isEmpty)
        #expect(write(&owner, bytes: 300).checkpoints.isEmpty)
        let first = try #require(write(&owner, bytes: 400).checkpoints.first)
        // What counts is the log; what the checkpoint holds is what was applied by then.
        #expect(first.position == LogPosition(index: LogIndex(3), term: owner.replica.raft.term))
        #expect(write(&owner, bytes: 2_000).checkpoints.isEmpty)
        #expect(owner.turn(.checkpointWritten(first, firstIndex: LogIndex(1))).checkpoints.count == 1)
        #expect(owner.replica.checkpoint == first)
    }

    @Test func `more data waits for more log`() {
        var owner = Owner(limits: small)
        owner.lead()
        let effects = owner.turn(
            owner.put(1, "a", [UInt8](repeating: 1, count: 5_000)),
            owner.put(2, "b", [UInt8](repeating: 1, count: 5_000)))
        #expect((effects + owner.commit()).checkpoints.count == 1)
        owner.turn(.checkpointFailed)
        #expect(write(&owner, bytes: 5_000).checkpoints.isEmpty)
        #expect(write(&owner, bytes: 5_000).checkpoints.isEmpty)
        #expect(write(&owner, bytes: 5_000).checkpoints.count == 1)
    }

    @Test func `a checkpoint that failed is tried again later`() {
        var owner = Owner(limits: small)
        owner.lead()
        #expect(write(&owner, bytes: 1_200).checkpoints.count == 1)
        owner.turn(.checkpointFailed)
        #expect(write(&owner, bytes: 100).checkpoints.isEmpty)
        #expect(write(&owner, bytes: 1_200).checkpoints.count == 1)
    }

    @Test func `nothing is written twice while nothing is committed`() {
        var owner = Owner(limits: small)
        owner.follow()
        let reference = SnapshotReference(
            position: LogPosition(index: LogIndex(1), term: Term(1)), configuration: Owner.members)
        owner.turn(.checkpointWritten(reference, firstIndex: LogIndex(1)))
        let large = owner.command(1, "key", [UInt8](repeating: 1, count: 2_000))
        let append = owner.append([large], from: NodeID(2), term: Term(1), commit: LogIndex(1))
        #expect(owner.turn(append).checkpoints.isEmpty)
        let news = owner.message(.heartbeat(Heartbeat(commit: LogIndex(2), round: 0)), from: NodeID(2))
        #expect(owner.turn(news).checkpoints.map(\.position.index) == [LogIndex(2)])
    }

    @Test func `a checkpoint that comes late does not replace a newer snapshot`() {
        var owner = Owner()
        owner.follow()
        let (keyspace, reference) = snapshot(through: 40, term: 1)
        owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2)))
        owner.turn(.snapshotLoaded(keyspace, reference))
        #expect(owner.replica.checkpoint == reference)
        let old = SnapshotReference(
            position: LogPosition(index: LogIndex(1), term: Term(1)), configuration: Owner.members)
        owner.turn(.checkpointWritten(old, firstIndex: LogIndex(1)))
        #expect(owner.replica.checkpoint == reference)
        #expect(owner.replica.raft.snapshot == reference)
    }
}

struct SnapshotTests {
    @Test func `a snapshot takes the state's place, and the log goes on after it`() throws {
        var owner = Owner()
        owner.follow()
        let question = try #require(owner.turn(owner.read(1)).questions.first)
        owner.turn(
            owner.message(.readIndexResponse(token: question, index: LogIndex(40)), from: NodeID(2)))
        let (keyspace, reference) = snapshot(through: 40, term: 1)
        let fetches = owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2)))
        guard case .fetchSnapshot(reference, from: NodeID(2)) = fetches.first else {
            Issue.record("nothing is fetched: \(fetches)")
            return
        }
        #expect(owner.turn(.snapshotLoaded(keyspace, reference)).readable == [1])
        #expect(owner.replica.keyspace.digest == keyspace.digest)
        owner.sync()
        owner.turn(owner.append([owner.command(7, "after")], from: NodeID(2), term: Term(1)))
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(41))
        #expect(owner.replica.keyspace.count == 2)
    }

    @Test func `a snapshot that comes too late changes nothing`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.append([owner.command(1), owner.command(2)], from: NodeID(2), term: Term(1)))
        let digest = owner.replica.keyspace.digest
        let (keyspace, reference) = snapshot(through: 2, term: 1)
        owner.turn(.snapshotLoaded(keyspace, reference))
        #expect(owner.replica.keyspace.digest == digest)
    }

    @Test func `what was forwarded may be in a snapshot, so its outcome is unknown`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        let (keyspace, reference) = snapshot(through: 40, term: 1)
        owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2)))
        #expect(owner.turn(.snapshotLoaded(keyspace, reference)).refused == [1: .unknown])
        #expect(owner.replica.isIdle)
    }

    @Test func `what was forwarded in a later term than a snapshot's last entry is not in it`() {
        var owner = Owner()
        owner.follow(term: 5)
        owner.turn(owner.put(1))
        // The log of this node is empty of what the leader has: its first entry was of another history.
        let (keyspace, reference) = snapshot(through: 40, term: 3)
        var effects = owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2), term: Term(5)))
        effects += owner.turn(.snapshotLoaded(keyspace, reference))
        #expect(effects.refused.isEmpty)
    }

    @Test func `entries beyond a snapshot that the log holds already are still applied`() {
        var owner = Owner()
        owner.follow()
        let (keyspace, reference) = snapshot(through: 4, term: 1)
        owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2)))
        // While it is fetched, the entries come after all, but are not known to be committed.
        let commands = (102...106).map { owner.command(UInt64($0)) }
        owner.turn(owner.append(commands, from: NodeID(2), term: Term(1), commit: LogIndex(1)))
        owner.turn(.snapshotLoaded(keyspace, reference))
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(4))
        owner.turn(owner.message(.heartbeat(Heartbeat(commit: LogIndex(6), round: 0)), from: NodeID(2)))
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(6))
    }

    @Test func `a snapshot may overtake what is committed but not yet applied`() {
        var limits = Replica.Limits()
        limits.appliesPerTurn = 1
        var owner = Owner(limits: limits)
        owner.follow()
        let (keyspace, reference) = snapshot(through: 4, term: 1)
        owner.turn(owner.message(.installSnapshot(reference), from: NodeID(2)))
        let commands = (102...106).map { owner.command(UInt64($0)) }
        owner.turn(owner.append(commands, from: NodeID(2), term: Term(1)))
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(2))
        owner.turn(.snapshotLoaded(keyspace, reference))
        _ = owner.wait(.zero)
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(6))
    }
}

struct TurnTests {
    @Test func `a long stretch of entries is applied in pieces, without a pause between`() {
        var limits = Replica.Limits()
        limits.appliesPerTurn = 3
        var owner = Owner(limits: limits)
        owner.follow()
        let commands = (1...8).map { owner.command(UInt64($0)) }
        owner.turn(owner.append(commands, from: NodeID(2), term: Term(1)))
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(4))
        #expect(owner.replica.deadline <= owner.now)
        _ = owner.wait(.zero)
        #expect(owner.replica.keyspace.appliedIndex == LogIndex(9))
        #expect(owner.replica.deadline > owner.now)
    }

    @Test func `entries are sent as far as the core asked, however small they are`() {
        var owner = Owner()
        owner.lead()
        let value = [UInt8](repeating: 1, count: 200)
        let effects = owner.turn((1...6_000).map { owner.put($0, "key", value) })
        let appends = effects.messages.compactMap { message -> Append? in
            if case .append(let append) = message.body, message.to == NodeID(2) { append } else { nil }
        }
        #expect(appends.count > 1)
        var next = LogIndex(2)
        for append in appends {
            #expect(append.previous.index.next == next, "a gap before \(append.previous)")
            next = append.previous.index + UInt64(append.entries.count + 1)
        }
        #expect(next == LogIndex(6_002))
    }

    @Test func `what is no longer in memory is read from the log on disk`() {
        var limits = Replica.Limits()
        limits.entryCacheBytes = 0
        var owner = Owner(limits: limits)
        owner.lead()
        for token in 1...3 {
            owner.turn(owner.put(UInt64(token)))
            owner.commit()
        }
        // Node 3 has nothing of the log.
        let answer = AppendResponse(
            previous: .origin, outcome: .rejected(hint: .origin, last: .zero))
        owner.turn(owner.message(.appendResponse(answer), from: NodeID(3)))
        let effects = owner.turn(owner.acknowledgement(of: LogIndex(1), from: NodeID(3)))
        let reads = effects.compactMap { effect -> Replicate? in
            if case .readLog(let replicate) = effect { replicate } else { nil }
        }
        #expect(reads.map(\.range) == [LogIndex(2)..<LogIndex(5)])
        #expect(reads.map(\.to) == [NodeID(3)])
    }

    @Test func `what another node says in somebody else's name is not heard`() {
        var owner = Owner()
        owner.follow()
        let message = Message(from: NodeID(2), to: Owner.id, term: Term(9), body: .timeoutNow)
        owner.turn(.received(.consensus(message), from: NodeID(3)))
        let other = Message(from: NodeID(3), to: NodeID(2), term: Term(9), body: .timeoutNow)
        owner.turn(.received(.consensus(other), from: NodeID(3)))
        #expect(owner.replica.raft.term == Term(1))
    }

    @Test func `notes and requests for a transfer come through`() {
        var owner = Owner()
        owner.lead()
        let note = Note(sender: "a", recipient: "b", channel: "c", id: Owner.request(1), body: [1])
        let effects = owner.turn(.received(.note(note), from: NodeID(2)))
        guard case .deliver(note) = effects.first else {
            Issue.record("not delivered: \(effects)")
            return
        }
        owner.turn(.received(.transfer(to: NodeID(3)), from: NodeID(2)))
        #expect(owner.replica.raft.transferTarget == NodeID(3))
    }
}

struct EntryCacheTests {
    private func entries(_ range: ClosedRange<UInt64>, term: UInt64 = 1, bytes: Int = 10) -> [Entry] {
        range.map {
            Entry(
                index: LogIndex($0), term: Term(term), kind: .command,
                payload: [UInt8](repeating: UInt8($0 % 256), count: bytes))
        }
    }

    @Test func `entries that are written again replace those that stood there and all after them`() {
        var cache = EntryCache()
        cache.append(entries(5...9))
        cache.append(entries(7...7, term: 2))
        #expect(cache.firstIndex == LogIndex(5) && cache.lastIndex == LogIndex(7))
        #expect(cache[LogIndex(7)]?.term == Term(2))
        #expect(cache[LogIndex(8)] == nil && cache[LogIndex(4)] == nil)
        cache.append(entries(3...4, term: 3))
        #expect(cache.firstIndex == LogIndex(3) && cache.count == 2)
        cache.append(entries(100...101))
        #expect(cache.firstIndex == LogIndex(100) && cache.count == 2)
    }

    @Test func `a part is cut where its payloads fill the room, but not before the first entry`() {
        var cache = EntryCache()
        cache.append(entries(1...10))
        let all = LogIndex(1)..<LogIndex(11)
        #expect(cache.entries(in: all, maxBytes: 100)?.count == 10)
        #expect(cache.entries(in: all, maxBytes: 99)?.count == 9)
        #expect(cache.entries(in: all, maxBytes: 0)?.count == 1)
        #expect(cache.entries(in: LogIndex(10)..<LogIndex(20), maxBytes: 100)?.count == 1)
        #expect(cache.entries(in: LogIndex(11)..<LogIndex(20), maxBytes: 100) == nil)
        #expect(cache.entries(in: LogIndex(4)..<LogIndex(4), maxBytes: 100) == [])
    }

    @Test func `old entries go, but none that is not applied`() {
        var cache = EntryCache()
        for index in UInt64(1)...10_000 {
            cache.append(entries(index...index))
            cache.trim(to: 1_000, applied: LogIndex(index / 2))
            #expect(cache.lastIndex == LogIndex(index))
            #expect(cache[LogIndex(index / 2 + 1)] != nil)
            #expect(index < 100 || cache.firstIndex == LogIndex(index / 2 + 1))
        }
        cache.trim(to: 0, applied: LogIndex(10_000))
        #expect(cache.count == 0 && cache.bytes == 0)
        #expect(cache.firstIndex == nil && cache[LogIndex(10_000)] == nil)
        cache.append(entries(10_001...10_002))
        #expect(cache.firstIndex == LogIndex(10_001) && cache.count == 2)
    }
}
