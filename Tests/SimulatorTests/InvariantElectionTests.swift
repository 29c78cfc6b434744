import Primitives
import Testing

@testable import Consensus
@testable import Simulator

/// Each promise about elections, kept and broken.
struct InvariantElectionTests {
    private func grant(_ from: Int, _ to: Int, _ term: UInt64, isPreVote: Bool = false) -> Fact {
        .sent(
            from,
            message(from, to, term, .voteResponse(VoteResponse(granted: true, isPreVote: isPreVote))))
    }

    private func request(
        _ from: Int, _ to: Int, _ term: UInt64, last: LogPosition = .origin, isPreVote: Bool = false
    ) -> Message {
        message(
            from, to, term,
            .voteRequest(VoteRequest(last: last, isPreVote: isPreVote, isTransfer: false)))
    }

    @Test func `I1: two leaders of one term`() throws {
        let scene = try Scene(ElectionSafety())
        try scene.elect(0, term: 1)
        try scene.elect(1, term: 2)
        expectViolation("I1") { try scene.turn(2, term: 2, vote: 3) { $0.role = .leader } }
    }

    @Test func `I2: a term, a commit index, a revision that goes back`() throws {
        let scene = try Scene(TermsNeverGoBack())
        try scene.turn(0, term: 3)
        expectViolation("I2") { try scene.turn(0, term: 2) }
        let other = try Scene(TermsNeverGoBack())
        try other.elect(0, term: 1)
        try other.commit([entry(1, 1), put(2, 1, request: 1)], by: 0)
        expectViolation("I2") { try other.turn(1) { $0.commit = LogIndex(1) } }
        expectViolation("I2") { try other.turn(2) { $0.state.revision = Revision(1) } }
    }

    @Test func `I2: a durable term forgotten by a restart`() throws {
        let scene = try Scene(TermsNeverGoBack())
        try scene.turn(0, term: 3)
        try scene.sync(0)
        try scene.turn(0, term: 4)
        try scene.chronicle.dies(scene.node(0), .power)
        var state = NodeState()
        state.term = Term(3)
        try scene.chronicle.starts(scene.node(0), state, log: LogGhost())
        try scene.chronicle.dies(scene.node(0), .power)
        state.term = Term(2)
        expectViolation("I2") { try scene.chronicle.starts(scene.node(0), state, log: LogGhost()) }
    }

    @Test func `I3: a second vote, a vote taken back, a vote told before it is durable`() throws {
        let scene = try Scene(OneVotePerTerm())
        try scene.turn(0, term: 1, vote: 2)
        expectViolation("I3") { try scene.tell(self.grant(0, 1, 1)) }
        try scene.sync(0)
        try scene.tell(grant(0, 1, 1))
        expectViolation("I3") { try scene.tell(self.grant(0, 2, 1)) }
        expectViolation("I3") { try scene.turn(0, term: 1, vote: 3) }
        // A candidate's request is a vote for itself.
        expectViolation("I3") { try scene.turn(1, says: [.sent(1, self.request(1, 2, 1))]) }
    }

    @Test func `I4: a vote for a candidate that is behind, or that has not asked`() throws {
        let scene = try Scene(VotesForTheUpToDate())
        try scene.turn(0, entries: [entry(1, 1), entry(2, 1)])
        let long = request(1, 0, 2, last: position(2, 1))
        try scene.turn(0, hears: [.received(0, long)], term: 2, vote: 2)
        let short = request(2, 0, 3, last: position(1, 1))
        expectViolation("I4") { try scene.turn(0, hears: [.received(0, short)], term: 3, vote: 3) }
        // Longer, but of an earlier term.
        try scene.turn(0, entries: [entry(3, 4)])
        let old = request(2, 0, 5, last: position(9, 3))
        expectViolation("I4") { try scene.turn(0, hears: [.received(0, old)], term: 5, vote: 3) }
        expectViolation("I4") { try scene.turn(0, term: 6, vote: 2) }
    }

    @Test func `I5: a leader that votes for another in its own term`() throws {
        let scene = try Scene(LeadersDontVote())
        try scene.elect(0, term: 1)
        try scene.tell(grant(0, 1, 2))
        expectViolation("I5") { try scene.tell(self.grant(0, 1, 1)) }
    }

    @Test func `I6: a pre-vote that changes the term`() throws {
        let scene = try Scene(PreVotesChangeNothing())
        let asked = Fact.received(0, request(1, 0, 2, isPreVote: true))
        try scene.turn(0, hears: [asked])
        try scene.turn(0, hears: [asked, .received(0, request(1, 0, 2))], term: 2, vote: 2)
        expectViolation("I6") { try scene.turn(0, hears: [asked], term: 3) }
        expectViolation("I6") { try scene.turn(0, hears: [asked]) { $0.leader = NodeID(2) } }
    }

