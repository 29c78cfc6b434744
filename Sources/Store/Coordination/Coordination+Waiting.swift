extension Outcome {
    /// Whether it is that of a command of coordination, which was not refused.
    public var isCoordination: Bool {
        if case .coordinated = self { true } else { false }
    }
}

extension CoordinationOutcome {
    /// Whether the request was applied and now waits in the state: its end comes later, as
    /// ``Coordination/News/settled(_:_:)``.
    public var isWaiting: Bool {
        switch self {
        case .claim(.waiting): true
        default: false
        }
    }
}
