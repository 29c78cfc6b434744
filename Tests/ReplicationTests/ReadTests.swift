import Consensus
import Primitives
import Store
import Testing

@testable import Replication

struct ReadTests {
    private func answer(_ owner: Owner, _ question: UInt64, _ index: UInt64?, from leader: UInt64 = 2)
        -> ReplicaEvent
    {
        owner.message(
            .readIndexResponse(token: question, index: index.map { LogIndex($0) }), from: NodeID(leader))
    }

    @Test func `the reads of a turn share one question`() throws {
        var owner = Owner()
        owner.follow()
        let effects = owner.turn(owner.read(1), owner.read(2), owner.read(3))
        let question = try #require(effects.questions.first)
        #expect(effects.questions.count == 1)
        #expect(effects.readable.isEmpty)
        #expect(owner.turn(answer(owner, question, 1)).readable == [1, 2, 3])
        #expect(owner.replica.isIdle)
    }

    @Test func `a leader's reads are answered by a round of heartbeats`() {
        var owner = Owner()
        owner.lead()
        let effects = owner.turn(owner.read(1), owner.read(2))
        #expect(effects.readable.isEmpty)
        let rounds = effects.messages.compactMap { message -> UInt64? in
            if case .heartbeat(let heartbeat) = message.body { heartbeat.round } else { nil }
        }
        #expect(rounds == [1, 1])
        #expect(owner.turn(owner.message(.heartbeatResponse(round: 1), from: NodeID(3))).readable == [1, 2])
    }

    @Test func `a single node answers at once`() {
        var owner = Owner(members: Configuration(voters: [Owner.id]))
        for _ in 0..<4 {
            owner.turn(.timeout)
            owner.sync()
        }
        #expect(owner.replica.raft.isReady)
        #expect(owner.turn(owner.read(1)).readable == [1])
        owner.turn(owner.put(2))
        #expect(owner.sync().answered == [2])
    }

    @Test func `reads that come while questions are under way share the next one, as soon as there is room`()
        throws
    {
        var limits = Replica.Limits()
        limits.readRounds = 1
        var owner = Owner(limits: limits)
        owner.follow()
        let first = try #require(owner.turn(owner.read(1)).questions.first)
        #expect(owner.turn(owner.read(2)).questions.isEmpty)
        #expect(owner.turn(owner.read(3)).questions.isEmpty)
        let effects = owner.turn(answer(owner, first, 1))
        #expect(effects.readable == [1])
        let second = try #require(effects.questions.first)
        #expect(owner.turn(answer(owner, second, 1)).readable == [2, 3])
    }

    @Test func `a read never waits for a question that was asked before it came`() throws {
        var owner = Owner()
        owner.follow()
        let first = try #require(owner.turn(owner.read(1)).questions.first)
        let second = try #require(owner.turn(owner.read(2)).questions.first)
        #expect(owner.turn(answer(owner, first, 1)).readable == [1])
        #expect(owner.turn(answer(owner, second, 1)).readable == [2])
    }

    @Test func `an unanswered question is asked again, and an answer to either will do`() throws {
        for answersFirst in [true, false] {
            var owner = Owner()
            owner.follow()
            let first = try #require(owner.turn(owner.read(1)).questions.first)
            owner.turn(owner.message(.heartbeat(Heartbeat(commit: LogIndex(1), round: 0)), from: NodeID(2)))
            #expect(owner.wait(.milliseconds(299)).questions.isEmpty)
            let second = try #require(owner.wait(.milliseconds(1)).questions.first)
            #expect(first != second)
            #expect(owner.turn(answer(owner, answersFirst ? first : second, 1)).readable == [1])
            #expect(owner.turn(answer(owner, answersFirst ? second : first, 1)).readable.isEmpty)
            #expect(owner.replica.isIdle)
        }
    }

