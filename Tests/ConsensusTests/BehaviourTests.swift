import Consensus
import Primitives
import Testing

/// Elections beyond figure 3.1: pre-vote, check-quorum, the leader's lease on loyalty, disconnects.
@Suite struct ElectionBehaviourTests {
    @Test func `a node that hears its leader does not vote against it, unless the leader wants it to`() {
        var solo = Solo(term: 1, log: [1])
        _ = solo.receive(2, 1, .heartbeat(Heartbeat(commit: .zero, round: 0)))
        #expect(solo.receive(3, 5, voteRequest(position(9, 4))).isEmpty && solo.raft.term == Term(1))
        #expect(
            sent(solo.receive(3, 2, voteRequest(position(9, 1), isPreVote: true))) == [
                vote(false, isPreVote: true)
            ])
        var handedOver = solo
        #expect(held(handedOver.receive(3, 2, voteRequest(position(9, 1), isTransfer: true))) == [vote(true)])
        solo.now = .zero + .milliseconds(500)
        #expect(held(solo.receive(3, 2, voteRequest(position(9, 1)))) == [vote(true)])
    }

    @Test func `a pre-vote changes nothing in the one that is asked`() {
        var solo = Solo(term: 1, log: [1])
        let before = solo.raft.hardState
        #expect(
            sent(solo.receive(3, 2, voteRequest(position(1, 1), isPreVote: true))) == [
                vote(true, isPreVote: true)
            ])
        #expect(
            sent(solo.receive(2, 2, voteRequest(position(1, 1), isPreVote: true))) == [
                vote(true, isPreVote: true)
            ])
        #expect(solo.raft.hardState == before && solo.raft.role == .follower)
    }

    @Test func `a voter alone leads as soon as its vote is durable, and commits when its entries are`() {
        var solo = Solo(1, of: 1, term: 4, vote: 1, log: [1, 4], commit: 1)
        #expect(solo.raft.deadline == .zero)
        solo.turn(.timeout)
        #expect(solo.raft.role == .candidate && solo.raft.term == Term(5))
        solo.sync()
        #expect(solo.raft.role == .leader && solo.raft.commit == LogIndex(1))
        #expect(solo.sync().contains(.committed(LogIndex(3))))
        #expect(solo.turn(.read(token: 8)).contains(.readReady(token: 8, index: LogIndex(3))))
    }

    @Test func `learners and strangers have no deadline and never stand`() {
        for configuration in [Configuration(voters: [NodeID(2)], learners: [NodeID(1)]), .empty] {
            let restored = Raft.Restored(
                hardState: HardState(),
                snapshot: SnapshotReference(position: .origin, configuration: configuration),
                log: LogTerms())
            var raft = Raft(options: Raft.Options(id: NodeID(1)), restored: restored, seed: 1, now: .zero)
            var effects: [Effect] = []
            #expect(raft.deadline == .never)
            raft.step(.timeout, at: .zero + .seconds(100), into: &effects)
            let now = Message(from: NodeID(2), to: NodeID(1), term: Term(1), body: .timeoutNow)
            raft.step(.received(now), at: .zero, into: &effects)
            #expect(raft.role == .follower)
        }
    }

    @Test func `a leader that hears no quorum for an election timeout steps down`() {
        var solo = Solo()
        solo.lead()
        let begun = solo.now
        while solo.raft.role == .leader {
            solo.now = solo.raft.deadline
            solo.turn(.timeout)
        }
        #expect(solo.now - begun >= .milliseconds(1000) && solo.now - begun <= .milliseconds(1100))
    }

    /// Kill the leader of 3 or 5 nodes, let all others notice, for many seeds: a new one long before any
    /// election timeout.
    @Test(arguments: [3, 5]) func `fail-over by disconnect is quick`(_ count: Int) {
        var spans: [Int64] = []
        for seed in 1...40 as ClosedRange<UInt64> {
            let cluster = Cluster(count, seed: seed)
            _ = cluster.run(upTo: .seconds(5)) { cluster.leader?.raft.isReady == true }
            cluster.run(for: .milliseconds(300))
            guard let old = cluster.leader else { continue }
            cluster.crash(old.id)
            for node in cluster.nodes { cluster.post(.peerDisconnected(old.id), to: node.id) }
            let begun = cluster.now
            #expect(cluster.run(upTo: .seconds(5)) { cluster.leader?.raft.isReady == true })
            spans.append((cluster.now - begun).milliseconds)
            #expect(cluster.checker.breaches.isEmpty)
        }
        spans.sort()
        #expect(spans.count == 40 && spans[20] < 60, "\(spans)")
        #expect(spans[39] < 500, "\(spans)")
    }

    @Test func `messages with absurd numbers are dropped`() {
        var solo = Solo(term: 1, log: [1])
        let far = UInt64.max
        let bodies: [Message.Body] = [
            append(position(far - 1, 1), [], commit: far), voteRequest(position(far, far)),
            matched(far, after: .origin),
            rejected(position(far, far), hint: position(far, far), last: far),
            .heartbeat(Heartbeat(commit: LogIndex(far), round: far)), .heartbeatResponse(round: far),
            .installSnapshot(SnapshotReference(position: position(far, far), configuration: .empty)),
            .readIndexResponse(token: far, index: LogIndex(far)), .timeoutNow, voteRequest(position(0, 9)),
            append(position(0, 7), []), append(position(1, 1), [0]),
            .append(Append(previous: position(1, 1), entries: entries([1], after: 7), commit: .zero)),
        ]
        for body in bodies {
            for term in [0, 1, 2, 1 << 61, far] as [UInt64] {
                for from in [0, 1, 2, 9] as [UInt64] {
                    var node = solo
                    _ = node.receive(from, term, body)
                    var leader = solo
                    leader.lead()
                    _ = leader.receive(from, term, body)
                    #expect(node.raft.lastIndex == LogIndex(1) && leader.raft.commit <= leader.raft.lastIndex)
                }
            }
        }
        solo.turn(.timeout)
    }
}

