import Consensus
import Primitives
import Store
import Testing

@testable import Replication

struct LeaderWriteTests {
    @Test func `a write is answered when a majority holds it, not before`() {
        var owner = Owner()
        owner.lead()
        #expect(owner.turn(owner.put(1)).appended == [owner.command(1)])
        #expect(owner.sync().answered.isEmpty)
        #expect(owner.turn(owner.acknowledgement(of: LogIndex(2))).answered == [1])
        #expect((try? owner.replica.keyspace.get(Array("key".utf8)).get())??.value == [1])
        #expect(owner.replica.isIdle)
    }

    @Test func `the writes of a turn share one write to disk and one message for each peer`() {
        var owner = Owner()
        owner.lead()
        owner.turn(owner.acknowledgement(of: LogIndex(1), from: NodeID(3)))
        let effects = owner.turn(owner.put(1), owner.put(2), owner.put(3))
        #expect(effects.appended.count == 3)
        let appends = effects.messages.compactMap { message -> Int? in
            if case .append(let append) = message.body { append.entries.count } else { nil }
        }
        #expect(appends == [3, 3])
        #expect(owner.commit().answered == [1, 2, 3])
    }

    @Test func `an outcome that the store refuses is an answer`() {
        var owner = Owner()
        owner.lead()
        let operation = Store.Operation.delete(key: [1], guard: nil, returnPrevious: false, mustExist: true)
        let write = Write(token: 1, requestID: Owner.request(1), operation: operation, deadline: .never)
        owner.turn(.write(write))
        let outcomes = owner.commit().compactMap { effect -> Outcome? in
            if case .answered(1, Owner.request(1), let outcome) = effect { outcome } else { nil }
        }
        #expect(outcomes == [.refused(.keyNotFound)])
    }

    @Test func `forwarded writes get the leader's time`() throws {
        var owner = Owner()
        owner.lead()
        let payload = owner.command(5)
        owner.wall = WallTime(milliseconds: owner.wall.milliseconds + 777)
        let effects = owner.turn(
            .received(.forward(Forward(term: owner.replica.raft.term, commands: [payload])), from: NodeID(3)))
        let command = try Command(decoding: try #require(effects.appended.first))
        #expect(command.time == owner.wall)
        #expect(command.requestID == Owner.request(5))
    }

    @Test func `forwarded writes of another term are refused`() {
        var owner = Owner()
        owner.lead()
        for term in [owner.replica.raft.term.previous, owner.replica.raft.term.next] {
            let forward = Forward(term: term, commands: [owner.command(5), [1, 2, 3], owner.command(6)])
            let effects = owner.turn(.received(.forward(forward), from: NodeID(3)))
            #expect(effects.appended.isEmpty)
            let refusal = ForwardRefusal(
                term: term, reason: .notLeader, requests: [Owner.request(5), Owner.request(6)])
            #expect(effects.forwardRefusals == [refusal])
        }
    }

    @Test func `a leader deposed in the same turn refuses in the term that was named`() {
        var owner = Owner()
        owner.lead()
        let term = owner.replica.raft.term
        let forward = Forward(term: term, commands: [owner.command(5), owner.command(6)])
        let effects = owner.turn(
            .received(.forward(forward), from: NodeID(3)),
            owner.append([nil], from: NodeID(2), term: term.next, commit: LogIndex(1)))
        let refusal = ForwardRefusal(
            term: term, reason: .notLeader, requests: [Owner.request(5), Owner.request(6)])
        #expect(effects.forwardRefusals == [refusal])
    }

    @Test func `too much that waits for a quorum is refused, in one message for each node`() {
        var owner = Owner(tune: { $0.maxUncommittedEntries = 4 })
        owner.lead()
        owner.turn(owner.put(1), owner.put(2))
        let term = owner.replica.raft.term
        let effects = owner.turn(
            .received(.forward(Forward(term: term, commands: [owner.command(8)])), from: NodeID(2)),
            .received(.forward(Forward(term: term, commands: [owner.command(9)])), from: NodeID(2)),
            owner.put(3),
            .received(.forward(Forward(term: term, commands: [owner.command(10)])), from: NodeID(3)))
        #expect(effects.refused == [3: .overloaded])
        #expect(
            effects.forwardRefusals == [
                ForwardRefusal(
                    term: term, reason: .overloaded, requests: [Owner.request(8), Owner.request(9)]),
                ForwardRefusal(term: term, reason: .overloaded, requests: [Owner.request(10)]),
            ])
        #expect(owner.commit().answered == [1, 2])
        owner.turn(owner.put(4))
        #expect(owner.commit().answered == [4])
    }

