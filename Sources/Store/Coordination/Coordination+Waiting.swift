extension CoordinationOutcome {
    /// Whether the request was applied and now waits in the state: its end comes later, as
    /// ``Coordination/News/settled(_:_:)``.
    public var isWaiting: Bool {
        switch self {
        case .barrier(.waiting), .barrier(.leaving): true
        default: false
        }
    }
}
