import Consensus
import Primitives
import Store
import Testing

@testable import Replication

extension Owner {
    /// The only member of its cluster, which leads: everything is committed once it is on disk.
    static func alone(limits: Replica.Limits = Replica.Limits()) -> Owner {
        var owner = Owner(limits: limits, members: Configuration(voters: [Owner.id]))
        owner.now = owner.replica.raft.deadline
        owner.turn(.timeout)
        owner.settle()
        #expect(owner.replica.raft.isReady)
        return owner
    }

    /// Everything that was asked for reaches the disk, also what that brings.
    @discardableResult
    mutating func settle() -> [ReplicaEffect] {
        var effects: [ReplicaEffect] = []
        for _ in 0..<1_000 {
            let more = sync()
            if more.isEmpty && replica.deadline > now { return effects }
            effects += more
            if replica.deadline <= now { effects += turn(.timeout) }
        }
        Issue.record("never settles")
        return effects
    }

    func lease(_ token: UInt64, _ command: LeaseCommand) -> ReplicaEvent {
        .write(
            Write(
                token: token, requestID: Self.request(token), operation: .coordinate(.lease(command)),
                deadline: now + .seconds(10)))
    }

    /// Grants a lease, durably.
    mutating func grant(_ id: String, seconds: Int = 10) {
        turn(lease(UInt64(1_000 + replica.keyspace.coordination.lastNumber), grantCommand(id, seconds)))
        settle()
    }

    func grantCommand(_ id: String, _ seconds: Int) -> LeaseCommand {
        .grant(LeaseTerms(id: id, timeToLive: Int64(seconds) * 1_000))
    }

    /// Time passes, the replica is woken whenever it is due, and what it writes reaches the disk at once.
    mutating func live(_ span: Instant.Span) -> [ReplicaEffect] {
        let end = now + span
        var effects: [ReplicaEffect] = []
        while replica.deadline <= end {
            now = max(now, replica.deadline)
            effects += turn(.timeout)
            effects += settle()
        }
        now = end
        return effects
    }
}

extension [ReplicaEffect] {
    /// What is said about timers in entries that go into the log.
    var timerCommands: [TimerCommand] {
        appended.compactMap { payload in
            guard case .coordinate(.timers(let command)) = (try? Command(decoding: payload))?.operation else {
                return nil
            }
            return command
        }
    }
    /// The numbers of the timers that are fired, command by command.
    var firings: [[UInt64]] {
        timerCommands.compactMap { if case .fire(_, let numbers) = $0 { numbers } else { nil } }
    }
    /// What is recorded to be left of timers, command by command.
    var notes: [[TimerCommand.TimeLeft]] {
        timerCommands.compactMap { if case .elapsed(_, let left) = $0 { left } else { nil } }
    }
}

struct LeaderTimerTests {
    @Test func `a timer fires when its time is over and not before`() {
        var owner = Owner.alone()
        owner.grant("a", seconds: 3)
        let timer = owner.replica.keyspace.lease("a")?.timer ?? 0
        let end = owner.now + .seconds(3)
        #expect(owner.live(.milliseconds(2_999)).firings.isEmpty)
        #expect(owner.replica.keyspace.lease("a") != nil)
        #expect(owner.replica.deadline <= end)
        #expect(owner.live(.milliseconds(1)).firings == [[timer]])
        #expect(owner.replica.keyspace.lease("a") == nil && owner.now == end)
        #expect(owner.live(.seconds(5)).timerCommands.isEmpty)
    }

    @Test func `the leader's wall clock decides nothing`() {
        var owner = Owner.alone()
        owner.grant("a", seconds: 10)
        owner.wall = WallTime(milliseconds: owner.wall.milliseconds + 86_400_000)
        #expect(owner.live(.seconds(9)).firings.isEmpty)
        owner.wall = WallTime(milliseconds: 1)
        #expect(owner.live(.seconds(1)).firings.count == 1)
    }

    @Test
    func `a renewal that comes into the log before the firing wins, one that comes after it is refused`() {
        var owner = Owner.alone()
        owner.grant("early", seconds: 3)
        owner.grant("late", seconds: 3)
        owner.now = owner.now + .milliseconds(2_999)
        // Not on disk yet, so not applied, when the time is over.
        owner.turn(owner.lease(1, .renew(id: "early", timeToLive: nil)))
        owner.now = owner.now + .milliseconds(1)
        #expect(owner.turn(.timeout).firings.count == 1)
        owner.turn(owner.lease(2, .renew(id: "late", timeToLive: nil)))
        let outcomes = owner.settle().compactMap { effect -> Outcome? in
            if case .answered(_, _, let outcome) = effect { outcome } else { nil }
        }
        #expect(owner.replica.keyspace.leases(limit: 9).map(\.id) == ["early"])
        #expect(outcomes.last == .refused(.coordination(.leaseNotFound("late"))))
        #expect(owner.live(.milliseconds(2_999)).firings.isEmpty)
        #expect(owner.live(.milliseconds(1)).firings.count == 1)
        #expect(owner.replica.keyspace.coordination.timerCount == 0)
    }