    @Test func `writes wait while leadership is handed over, and go to the next leader`() {
        var owner = Owner()
        owner.lead()
        let term = owner.replica.raft.term
        owner.turn(.transferLeadership(to: NodeID(2)))
        #expect(owner.turn(owner.put(1)).appended.isEmpty)
        let forward = Forward(term: term, commands: [owner.command(5)])
        #expect(
            owner.turn(.received(.forward(forward), from: NodeID(3))).forwardRefusals.first?.reason
                == .notLeader)
        #expect(owner.replica.deadline > owner.now)
        let effects = owner.turn(owner.append([nil], from: NodeID(2), term: term.next))
        #expect(effects.forwards.map(\.term) == [term.next.rawValue])
        #expect(effects.forwarded == [1])
    }

    @Test func `writes that waited for a hand-over that failed are proposed`() {
        var owner = Owner()
        owner.lead()
        owner.turn(.transferLeadership(to: NodeID(3)))
        owner.turn(owner.put(1))
        var appended: [[UInt8]] = []
        for _ in 0..<12 {
            owner.turn(owner.message(.heartbeatResponse(round: 0), from: NodeID(2)))
            appended += owner.wait(.milliseconds(100)).appended
        }
        #expect(owner.replica.raft.role == .leader)
        #expect(appended == [owner.command(1)])
    }

    @Test func `a full disk refuses writes for certain, and takes them again when there is room`() {
        var owner = Owner()
        owner.lead()
        owner.turn(.storage(isShortOfSpace: true))
        let term = owner.replica.raft.term
        let forward = Forward(term: term, commands: [owner.command(5)])
        let effects = owner.turn(owner.put(1), .received(.forward(forward), from: NodeID(3)))
        #expect(effects.refused == [1: .storageFull])
        #expect(effects.forwardRefusals.map(\.reason) == [.storageFull])
        #expect(WriteRefusal.storageFull.isDefinite)
        owner.turn(.storage(isShortOfSpace: false))
        owner.turn(owner.put(2))
        #expect(owner.commit().answered == [2])
    }

    @Test func `more writes than may wait are refused, by number and by bytes`() {
        var limits = Replica.Limits()
        limits.pendingWrites = 2
        var owner = Owner(limits: limits)
        owner.lead()
        #expect(owner.turn(owner.put(1), owner.put(2), owner.put(3)).refused == [3: .overloaded])
        #expect(owner.commit().answered == [1, 2])
        limits.pendingWrites = 100
        limits.pendingBytes = 1_000
        owner = Owner(limits: limits)
        owner.lead()
        let large = [UInt8](repeating: 0, count: 1_000)
        #expect(owner.turn(owner.put(1, "a", large), owner.put(2)).refused == [2: .overloaded])
        #expect(owner.commit().answered == [1])
        owner.turn(owner.put(3))
        #expect(owner.commit().answered == [3])
    }
}

struct FollowerWriteTests {
    @Test func `the writes of a turn are forwarded in one message that names the term`() {
        var owner = Owner()
        owner.follow(term: 4)
        let effects = owner.turn(owner.put(2), owner.put(1))
        #expect(effects.forwards.map(\.term) == [4])
        #expect(effects.forwarded == [2, 1])
        let entry = owner.append([owner.command(2), owner.command(1)], from: NodeID(2), term: Term(4))
        #expect(owner.turn(entry).answered == [2, 1])
        #expect(owner.replica.isIdle)
    }

    @Test func `a forward that would grow too large is split`() {
        var limits = Replica.Limits()
        limits.forwardBytes = 150
        var owner = Owner(limits: limits)
        owner.follow()
        let value = [UInt8](repeating: 7, count: 30)
        let writes = (1...5).map { owner.put($0, "key", value) }
        let one = owner.command(1, "key", value).count
        #expect(one * 2 <= 150 && one * 3 > 150)
        #expect(owner.turn(writes).forwards.map(\.tokens) == [[1, 2], [3, 4], [5]])
        let large = [UInt8](repeating: 7, count: 500)
        #expect(owner.turn(owner.put(6, "key", large), owner.put(7)).forwards.map(\.tokens) == [[6], [7]])
    }