    @Test func `I7: elected without a quorum of durable votes, or without being a voter`() throws {
        let scene = try Scene(ElectedByVoters())
        try scene.elect(0, term: 1)
        // Three of three vote, but only the candidate's own vote is durable.
        for node in 0..<3 { try scene.turn(node, term: 2, vote: 2) { $0.role = .follower } }
        try scene.sync(1)
        expectViolation("I7") { try scene.turn(1) { $0.role = .leader } }
        let other = try Scene(ElectedByVoters())
        other.source.members = Configuration(
            voters: [NodeID(2), NodeID(3)], learners: [NodeID(1)])
        expectViolation("I7") { try other.elect(0, term: 1) }
    }

    @Test func `I8: a dead node speaks`() throws {
        let scene = try Scene(TheDeadAreSilent())
        try scene.turn(0)
        try scene.chronicle.dies(scene.node(0), .killed)
        expectViolation("I8") { try scene.turn(0) }
        scene.node(1).isPaused = true
        expectViolation("I8") { try scene.tell(self.grant(1, 2, 1)) }
    }

    @Test func `I29: quorums that need not share a node`() throws {
        let scene = try Scene(QuorumsIntersect(), count: 4)
        scene.source.members = Configuration(voters: [NodeID(1), NodeID(2), NodeID(3)])
        scene.source.configurations[3] = Configuration(
            voters: [NodeID(1), NodeID(2), NodeID(3), NodeID(4)])
        try scene.turn(3) { $0.configurationIndex = LogIndex(2) }
        scene.source.configurations[3] = Configuration(voters: [NodeID(3), NodeID(4)])
        expectViolation("I29") { try scene.turn(3) { $0.configurationIndex = LogIndex(3) } }
        let joint = Configuration(
            voters: [NodeID(4), NodeID(5), NodeID(6)], outgoing: [NodeID(1), NodeID(2), NodeID(3)])
        let old = Configuration(voters: [NodeID(1), NodeID(2), NodeID(3)])
        #expect(QuorumsIntersect.mustIntersect(joint, old))
        #expect(!QuorumsIntersect.mustIntersect(Configuration(voters: joint.voters), old))
        let many = Configuration(voters: (1...50).map { NodeID($0) })
        #expect(QuorumsIntersect.mustIntersect(many, Configuration(voters: (1...49).map { NodeID($0) })))
        #expect(!QuorumsIntersect.mustIntersect(many, Configuration(voters: (1...20).map { NodeID($0) })))
    }

    @Test func `I30: two changes of members at once, or one before the term is sure`() throws {
        func change(_ index: UInt64, _ term: UInt64, _ voters: [UInt64]) -> Entry {
            Entry(
                index: LogIndex(index), term: Term(term), kind: .configuration,
                payload: Configuration(voters: voters.map { NodeID($0) }).encode())
        }
        let scene = try Scene(OneChangeAtATime())
        try scene.elect(0, term: 1)
        expectViolation("I30") { try scene.turn(0, entries: [change(2, 1, [1, 2])]) }
        let other = try Scene(OneChangeAtATime())
        try other.elect(0, term: 1)
        try other.commit([entry(1, 1)], by: 0)
        try other.turn(0, entries: [change(2, 1, [1, 2])])
        expectViolation("I30") { try other.turn(0, entries: [change(3, 1, [1, 2, 3])]) }
    }

    @Test func `I31: a configuration that was truncated and is still used`() throws {
        let members = Configuration(voters: [NodeID(1), NodeID(2)])
        let change = Entry(
            index: LogIndex(1), term: Term(1), kind: .configuration, payload: members.encode())
        let scene = try Scene(LatestConfiguration())
        scene.source.configurations[0] = members
        try scene.turn(0, entries: [change]) { $0.configurationIndex = LogIndex(1) }
        expectViolation("I31") { try scene.turn(0, entries: [entry(1, 2)]) }
        expectViolation("I31") { try scene.turn(1, entries: [change]) }
    }

    @Test func `transfer: a leader that hands over and goes on writing`() throws {
        let scene = try Scene(TransfersHoldWrites())
        try scene.elect(0, term: 1)
        try scene.turn(0, entries: [entry(2, 1)]) { $0.transferTarget = NodeID(2) }
        try scene.turn(0)
        expectViolation("transfer") { try scene.turn(0, entries: [entry(3, 1)]) }
    }

    @Test func `quorum: a leader that hears nobody and goes on`() throws {
        let scene = try Scene(LeadersHearQuorums())
        scene.source.leadingSince = .zero
        scene.source.peers[0] = [2, 3].map {
            PeerView(
                id: NodeID($0), isLearner: false, match: .zero, next: LogIndex(1), state: .probe,
                appendsInFlight: 0, lastContact: nil)
        }
        try scene.elect(0, term: 1)
        scene.node(0).clock = .zero + .milliseconds(1100)
        for _ in 0..<8 { try scene.turn(0) }
        scene.node(0).clock = .zero + .milliseconds(1101)
        expectViolation("quorum") { for _ in 0..<8 { try scene.turn(0) } }
    }
}
