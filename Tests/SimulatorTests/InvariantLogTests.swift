import NodeCore
import Primitives
import Testing

@testable import Consensus
@testable import Simulator

/// Each promise about logs and commitment, kept and broken.
struct InvariantLogTests {
    private func acknowledgement(_ from: Int, _ to: Int, _ term: UInt64, upTo index: UInt64) -> Message {
        message(
            from, to, term,
            .appendResponse(
                AppendResponse(previous: .origin, outcome: .matched(upTo: LogIndex(index)))))
    }

    @Test func `I9: one position with two contents, or after two logs`() throws {
        let scene = try Scene(LogMatching())
        try scene.turn(0, entries: [entry(1, 1), put(2, 1, request: 1)])
        try scene.turn(1, entries: [entry(1, 1), put(2, 1, request: 1)])
        expectViolation("I9") { try scene.turn(2, entries: [entry(1, 1), put(2, 1, request: 2)]) }
        let other = try Scene(LogMatching())
        try other.turn(0, entries: [entry(1, 1), entry(2, 3)])
        expectViolation("I9") { try other.turn(1, entries: [entry(1, 2), entry(2, 3)]) }
    }

    @Test func `I9: a start with an entry that nobody has made`() throws {
        let scene = try Scene(LogMatching())
        try scene.turn(0, entries: [entry(1, 1)])
        #expect(scene.chronicle.recall(base: .origin, upTo: LogIndex(1)) { _ in Term(1) } != nil)
        let log = scene.chronicle.recall(base: .origin, upTo: LogIndex(2)) { _ in Term(1) }
        #expect(log == nil)
        expectViolation("I9") { try scene.chronicle.starts(scene.node(0), NodeState(), log: log) }
    }

    @Test func `I10: a leader that replaces an entry`() throws {
        let scene = try Scene(LeadersOnlyAppend())
        try scene.elect(0, term: 1)
        try scene.turn(0, entries: [put(2, 1, request: 1)])
        expectViolation("I10") { try scene.turn(0, entries: [put(2, 1, request: 2)]) }
        expectViolation("I10") { try scene.turn(0, resetTo: position(5, 1)) }
    }

    @Test func `I11: an entry of an old term committed by counting`() throws {
        let scene = try Scene(CommittedInOwnTerm())
        try scene.turn(0, entries: [put(1, 1, request: 1)])
        try scene.elect(0, term: 2)
        expectViolation("I11") { try scene.turn(0) { $0.commit = LogIndex(1) } }
        let other = try Scene(CommittedInOwnTerm())
        try other.elect(0, term: 1)
        try other.turn(1, entries: [entry(1, 1)])
        expectViolation("I11") { try other.turn(1) { $0.commit = LogIndex(1) } }
    }

    @Test func `I12: committed by the leader and one that has it only in memory`() throws {
        let scene = try Scene(CommittedIsDurable())
        try scene.elect(0, term: 1)
        try scene.turn(1, entries: [entry(1, 1)])
        try scene.sync(0)
        expectViolation("I12") { try scene.turn(0) { $0.commit = LogIndex(1) } }
        let other = try Scene(CommittedIsDurable())
        try other.elect(0, term: 1)
        try other.commit([entry(1, 1), put(2, 1, request: 1)], by: 0)
    }

    @Test func `I13: elected without what is committed`() throws {
        let scene = try Scene(LeaderCompleteness())
        try scene.elect(0, term: 1)
        for node in 0..<2 {
            try scene.turn(node, entries: node == 1 ? [entry(1, 1)] : [])
            try scene.sync(node)
        }
        try scene.turn(0) { $0.commit = LogIndex(1) }
        expectViolation("I13") { try scene.elect(2, term: 2) }
    }