    @Test func `a trace goes with its command, also when it is sent again, and into no log`() {
        var limits = Replica.Limits()
        limits.forwardBytes = 150
        var owner = Owner(limits: limits)
        owner.follow()
        func traces(_ effects: [ReplicaEffect]) -> [[Int: TraceContext]] {
            effects.compactMap { effect -> [Int: TraceContext]? in
                guard case .send(.forward(let forward), _) = effect else { return nil }
                return Dictionary(uniqueKeysWithValues: forward.traces.map { ($0.place, $0.trace) })
            }
        }
        let value = [UInt8](repeating: 7, count: 30)
        let effects = owner.turn(
            (1...5).map { owner.put($0, "key", value, trace: $0 % 2 == 0 ? Owner.trace($0) : nil) })
        #expect(effects.forwards.map(\.tokens) == [[1, 2], [3, 4], [5]])
        #expect(traces(effects) == [[1: Owner.trace(2)], [1: Owner.trace(4)], [:]])
        let again = owner.turn(owner.append([nil], from: NodeID(3), term: Term(2))) + owner.wait(.zero)
        #expect(traces(again) == [[1: Owner.trace(2)], [1: Owner.trace(4)], [:]])

        owner = Owner()
        owner.lead()
        let proposed = owner.turn(owner.put(1, trace: Owner.trace(1)))
        #expect(proposed.appended == [owner.command(1)])
    }

    @Test func `a leader tells which traced writes it took, and which it refused`() {
        var owner = Owner()
        owner.lead()
        func told(_ term: Term) -> [String] {
            let commands = [owner.command(5), owner.command(6)]
            let traces = [Forward.Traced(place: 1, trace: Owner.trace(9))]
            let forward = Forward(term: term, commands: commands, traces: traces)
            return owner.turn(.received(.forward(forward), from: NodeID(3))).compactMap { effect in
                guard case .traced(let id, let trace, let peer, let reason) = effect else { return nil }
                #expect(id == Owner.request(6) && trace == Owner.trace(9) && peer == NodeID(3))
                return reason.map { "\($0)" } ?? "taken"
            }
        }
        let term = owner.replica.raft.term
        #expect(told(term) == ["taken"])
        #expect(told(term.next) == ["notLeader"])
        owner.turn(.storage(isShortOfSpace: true))
        #expect(told(term) == ["storageFull"])
    }