    @Test func `one firing at a time is under way, and it is repeated if it was not applied`() {
        var owner = Owner.alone()
        owner.grant("a", seconds: 2)
        owner.now = owner.now + .milliseconds(100)
        owner.grant("b", seconds: 2)
        owner.now = owner.now + .milliseconds(1_900)
        #expect(owner.turn(.timeout).firings.map(\.count) == [1])
        // The disk is slow: nothing is committed.
        owner.now = owner.now + .milliseconds(999)
        #expect(owner.turn(.timeout).firings.isEmpty)
        #expect(owner.replica.keyspace.leases(limit: 9).count == 2, "a lease ends when that is committed")
        owner.now = owner.now + .milliseconds(1)
        #expect(owner.turn(.timeout).firings.map(\.count) == [2])
        owner.settle()
        #expect(owner.replica.keyspace.coordination.timerCount == 0)
        #expect(owner.live(.seconds(5)).timerCommands.isEmpty)
    }

    @Test func `what is left is recorded, at most once a second`() {
        var owner = Owner.alone()
        for number in 0..<40 {
            owner.grant("l\(number)", seconds: 30)
            _ = owner.live(.milliseconds(77))
        }
        let begin = owner.now
        var times: [Instant] = []
        for _ in 0..<2_000 {
            for left in owner.live(.milliseconds(10)).notes {
                times.append(owner.now)
                #expect(!left.isEmpty)
            }
        }
        #expect(owner.now - begin == .seconds(20))
        #expect(times.count > 5)
        for (a, b) in zip(times, times.dropFirst()) { #expect(b - a >= .milliseconds(990)) }
        // Of 30 seconds, about 23 have gone.
        var most: Int64 = 0
        owner.replica.keyspace.coordination.forEachTimer { _, duration, left in
            most = max(most, left)
            #expect(duration == 30_000)
        }
        #expect(most < 30_000 - 20_000 + 7_100)
    }

    @Test func `what is left of many timers is recorded in small steps with pauses between them`() {
        var owner = Owner.alone()
        let events = (0..<1_000).map { owner.lease(UInt64($0), owner.grantCommand("l\($0)", 30)) }
        owner.turn(events)
        owner.settle()
        var notes: [(at: Instant, numbers: [UInt64])] = []
        for _ in 0..<700 {
            for left in owner.live(.milliseconds(10)).notes { notes.append((owner.now, left.map(\.number))) }
        }
        let limits = owner.replica.limits
        #expect(notes.allSatisfy { $0.numbers.count <= limits.timersPerNote })
        #expect(
            Set(notes.flatMap { $0.numbers }).count == 1_000 && notes.flatMap { $0.numbers }.count == 1_000)
        for (a, b) in zip(notes, notes.dropFirst()) {
            #expect(b.at - a.at >= limits.notePause - .milliseconds(10))
        }
        #expect(notes.count == 8 && (notes.last?.at ?? .never) - notes[0].at < .milliseconds(400))
    }

    @Test func `what is recorded is never less than what is left`() {
        var owner = Owner.alone()
        owner.grant("a", seconds: 10)
        let end = owner.now + .seconds(10)
        var count = 0
        for _ in 0..<990 {
            for left in owner.live(.milliseconds(10)).notes.flatMap({ $0 }) {
                count += 1
                #expect(.milliseconds(Int(left.milliseconds)) >= end - owner.now)
                #expect(.milliseconds(Int(left.milliseconds)) <= end - owner.now + .milliseconds(11))
            }
        }
        #expect(count == 4)
    }

    @Test func `ten thousand leases that end at once go in small batches, and writes go on between them`() {
        var owner = Owner.alone()
        let events = (0..<10_000).map { owner.lease(UInt64($0), owner.grantCommand("l\($0)", 60)) }
        owner.turn(events)
        owner.settle()
        #expect(owner.replica.keyspace.coordination.timerCount == 10_000)
        owner.now = owner.now + .seconds(70)
        var firings: [[UInt64]] = []
        var answered = 0
        for token in 0..<400 as Range<UInt64> where owner.replica.keyspace.coordination.timerCount > 0 {
            firings += owner.turn(owner.put(20_000 + token)).firings
            answered += owner.sync().answered.count
        }
        #expect(owner.replica.keyspace.coordination.timerCount == 0)
        #expect(firings.allSatisfy { $0.count <= owner.replica.limits.timersPerFiring })
        #expect(firings.flatMap { $0 }.count == 10_000 && Set(firings.flatMap { $0 }).count == 10_000)
        #expect(answered >= firings.count && firings.count > 100)
    }

