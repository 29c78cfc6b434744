public import Primitives

/// Looks for the smallest part of a plan that still fails in the same way: greedily, and with a bounded
/// number of tries.
public struct Minimizer {
    /// The smallest reduction found.
    public private(set) var best: Reduction
    /// How many runs were tried.
    public private(set) var tries = 0

    private let plan: Plan
    private let limit: Int
    private let invariant: String
    /// Runs a reduced plan; answers what was violated and when, or nil.
    private let attempt: (Reduction) -> (invariant: String, at: Instant)?

    /// Makes ready to reduce a plan that violates `invariant` at `failed`.
    ///
    /// - Parameters:
    ///   - limit: how many runs may be tried.
    ///   - attempt: runs the plan with a reduction; answers what was violated and when, or nil.
    public init(
        plan: Plan, invariant: String, limit: Int,
        attempt: @escaping (Reduction) -> (invariant: String, at: Instant)?
    ) {
        self.plan = plan
        self.limit = limit
        self.invariant = invariant
        self.attempt = attempt
        best = plan.reduction
    }

    /// Reduces for as long as it helps.
    public mutating func run(failedAt: Instant) {
        shorten(to: failedAt)
        var before: Reduction?
        while before != best, tries < limit {
            before = best
            removeFaults()
            removeClients()
            resetKnobs()
        }
    }

    /// Whether the plan still fails in the same way with this reduction, which is the best then.
    private mutating func helps(_ reduction: Reduction) -> Bool {
        guard reduction != best, tries < limit else { return false }
        tries += 1
        guard let found = attempt(reduction), found.invariant == invariant else { return false }
        best = reduction
        return true
    }

    /// What comes after the failure is of no use, if the failure comes before the faults end.
    private mutating func shorten(to failedAt: Instant) {
        guard failedAt.nanoseconds < plan.safety.nanoseconds else { return }
        var reduction = best
        // The run goes on to the same moment, with some room.
        reduction.safety = .milliseconds(Int(failedAt.nanoseconds / 1_000_000) + 1)
        _ = helps(reduction)
    }

    /// Leaves out faults: halves first, then smaller groups, then single ones.
    private mutating func removeFaults() {
        var left = plan.faults.map(\.number).filter { !best.faults.contains($0) }
        var size = max(1, left.count)
        while size > 0, tries < limit {
            var place = 0
            while place < left.count, tries < limit {
                var reduction = best
                let group = left[place..<min(place + size, left.count)]
                reduction.faults = (best.faults + group).sorted()
                if helps(reduction) { left.removeSubrange(group.indices) } else { place += size }
            }
            size /= 2
        }
    }

    private mutating func removeClients() {
        for client in plan.clients.map(\.number) where !best.clients.contains(client) {
            var reduction = best
            reduction.clients = (best.clients + [client]).sorted()
            _ = helps(reduction)
        }
    }

    private mutating func resetKnobs() {
        for group in Knobs.Group.allCases where !best.knobs.contains(group) {
            guard plan.knobs.notes.contains(where: { $0.group == group }) else { continue }
            var reduction = best
            reduction.knobs.append(group)
            _ = helps(reduction)
        }
        guard !best.plainNetwork else { return }
        var reduction = best
        reduction.plainNetwork = true
        _ = helps(reduction)
    }
}
