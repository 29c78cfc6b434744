public import Primitives

/// Who decides: a majority of the voters and, during a joint change, also a majority of the outgoing voters.
///
/// Thesis 4.3: "Agreement (for elections and entry commitment) requires separate majorities from both the old
/// and new configurations."
public struct Quorum: Sendable, Equatable {
    /// The voters.
    public let voters: [NodeID]
    /// The voters of the configuration that is being left; empty unless it is.
    public let outgoing: [NodeID]

    /// The quorum of these voters.
    public init(voters: [NodeID], outgoing: [NodeID] = []) {
        self.voters = voters
        self.outgoing = outgoing
    }

    /// How many of `count` voters are more than half.
    public static func majority(of count: Int) -> Int {
        if isPlanted(.smallQuorum) || (isPlanted(.smallEvenQuorum) && count % 2 == 0) { return count / 2 }
        return count / 2 + 1
    }

    /// Whether those for which `agrees` holds decide. No voters never decide.
    public func isReached(by agrees: (NodeID) -> Bool) -> Bool {
        guard !voters.isEmpty, Self.reached(voters, agrees) else { return false }
        return outgoing.isEmpty || Self.reached(outgoing, agrees)
    }

    private static func reached(_ nodes: [NodeID], _ agrees: (NodeID) -> Bool) -> Bool {
        var missing = majority(of: nodes.count)
        for node in nodes where agrees(node) { missing -= 1 }
        return missing <= 0
    }

    /// The greatest value that a quorum has reached, when each voter has reached `value` of it; nil without
    /// voters.
    ///
    /// Thesis, figure 3.1: "If there exists an N such that […] a majority of matchIndex[i] ≥ N […]: set
    /// commitIndex = N."
    public func greatest<Value: Comparable>(_ value: (NodeID) -> Value) -> Value? {
        guard let incoming = Self.greatest(voters, value) else { return nil }
        guard let outgoing = Self.greatest(outgoing, value) else { return incoming }
        return min(incoming, outgoing)
    }

    /// Quadratic, because the handful of voters makes that cheaper than a sorted copy.
    private static func greatest<Value: Comparable>(_ nodes: [NodeID], _ value: (NodeID) -> Value) -> Value? {
        let majority = majority(of: nodes.count)
        var best: Value?
        for node in nodes {
            let candidate = value(node)
            if let best, candidate <= best { continue }
            var reached = 0
            for other in nodes where value(other) >= candidate { reached += 1 }
            if reached >= majority { best = candidate }
        }
        return best
    }
}
