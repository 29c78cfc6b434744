public import Primitives

/// How much clients use leases, locks, queues and the like. There are few of each, so that clients meet.
public struct CoordinationPlan: Sendable, CustomStringConvertible {
    /// Of a thousand writes, how many are about them.
    public internal(set) var share = 0
    /// How many locks there are.
    public internal(set) var locks = 1
    /// How many leases have a name of their own.
    public internal(set) var leases = 1
    /// How many queues there are, besides that of the dead.
    public internal(set) var queues = 1
    /// Of a thousand writes, how many are given up soon, and cancelled.
    public internal(set) var haste = 0
    /// No lease, wait or visibility is longer.
    public internal(set) var longest = Instant.Span.seconds(4)

    /// A line for people.
    public var description: String {
        share == 0
            ? "none"
            : "\(share) of a thousand writes, \(locks) locks, \(leases) leases, \(queues) queues, at most "
                + "\(longest.milliseconds) ms, \(haste) of a thousand cancelled soon"
    }
}

extension PlanDrawing {
    mutating func fillCoordination(_ plan: inout Plan) {
        let share =
            switch coordination.below(20) {
            case 0...2: 0
            case 3...14: coordination.number(in: 100...280)
            default: coordination.number(in: 300...700)
            }
        plan.coordination = CoordinationPlan(
            share: share, locks: coordination.number(in: 1...2), leases: coordination.number(in: 1...3),
            queues: coordination.number(in: 1...2),
            longest: coordination.magnitude(.milliseconds(1_000), .milliseconds(6_000)))
        plan.coordination.haste = coordination.coin() ? coordination.magnitude(10...200) : 0
    }
}
