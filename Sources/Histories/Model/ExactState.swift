// One key whose revisions are all known, and what an operation does to it.

/// A key that exists. What nobody tells of it stays 0, so that fewer states differ.
struct ExactKey: Hashable {
    var value: Value
    var revision: UInt64 = 0
    var created: UInt64 = 0
    var version: UInt64 = 0

    /// The revision of a write that nobody tells or asks for.
    static let nameless = UInt64.max

    /// Whether it may have been seen so.
    func matches(_ seen: Seen) -> Bool {
        (seen.value == nil || seen.value == value) && (seen.revision == nil || seen.revision == revision)
            && (seen.created == nil || seen.created == created)
            && (seen.version == nil || seen.version == version)
    }
}

/// What an operation does to one key at one revision; a nil state is an absent key.
struct ExactStep {
    let values: ValueTable
    let traits: KeyTraits
    /// The revision of the step, if it changes anything.
    let revision: UInt64

    /// Takes the step, and answers whether it wrote the key; nil if it cannot have happened so.
    func take(_ part: KeyPart, _ state: inout ExactKey?) -> Bool? {
        switch (part.action, part.result) {
        case (.delete(let condition, let mustExist), .absent):
            return state == nil && !mustExist && holds(condition, state) ? false : nil
        case (_, .absent): return state == nil ? false : nil
        case (_, .present(let seen)): return state?.matches(seen) == true ? false : nil
        case (_, .refused(let refusal)): return isRefused(part.action, refusal, state) ? false : nil
        case (.put(let value, let condition), .done(let seen, let existed)):
            guard agree(existed, state), holds(condition, state) else { return nil }
            return write(value, seen, &state)
        case (.delete(let condition, _), .done(_, let existed)):
            guard agree(existed, state), holds(condition, state) else { return nil }
            return delete(&state)
        case (.increment(let by), .done(let seen, let existed)):
            guard agree(existed, state), let sum = sum(state, by) else { return nil }
            return write(.number(sum), seen, &state)
        case (_, .unknown): return attempt(part.action, &state)
        case (.observe, .done): return nil
        }
    }

    /// A write of unknown outcome happens if it can; otherwise it changes nothing.
    private func attempt(_ action: KeyPart.Action, _ state: inout ExactKey?) -> Bool {
        switch action {
        case .put(let value, let condition):
            return holds(condition, state) && write(value, Seen(), &state) != nil
        case .delete(let condition, _): return holds(condition, state) && delete(&state)
        case .increment(let by):
            guard let sum = sum(state, by) else { return false }
            return write(.number(sum), Seen(), &state) != nil
        case .observe: return false
        }
    }

    private func delete(_ state: inout ExactKey?) -> Bool {
        defer { state = nil }
        return state != nil
    }

    private func write(_ value: Value, _ seen: Seen, _ state: inout ExactKey?) -> Bool? {
        let next = ExactKey(
            value: value, revision: traits.tracksRevisions ? revision : 0,
            created: traits.tracksCreation ? state?.created ?? revision : 0,
            version: traits.tracksVersions ? (state?.version ?? 0) + 1 : 0)
        // What it was told of its own revision is where it stands; an increment tells its sum.
        guard seen.value == nil || seen.value == value, seen.created == nil || seen.created == next.created,
            seen.version == nil || seen.version == next.version
        else { return nil }
        state = next
        return true
    }

    private func agree(_ existed: Bool?, _ state: ExactKey?) -> Bool {
        existed == nil || existed == (state != nil)
    }

    private func sum(_ state: ExactKey?, _ by: Int64) -> Int64? {
        guard let number = values.number(state?.value) else { return nil }
        let (sum, overflow) = number.addingReportingOverflow(by)
        return overflow ? nil : sum
    }

    private func holds(_ condition: KeyCondition?, _ state: ExactKey?) -> Bool {
        switch condition {
        case nil: true
        case .absent: state == nil
        case .exists: state != nil
        case .value(let value): state?.value == value
        case .revision(let revision): revision != ExactKey.nameless && state?.revision == revision
        }
    }

    private func isRefused(_ action: KeyPart.Action, _ refusal: KeyRefusal, _ state: ExactKey?) -> Bool {
        switch (action, refusal) {
        case (.put(_, let condition?), .condition(let current, let isTold)),
            (.delete(let condition?, _), .condition(let current, let isTold)):
            if isTold, current != state?.revision { return false }
            return !holds(condition, state)
        case (.delete(let condition, mustExist: true), .notFound):
            return state == nil && holds(condition, state)
        case (.increment, .notAnInteger): return values.number(state?.value) == nil
        case (.increment(let by), .overflow):
            guard let number = values.number(state?.value) else { return false }
            return number.addingReportingOverflow(by).overflow
        default: return false
        }
    }
}
