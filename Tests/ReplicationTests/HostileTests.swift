import Consensus
import Primitives
import Store
import Testing

@testable import Replication

/// Messages that no honest node would send, with numbers at the edges: they may be of no use, but they never trap.
struct HostileTests {
    private static let edges: [UInt64] = [0, 1, 2, 3, 1 << 62, .max - 1, .max]

    private static func body(_ generator: inout SeededGenerator) -> Message.Body {
        func edge() -> UInt64 { edges[Int(generator.next(below: UInt64(edges.count)))] }
        func position() -> LogPosition { LogPosition(index: LogIndex(edge()), term: Term(edge())) }
        func coin() -> Bool { generator.next(below: 2) == 0 }
        switch generator.next(below: 10) {
        case 0:
            let entries = (0..<generator.next(below: 3)).map { _ in
                Entry(
                    index: LogIndex(edge()), term: Term(edge()), kind: coin() ? .noop : .configuration,
                    payload: coin() ? [] : [1, 255])
            }
            return .append(Append(previous: position(), entries: entries, commit: LogIndex(edge())))
        case 1:
            return .appendResponse(
                AppendResponse(
                    previous: position(),
                    outcome: coin()
                        ? .matched(upTo: LogIndex(edge()))
                        : .rejected(hint: position(), last: LogIndex(edge()))))
        case 2: return .heartbeat(Heartbeat(commit: LogIndex(edge()), round: edge()))
        case 3: return .heartbeatResponse(round: edge())
        case 4: return .voteRequest(VoteRequest(last: position(), isPreVote: coin(), isTransfer: coin()))
        case 5: return .voteResponse(VoteResponse(granted: coin(), isPreVote: coin()))
        case 6:
            return .installSnapshot(SnapshotReference(position: position(), configuration: .empty))
        case 7: return .timeoutNow
        case 8: return .readIndexRequest(token: edge())
        default: return .readIndexResponse(token: edge(), index: coin() ? nil : LogIndex(edge()))
        }
    }

    @Test(arguments: [UInt64](0..<4))
    func `no message stops a node, whatever its role`(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<60 {
            var owner = Owner()
            switch round % 3 {
            case 0: owner.lead()
            case 1: owner.follow(term: 2)
            default:
                owner.now = owner.replica.raft.deadline
                owner.turn(.timeout)
            }
            for _ in 0..<20 {
                let term = Term(Self.edges[Int(generator.next(below: 5))])
                let body = Self.body(&generator)
                // Honest in one thing: a matched index beyond the log, or a lie of the elected leader, is not for a
                // crash-tolerant protocol to survive in safety. It is to survive it without a trap.
                owner.turn(owner.message(body, from: Owner.peers[round % 2], term: term))
                owner.now = owner.now + .milliseconds(1)
            }
            let commands: [[UInt8]] = [[], [1], [UInt8](repeating: 255, count: 100)]
            for term in Self.edges {
                let refusal = ForwardRefusal(term: Term(term), reason: .notLeader, requests: [.none])
                owner.turn(
                    .received(.forward(Forward(term: Term(term), commands: commands)), from: NodeID(2)),
                    .received(
                        .forward(
                            Forward(
                                term: Term(term), commands: commands,
                                traces: [-1, 0, 2, 3, .max].map { .init(place: $0, trace: Owner.trace(1)) })),
                        from: NodeID(2)),
                    .received(.forwardRefused(refusal), from: NodeID(2)),
                    .received(.transfer(to: NodeID(term)), from: NodeID(2)), .undelivered([.none]),
                    .peerUnreachable(NodeID(term)), .peerDisconnected(NodeID(term)))
            }
        }
    }

    @Test func `a forwarded command that is none is refused by the store, not by the log`() {
        var owner = Owner()
        owner.lead()
        var broken = owner.command(5)
        broken[25] = 200
        let forward = Forward(term: owner.replica.raft.term, commands: [broken])
        #expect(owner.turn(.received(.forward(forward), from: NodeID(2))).appended.count == 1)
        owner.commit()
        #expect(owner.replica.keyspace.appliedIndex == owner.replica.raft.commit)
        #expect(owner.replica.keyspace.count == 0)
    }
}