    @Test func `without leases nothing wakes a node, and a follower is never woken by them`() {
        var owner = Owner.alone()
        #expect(owner.replica.deadline == owner.replica.raft.deadline)
        owner.grant("a", seconds: 1)
        #expect(owner.replica.deadline < owner.now + .seconds(2))
        owner.turn(owner.lease(5, .revoke(id: "a")))
        owner.settle()
        #expect(owner.replica.deadline == owner.replica.raft.deadline)

        var follower = Owner()
        follower.follow()
        let grant = Command(
            requestID: Owner.request(1), time: follower.wall,
            operation: .coordinate(.lease(follower.grantCommand("a", 1))))
        follower.turn(follower.append([grant.encode()], from: NodeID(2), term: Term(1)))
        #expect(follower.replica.keyspace.lease("a") != nil && follower.replica.timers.count == 1)
        #expect(follower.replica.deadline == follower.replica.raft.deadline)
    }

    @Test func `a leader whose first entry is not applied yet fires nothing`() {
        var owner = Owner()
        owner.follow()
        let grant = Command(
            requestID: Owner.request(1), time: owner.wall,
            operation: .coordinate(.lease(owner.grantCommand("a", 1))))
        let renewal = Command(
            requestID: Owner.request(2), time: owner.wall,
            operation: .coordinate(.lease(.renew(id: "a", timeToLive: nil))))
        owner.turn(owner.append([grant.encode()], from: NodeID(2), term: Term(1)))
        // The renewal is in the log, but this node does not know that it is committed.
        owner.turn(
            owner.append([renewal.encode()], from: NodeID(2), term: Term(1), commit: LogIndex(2)))
        owner.sync()
        owner.now = owner.now + .seconds(5)
        owner.turn(.timeout)
        let next = owner.replica.raft.term.next
        owner.turn(
            owner.message(
                .voteResponse(VoteResponse(granted: true, isPreVote: true)), from: NodeID(2), term: next))
        owner.sync()
        var effects = owner.turn(
            owner.message(.voteResponse(VoteResponse(granted: true, isPreVote: false)), from: NodeID(2)))
        #expect(owner.replica.raft.role == .leader)
        effects += owner.turn(.timeout)
        #expect(effects.firings.isEmpty && owner.replica.keyspace.lease("a") != nil)
        owner.commit()
        let renewed = owner.replica.keyspace.lease("a")?.timer ?? 0
        #expect(owner.replica.timers.deadline(of: renewed) == owner.now + .seconds(1))
    }
}

/// Timers in a cluster of three, on one simulated clock.
struct ClusterTimerTests {
    private final class Fixture {
        let cluster: Cluster
        private var lastToken: UInt64 = 0

        init(seed: UInt64 = 1, limits: Replica.Limits = Replica.Limits()) {
            cluster = Cluster(3, seed: seed, limits: limits)
            awaitLeader()
        }

        func awaitLeader() {
            let isThere = cluster.run(upTo: .seconds(20)) { cluster.leader?.replica.raft.isReady == true }
            #expect(isThere)
        }

        var leader: Node { cluster.leader ?? cluster.nodes[0] }

        func submit(_ operation: Store.Operation) {
            lastToken += 1
            cluster.post(
                .write(
                    Write(
                        token: lastToken, requestID: RequestID(high: 9, low: lastToken), operation: operation,
                        deadline: cluster.now + .seconds(60))),
                to: leader.id)
        }

        /// Grants a lease and waits until the leader has applied it.
        func grant(_ id: String, seconds: Int) {
            submit(.coordinate(.lease(.grant(LeaseTerms(id: id, timeToLive: Int64(seconds) * 1_000)))))
            let isGranted = cluster.run(upTo: .seconds(5)) { self.leader.replica.keyspace.lease(id) != nil }
            #expect(isGranted)
        }

        /// When the lease has ended on some node that is up.
        func awaitEnd(of id: String, upTo limit: Instant.Span) -> Instant? {
            let hasEnded = cluster.run(upTo: limit) {
                cluster.nodes.contains {
                    $0.isUp && $0.replica.keyspace.lease(id) == nil
                        && $0.replica.keyspace.coordination.lastNumber > 0
                }
            }
            return hasEnded ? cluster.now : nil
        }