    @Test func `pending writes are sent again once an entry of a later term is applied, not before`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1), owner.put(2))
        // A new leader: its first entry is in the log, but not committed.
        var effects = owner.turn(owner.append([nil], from: NodeID(3), term: Term(2), commit: .zero))
        effects += owner.wait(.milliseconds(50))
        #expect(effects.forwarded.isEmpty)
        effects = owner.turn(
            owner.message(.heartbeat(Heartbeat(commit: LogIndex(2), round: 0)), from: NodeID(3)))
        effects += owner.wait(.zero)
        #expect(effects.forwards.map(\.term) == [2])
        #expect(effects.forwarded == [1, 2])
    }

    @Test func `a write applied before the later term's first entry is answered and not sent again`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1), owner.put(2))
        owner.turn(owner.append([owner.command(1)], from: NodeID(2), term: Term(1), commit: LogIndex(1)))
        var effects = owner.turn(owner.append([nil], from: NodeID(3), term: Term(2), commit: LogIndex(3)))
        #expect(effects.answered == [1])
        effects += owner.wait(.zero)
        #expect(effects.forwarded == [2])
    }

    @Test func `a write sent before a long election has time to find the next leader`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1, patience: .seconds(30)))
        #expect(owner.wait(.seconds(5)).refused.isEmpty)
        let term = owner.replica.raft.term.next
        let effects =
            owner.turn(owner.append([nil], from: NodeID(3), term: term)) + owner.wait(.milliseconds(1))
        #expect(effects.refused.isEmpty)
        #expect(effects.forwarded == [1])
    }

    @Test func `an outcome is unknown only when the deadline has passed`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1, patience: .seconds(4)))
        let deadline = owner.now + .seconds(4)
        #expect(owner.wait(.milliseconds(3_999)).refused.isEmpty)
        #expect(owner.wait(.milliseconds(1)).refused == [1: .unknown])
        #expect(owner.now == deadline)
        #expect(!WriteRefusal.unknown.isDefinite)
        #expect(owner.replica.isIdle)
    }

    @Test func `without a leader a write waits for one, and is then refused for certain`() {
        var owner = Owner()
        owner.turn(owner.put(1), owner.put(2, patience: .milliseconds(100)))
        #expect(owner.wait(.milliseconds(150)).refused == [2: .noLeader])
        #expect(owner.wait(.milliseconds(1_849)).refused.isEmpty)
        #expect(owner.wait(.milliseconds(2)).refused == [1: .noLeader])
        owner.turn(owner.put(3))
        let term = owner.replica.raft.term.next
        #expect(owner.turn(owner.append([nil], from: NodeID(2), term: term)).forwarded == [3])
    }

    @Test func `a write that may not be forwarded is refused, also when leadership is lost in its turn`() {
        var owner = Owner()
        owner.follow()
        #expect(owner.turn(owner.put(1, mayForward: false)).refused == [1: .notLeader])
        owner = Owner()
        owner.lead()
        let term = owner.replica.raft.term.next
        let effects = owner.turn(
            owner.put(2, mayForward: false), owner.append([nil], from: NodeID(2), term: term))
        #expect(effects.refused == [2: .notLeader])
        #expect(effects.forwarded.isEmpty)
    }

    @Test(arguments: [
        (ForwardRefusal.Reason.overloaded, WriteRefusal.overloaded), (.storageFull, .storageFull),
    ]) func `the leader's refusal is the client's`(_ reason: ForwardRefusal.Reason, _ refusal: WriteRefusal) {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        let other = ForwardRefusal(term: Term(9), reason: reason, requests: [Owner.request(1)])
        #expect(owner.turn(.received(.forwardRefused(other), from: NodeID(2))).refused.isEmpty)
        let message = ForwardRefusal(
            term: Term(1), reason: reason, requests: [Owner.request(1), Owner.request(99)])
        #expect(owner.turn(.received(.forwardRefused(message), from: NodeID(2))).refused == [1: refusal])
    }

    @Test func `writes refused by a leader that hands over go to the next one`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        let refusal = ForwardRefusal(term: Term(1), reason: .notLeader, requests: [Owner.request(1)])
        var effects = owner.turn(.received(.forwardRefused(refusal), from: NodeID(2)))
        effects += owner.wait(.milliseconds(100))
        #expect(effects.refused.isEmpty && effects.forwarded.isEmpty)
        effects = owner.turn(owner.append([nil], from: NodeID(3), term: Term(2))) + owner.wait(.zero)
        #expect(effects.forwards.map(\.term) == [2])
        #expect(effects.forwarded == [1])
    }

    @Test func `writes refused by a leader that hands over to nobody are refused for certain`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        let refusal = ForwardRefusal(term: Term(1), reason: .notLeader, requests: [Owner.request(1)])
        owner.turn(.received(.forwardRefused(refusal), from: NodeID(2)))
        #expect(owner.wait(.seconds(2)).refused == [1: .noLeader])
    }

    @Test func `a refusal that comes when the next leader is known sends the write on at once`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        owner.turn(owner.append([nil], from: NodeID(3), term: Term(2), commit: .zero))
        let refusal = ForwardRefusal(term: Term(1), reason: .notLeader, requests: [Owner.request(1)])
        let effects = owner.turn(.received(.forwardRefused(refusal), from: NodeID(2)))
        #expect(effects.forwards.map(\.term) == [2])
    }

    @Test func `a forward that never arrived is sent again after a pause`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        #expect(owner.turn(.undelivered([Owner.request(1)])).forwarded.isEmpty)
        #expect(owner.wait(.milliseconds(4)).forwarded.isEmpty)
        #expect(owner.wait(.milliseconds(1)).forwarded == [1])
    }

    @Test func `late news of a lost forward does not send a write twice`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        let again = owner.turn(owner.append([nil], from: NodeID(3), term: Term(2))) + owner.wait(.zero)
        #expect(again.forwarded == [1])
        // The first time, in term 1, was lost. Of the second, in term 2, this says nothing.
        let effects = owner.turn(.undelivered([Owner.request(1)])) + owner.wait(.milliseconds(100))
        #expect(effects.forwarded.isEmpty)
        #expect(owner.turn(owner.append([owner.command(1)], from: NodeID(3), term: Term(2))).answered == [1])
    }

    @Test func `late news of a lost forward does not make a leader propose a write twice`() {
        var owner = Owner()
        owner.follow()
        owner.turn(owner.put(1))
        owner.lead()
        let proposed = owner.wait(.zero)
        #expect(proposed.appended == [owner.command(1)])
        let effects = owner.turn(.undelivered([Owner.request(1)])) + owner.wait(.milliseconds(20))
        #expect(effects.appended.isEmpty)
        #expect(owner.commit().answered == [1])
    }
}