    @Test func `I14: a committed entry removed, an equal entry removed`() throws {
        let scene = try Scene(CommittedStays())
        try scene.elect(0, term: 1)
        try scene.commit([entry(1, 1), put(2, 1, request: 1)], by: 0)
        expectViolation("I14") { try scene.turn(1, entries: [entry(2, 2)]) }
        // Committed, but this node has not heard of it.
        let other = try Scene(CommittedStays())
        try other.elect(0, term: 1)
        try other.turn(1, entries: [entry(1, 1)])
        try other.turn(0) { $0.commit = LogIndex(1) }
        expectViolation("I14") { try other.turn(1, entries: [entry(1, 2)]) }
        let equal = try Scene(CommittedStays())
        try equal.turn(0, entries: [entry(1, 1), entry(2, 1)])
        try equal.turn(0, entries: [entry(2, 2)])
        expectViolation("I14") { try equal.turn(0, entries: [entry(1, 1)]) }
    }

    @Test func `I15: a match that shrinks, or that is not durable`() throws {
        func peer(_ match: UInt64, next: UInt64) -> PeerView {
            PeerView(
                id: NodeID(2), isLearner: false, match: LogIndex(match), next: LogIndex(next),
                state: .replicate, appendsInFlight: 0, lastContact: nil)
        }
        let scene = try Scene(ProgressIsTrue())
        try scene.elect(0, term: 1)
        try scene.turn(1, entries: [entry(1, 1)])
        let answer = Fact.received(0, acknowledgement(1, 0, 1, upTo: 1))
        scene.source.peers[0] = [peer(1, next: 2)]
        expectViolation("I15") { try scene.turn(0, hears: [answer]) }
        try scene.sync(1)
        let other = try Scene(ProgressIsTrue())
        try other.elect(0, term: 1)
        try other.turn(1, entries: [entry(1, 1)])
        try other.sync(1)
        other.source.peers[0] = [peer(1, next: 2)]
        try other.turn(0, hears: [answer])
        other.source.peers[0] = [peer(0, next: 2)]
        expectViolation("I15") { try other.turn(0, hears: [answer]) }
        other.source.peers[0] = [peer(1, next: 1)]
        expectViolation("I15") { try other.turn(0, hears: [answer]) }
    }

    @Test func `I16: a gap, a term that decreases, an entry that is only in memory`() throws {
        let scene = try Scene(LogsAreWhole())
        try scene.turn(0, entries: [entry(1, 1)])
        expectViolation("I16") { try scene.turn(0, entries: [entry(3, 1)]) }
        expectViolation("I16") { try scene.turn(1, entries: [entry(1, 2), entry(2, 1)]) }
        expectViolation("I16") { try scene.turn(2) { $0.last = position(1, 1) } }
        let cut = try Scene(LogsAreWhole())
        expectViolation("I16") { try cut.turn(0) { $0.first = LogIndex(5) } }
    }

    @Test func `I17m: a term or an entry told before it is durable`() throws {
        let scene = try Scene(DurableBeforeSaid())
        try scene.elect(0, term: 1)
        try scene.turn(1, entries: [entry(1, 1)])
        expectViolation("I17m") { try scene.tell(.sent(1, self.acknowledgement(1, 0, 1, upTo: 1))) }
        try scene.sync(1)
        try scene.tell(.sent(1, acknowledgement(1, 0, 1, upTo: 1)))
        try scene.turn(2, term: 5)
        expectViolation("I17m") {
            try scene.tell(.sent(2, message(2, 0, 5, .heartbeatResponse(round: 0))))
        }
        let preVote = VoteRequest(last: .origin, isPreVote: true, isTransfer: false)
        try scene.tell(.sent(0, message(0, 1, 2, .voteRequest(preVote))))
        expectViolation("I17m") {
            try scene.tell(.sent(0, message(0, 1, 3, .voteRequest(preVote))))
        }
    }

    @Test func `I18: two nodes that commit different entries`() throws {
        let scene = try Scene(StateMachineSafety())
        try scene.elect(0, term: 1)
        try scene.turn(0) { $0.commit = LogIndex(1) }
        try scene.turn(1, entries: [put(1, 2, request: 1)])
        expectViolation("I18") { try scene.turn(1) { $0.commit = LogIndex(1) } }
        expectViolation("I18") { try scene.turn(2) { $0.commit = LogIndex(1) } }
    }

    @Test func `I20: applied before it is committed`() throws {
        let scene = try Scene(AppliedIsCommitted())
        try scene.turn(0, entries: [entry(1, 1)])
        expectViolation("I20") { try scene.turn(0) { $0.applied = LogIndex(1) } }
    }
}