        func remaining(of id: String, on node: Node) -> Instant.Span? {
            var found: Instant.Span?
            let timer = node.replica.keyspace.lease(id)?.timer
            node.replica.keyspace.coordination.forEachTimer { number, _, left in
                if number == timer { found = .milliseconds(Int(left)) }
            }
            return found
        }

        func deadline(of id: String, on node: Node) -> Instant? {
            node.replica.keyspace.lease(id).flatMap { node.replica.timers.deadline(of: $0.timer) }
        }
    }

    @Test func `a lease ends within moments of its time on every node`() {
        let fixture = Fixture()
        let begin = fixture.cluster.now
        fixture.grant("a", seconds: 5)
        let granted = fixture.cluster.now
        let end = fixture.awaitEnd(of: "a", upTo: .seconds(10))
        #expect(end.map { $0 >= begin + .seconds(5) && $0 <= granted + .milliseconds(5_050) } == true)
        fixture.cluster.run(for: .milliseconds(500))
        for node in fixture.cluster.nodes {
            #expect(node.replica.keyspace.lease("a") == nil && node.replica.timers.count == 0)
        }
    }

    @Test(arguments: 1...5)
    func `another leader goes on from what it has seen and what was recorded`(seed: UInt64) throws {
        let fixture = Fixture(seed: seed)
        let begin = fixture.cluster.now
        fixture.grant("a", seconds: 10)
        fixture.cluster.run(for: .milliseconds(4_000 + Int(seed) * 700))
        let old = fixture.leader.id
        let promised = try #require(fixture.deadline(of: "a", on: fixture.leader))
        fixture.cluster.crash(old)
        let isElected = fixture.cluster.run(upTo: .seconds(20)) {
            fixture.cluster.leader.map { $0.replica.raft.isReady && $0.replica.timing.term != nil } == true
        }
        #expect(isElected)
        let leader = fixture.leader
        let recorded = try #require(fixture.remaining(of: "a", on: leader))
        #expect(recorded < .seconds(10), "something was recorded")
        let deadline = try #require(fixture.deadline(of: "a", on: leader))
        #expect(deadline >= promised, "never shortened")
        #expect(deadline >= begin + .seconds(10))
        #expect(deadline <= fixture.cluster.now + recorded, "prolonged by no more than was recorded")
        let end = try #require(fixture.awaitEnd(of: "a", upTo: .seconds(30)))
        #expect(end >= deadline && end <= deadline + .milliseconds(100))
    }

