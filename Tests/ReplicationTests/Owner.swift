// One replica and a test that plays its owner, its peers and its disk by hand.
import Consensus
import Primitives
import Store
import Testing

@testable import Replication

/// Node 1 of a cluster of three.
struct Owner {
    var replica: Replica
    var now = Instant(nanoseconds: 1_000_000_000)
    var wall = WallTime(milliseconds: 1_800_000_000_000)
    /// The last persist that was asked for, and the last one reported back.
    private var asked: UInt64 = 0
    private var durable: UInt64 = 0

    static let id = NodeID(1)
    static let peers = [NodeID(2), NodeID(3)]
    static let members = Configuration(voters: [NodeID(1), NodeID(2), NodeID(3)])

    init(
        limits: Replica.Limits = Replica.Limits(), members: Configuration = members,
        tune: (inout Raft.Options) -> Void = { _ in }
    ) {
        var options = Raft.Options(id: Self.id)
        tune(&options)
        let founding = SnapshotReference(position: .origin, configuration: members)
        let raft = Raft(
            options: options,
            restored: Raft.Restored(hardState: HardState(), snapshot: founding, log: LogTerms()), seed: 1,
            now: now)
        replica = Replica(
            raft: raft, keyspace: Keyspace(), configuration: members, tail: [], checkpoint: founding,
            limits: limits, now: now)
    }

    // MARK: Turns

    /// A turn with these events, and what it brought.
    @discardableResult
    mutating func turn(_ events: [ReplicaEvent]) -> [ReplicaEffect] {
        var effects: [ReplicaEffect] = []
        for event in events { replica.step(event, at: now, wall: wall, into: &effects) }
        replica.endTurn(at: now, wall: wall, into: &effects)
        for case .persist(let persist) in effects { asked = persist.sequence }
        return effects
    }

    @discardableResult
    mutating func turn(_ events: ReplicaEvent...) -> [ReplicaEffect] { turn(events) }

    /// Everything that was asked for is on disk.
    @discardableResult
    mutating func sync() -> [ReplicaEffect] {
        guard durable < asked else { return [] }
        durable = asked
        return turn(.persisted(sequence: asked))
    }

    /// Time passes, and the replica is woken whenever it is due. Stops the test if it never sleeps.
    mutating func wait(_ span: Instant.Span) -> [ReplicaEffect] {
        let end = now + span
        var effects: [ReplicaEffect] = []
        for _ in 0..<1_000 {
            guard replica.deadline <= end else {
                now = end
                return effects
            }
            now = max(now, replica.deadline)
            effects += turn(.timeout)
        }
        Issue.record("the replica never sleeps: due at \(replica.deadline), now \(now)")
        return effects
    }

    // MARK: Peers

    /// What `peer` says in consensus, in the present term unless another is given.
    func message(_ body: Message.Body, from peer: NodeID, term: Term? = nil) -> ReplicaEvent {
        .received(
            .consensus(Message(from: peer, to: Self.id, term: term ?? replica.raft.term, body: body)),
            from: peer)
    }

    /// The leader's entries after the end of this node's log.
    func append(
        _ payloads: [[UInt8]?], from leader: NodeID, term: Term, commit: LogIndex? = nil
    ) -> ReplicaEvent {
        let previous = replica.raft.lastPosition
        var entries: [Entry] = []
        for payload in payloads {
            entries.append(
                Entry(
                    index: previous.index + UInt64(entries.count + 1), term: term,
                    kind: payload == nil ? .noop : .command, payload: payload ?? []))
        }
        let last = entries.last?.index ?? previous.index
        let append = Append(previous: previous, entries: entries, commit: commit ?? last)
        return message(.append(append), from: leader, term: term)
    }

    /// This node follows `leader`, whose first entry in `term` it has applied.
    mutating func follow(_ leader: NodeID = NodeID(2), term: UInt64 = 1) {
        turn(append([nil], from: leader, term: Term(term)))
        sync()
    }

    /// This node leads, and its first entry is committed.
    mutating func lead() {
        now = replica.raft.deadline
        turn(.timeout)
        let next = replica.raft.term.next
        turn(
            message(.voteResponse(VoteResponse(granted: true, isPreVote: true)), from: NodeID(2), term: next))
        sync()
        turn(message(.voteResponse(VoteResponse(granted: true, isPreVote: false)), from: NodeID(2)))
        commit()
        #expect(replica.raft.isReady)
    }