/// Replication beyond figure 3.1: windows, losses, limits, acknowledgements from the disk.
@Suite struct ReplicationBehaviourTests {
    static func leader(tune: (inout Raft.Options) -> Void = { _ in }) -> Solo {
        var solo = Solo(tune: tune)
        solo.lead()
        _ = solo.receive(2, 1, matched(1, after: .origin))
        _ = solo.receive(3, 1, matched(1, after: .origin))
        return solo
    }

    static func proposal(_ bytes: Int) -> Event {
        .propose([Proposal(payload: [UInt8](repeating: 0, count: bytes))])
    }

    @Test func `no more entries, bytes and appends are under way than allowed`() {
        var solo = Self.leader {
            $0.maxBytesPerAppend = 100
            $0.maxBytesInFlight = 250
            $0.maxEntriesPerAppend = 3
        }
        let effects = solo.turn(
            Self.proposal(60), Self.proposal(60), Self.proposal(300), Self.proposal(1), Self.proposal(1),
            Self.proposal(1),
            Self.proposal(1))
        // 60 | 60, then 300 alone would be beyond the window.
        #expect(replicates(effects).filter { $0.to == NodeID(2) }.map(\.count) == [1, 1])
        let more = solo.receive(2, 1, matched(3, after: position(1, 1)))
        #expect(replicates(more).map(\.count) == [1])
        #expect(replicates(solo.receive(2, 1, matched(4, after: position(3, 1)))).map(\.count) == [3, 1])
    }

    @Test func `entries of unknown size are sent one append at a time, and the owner may cut them`() {
        var solo = Solo(term: 1, log: Array(repeating: 1, count: 10))
        solo.lead()
        let probe = solo.receive(2, 2, rejected(position(10, 1), hint: .origin, last: 0))
        #expect(replicates(probe).map(\.range) == [LogIndex(1)..<LogIndex(12)])
        // The owner sent four of them.
        let next = solo.receive(2, 2, matched(4, after: .origin))
        #expect(replicates(next).map(\.range) == [LogIndex(5)..<LogIndex(12)])
        let rest = solo.receive(2, 2, matched(6, after: position(4, 1)))
        #expect(replicates(rest).map(\.range) == [LogIndex(7)..<LogIndex(12)])
    }

