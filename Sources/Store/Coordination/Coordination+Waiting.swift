extension CoordinationOutcome {
    /// Whether the request was applied and now waits in the state: its end comes later, as
    /// ``Coordination/News/settled(_:_:)``.
    public var isWaiting: Bool {
        switch self {
        case .barrier(.waiting), .barrier(.leaving), .claim(.waiting): true
        default: false
        }
    }

    /// Whether something new was made.
    var isCreation: Bool {
        switch self {
        case .queue(.configured(_, isNew: true)), .queue(.enqueued(_, isNew: true, _)),
            .barrier(.configured(_, isNew: true)), .task(.added(_, _, isNew: true)),
            .task(.registered(_, isNew: true)), .participant(.registered(_, _, isNew: true)):
            true
        default: false
        }
    }
}

extension Outcome {
    /// Whether it is that of a request that waits in the state, and not its end.
    public var isWaiting: Bool {
        if case .coordinated(let outcome) = self { outcome.isWaiting } else { false }
    }

    /// Whether the request may be tried again under its idempotency key, since it has come to nothing yet.
    var isProvisional: Bool { isEmptyReceive || isMissingQueue }

    /// Whether a receiver of messages, or a worker that asked for tasks, found nothing.
    public var isEmptyReceive: Bool {
        switch self {
        case .coordinated(.queue(.received(let messages))): messages.isEmpty
        case .coordinated(.task(.claimed(let tasks))): tasks.isEmpty
        default: false
        }
    }

    /// Whether there was no such queue. There may be one later.
    public var isMissingQueue: Bool {
        if case .refused(.coordination(.queue(.notFound))) = self { true } else { false }
    }

    /// Whether it is that of a command of coordination, which was not refused.
    public var isCoordination: Bool {
        if case .coordinated = self { true } else { false }
    }
}
