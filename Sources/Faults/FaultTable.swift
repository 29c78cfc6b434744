public import Primitives

/// What becomes of a message.
public enum FaultVerdict: Sendable, Equatable {
    /// It arrives as it would without faults.
    case pass
    /// It is lost: by chance, or because the link is cut.
    case drop(isCut: Bool)
    /// It arrives so much later, and in so many copies.
    case deliver(after: Instant.Span, copies: Int)
}

/// Why a fault was not taken.
public enum FaultError: Error, Sendable, Equatable {
    /// There are ``FaultTable/most`` of them.
    case tooMany
    /// It would not heal by itself soon enough, or its effect is not sound.
    case unsound
}

/// The faults that act, and what they do to each message.
///
/// The table of a node decides about the messages that this node sends: whoever carries them asks it once for
/// each. It is a value without clocks, and chance comes from the faults' seeds alone: the n-th message of a
/// link has the same fate whenever a fault of that seed is tried.
public struct FaultTable: Sendable {
    /// How many faults there may be.
    public static let most = 256
    /// The longest time for which a fault may act.
    public static let longest = Instant.Span.seconds(600)
    /// The longest time for which a node may stand still.
    public static let longestPause = Instant.Span.seconds(60)

    fileprivate struct Entry {
        var fault: Fault
        let blocked: Set<Link>
        var hits = FaultHits()
        var lanes: [Link: Lane] = [:]
    }

    private var entries: [Entry] = []
    /// What all faults did, those that are gone among them.
    public private(set) var total = FaultHits()
    /// When the next fault heals by itself.
    public private(set) var deadline = Instant.never

    /// Nothing is wrong.
    public init() {}

    /// Whether nothing is wrong.
    public var isEmpty: Bool { entries.isEmpty }
    /// How many faults there are.
    public var count: Int { entries.count }
    /// The faults in the order in which they came, and what each of them did.
    public var faults: [(fault: Fault, hits: FaultHits)] { entries.map { ($0.fault, $0.hits) } }

    /// The fault that was set on a link, with these very ends.
    public func fault(from: NodeID?, to: NodeID?) -> Fault? {
        entries.lazy.map(\.fault).first {
            if case .link(from, to, _) = $0.kind { true } else { false }
        }
    }

    /// Adds a fault. It takes the place of the one with its id; answers that one.
    @discardableResult
    public mutating func set(_ fault: Fault, at now: Instant) throws(FaultError) -> Fault? {
        guard now < fault.expires, fault.expires <= now + Self.longest else { throw .unsound }
        var blocked: Set<Link> = []
        switch fault.kind {
        case .link(_, _, let effect): guard effect.isSound, effect.acts else { throw .unsound }
        case .partition(let partition):
            guard partition.isSound else { throw .unsound }
            blocked = partition.blocked
        case .pause: guard fault.expires <= now + Self.longestPause else { throw .unsound }
        }
        let entry = Entry(fault: fault, blocked: blocked)
        defer { refreshDeadline() }
        if let place = entries.firstIndex(where: { $0.fault.id == fault.id }) {
            defer { entries[place] = entry }
            return entries[place].fault
        }
        guard entries.count < Self.most else { throw .tooMany }
        entries.append(entry)
        return nil
    }

    /// Takes out the fault with this id, or all of them; answers those that it took out.
    public mutating func heal(_ id: String?) -> [Fault] { remove { id == nil || $0.id == id } }

    /// Takes out the faults whose time is over; answers them.
    public mutating func expire(at now: Instant) -> [Fault] {
        guard deadline <= now else { return [] }
        return remove { $0.expires <= now }
    }

    private mutating func remove(_ isGone: (Fault) -> Bool) -> [Fault] {
        let gone = entries.filter { isGone($0.fault) }.map(\.fault)
        entries.removeAll { isGone($0.fault) }
        refreshDeadline()
        return gone
    }

    private mutating func refreshDeadline() {
        deadline = entries.reduce(.never) { min($0, $1.fault.expires) }
    }

    /// Whether no message at all goes this way.
    public func cuts(_ from: NodeID, _ to: NodeID, at now: Instant) -> Bool {
        entries.contains { $0.fault.expires > now && $0.blocks(from, to) }
    }

