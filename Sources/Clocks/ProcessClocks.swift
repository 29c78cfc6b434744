public import Primitives

/// The times that came with a message: as many of them as its sender keeps.
public struct Stamp: Sendable, Equatable {
    /// A time of a Lamport clock (Lamport, "Time, Clocks, and the Ordering of Events", 1978).
    public var lamport: UInt64?
    /// A time of a hybrid logical clock.
    public var hybrid: HybridTime?
    /// A time of a vector clock.
    public var vector: VectorTime?

    /// Makes a stamp.
    public init(lamport: UInt64? = nil, hybrid: HybridTime? = nil, vector: VectorTime? = nil) {
        self.lamport = lamport
        self.hybrid = hybrid
        self.vector = vector
    }

    /// How two stamps stand to each other, by the clock that both have and that tells most: the vector clock
    /// tells all, the other two only what can't be. Nil if they have none in common.
    public func compared(with other: Stamp) -> (order: CausalOrder, by: ClockKind)? {
        if let one = vector, let two = other.vector { return (one.compared(with: two), .vector) }
        if let one = hybrid, let two = other.hybrid { return (CausalOrder(one, two), .hybrid) }
        if let one = lamport, let two = other.lamport { return (CausalOrder(one, two), .lamport) }
        return nil
    }
}

/// A kind of logical clock. The raw values are those of requests and answers.
public enum ClockKind: String, Sendable {
    case lamport
    case hybrid = "hlc"
    case vector
}

/// Why clocks were not set by a stamp. Nothing of it was taken over.
public enum ClockError: Error, Sendable, Equatable {
    /// The hybrid time is further ahead of this machine's clock than is allowed: one of the two is wrong, and
    /// to follow it would carry the error to everybody.
    case ahead(milliseconds: Int64, most: Instant.Span)
    /// The count can't be that of events: it is above ``ProcessClocks/most``.
    case tooLarge(ClockKind)
    /// Together with those that are known there would be more processes than a vector names.
    case tooManyProcesses
}

/// The logical clocks of one process. Each event of the process moves all of them, and the receipt of a
/// message sets them after those of its sender.
public struct ProcessClocks: Sendable {
    /// The greatest count of events. JSON numbers up to here are exact everywhere (RFC 8259, section 6).
    public static let most: UInt64 = (1 << 53) - 1

    /// The process's name in vectors.
    public let name: String
    /// How far ahead of this machine's clock a hybrid time may be that is taken over.
    public let maximumSkew: Instant.Span
    /// The Lamport clock: 0 before the first event.
    public private(set) var lamport: UInt64 = 0
    /// The hybrid logical clock.
    public private(set) var hybrid = HybridTime(WallTime(milliseconds: 0))
    /// The vector clock.
    public private(set) var vector = VectorTime()

    /// Clocks of a process that has done nothing yet.
    public init(name: String, maximumSkew: Instant.Span = .seconds(10)) {
        self.name = name
        self.maximumSkew = maximumSkew
    }

    /// The times of the last event.
    public var stamp: Stamp { Stamp(lamport: lamport, hybrid: hybrid, vector: vector) }

    /// The process does something, or sends a message.
    ///
    /// - Parameter wall: this machine's clock, which may go back.
    public mutating func tick(at wall: WallTime) { advance(to: lamport, hybrid, vector, at: wall) }

    /// The process receives a message with this stamp.
    ///
    /// - Throws: why nothing was taken over.
    public mutating func observe(_ stamp: Stamp, at wall: WallTime) throws(ClockError) {
        if let hybrid = stamp.hybrid { try check(hybrid, at: wall) }
        if let lamport = stamp.lamport, lamport >= Self.most { throw .tooLarge(.lamport) }
        guard stamp.vector?.counts.values.allSatisfy({ $0 < Self.most }) ?? true else {
            throw .tooLarge(.vector)
        }
        let merged = stamp.vector.map { vector.merged(with: $0) } ?? vector
        guard merged.counts.count + (merged[name] == 0 ? 1 : 0) <= VectorTime.most else {
            throw .tooManyProcesses
        }
        advance(
            to: max(lamport, stamp.lamport ?? 0), max(hybrid, stamp.hybrid ?? hybrid), merged, at: wall)
    }

    /// The time at which a message leaves that is none of the process's events: what nodes tell each other to
    /// do their work moves the hybrid clock only, so that the counts of the others are those of events.
    public mutating func departure(at wall: WallTime) -> HybridTime {
        hybrid = max(HybridTime(wall), hybrid.next)
        return hybrid
    }

    /// Such a message came, which left at that time.
    ///
    /// - Throws: ``ClockError/ahead(milliseconds:most:)``; nothing was taken over.
    public mutating func follow(_ time: HybridTime, at wall: WallTime) throws(ClockError) {
        try check(time, at: wall)
        hybrid = max(HybridTime(wall), max(hybrid, time).next)
    }

    private func check(_ time: HybridTime, at wall: WallTime) throws(ClockError) {
        let (ahead, isFar) = time.wall.milliseconds.subtractingReportingOverflow(wall.milliseconds)
        guard time.wall <= wall || !isFar && ahead <= Int64(maximumSkew.milliseconds) else {
            throw .ahead(milliseconds: isFar ? .max : ahead, most: maximumSkew)
        }
    }

    /// One event more, after all that is known.
    private mutating func advance(
        to lamport: UInt64, _ hybrid: HybridTime, _ vector: VectorTime, at wall: WallTime
    ) {
        self.lamport = lamport + 1
        self.hybrid = max(HybridTime(wall), hybrid.next)
        self.vector = vector
        self.vector.count(name)
    }
}
