import Consensus
import Primitives
import Testing

@testable import Simulator

/// States with the same digest are taken for the same: so they must do the same, whatever happens to them.
@Suite struct SmallScopeDigestTests {
    private typealias Action = SmallScope.Action

    /// A scope in which much happens, searched for a while.
    private static func explorer(_ name: String, states: Int) -> SmallScope.Explorer {
        let bounds = SmallScope.scopes.first { $0.name == name }?.bounds ?? SmallScope.Bounds()
        var explorer = SmallScope.Explorer(bounds)
        _ = explorer.run(states: states, bytes: .max) { _ in true }
        return explorer
    }

    private static func digest(_ member: SmallScope.Member) -> StateDigest {
        var hasher = StateHasher()
        member.feed(&hasher)
        return hasher.digest
    }

    private static func digest(_ message: Message) -> StateDigest {
        var hasher = StateHasher()
        message.feed(&hasher)
        return hasher.digest
    }

    /// Takes a step with a node as it has become by all steps before, and compares it with what is remembered
    /// of the first node that had the same digest.
    private static func compare(
        _ member: inout SmallScope.Member, _ known: inout UInt32, _ action: Action,
        _ explorer: inout SmallScope.Explorer
    ) -> Bool {
        let outcome = explorer.outcome(known, action)
        let message = action.kind == .deliver ? explorer.messages[Int(action.operand)] : nil
        let turn = SmallScope.Turn(member, action, message, explorer.bounds)
        let first = Int(outcome.firstSend)
        let sends = explorer.outcomes.sends[first..<first + Int(outcome.sendCount)]
        let isSame =
            digest(turn.member) == digest(explorer.members[Int(outcome.member)])
            && turn.sends == sends.map { explorer.messages[$0.message] }
            && (turn.breach == nil) == (outcome.breach < 0)
        member = turn.member
        known = outcome.member
        return isSame
    }

    @Test(arguments: ["all", "disks", "checkpoints", "reads", "one-fault", "turns"])
    func `equal digests behave equally`(_ scope: String) {
        var explorer = Self.explorer(scope, states: 1500)
        let bounds = explorer.bounds
        var differences = 0
        for state in stride(from: 0, to: explorer.states, by: 97) {
            var members: [SmallScope.Member] = []
            for node in 1...UInt64(bounds.nodes) {
                members.append(SmallScope.Member(founding: NodeID(node), bounds))
            }
            var known: [UInt32] = []
            for member in members { known.append(UInt32(explorer.number(of: member))) }
            for action in explorer.prelude + explorer.steps(to: state) where !action.isOfNetwork {
                if !Self.compare(&members[action.node], &known[action.node], action, &explorer) {
                    differences += 1
                }
            }
            // And whatever could come next, likely or not.
            for node in members.indices {
                for action in Self.anything(for: node, explorer) {
                    var (member, number) = (members[node], known[node])
                    if !Self.compare(&member, &number, action, &explorer) { differences += 1 }
                }
            }
        }
        #expect(differences == 0)
    }

    /// All messages ever sent to the node, and all that it can do by itself.
    private static func anything(for node: Int, _ explorer: borrowing SmallScope.Explorer) -> [Action] {
        var actions = [
            Action(.timeout, node: node), Action(.crash, node: node), Action(.propose, node: node),
            Action(.timeout, node: node, manner: .slow), Action(.persisted, node: node),
            Action(.fetched, node: node), Action(.propose, node: node, manner: [.slow, .open]),
        ]
        for number in 0..<explorer.messages.count
        where Int(explorer.messages[number].to.rawValue) == node + 1 {
            actions.append(Action(.deliver, node: node, operand: UInt32(number)))
            actions.append(Action(.deliver, node: node, operand: UInt32(number), manner: [.late, .slow]))
        }
        return actions
    }

    @Test func `digests tell states and messages apart`() {
        var explorer = Self.explorer("one-fault", states: 3000)
        var seen: Set<StateDigest> = []
        for number in 0..<explorer.messages.count {
            let message = explorer.messages[number]
            #expect(seen.insert(Self.digest(message)).inserted, "\(message)")
        }
        #expect(explorer.messages.count > 50)
        // A node that has heard a message twice in a row is as after the first time, but for what it said.
        var descriptions: [StateDigest: String] = [:]
        for number in 0..<explorer.members.count {
            let member = explorer.members[number]
            let text = "\(member.raft) \(member.raft.peers.map { ($0.id, $0.match, $0.next, $0.state) })"
            let known = descriptions.updateValue(text, forKey: Self.digest(member))
            #expect(known == nil || known == text)
        }
        explorer.transitions = 0
    }

    @Test func `exact digests tell times and random states apart, relative ones do not`() {
        func raft(seed: UInt64, now: Instant) -> Raft {
            let snapshot = SnapshotReference(
                position: .origin, configuration: Configuration(voters: [NodeID(1), NodeID(2)]))
            let restored = Raft.Restored(hardState: HardState(), snapshot: snapshot, log: LogTerms())
            return Raft(
                options: SmallScope.Member.options(NodeID(1), SmallScope.Bounds()), restored: restored,
                seed: seed, now: now)
        }
        func digest(_ raft: Raft, relativeTo now: Instant?) -> StateDigest {
            var hasher = StateHasher()
            raft.feed(&hasher, relativeTo: now)
            return hasher.digest
        }
        let later = Instant(nanoseconds: 5000)
        let (one, two) = (raft(seed: 1, now: .zero), raft(seed: 1, now: later))
        #expect(digest(one, relativeTo: nil) == digest(raft(seed: 1, now: .zero), relativeTo: nil))
        #expect(digest(one, relativeTo: nil) != digest(two, relativeTo: nil))
        #expect(digest(one, relativeTo: .zero) == digest(two, relativeTo: later))
        #expect(digest(one, relativeTo: nil) != digest(raft(seed: 2, now: .zero), relativeTo: nil))
    }

    @Test func `digests never change`() {
        var hasher = StateHasher()
        for number in 0..<100 as Range<UInt64> { hasher.feed(number) }
        hasher.feed(LogPosition(index: LogIndex(3), term: Term(2)))
        #expect(hasher.digest == StateDigest(high: 0x0399_3827_3917_ba44, low: 0xb77a_cd79_7a65_0f58))
        var renamed = StateHasher(names: 0x0706_0504_0301_0200)
        var plain = StateHasher()
        renamed.feed(NodeID(1))
        plain.feed(NodeID(2))
        #expect(renamed.digest == plain.digest)
    }

    @Test func `the set of visited states keeps what it was given`() {
        var visited = SmallScope.VisitedSet()
        var generator = SeededGenerator(seed: 7)
        var digests: [StateDigest] = [
            StateDigest(), StateDigest(high: 0, low: 5), StateDigest(high: 5, low: 0),
        ]
        for _ in 0..<20_000 { digests.append(StateDigest(high: generator.next(), low: generator.next())) }
        // Many that want the same place.
        for low in 1...50 as ClosedRange<UInt64> { digests.append(StateDigest(high: 1 << 40, low: low)) }
        var (new, known) = (0, 0)
        for digest in digests where visited.insert(digest) { new += 1 }
        for digest in digests where !visited.insert(digest) { known += 1 }
        let count = visited.count
        #expect(new == digests.count && known == new && count == new)
    }
}