    /// Counts a message that was lost because the way it came is cut: its sender did not know.
    public mutating func noteCut(_ from: NodeID, _ to: NodeID, at now: Instant) {
        guard
            let place = entries.firstIndex(where: { $0.fault.expires > now && $0.blocks(from, to) })
        else { return }
        entries[place].hits.seen += 1
        entries[place].hits.blocked += 1
        total.seen += 1
        total.blocked += 1
    }

    /// Counts a delayed message that was lost because too many of them wait.
    public mutating func noteOverflow() { total.overflowed += 1 }

    /// Decides about one message of so many bytes that is about to be sent. Delays leave the order of a link
    /// as it is, except that messages which are to be reordered are held longer, and do not hold up others.
    public mutating func decide(from: NodeID, to: NodeID, bytes: Int, at now: Instant) -> FaultVerdict {
        guard !entries.isEmpty else { return .pass }
        var isLost = false
        var isCut = false
        var due = now
        var copies = 1
        var isConcerned = false
        for place in entries.indices where entries[place].fault.expires > now {
            if entries[place].blocks(from, to) {
                entries[place].hits.seen += 1
                entries[place].hits.blocked += 1
                isCut = true
                isConcerned = true
            } else if let effect = entries[place].effect(from, to) {
                let fate = entries[place].draw(effect, Link(from, to), from: due)
                isLost = isLost || fate.isLost
                due = fate.due
                copies += fate.isDouble ? 1 : 0
                isConcerned = true
                if fate.isReordered { total.reordered += 1 }
            }
        }
        guard isConcerned else { return .pass }
        total.seen += 1
        if isCut { total.blocked += 1 } else if isLost { total.dropped += 1 }
        if isCut || isLost { return .drop(isCut: isCut) }
        if copies > 1 { total.duplicated += 1 }
        if due > now { total.delayed += 1 }
        return due > now || copies > 1 ? .deliver(after: due - now, copies: copies) : .pass
    }
}

/// Chance on one link, as one fault has it.
fileprivate struct Lane {
    var drop, duplicate, reorder, delay: SeededGenerator
    /// When the last message arrives that is not reordered.
    var last = Instant.zero

    init(_ seed: UInt64, _ link: Link) {
        var random = SeededGenerator(seed: seed)
        // Another sequence for each link: the state is moved by the ends.
        random = SeededGenerator(
            seed: random.next() ^ (link.from.rawValue &* 0x1_0000_0001) ^ link.to.rawValue << 20)
        drop = random.split()
        duplicate = random.split()
        reorder = random.split()
        delay = random.split()
    }
}

extension FaultTable.Entry {
    /// How much longer a reordered message is held.
    private static var overtaking: Range<Instant.Span> { .milliseconds(5)..<(.milliseconds(50)) }

    func blocks(_ from: NodeID, _ to: NodeID) -> Bool {
        switch fault.kind {
        case .link(let source, let target, let effect):
            effect.blocks && source ?? from == from && target ?? to == to
        case .partition: blocked.contains(Link(from, to))
        case .pause: false
        }
    }

    func effect(_ from: NodeID, _ to: NodeID) -> LinkEffect? {
        guard case .link(let source, let target, let effect) = fault.kind, source ?? from == from,
            target ?? to == to
        else { return nil }
        return effect
    }

    /// What this fault alone does to a message that would arrive at `start`.
    mutating func draw(
        _ effect: LinkEffect, _ link: Link, from start: Instant
    ) -> (isLost: Bool, isDouble: Bool, isReordered: Bool, due: Instant) {
        var lane = lanes[link] ?? Lane(effect.seed, link)
        defer { lanes[link] = lane }
        // Each is drawn for each message, so that none depends on how another one was decided.
        let isLost = lane.drop.happens(effect.drop)
        let isDouble = lane.duplicate.happens(effect.duplicate)
        let isReordered = lane.reorder.happens(effect.reorder)
        let extra = lane.reorder.next(in: Self.overtaking)
        let delay = effect.delay?.draw(&lane.delay) ?? .zero
        hits.seen += 1
        guard !isLost else {
            hits.dropped += 1
            return (true, false, false, start)
        }
        var due = start + delay
        if isReordered {
            due = due + extra
        } else if lane.last >= due, lane.last > start {
            due = lane.last + Instant.Span(nanoseconds: 1)
        }
        if !isReordered { lane.last = due }
        if isReordered { hits.reordered += 1 }
        if isDouble { hits.duplicated += 1 }
        if due > start { hits.delayed += 1 }
        return (false, isDouble, isReordered, due)
    }
}
