// The models that the search runs: one key by itself, or several keys that operations bind together.

/// What the search must know of a sequential thing.
protocol SearchModel {
    associatedtype State: Hashable

    var initial: State { get }
    /// The state after an operation that was answered; nil if it can not have been answered so.
    func required(_ index: Int, _ state: State) -> State?
    /// The state after an operation of unknown outcome; nil if it changes nothing.
    func optional(_ index: Int, _ state: State) -> State?
    /// Whether an operation that was answered changes nothing, wherever it stands.
    func isObserver(_ index: Int) -> Bool
    /// What a state is remembered by to those who need it; see ``Tokens``.
    func token(of state: State) -> Int
}

/// An operation as a model knows it.
struct ModelOperation {
    /// Where it stands in the order of revisions.
    enum Place {
        /// Nobody told.
        case untold
        /// It made this revision.
        case write(UInt64)
        /// It saw this one.
        case read(UInt64)
    }

    var parts: [KeyPart]
    var place = Place.untold
    /// The revision of the store before it was invoked: a write that does not tell its own has a higher one.
    var floor: UInt64 = 0
    /// Of a delete of many keys: how many there were, if it was told.
    var total: Int?

    /// Whether it changed nothing. A write that happens to leave a state as it was is no observer: later it
    /// would have changed another.
    var isObserver: Bool {
        parts.allSatisfy { part in
            switch part.result {
            case .absent, .present, .refused: true
            case .done, .unknown: false
            }
        }
    }
}

/// What solo and joint models share.
struct ModelCore {
    let required: [ModelOperation]
    let optional: [ModelOperation]
    let rules: KeyRules
    /// The revisions that are free for writes of unknown outcome; nil if the order of revisions is ignored.
    let slots: Slots?
    /// By required operation.
    let isObserver: [Bool]

    init(required: [ModelOperation], optional: [ModelOperation], rules: KeyRules, slots: Slots?) {
        self.required = required
        self.optional = optional
        self.rules = rules
        self.slots = slots
        isObserver = required.map(\.isObserver)
    }

    /// Where a required operation stands after the store has reached `clock`; nil if it should have come
    /// before.
    func place(
        _ operation: ModelOperation, after clock: UInt64
    ) -> (clock: UInt64, slot: UInt64, horizon: UInt64)? {
        switch operation.place {
        case .untold: (clock, 0, .max)
        case .write(let revision): clock < revision ? (revision, revision, revision - 1) : nil
        case .read(let revision): clock <= revision ? (revision, revision, revision) : nil
        }
    }

    /// The lowest revision of an optional operation.
    func slot(_ operation: ModelOperation, after clock: UInt64) -> UInt64 {
        slots?.free(above: max(clock, operation.floor)) ?? 0
    }
}

/// A model of one key.
struct SoloModel: SearchModel {
    struct State: Hashable {
        var clock: UInt64 = 0
        var key = KeyState.absent
    }

    let core: ModelCore
    let tokens: Tokens?
    var initial: State { State() }

    func required(_ index: Int, _ state: State) -> State? {
        let operation = core.required[index]
        guard let place = core.place(operation, after: state.clock) else { return nil }
        var next = state
        next.clock = place.clock
        var step = KeyStep(
            rules: core.rules, key: 0, writer: Int32(index), slot: place.slot, horizon: place.horizon)
        return step.take(operation.parts[0], &next.key) ? next : nil
    }

    func optional(_ index: Int, _ state: State) -> State? {
        let operation = core.optional[index]
        let slot = core.slot(operation, after: state.clock)
        var next = state
        var step = KeyStep(rules: core.rules, key: 0, writer: ~Int32(index), slot: slot, horizon: .max)
        guard step.take(operation.parts[0], &next.key), next.key != state.key else { return nil }
        if let slots = core.slots {
            next.clock = step.resolutions.reduce(slot) { max($0, slots.free(above: $1.revision)) }
        }
        return next
    }

    func isObserver(_ index: Int) -> Bool { core.isObserver[index] }

    func token(of state: State) -> Int { tokens?.token(of: state.key.value) ?? Tokens.none }
}

/// A model of several keys.
struct JointModel: SearchModel {
    struct State: Hashable {
        var clock: UInt64 = 0
        var keys: [KeyState]
    }

    let core: ModelCore
    let initial: State

    init(core: ModelCore, keyCount: Int) {
        self.core = core
        initial = State(keys: [KeyState](repeating: .absent, count: keyCount))
    }

    func required(_ index: Int, _ state: State) -> State? {
        let operation = core.required[index]
        guard let place = core.place(operation, after: state.clock) else { return nil }
        if let total = operation.total {
            let count = operation.parts.count { state.keys[$0.key].value != nil }
            guard count == total else { return nil }
        }
        var next = state
        next.clock = place.clock
        let isPossible = take(operation, &next.keys, writer: Int32(index), place.slot, place.horizon) != nil
        return isPossible ? next : nil
    }

    func optional(_ index: Int, _ state: State) -> State? {
        let operation = core.optional[index]
        let slot = core.slot(operation, after: state.clock)
        var next = state
        let seen = take(operation, &next.keys, writer: ~Int32(index), slot, .max)
        guard let seen, next.keys != state.keys else { return nil }
        if let slots = core.slots { next.clock = seen == 0 ? slot : max(slot, slots.free(above: seen)) }
        return next
    }

    /// Answers the highest pending revision that became known, 0 if none did; nil if the step is impossible.
    private func take(
        _ operation: ModelOperation, _ keys: inout [KeyState], writer: Int32, _ slot: UInt64,
        _ horizon: UInt64
    ) -> UInt64? {
        var highest: UInt64 = 0
        for part in operation.parts {
            var step = KeyStep(
                rules: core.rules, key: part.key, writer: writer, slot: slot, horizon: horizon)
            guard step.take(part, &keys[part.key]) else { return nil }
            for resolution in step.resolutions {
                highest = max(highest, resolution.revision)
                for key in keys.indices { keys[key].resolve(resolution.writer, resolution.revision) }
            }
        }
        return highest
    }

    func isObserver(_ index: Int) -> Bool { core.isObserver[index] }

    func token(of state: State) -> Int { Tokens.none }
}
