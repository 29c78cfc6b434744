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

    /// The revisions of keys that it was told without having made them.
    fileprivate var sightings: [Witness] {
        parts.compactMap { part in
            switch part.result {
            case .present(let seen):
                seen.revision.map {
                    Witness(revision: $0, key: part.key, value: seen.value, version: seen.version)
                }
            case .refused(.condition(let current?, isTold: true)): Witness(revision: current, key: part.key)
            case .absent, .done, .unknown, .refused: nil
            }
        }
    }
}

/// A write that nobody claims, but that somebody saw: some optional operation must have made this revision.
///
/// Without this the search would notice that something is missing only when it comes to the one who saw it,
/// and would then look for the place between all operations before.
struct Witness {
    var revision: UInt64
    var key: Int
    var value: Value?
    var version: UInt64?

    /// Whether a key may be in the state that was seen, or else has been written since.
    func isMet(by state: KeyState) -> Bool {
        switch state.revision {
        case .untracked: return true
        case .exact(let other) where other != revision: return false
        case .pending(_, let from) where from > revision: return false
        case .exact, .pending: break
        }
        guard let held = state.value else { return false }
        return (value == nil || value == held) && (version == nil || version == state.version)
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
    /// Ascending by revision; none if the order of revisions is ignored.
    private let witnesses: [Witness]

    init(
        required: [ModelOperation], optional: [ModelOperation], rules: KeyRules, slots: Slots?
    ) {
        self.required = required
        self.optional = optional
        self.rules = rules
        self.slots = slots
        isObserver = required.map(\.isObserver)
        var witnesses: [Witness] = []
        if let slots {
            for operation in required {
                witnesses += operation.sightings.filter { !slots.isTaken($0.revision) }
            }
        }
        self.witnesses = witnesses.sorted { ($0.revision, $0.key) < ($1.revision, $1.key) }
    }

    /// Whether everything that was seen of the revisions above `clock` and up to `last` is there. It must be
    /// asked before the store goes beyond `last`.
    func isMet(above clock: UInt64, through last: UInt64, _ state: (Int) -> KeyState) -> Bool {
        var low = 0
        var high = witnesses.count
        while low < high {
            let middle = (low + high) / 2
            if witnesses[middle].revision <= clock { low = middle + 1 } else { high = middle }
        }
        while low < witnesses.count, witnesses[low].revision <= last {
            if !witnesses[low].isMet(by: state(witnesses[low].key)) { return false }
            low += 1
        }
        return true
    }

    /// The highest revision that the store leaves behind with an operation.
    func last(before operation: ModelOperation) -> UInt64 {
        switch operation.place {
        case .untold: 0
        case .write(let revision): revision - 1
        case .read(let revision): revision
        }
    }

    /// Where a required operation stands after the store has reached `clock`; nil if it should have come
    /// before.
    func place(
        _ operation: ModelOperation, after clock: UInt64
    ) -> (clock: UInt64, slot: UInt64, horizon: UInt64)? {
        switch operation.place {
        case .untold: return (clock, 0, .max)
        case .write(let revision):
            guard clock < revision else { return nil }
            return (revision, revision, revision - 1)
        case .read(let revision):
            guard clock <= revision else { return nil }
            return (revision, revision, revision)
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
        guard let place = core.place(operation, after: state.clock),
            core.isMet(above: state.clock, through: core.last(before: operation), { _ in state.key })
        else { return nil }
        var next = state
        next.clock = place.clock
        var step = KeyStep(
            rules: core.rules, key: 0, writer: Int32(index), slot: place.slot, horizon: place.horizon)
        guard step.take(operation.parts[0], &next.key) else { return nil }
        // Whoever saw a revision saw the store when it had reached it.
        if core.slots != nil { for seen in step.resolutions { next.clock = max(next.clock, seen.revision) } }
        return next
    }

    func optional(_ index: Int, _ state: State) -> State? {
        let operation = core.optional[index]
        let slot = core.slot(operation, after: state.clock)
        var next = state
        var step = KeyStep(rules: core.rules, key: 0, writer: ~Int32(index), slot: slot, horizon: .max)
        guard core.slots == nil || core.isMet(above: state.clock, through: slot - 1, { _ in state.key })
        else {
            return nil
        }
        guard step.take(operation.parts[0], &next.key), next.key != state.key else { return nil }
        if let slots = core.slots {
            next.clock = step.resolutions.reduce(slot) { max($0, slots.free(above: $1.revision)) }
        }
        return next
    }

    func isObserver(_ index: Int) -> Bool { core.isObserver[index] }

    func token(of state: State) -> Int { tokens?.token(of: state.key.value) ?? Tokens.none }
}

/// A model of several keys, whose order of revisions is ignored.
struct JointModel: SearchModel {
    let core: ModelCore
    let initial: [KeyState]

    init(core: ModelCore, keyCount: Int) {
        self.core = core
        initial = [KeyState](repeating: .absent, count: keyCount)
    }

    func required(_ index: Int, _ state: [KeyState]) -> [KeyState]? {
        let operation = core.required[index]
        if let total = operation.total {
            let count = operation.parts.count { state[$0.key].value != nil }
            guard count == total else { return nil }
        }
        var next = state
        return take(operation, &next, writer: Int32(index)) ? next : nil
    }

    func optional(_ index: Int, _ state: [KeyState]) -> [KeyState]? {
        var next = state
        return take(core.optional[index], &next, writer: ~Int32(index)) && next != state ? next : nil
    }

    /// Answers whether the step is possible.
    private func take(_ operation: ModelOperation, _ keys: inout [KeyState], writer: Int32) -> Bool {
        for part in operation.parts {
            var step = KeyStep(rules: core.rules, key: part.key, writer: writer, slot: 0, horizon: .max)
            guard step.take(part, &keys[part.key]) else { return false }
            for resolution in step.resolutions {
                for key in keys.indices { keys[key].resolve(resolution.writer, resolution.revision) }
            }
        }
        return true
    }

    func isObserver(_ index: Int) -> Bool { core.isObserver[index] }

    func token(of state: [KeyState]) -> Int { Tokens.none }
}