    @Test func `a question that was lost is asked again after a pause`() throws {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.read(1))
        #expect(owner.turn(.peerUnreachable(NodeID(3))).questions.isEmpty)
        #expect(owner.wait(.milliseconds(10)).questions.isEmpty)
        #expect(owner.turn(.peerUnreachable(NodeID(2))).questions.isEmpty)
        #expect(owner.wait(.milliseconds(5)).questions.count == 1)
    }

    @Test func `a read is released when enough has been applied`() throws {
        var owner = Owner()
        owner.follow()
        let question = try #require(owner.turn(owner.read(1)).questions.first)
        #expect(owner.turn(answer(owner, question, 3)).readable.isEmpty)
        #expect(owner.turn(owner.append([owner.command(8)], from: NodeID(2), term: Term(1))).readable.isEmpty)
        #expect(owner.turn(owner.append([owner.command(9)], from: NodeID(2), term: Term(1))).readable == [1])
    }

    @Test func `a read that the leader's fall left open is asked of the next one`() throws {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.read(1))
        // The new term is on disk before anything is said in it.
        let effects = owner.turn(owner.append([nil], from: NodeID(3), term: Term(2))) + owner.sync()
        let question = try #require(effects.questions.first)
        #expect(owner.turn(answer(owner, question, 2, from: 3)).readable == [1])
    }

    @Test func `a leader that is deposed asks the next one for its reads`() throws {
        var owner = Owner()
        owner.lead()
        owner.turn(owner.read(1))
        let term = owner.replica.raft.term.next
        let effects = owner.turn(owner.append([nil], from: NodeID(3), term: term)) + owner.sync()
        let question = try #require(effects.questions.first)
        #expect(owner.turn(answer(owner, question, 2, from: 3)).readable == [1])
    }

    @Test func `a node that does not lead is asked again after a pause`() throws {
        var owner = Owner()
        owner.follow()
        let question = try #require(owner.turn(owner.read(1)).questions.first)
        #expect(owner.turn(answer(owner, question, nil)).questions.isEmpty)
        #expect(owner.wait(.milliseconds(5)).questions.count == 1)
    }

    @Test func `reads without an answer in time are refused, and why is told`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.read(1, patience: .milliseconds(400)))
        #expect(owner.wait(.milliseconds(400)).readsRefused == [1: .noQuorum])
        // The leader is gone for good.
        owner.turn(owner.read(2, patience: .seconds(20)))
        let effects = owner.wait(.seconds(19))
        #expect(effects.readsRefused == [2: .noLeader])
        #expect(effects.readable.isEmpty)
        #expect(owner.replica.isIdle)
    }

    @Test func `a read that finds no leader waits for one, but not for long`() {
        var owner = Owner()
        owner.turn(owner.read(1, patience: .seconds(20)))
        #expect(owner.wait(.milliseconds(1_999)).readsRefused.isEmpty)
        #expect(owner.wait(.milliseconds(2)).readsRefused == [1: .noLeader])
        owner.turn(owner.read(2, patience: .seconds(20)))
        let term = owner.replica.raft.term.next
        let effects = owner.turn(owner.append([nil], from: NodeID(2), term: term)) + owner.sync()
        #expect(effects.questions.count == 1)
        // With its question under way it may wait for as long as the client does.
        var refused: [UInt64: ReadRefusal] = [:]
        for _ in 0..<40 {
            owner.turn(owner.message(.heartbeat(Heartbeat(commit: LogIndex(1), round: 0)), from: NodeID(2)))
            refused.merge(owner.wait(.milliseconds(100)).readsRefused) { a, _ in a }
        }
        #expect(refused.isEmpty)
    }

    @Test func `nothing is due at once while reads and writes wait for a leader`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.read(1), owner.put(2))
        var turns = 0
        let end = owner.now + .seconds(3)
        while owner.now < end {
            owner.now = max(owner.now, owner.replica.deadline)
            owner.turn(.timeout)
            turns += 1
            guard turns < 100 else { break }
        }
        #expect(turns < 100, "woken \(turns) times in three seconds")
    }

    @Test func `more reads than may wait are refused`() throws {
        var limits = Replica.Limits()
        limits.pendingReads = 2
        var owner = Owner(limits: limits)
        owner.follow()
        let effects = owner.turn(owner.read(1), owner.read(2), owner.read(3))
        #expect(effects.readsRefused == [3: .overloaded])
        let question = try #require(effects.questions.first)
        #expect(owner.turn(answer(owner, question, 1)).readable == [1, 2])
        #expect(owner.turn(owner.read(4)).readsRefused.isEmpty)
    }
}
