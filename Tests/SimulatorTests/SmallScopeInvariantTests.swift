import Consensus
import Primitives
import Testing

@testable import Simulator

/// The invariants themselves, shown things that break them.
@Suite struct SmallScopeInvariantTests {
    private typealias Invariants = SmallScope.Invariants

    private static let member = SmallScope.Member(founding: NodeID(1), SmallScope.Bounds())

    private static func message(_ body: Message.Body, term: UInt64 = 1) -> Message {
        Message(from: NodeID(1), to: NodeID(2), term: Term(term), body: body)
    }

    private static func vote(_ granted: Bool) -> Message.Body {
        .voteResponse(VoteResponse(granted: granted, isPreVote: false))
    }

    @Test func `each invariant has a name and words of its own`() {
        let names = SmallScope.invariants.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.count >= 20)
        #expect(SmallScope.invariants.allSatisfy { $0.words.last == "." })
    }

    @Test func `what is not on disk must not be said`() {
        var member = Self.member
        let vote = Self.message(Self.vote(true))
        let heartbeat = Self.message(.heartbeatResponse(round: 0))
        let answer = Self.message(
            .appendResponse(AppendResponse(previous: .origin, outcome: .matched(upTo: LogIndex(1)))))
        #expect(Invariants.breach(saying: heartbeat, member)?.invariant == "durable term")
        member.disk.hardState.term = Term(1)
        #expect(Invariants.breach(saying: heartbeat, member) == nil)
        #expect(Invariants.breach(saying: vote, member)?.invariant == "durable vote")
        member.disk.hardState.vote = NodeID(2)
        #expect(Invariants.breach(saying: vote, member) == nil)
        #expect(Invariants.breach(saying: answer, member)?.invariant == "durable entries")
        let entry = Entry(index: LogIndex(1), term: Term(1), kind: .noop, payload: [])
        member.disk.tape.entries = [entry]
        member.written.entries = [entry]
        #expect(Invariants.breach(saying: answer, member) == nil)
    }

    @Test func `a hard state only grows`() {
        let old = HardState(term: Term(2), vote: NodeID(1), commit: LogIndex(3))
        func breach(_ term: UInt64, _ vote: UInt64?, _ commit: UInt64) -> Bool {
            let new = HardState(term: Term(term), vote: vote.map { NodeID($0) }, commit: LogIndex(commit))
            return Invariants.breach(writing: new, over: old) != nil
        }
        #expect(!breach(2, 1, 3) && !breach(2, 1, 4) && !breach(3, nil, 3) && !breach(3, 2, 3))
        #expect(breach(1, 1, 3) && breach(2, 2, 3) && breach(2, nil, 3) && breach(2, 1, 2))
    }

    @Test func `the memory of the world knows two leaders, strange commits and stale reads`() {
        var ghost = SmallScope.Ghost()
        #expect(ghost.elected(0, in: 1) == nil)
        #expect(ghost.elected(0, in: 1) == nil)
        #expect(ghost.elected(1, in: 2) == nil)
        #expect(ghost.elected(2, in: 1)?.invariant == "election safety")
        ghost.append(1, committedIn: 1)
        ghost.openRead(0, at: 2)
        ghost.append(1 | 1 << 5, committedIn: 1)
        ghost.openRead(1, at: 0)
        #expect(ghost.ledgerText == "1 1c")
        #expect(ghost.answered(0, 1) == nil)
        #expect(ghost.answered(0, 1)?.invariant == "answered once")
        #expect(ghost.answered(1, 1)?.invariant == "fresh reads")
        ghost.openRead(2, at: 1)
        ghost.closeReads(of: 1)
        #expect(!ghost.isOpen(2))
        ghost.openRead(3, at: 1)
        #expect(ghost.answered(3, nil) == nil)
    }

    @Test func `worlds that break a promise are told from those that do not`() throws {
        // Node 1 leads, all have its first entry.
        var bounds = SmallScope.Bounds()
        bounds.start = .led
        var nodes: [SmallScope.Summary] = []
        var members: [SmallScope.Member] = []
        let explorer = SmallScope.Explorer(bounds)
        for action in explorer.prelude.reversed() where members.isEmpty || members.count < 3 {
            // The last state of each node that took a step.
            if !members.contains(where: { Int($0.raft.id.rawValue) == action.node + 1 }) {
                members.append(Self.last(of: action.node, explorer))
            }
        }
        members.sort { $0.raft.id < $1.raft.id }
        nodes = members.map { SmallScope.Summary($0) }
        try #require(nodes.count == 3 && nodes[0].role == .leader)
        var ghost = SmallScope.Ghost()
        ghost.append(1, committedIn: 1)
        for changed in 0..<3 { #expect(Invariants.breach(in: nodes, changed: changed, ghost) == nil) }
        #expect(
            Invariants.breach(in: nodes, changed: 1, SmallScope.Ghost())?.invariant == "state machine safety")
        // An entry on the disk of one is another one.
        var other = members[1]
        other.written.entries[0].kind = .command
        other.disk.tape.entries[0].kind = .command
        nodes[1] = SmallScope.Summary(other)
        #expect(Invariants.breach(in: nodes, changed: 1, ghost)?.invariant == "log matching")
        // Two have lost theirs.
        for place in 1...2 {
            var empty = members[place]
            empty.disk.tape.entries = []
            nodes[place] = SmallScope.Summary(empty)
        }
        #expect(Invariants.breach(in: nodes, changed: 1, ghost)?.invariant == "committed is durable")
        // Something was committed that the leader never had.
        var ahead = SmallScope.Ghost()
        ahead.append(1 | 1 << 5, committedIn: 0)
        nodes = members.map { SmallScope.Summary($0) }
        #expect(Invariants.leaderCompleteness.breach(nodes, 0, ahead) != nil)
        // Two voters have not voted.
        for place in 1...2 {
            var fresh = members[place]
            fresh.disk.hardState.vote = nil
            nodes[place] = SmallScope.Summary(fresh)
        }
        #expect(Invariants.electedByQuorum.breach(nodes, 0, ghost) != nil)
    }

    /// A node at the end of the given start.
    private static func last(of node: Int, _ explorer: borrowing SmallScope.Explorer) -> SmallScope.Member {
        var member = SmallScope.Member(founding: NodeID(UInt64(node + 1)), explorer.bounds)
        for action in explorer.prelude where action.node == node {
            let message = action.kind == .deliver ? explorer.messages[Int(action.operand)] : nil
            member = SmallScope.Turn(member, action, message, explorer.bounds).member
        }
        return member
    }
}