    @Test func `what a deposed leader fires ends nothing before its time`() throws {
        let fixture = Fixture()
        fixture.grant("a", seconds: 10)
        let old = fixture.leader
        fixture.cluster.run(for: .milliseconds(9_900))
        // It has the lease in its hands, and renews it for nobody: its firing can't be committed.
        fixture.cluster.isolate(old.id)
        fixture.cluster.run(for: .milliseconds(200))
        #expect(old.replica.raft.role == .leader && !old.replica.timing.firing.isEmpty)
        let isElected = fixture.cluster.run(upTo: .seconds(20)) {
            fixture.cluster.nodes.contains { $0 !== old && $0.replica.timing.term != nil }
        }
        #expect(isElected)
        let leader = try #require(fixture.cluster.nodes.first { $0 !== old && $0.replica.timing.term != nil })
        // The new leader, by whose clock the time is over too, ends it; the old one has ended nothing.
        #expect(fixture.awaitEnd(of: "a", upTo: .seconds(5)) != nil)
        #expect(leader.replica.keyspace.lease("a") == nil && old.replica.keyspace.lease("a") != nil)
        // Under the new leader there is another one with the same name, which the old firing does not hit.
        fixture.cluster.post(
            .write(
                Write(
                    token: 900, requestID: RequestID(high: 8, low: 1),
                    operation: .coordinate(.lease(.grant(LeaseTerms(id: "a", timeToLive: 60_000)))),
                    deadline: fixture.cluster.now + .seconds(60))),
            to: leader.id)
        fixture.cluster.run(for: .seconds(1))
        fixture.cluster.heal()
        fixture.cluster.run(for: .seconds(2))
        for node in fixture.cluster.nodes { #expect(node.replica.keyspace.lease("a") != nil) }
        #expect(Set(fixture.cluster.nodes.map(\.replica.keyspace.digest)).count == 1)
    }

    @Test(arguments: 1...3)
    func `ten changes of leaders prolong a lease of a minute by no more than a moment, and never shorten it`(
        seed: UInt64
    ) throws {
        let fixture = Fixture(seed: seed)
        let begin = fixture.cluster.now
        fixture.grant("a", seconds: 60)
        let granted = fixture.cluster.now
        for change in 0..<10 {
            fixture.cluster.run(for: .milliseconds(3_000 + change * 137))
            let old = fixture.leader
            let next = try #require(fixture.cluster.nodes.filter { $0 !== old }.dropFirst(change % 2).first)
            let isLeader = fixture.cluster.run(upTo: .seconds(5)) {
                if fixture.cluster.leader === old, old.replica.raft.transferTarget == nil {
                    fixture.cluster.post(.transferLeadership(to: next.id), to: old.id)
                }
                return fixture.cluster.leader === next && next.replica.timing.term != nil
            }
            #expect(isLeader)
            let deadline = try #require(fixture.deadline(of: "a", on: next))
            #expect(deadline >= begin + .seconds(60), "never too early")
            #expect(deadline <= granted + .milliseconds(60_300), "change \(change)")
        }
        #expect(fixture.cluster.now < begin + .seconds(59))
        let end = try #require(fixture.awaitEnd(of: "a", upTo: .seconds(30)))
        #expect(end >= begin + .seconds(60) && end <= granted + .milliseconds(60_500))
    }

    @Test func `a renewal counts in full under every later leader`() throws {
        let fixture = Fixture()
        fixture.grant("a", seconds: 10)
        fixture.cluster.run(for: .seconds(9))
        let renewed = fixture.cluster.now
        fixture.submit(.coordinate(.lease(.renew(id: "a", timeToLive: nil))))
        fixture.cluster.run(for: .seconds(3))
        fixture.cluster.crash(fixture.leader.id)
        fixture.cluster.run(for: .seconds(1))
        let end = try #require(fixture.awaitEnd(of: "a", upTo: .seconds(30)))
        #expect(end >= renewed + .seconds(10) && end <= renewed + .milliseconds(10_500))
    }

    @Test func `a lease outlives a restart of all nodes by what was recorded, however long they were down`()
        throws
    {
        let fixture = Fixture()
        fixture.grant("a", seconds: 30)
        fixture.cluster.run(for: .seconds(20))
        let recorded = try #require(fixture.remaining(of: "a", on: fixture.leader))
        #expect(recorded <= .seconds(13) && recorded >= .seconds(10))
        for node in fixture.cluster.nodes { fixture.cluster.crash(node.id) }
        fixture.cluster.run(for: .seconds(600))
        let begin = fixture.cluster.now
        for node in fixture.cluster.nodes { fixture.cluster.restart(node.id) }
        fixture.awaitLeader()
        let end = try #require(fixture.awaitEnd(of: "a", upTo: .seconds(60)))
        #expect(end >= begin + recorded, "not shortened")
        #expect(end <= begin + recorded + .seconds(20), "nor begun anew")
    }

    @Test func `timers come with a snapshot and go on`() throws {
        var limits = Replica.Limits()
        limits.checkpointLogBytes = 2_000
        let fixture = Fixture(limits: limits)
        fixture.cluster.cutsEagerly = true
        let late = try #require(fixture.cluster.nodes.first { $0 !== fixture.leader })
        fixture.cluster.isolate(late.id)
        fixture.grant("a", seconds: 30)
        let begin = fixture.cluster.now
        for number in 0..<40 {
            fixture.submit(
                .put(
                    key: Array("k\(number)".utf8), value: [UInt8](repeating: 1, count: 100), guard: nil,
                    returnPrevious: false))
            fixture.cluster.run(for: .milliseconds(200))
        }
        fixture.cluster.heal()
        let isThere = fixture.cluster.run(upTo: .seconds(20)) {
            late.installs > 0 && late.replica.keyspace.lease("a") != nil
        }
        #expect(isThere)
        let deadline = try #require(fixture.deadline(of: "a", on: late))
        #expect(deadline >= begin + .seconds(30) && deadline <= fixture.cluster.now + .seconds(30))
        // It becomes the leader, and the lease ends in its time.
        fixture.cluster.run(for: .seconds(1))
        let isLeader = fixture.cluster.run(upTo: .seconds(20)) {
            if fixture.leader !== late, fixture.leader.replica.raft.transferTarget == nil {
                fixture.cluster.post(.transferLeadership(to: late.id), to: fixture.leader.id)
            }
            return fixture.cluster.leader === late && late.replica.timing.term != nil
        }
        #expect(isLeader)
        let end = try #require(fixture.awaitEnd(of: "a", upTo: .seconds(90)))
        #expect(end >= begin + .seconds(30) && end <= begin + .seconds(65))
    }
}