    /// All of this leader's log is on its disk and on node 2's.
    @discardableResult
    mutating func commit() -> [ReplicaEffect] {
        var effects = sync()
        effects += turn(acknowledgement(of: replica.raft.lastIndex))
        return effects
    }

    func acknowledgement(of index: LogIndex, from peer: NodeID = NodeID(2)) -> ReplicaEvent {
        let answer = AppendResponse(previous: .origin, outcome: .matched(upTo: index))
        return message(.appendResponse(answer), from: peer)
    }

    // MARK: Clients

    /// A put of `value` at `key`; the request's id is made of its token.
    func put(
        _ token: UInt64, _ key: String = "key", _ value: [UInt8] = [1], patience: Instant.Span = .seconds(10),
        mayForward: Bool = true, trace: TraceContext? = nil
    ) -> ReplicaEvent {
        .write(
            Write(
                token: token, requestID: Self.request(token), operation: Self.operation(key, value),
                deadline: now + patience, mayForward: mayForward, trace: trace))
    }

    /// A trace with this number.
    static func trace(_ number: UInt64) -> TraceContext {
        guard let trace = TraceContext(traceHigh: 0, traceLow: number, span: number, isSampled: true) else {
            preconditionFailure("there is no trace 0")
        }
        return trace
    }

    func read(_ token: UInt64, patience: Instant.Span = .seconds(10)) -> ReplicaEvent {
        .read(token: token, deadline: now + patience)
    }

    static func request(_ token: UInt64) -> RequestID { RequestID(high: 7, low: token) }

    static func operation(_ key: String, _ value: [UInt8] = [1]) -> Store.Operation {
        .put(key: Array(key.utf8), value: value, guard: nil, returnPrevious: false)
    }

    /// The command of ``put(_:_:_:patience:mayForward:)`` as another node would have encoded it.
    func command(_ token: UInt64, _ key: String = "key", _ value: [UInt8] = [1]) -> [UInt8] {
        Command(requestID: Self.request(token), time: wall, operation: Self.operation(key, value)).encode()
    }
}

extension [ReplicaEffect] {
    /// Forwarded writes, as the term they name and their tokens.
    var forwards: [(term: UInt64, tokens: [UInt64])] {
        compactMap {
            guard case .send(.forward(let forward), _) = $0 else { return nil }
            return (forward.term.rawValue, forward.requests.map(\.low))
        }
    }
    /// The tokens of all forwarded writes.
    var forwarded: [UInt64] { forwards.flatMap(\.tokens) }
    /// Refusals sent to other nodes.
    var forwardRefusals: [ForwardRefusal] {
        compactMap { if case .send(.forwardRefused(let refusal), _) = $0 { refusal } else { nil } }
    }
    /// Tokens of writes that were answered.
    var answered: [UInt64] { compactMap { if case .answered(let token, _, _) = $0 { token } else { nil } } }
    /// Refused writes.
    var refused: [UInt64: WriteRefusal] {
        reduce(into: [:]) { if case .refused(let token, _, let refusal) = $1 { $0[token] = refusal } }
    }
    /// Tokens of reads that may be answered.
    var readable: [UInt64] { compactMap { if case .readable(let token) = $0 { token } else { nil } } }
    /// Refused reads.
    var readsRefused: [UInt64: ReadRefusal] {
        reduce(into: [:]) { if case .readRefused(let token, let refusal) = $1 { $0[token] = refusal } }
    }
    /// Consensus messages to be sent now.
    var messages: [Message] {
        compactMap { if case .send(.consensus(let message), _) = $0 { message } else { nil } }
    }
    /// The numbers of read index requests, those included that wait until a new term is on disk.
    var questions: [UInt64] {
        let all = flatMap { effect -> [Message] in
            if case .persist(let persist) = effect { persist.thenSend } else { [effect].messages }
        }
        return all.compactMap { if case .readIndexRequest(let token) = $0.body { token } else { nil } }
    }
    /// Payloads that go into the log.
    var appended: [[UInt8]] {
        flatMap { effect -> [[UInt8]] in
            guard case .persist(let persist) = effect else { return [] }
            return persist.entries.map(\.payload)
        }
    }
    /// What a checkpoint was asked for.
    var checkpoints: [SnapshotReference] {
        compactMap { if case .checkpoint(_, let reference) = $0 { reference } else { nil } }
    }
}
