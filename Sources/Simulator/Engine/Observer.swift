/// Looks at a run after each step, and may end it. Its memory is its own: it may know more than any node
/// does.
public protocol Observer: AnyObject {
    /// A step was taken; nothing else happens until this returns.
    func observe(_ step: borrowing Step, in simulation: Simulation) throws(Violation)
    /// The run has ended, and nobody has found a violation.
    func end(_ simulation: Simulation) throws(Violation)
}

extension Observer {
    /// Nothing to say in the end.
    public func end(_ simulation: Simulation) throws(Violation) {}
}

/// Something that must never be, and was.
public struct Violation: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was violated; short, and the same whenever it is the same thing.
    public let invariant: String
    /// What exactly, and where.
    public let details: String

    /// Makes a violation.
    public init(invariant: String, details: String) {
        self.invariant = invariant
        self.details = details
    }

    /// One line.
    public var description: String { "\(invariant): \(details)" }
}
