import Consensus
import Primitives
import Testing

/// One node, told exactly what happens, for rules that are about one node.
struct Solo {
    var raft: Raft
    var now = Instant.zero
    var effects: [Effect] = []

    init(
        _ id: UInt64 = 1, of count: UInt64 = 3, term: UInt64 = 0, vote: UInt64? = nil,
        log terms: [UInt64] = [],
        commit: UInt64 = 0, base: LogPosition = .origin, tune: (inout Raft.Options) -> Void = { _ in }
    ) {
        var options = Raft.Options(id: NodeID(id))
        tune(&options)
        var log = LogTerms(after: base)
        for term in terms { log.append(term: Term(term)) }
        let hardState = HardState(term: Term(term), vote: vote.map { NodeID($0) }, commit: LogIndex(commit))
        let configuration = Configuration(voters: (1...count).map { NodeID($0) })
        let restored = Raft.Restored(
            hardState: hardState, snapshot: SnapshotReference(position: base, configuration: configuration),
            log: log)
        raft = Raft(options: options, restored: restored, seed: 7, now: .zero)
    }

    /// Steps the events and flushes; returns the effects.
    @discardableResult mutating func turn(_ events: Event...) -> [Effect] {
        effects = []
        for event in events { raft.step(event, at: now, into: &effects) }
        raft.flush(at: now, into: &effects)
        return effects
    }

    mutating func receive(_ from: UInt64, _ term: UInt64, _ body: Message.Body) -> [Effect] {
        turn(.received(message(from, term, body)))
    }

    func message(_ from: UInt64, _ term: UInt64, _ body: Message.Body) -> Message {
        Message(from: NodeID(from), to: raft.id, term: Term(term), body: body)
    }

    /// Everything asked for so far is durable.
    @discardableResult mutating func sync() -> [Effect] {
        var sequence: UInt64?
        for case .persist(let persist) in effects { sequence = persist.sequence }
        return sequence.map { turn(.persisted(sequence: $0)) } ?? []
    }

    /// Wins the next election with node 2's votes, and has the no-op durable here.
    mutating func lead() {
        now = max(now, raft.deadline)
        turn(.timeout)
        let next = raft.term.next.rawValue
        _ = receive(2, next, .voteResponse(VoteResponse(granted: true, isPreVote: true)))
        sync()
        _ = receive(2, next, .voteResponse(VoteResponse(granted: true, isPreVote: false)))
        sync()
    }
}

func entries(_ terms: [UInt64], after index: UInt64) -> [Entry] {
    terms.enumerated().map { place, term in
        Entry(index: LogIndex(index + UInt64(place) + 1), term: Term(term), kind: .command, payload: [1])
    }
}

func position(_ index: UInt64, _ term: UInt64) -> LogPosition {
    LogPosition(index: LogIndex(index), term: Term(term))
}

func sent(_ effects: [Effect]) -> [Message.Body] {
    var bodies: [Message.Body] = []
    for case .send(let message) in effects { bodies.append(message.body) }
    return bodies
}

func held(_ effects: [Effect]) -> [Message.Body] {
    var bodies: [Message.Body] = []
    for case .persist(let persist) in effects { bodies += persist.thenSend.map(\.body) }
    return bodies
}

func replicates(_ effects: [Effect]) -> [Replicate] {
    var result: [Replicate] = []
    for case .replicate(let replicate) in effects { result.append(replicate) }
    return result
}

func persists(_ effects: [Effect]) -> [Persist] {
    var result: [Persist] = []
    for case .persist(let persist) in effects { result.append(persist) }
    return result
}

func append(_ previous: LogPosition, _ terms: [UInt64], commit: UInt64 = 0) -> Message.Body {
    .append(
        Append(
            previous: previous, entries: entries(terms, after: previous.index.rawValue),
            commit: LogIndex(commit)))
}

func matched(_ index: UInt64, after previous: LogPosition) -> Message.Body {
    .appendResponse(AppendResponse(previous: previous, outcome: .matched(upTo: LogIndex(index))))
}