    @Test func `what is not answered is sent again when the peer shows that it lives`() {
        var solo = Self.leader()
        let begun = solo.now
        #expect(replicates(solo.turn(Self.proposal(1))).count == 2)
        solo.now = begun + .milliseconds(100)
        #expect(replicates(solo.receive(2, 1, .heartbeatResponse(round: 0))).isEmpty)
        solo.now = begun + .milliseconds(200)
        #expect(replicates(solo.receive(2, 1, .heartbeatResponse(round: 0))).map(\.to) == [NodeID(2)])
        // A peer known to be out of reach gets it at its first sign of life.
        solo.turn(.peerUnreachable(NodeID(3)))
        #expect(replicates(solo.receive(3, 1, .heartbeatResponse(round: 0))).map(\.to) == [NodeID(3)])
    }

    @Test func `proposals beyond the limits are refused, but one always fits`() {
        var solo = Self.leader {
            $0.maxUncommittedBytes = 100
            $0.maxUncommittedEntries = 4
        }
        let refusal = Effect.proposalRefused(count: 1, reason: .tooMuchUncommitted)
        // The no-op is committed, so nothing is uncommitted.
        #expect(!solo.turn(Self.proposal(500)).contains(refusal))
        #expect(solo.turn(Self.proposal(1)).contains(refusal))
        _ = solo.receive(2, 1, matched(2, after: position(1, 1)))
        _ = solo.receive(3, 1, matched(2, after: position(1, 1)))
        #expect(solo.raft.commit == LogIndex(2) && solo.raft.uncommittedBytes == 0)
        for _ in 0..<4 { #expect(!solo.turn(Self.proposal(1)).contains(refusal)) }
        #expect(solo.turn(Self.proposal(1)).contains(refusal))
    }

    @Test func `an acknowledgement of entries that were overwritten does not count for the new ones`() {
        // Entries 1...3 of term 1 go to the disk; before it reports, they give way to one of term 2.
        var solo = Solo()
        let first = solo.receive(2, 1, append(.origin, [1, 1, 1]))
        let second = solo.receive(3, 2, append(.origin, [2]))
        solo.turn(.persisted(sequence: persists(first)[0].sequence))
        #expect(solo.raft.durableIndex == .zero && solo.raft.lastIndex == LogIndex(1))
        solo.turn(.persisted(sequence: persists(second)[0].sequence))
        #expect(solo.raft.durableIndex == LogIndex(1))
    }

    @Test func `what was to be said in a term that has passed is not said`() {
        var solo = Solo()
        let effects = solo.turn(
            .received(solo.message(2, 1, append(.origin, [1, 1]))),
            .received(solo.message(3, 2, append(.origin, [2]))))
        #expect(persists(effects).count == 1 && persists(effects)[0].entries == entries([2], after: 0))
        #expect(held(effects) == [matched(1, after: .origin)])
        #expect(persists(effects)[0].thenSend.map(\.to) == [NodeID(3)])
    }

    @Test func `a configuration counts from its entry on, and no longer when the entry is truncated`() {
        var solo = Solo()
        let joint = Configuration(voters: (1...4).map { NodeID($0) }, outgoing: (1...3).map { NodeID($0) })
        let entry = Entry(index: LogIndex(1), term: Term(1), kind: .configuration, payload: joint.encode())
        _ = solo.receive(2, 1, .append(Append(previous: .origin, entries: [entry], commit: .zero)))
        #expect(solo.raft.configuration == joint && solo.raft.configurationIndex == LogIndex(1))
        _ = solo.receive(3, 2, append(.origin, [2]))
        #expect(solo.raft.configuration.voters.count == 3 && solo.raft.configurationIndex == .zero)
    }

    @Test func `a late checkpoint does not take the log back`() {
        var solo = Solo(term: 1, log: [1, 1, 1], commit: 3)
        let configuration = solo.raft.configuration
        func reference(_ index: UInt64) -> SnapshotReference {
            SnapshotReference(position: position(index, 1), configuration: configuration)
        }
        solo.turn(.compacted(reference(3), firstIndex: LogIndex(3)))
        solo.turn(.compacted(reference(2), firstIndex: LogIndex(1)))
        #expect(solo.raft.snapshot == reference(3) && solo.raft.firstIndex == LogIndex(3))
        solo.turn(.snapshotInstalled(reference(1)))
        #expect(solo.raft.snapshot == reference(3) && solo.raft.commit == LogIndex(3))
    }
}

@Suite struct ReadBehaviourTests {
    @Test
    func `reads that come during a round wait for the next one, and late answers to old rounds do not help`()
    {
        var solo = ReplicationBehaviourTests.leader()
        #expect(
            sent(solo.turn(.read(token: 1))).contains(.heartbeat(Heartbeat(commit: LogIndex(1), round: 1))))
        #expect(sent(solo.turn(.read(token: 2))).isEmpty)
        let first = solo.receive(2, 1, .heartbeatResponse(round: 1))
        #expect(first.contains(.readReady(token: 1, index: LogIndex(1))))
        #expect(sent(first).contains(.heartbeat(Heartbeat(commit: LogIndex(1), round: 2))))
        #expect(solo.receive(3, 1, .heartbeatResponse(round: 1)).isEmpty)
        #expect(
            solo.receive(3, 1, .heartbeatResponse(round: 9)).contains(
                .readReady(token: 2, index: LogIndex(1))))
    }

    @Test func `a follower's question is answered at once where leader and asker are a quorum`() {
        var solo = ReplicationBehaviourTests.leader()
        let answers = sent(solo.receive(2, 1, .readIndexRequest(token: 40)))
        #expect(answers == [.readIndexResponse(token: 40, index: LogIndex(1))])
        // From an older term it proves nothing.
        #expect(
            !sent(solo.receive(2, 0, .readIndexRequest(token: 41))).contains { body in
                if case .readIndexResponse(_, .some) = body { true } else { false }
            })
    }

    @Test func `a follower's question waits for a leader that has committed in its term`() {
        var solo = Solo()
        solo.lead()
        #expect(
            !sent(solo.receive(2, 1, .readIndexRequest(token: 40))).contains { body in
                if case .readIndexResponse = body { true } else { false }
            })
    }

    @Test func `a learner's question needs a round, for it counts in no quorum`() {
        var solo = ReplicationBehaviourTests.leader()
        let bodies = sent(solo.receive(9, 1, .readIndexRequest(token: 40)))
        #expect(bodies.allSatisfy { if case .readIndexResponse = $0 { false } else { true } })
    }

    @Test func `a new leader answers reads only when it has committed in its term`() {
        var solo = Solo()
        solo.lead()
        #expect(sent(solo.turn(.read(token: 1))).isEmpty && !solo.raft.isReady)
        let effects = solo.receive(2, 1, matched(1, after: .origin))
        #expect(
            effects.contains(.committed(LogIndex(1)))
                && sent(effects).contains(.heartbeat(Heartbeat(commit: LogIndex(1), round: 1))))
    }

    @Test func `a follower asks once a turn, and gives up when the leader changes`() {
        var solo = Solo()
        #expect(solo.turn(.read(token: 1)) == [.readFailed(token: 1)])
        _ = solo.receive(2, 1, .heartbeat(Heartbeat(commit: .zero, round: 0)))
        solo.sync()
        let effects = solo.turn(.read(token: 2), .read(token: 3))
        guard case .readIndexRequest(let number)? = sent(effects).first, sent(effects).count == 1 else {
            Issue.record("asks for \(effects)")
            return
        }
        #expect(solo.receive(3, 1, .readIndexResponse(token: number, index: .zero)).isEmpty)
        #expect(solo.receive(2, 1, .readIndexResponse(token: number &+ 1, index: .zero)).isEmpty)
        var answered = solo
        #expect(
            answered.receive(2, 1, .readIndexResponse(token: number, index: .zero))
                == [.readReady(token: 2, index: .zero), .readReady(token: 3, index: .zero)])
        #expect(solo.receive(3, 2, append(.origin, [])).contains(.readFailed(token: 3)))
        #expect(solo.receive(3, 2, .readIndexResponse(token: number, index: .zero)).isEmpty)
    }
}
