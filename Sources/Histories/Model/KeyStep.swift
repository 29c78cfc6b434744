/// What an operation does to one key, and whether it can have been told what it was told.
struct KeyStep {
    /// The finding that a pending revision was this one.
    struct Resolution {
        var writer: Int32
        var revision: UInt64
    }

    let rules: KeyRules
    let key: Int
    /// Who makes the step: the name of the revision that it leaves pending.
    let writer: Int32
    /// The lowest revision that the step can have, if it does not tell it.
    let slot: UInt64
    /// The highest revision that the step can see.
    let horizon: UInt64
    /// What the step found out, to be told to the other keys.
    private(set) var resolutions: [Resolution] = []

    init(rules: KeyRules, key: Int, writer: Int32, slot: UInt64, horizon: UInt64) {
        self.rules = rules
        self.key = key
        self.writer = writer
        self.slot = slot
        self.horizon = horizon
    }

    /// Takes the step; false if it cannot have happened so.
    mutating func take(_ part: KeyPart, _ state: inout KeyState) -> Bool {
        switch (part.action, part.result) {
        case (.delete(let condition, let mustExist), .absent):
            return state.value == nil && !mustExist && (condition == nil || condition == .absent)
        case (_, .absent): return state.value == nil
        case (_, .present(let seen)): return see(seen, &state)
        case (_, .refused(let refusal)): return refuse(part.action, refusal, &state)
        case (.put(let value, let condition), .done(let seen, let existed)):
            guard agree(existed, state), meet(condition, &state) else { return false }
            return write(value, seen, &state)
        case (.delete(let condition, _), .done(_, let existed)):
            guard agree(existed, state), meet(condition, &state) else { return false }
            state = .absent
            return true
        case (.increment(let by), .done(let seen, _)):
            guard let sum = sum(state, by), seen.value == nil || seen.value == .number(sum) else {
                return false
            }
            return write(.number(sum), seen, &state)
        case (_, .unknown):
            attempt(part.action, &state)
            return true
        case (.observe, .done): return false
        }
    }

    /// A write of unknown outcome happens if it can; otherwise it changes nothing.
    private mutating func attempt(_ action: KeyPart.Action, _ state: inout KeyState) {
        switch action {
        case .put(let value, let condition):
            if meet(condition, &state) { _ = write(value, Seen(), &state) }
        case .delete(let condition, _):
            if meet(condition, &state) { state = .absent }
        case .increment(let by):
            if let sum = sum(state, by) { _ = write(.number(sum), Seen(), &state) }
        case .observe: break
        }
    }

    private func agree(_ existed: Bool?, _ state: KeyState) -> Bool {
        existed == nil || existed == (state.value != nil)
    }

    private func sum(_ state: KeyState, _ by: Int64) -> Int64? {
        guard let number = rules.values.number(state.value) else { return nil }
        let (sum, overflow) = number.addingReportingOverflow(by)
        return overflow ? nil : sum
    }

    // MARK: Writing and seeing

    private mutating func write(_ value: Value, _ seen: Seen, _ state: inout KeyState) -> Bool {
        let isNew = state.value == nil
        let traits = rules.traits[key]
        if traits.tracksVersions {
            state.version = isNew ? 1 : state.version + 1
            guard seen.version == nil || seen.version == state.version else { return false }
        }
        let mark: Tag =
            seen.revision.map { .exact($0) } ?? .pending(by: writer, from: slot)
        if traits.tracksCreation {
            if isNew { state.created = mark }
            if let created = seen.created, !see(created, state.created, &state) { return false }
        }
        if traits.tracksRevisions { state.revision = mark }
        state.value = value
        return true
    }

    private mutating func see(_ seen: Seen, _ state: inout KeyState) -> Bool {
        guard let value = state.value, seen.value == nil || seen.value == value else { return false }
        if let version = seen.version, version != state.version { return false }
        if let revision = seen.revision, !see(revision, state.revision, &state) { return false }
        if let created = seen.created, !see(created, state.created, &state) { return false }
        return true
    }

    /// Compares a revision of the state with one that was told, which a pending one then is.
    private mutating func see(_ told: UInt64, _ tag: Tag, _ state: inout KeyState) -> Bool {
        switch tag {
        case .untracked: return true
        case .exact(let revision): return revision == told
        case .pending(let writer, let from):
            // A write that is not told its own revision may see it as that which made the key.
            guard told >= from, told <= horizon || writer == self.writer, !rules.isOwned(key, told) else {
                return false
            }
            resolutions.append(Resolution(writer: writer, revision: told))
            state.resolve(writer, told)
            return true
        }
    }

    // MARK: Conditions

    /// Whether a condition holds. A pending revision is made to be the one that the condition names.
    private mutating func meet(_ condition: KeyCondition?, _ state: inout KeyState) -> Bool {
        switch condition {
        case nil: return true
        case .absent: return state.value == nil
        case .exists: return state.value != nil
        case .value(let value): return state.value == value
        case .revision(let revision): return state.value != nil && see(revision, state.revision, &state)
        }
    }

    /// Whether a condition may not have held. A pending revision is another than the condition's.
    private func mayFail(_ condition: KeyCondition, _ state: KeyState) -> Bool {
        switch condition {
        case .absent: return state.value != nil
        case .exists: return state.value == nil
        case .value(let value): return state.value != value
        case .revision(let revision):
            guard state.value != nil, case .exact(let current) = state.revision else { return true }
            return current != revision
        }
    }

    private mutating func refuse(
        _ action: KeyPart.Action, _ refusal: KeyRefusal, _ state: inout KeyState
    ) -> Bool {
        switch (action, refusal) {
        case (.put(_, let condition?), .condition(let current, let isTold)),
            (.delete(let condition?, _), .condition(let current, let isTold)):
            guard isTold else { return mayFail(condition, state) }
            if let current {
                guard state.value != nil, see(current, state.revision, &state) else { return false }
            } else if state.value != nil {
                return false
            }
            return mayFail(condition, state)
        case (.delete(_, mustExist: true), .notFound): return state.value == nil
        case (.increment, .notAnInteger): return rules.values.number(state.value) == nil
        case (.increment(let by), .overflow):
            guard let number = rules.values.number(state.value) else { return false }
            return number.addingReportingOverflow(by).overflow
        default: return false
        }
    }
}