func rejected(_ previous: LogPosition, hint: LogPosition, last: UInt64) -> Message.Body {
    .appendResponse(AppendResponse(previous: previous, outcome: .rejected(hint: hint, last: LogIndex(last))))
}

func voteRequest(_ last: LogPosition, isPreVote: Bool = false, isTransfer: Bool = false) -> Message.Body {
    .voteRequest(VoteRequest(last: last, isPreVote: isPreVote, isTransfer: isTransfer))
}

func vote(_ granted: Bool, isPreVote: Bool = false) -> Message.Body {
    .voteResponse(VoteResponse(granted: granted, isPreVote: isPreVote))
}

/// The rules of the thesis' figure 3.1, one by one.
@Suite struct FigureTests {
    @Test func `AppendEntries: reply false if term < currentTerm`() {
        var solo = Solo(term: 3, log: [1])
        #expect(sent(solo.receive(2, 2, append(position(1, 1), [2]))) == [.heartbeatResponse(round: 0)])
        #expect(solo.raft.lastIndex == LogIndex(1) && solo.raft.leader == nil)
    }

    @Test func `AppendEntries: reply false if the log has no entry at prevLogIndex with prevLogTerm`() {
        var solo = Solo(term: 3, log: [1, 1, 2])
        let missing = solo.receive(2, 3, append(position(5, 3), [3]))
        #expect(sent(missing) == [rejected(position(5, 3), hint: position(3, 2), last: 3)])
        let other = solo.receive(2, 3, append(position(3, 1), [3]))
        #expect(sent(other) == [rejected(position(3, 1), hint: position(2, 1), last: 3)])
    }

    @Test func `AppendEntries: a conflicting entry and all after it are deleted`() {
        var solo = Solo(term: 3, log: [1, 1, 2, 2])
        let effects = solo.receive(2, 3, append(position(2, 1), [3]))
        #expect(solo.raft.lastPosition == position(3, 3))
        #expect(held(effects) == [matched(3, after: position(2, 1))])
        #expect(persists(effects).map(\.entries) == [entries([3], after: 2)])
    }

    @Test func `AppendEntries: an old or repeated message never shortens the log`() {
        var solo = Solo(term: 1, log: [1, 1, 1, 1])
        #expect(sent(solo.receive(2, 1, append(position(1, 1), [1]))) == [matched(2, after: position(1, 1))])
        #expect(sent(solo.receive(2, 1, append(position(0, 0), []))) == [matched(0, after: .origin)])
        #expect(solo.raft.lastIndex == LogIndex(4))
    }

    @Test func `AppendEntries: commitIndex = min(leaderCommit, index of last new entry)`() {
        var solo = Solo(term: 1, log: [1, 1, 1, 1])
        #expect(solo.receive(2, 1, append(position(1, 1), [1], commit: 9)).contains(.committed(LogIndex(2))))
        #expect(solo.raft.commit == LogIndex(2))
        _ = solo.receive(2, 1, append(position(0, 0), [1], commit: 1))
        #expect(solo.raft.commit == LogIndex(2))
    }

