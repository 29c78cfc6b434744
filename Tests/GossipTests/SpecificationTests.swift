import Primitives
import Testing

@testable import Gossip

/// What is said of membership is what it does.
@Suite struct `Specification of membership` {
    private static func text(_ from: String, _ to: String, _ cause: String) -> String {
        "\(from) -> \(to): \(cause)"
    }

    private static func seen(in network: SimulatedNetwork) -> Set<String> {
        Set(
            network.transitions.map {
                text($0.what.from.name, $0.what.to.name, $0.what.cause.kind.name)
            })
    }

    /// Nodes crash, come back, leave and are cut off, while datagrams get lost.
    private static func trouble(seed: UInt64) -> SimulatedNetwork {
        let network = SimulatedNetwork(6, seed: seed)
        var random = SeededGenerator(seed: seed)
        network.loss = 0.2
        var away: [Int] = []
        for _ in 0..<60 {
            let place = Int(random.next(below: 6))
            switch random.next(below: 6) {
            case 0 where !away.contains(place) && away.count < 3:
                network.crash(place)
                away.append(place)
            case 1 where !away.contains(place) && away.count < 3:
                network.leave(place)
                network.run(for: .seconds(Int(random.next(below: 4))))
                network.crash(place)
                away.append(place)
            case 2, 3:
                if let back = away.popLast() { network.restart(back) }
            case 4: network.isCut = { $0.rawValue == UInt64(place + 1) || $1.rawValue == UInt64(place + 1) }
            default: network.isCut = { _, _ in false }
            }
            network.run(for: .milliseconds(Int(random.next(below: 30_000))))
        }
        return network
    }

    /// What takes a clock that was set back, or a rumour that overtakes all others.
    private static func rareSteps() -> Set<String> {
        var seen: Set<String> = []
        let (own, member, other) = (NodeID(1), NodeID(2), NodeID(3))
        func take(
            _ claims: [(MemberState, process: UInt64, refutation: UInt32, from: NodeID)], of node: NodeID
        ) {
            var membership = Membership(own: own, process: 5, peers: [member, other], seed: 1, at: .zero)
            for claim in claims {
                var effects: [Membership.Effect] = []
                membership.take(
                    Claim(
                        member: node, state: claim.0,
                        incarnation: Incarnation(process: claim.process, refutation: claim.refutation),
                        source: claim.from), from: claim.from, at: .zero, into: &effects)
                for case .transition(let what) in effects {
                    seen.insert(text(what.from.name, what.to.name, what.cause.kind.name))
                }
            }
        }
        take([(.left, 5, 0, other), (.left, 6, 0, other), (.dead, 7, 0, other)], of: member)
        take([(.left, 5, 0, other), (.left, 6, 0, member)], of: member)
        take([(.left, 5, 0, other), (.alive, 5, 1, member)], of: member)
        take([(.left, 5, 0, other), (.suspect, 6, 0, other)], of: member)
        take([(.dead, 5, 0, other), (.dead, 6, 0, other)], of: member)
        take([(.left, 5, 0, other)], of: own)
        return seen
    }

    @Test func `every stated step is taken in trouble, and none that is not stated`() {
        let stated = Set(
            AlgorithmSpecification.membership.transitions.map { Self.text($0.from, $0.to, $0.cause) })
        var seen = Self.rareSteps()
        for seed in 1...40 as ClosedRange<UInt64> where !seen.isSuperset(of: stated) {
            seen.formUnion(Self.seen(in: Self.trouble(seed: seed)))
        }
        #expect(seen.subtracting(stated).isEmpty, "taken, but not stated")
        #expect(stated.subtracting(seen).isEmpty, "stated, but never taken")
    }

    @Test func `every message by byte has a name`() {
        #expect(
            AlgorithmSpecification.membership.messages.map(\.name)
                == ["ping", "ping_request", "ack", "nack", "tell"])
        #expect(MembershipMessageKind.allCases.map(\.rawValue) == [1, 2, 3, 4, 5])
    }
}