    @Test
    func
        `AppendEntries: entries before the commit index, even compacted ones, are acknowledged and not compared`()
    {
        var solo = Solo(term: 4, log: [4], commit: 6, base: position(5, 3))
        #expect(
            sent(solo.receive(2, 4, append(position(2, 1), [2, 2]))) == [matched(6, after: position(2, 1))])
        #expect(sent(solo.receive(2, 4, append(.origin, []))) == [matched(6, after: .origin)])
        #expect(solo.raft.lastIndex == LogIndex(6))
    }

    @Test func `AppendEntries: the answer waits until the entries are durable`() {
        var solo = Solo()
        let effects = solo.receive(2, 1, append(.origin, [1, 1]))
        #expect(sent(effects).isEmpty)
        #expect(held(effects) == [matched(2, after: .origin)])
        // So does the answer to a repetition, as long as they are not.
        #expect(held(solo.receive(2, 1, append(.origin, [1, 1]))) == [matched(2, after: .origin)])
        solo.sync()
        #expect(sent(solo.receive(2, 1, append(.origin, [1, 1]))) == [matched(2, after: .origin)])
    }

    @Test func `RequestVote: reply false if term < currentTerm`() {
        var solo = Solo(term: 3)
        #expect(sent(solo.receive(2, 2, voteRequest(position(9, 2)))) == [vote(false)])
    }

    @Test func `RequestVote: one vote in a term, given again when asked again`() {
        var solo = Solo(term: 1, log: [1])
        #expect(held(solo.receive(2, 2, voteRequest(position(1, 1)))) == [vote(true)])
        solo.sync()
        #expect(sent(solo.receive(3, 2, voteRequest(position(1, 1)))) == [vote(false)])
        #expect(sent(solo.receive(2, 2, voteRequest(position(1, 1)))) == [vote(true)])
        var again = Solo(term: 2, vote: 2, log: [1])
        #expect(sent(again.receive(3, 2, voteRequest(position(1, 1)))) == [vote(false)])
    }

    @Test(
        arguments: [(1, 2, false), (2, 1, false), (2, 2, true), (3, 2, true), (1, 3, true)]
            as [(UInt64, UInt64, Bool)])
    func `RequestVote: only for a log at least as up-to-date`(
        _ index: UInt64, _ term: UInt64, _ granted: Bool
    ) {
        var solo = Solo(term: 3, log: [1, 2])
        let effects = solo.receive(2, 4, voteRequest(position(index, term)))
        #expect(sent(effects) + held(effects) == [vote(granted)])
        #expect(solo.raft.vote == (granted ? NodeID(2) : nil))
    }

    @Test func `all servers: a later term is adopted, and makes a follower`() {
        for body in [
            matched(0, after: .origin), vote(false), .heartbeatResponse(round: 1), append(.origin, []),
        ] {
            var solo = Solo()
            solo.lead()
            #expect(solo.raft.role == .leader)
            _ = solo.receive(3, 7, body)
            #expect(solo.raft.role == .follower && solo.raft.term == Term(7) && solo.raft.vote == nil)
        }
    }

    @Test
    func
        `followers: without a leader an election begins after the timeout, but the term waits for the pre-vote`()
    {
        var solo = Solo(log: [])
        #expect(
            solo.raft.deadline >= .zero + .milliseconds(500)
                && solo.raft.deadline < .zero + .milliseconds(1000))
        #expect(solo.turn(.timeout).isEmpty)
        solo.now = solo.raft.deadline
        let effects = solo.turn(.timeout)
        #expect(
            sent(effects) == [voteRequest(.origin, isPreVote: true), voteRequest(.origin, isPreVote: true)])
        #expect(solo.raft.role == .preCandidate && solo.raft.term == .zero)
    }

    @Test func `candidates: the vote is durable before it is counted and before others are asked`() {
        var solo = Solo()
        solo.now = solo.raft.deadline
        solo.turn(.timeout)
        let effects = solo.receive(2, 1, vote(true, isPreVote: true))
        #expect(sent(effects).isEmpty && held(effects) == [voteRequest(.origin), voteRequest(.origin)])
        #expect(solo.raft.role == .candidate && solo.raft.vote == NodeID(1))
        var early = solo
        early.turn(.received(early.message(2, 1, vote(true))))
        #expect(early.raft.role == .candidate)
        solo.sync()
        #expect(solo.raft.role == .candidate)
        _ = solo.receive(2, 1, vote(true))
        #expect(solo.raft.role == .leader)
    }

    @Test func `candidates: a leader of the term makes a follower`() {
        var solo = Solo()
        solo.now = solo.raft.deadline
        solo.turn(.timeout)
        _ = solo.receive(2, 1, vote(true, isPreVote: true))
        _ = solo.receive(3, 1, append(.origin, [1]))
        #expect(solo.raft.role == .follower && solo.raft.leader == NodeID(3) && solo.raft.term == Term(1))
    }

    @Test func `candidates: votes of others, repeated votes and votes of other terms do not count`() {
        var solo = Solo(1, of: 5)
        solo.now = solo.raft.deadline
        solo.turn(.timeout)
        _ = solo.receive(2, 1, vote(true, isPreVote: true))
        _ = solo.receive(2, 1, vote(true, isPreVote: true))
        _ = solo.receive(9, 1, vote(true, isPreVote: true))
        _ = solo.receive(3, 2, vote(true, isPreVote: true))
        _ = solo.receive(3, 1, vote(true))
        #expect(solo.raft.role == .preCandidate || solo.raft.term == Term(1))
        #expect(solo.raft.role != .candidate && solo.raft.role != .leader)
    }

    @Test func `leaders: the first thing in a term is a no-op, sent to all`() {
        var solo = Solo(log: [])
        solo.now = solo.raft.deadline
        solo.turn(.timeout)
        _ = solo.receive(2, 1, vote(true, isPreVote: true))
        solo.sync()
        let effects = solo.receive(2, 1, vote(true))
        let noop = Entry(index: LogIndex(1), term: Term(1), kind: .noop, payload: [])
        #expect(persists(effects).map(\.entries) == [[noop]])
        #expect(replicates(effects).map(\.range) == [LogIndex(1)..<LogIndex(2), LogIndex(1)..<LogIndex(2)])
    }

    @Test func `leaders: a turn's proposals make one persist and one append for each peer`() {
        var solo = Solo()
        solo.lead()
        _ = solo.receive(2, 1, matched(1, after: .origin))
        _ = solo.receive(3, 1, matched(1, after: .origin))
        let effects = solo.turn(
            .propose([Proposal(payload: [1]), Proposal(payload: [2])]), .propose([Proposal(payload: [3])]))
        #expect(effects.count == 5)
        #expect(effects[0] == .proposed(first: LogIndex(2), count: 2, term: Term(1)))
        #expect(effects[1] == .proposed(first: LogIndex(4), count: 1, term: Term(1)))
        #expect(persists(effects).map(\.entries.count) == [3])
        #expect(replicates(effects).map(\.range) == [LogIndex(2)..<LogIndex(5), LogIndex(2)..<LogIndex(5)])
        #expect(replicates(effects).map(\.previous) == [position(1, 1), position(1, 1)])
    }

    @Test func `leaders: nextIndex goes back past a whole term at a time`() {
        var solo = Solo(term: 5, log: [1, 1, 1, 4, 4, 5, 5])
        solo.lead()
        #expect(solo.raft.peers.map(\.next) == [LogIndex(8), LogIndex(8)])
        let effects = solo.receive(2, 6, rejected(position(7, 5), hint: position(7, 2), last: 9))
        #expect(replicates(effects).map(\.previous) == [position(3, 1)])
        // A second, late rejection of the same append changes nothing.
        #expect(solo.receive(2, 6, rejected(position(7, 5), hint: position(1, 1), last: 1)).isEmpty)
    }

    @Test func `leaders: entries of older terms are committed only with one of this term`() {
        var solo = Solo(term: 2, log: [1, 2])
        solo.lead()
        _ = solo.receive(2, 3, matched(2, after: position(1, 1)))
        #expect(solo.raft.commit == .zero)
        #expect(solo.receive(2, 3, matched(3, after: position(2, 2))).contains(.committed(LogIndex(3))))
    }

    @Test func `leaders: the leader counts itself only for what is durable`() {
        var solo = Solo()
        solo.lead()
        _ = solo.receive(2, 1, matched(1, after: .origin))
        let proposed = solo.turn(.propose([Proposal(payload: [1])]))
        #expect(
            solo.receive(2, 1, matched(2, after: position(1, 1))).allSatisfy { $0 != .committed(LogIndex(2)) }
        )
        solo.effects = proposed
        #expect(solo.sync().contains(.committed(LogIndex(2))))
    }

    @Test func `leaders: matchIndex never goes back, and what is beyond the log is not believed`() {
        var solo = Solo()
        solo.lead()
        _ = solo.receive(2, 1, matched(1, after: .origin))
        _ = solo.receive(2, 1, matched(0, after: .origin))
        _ = solo.receive(2, 1, matched(99, after: .origin))
        _ = solo.receive(2, 1, rejected(.origin, hint: .origin, last: 0))
        #expect(solo.raft.peers[0].match == LogIndex(1))
    }
}
