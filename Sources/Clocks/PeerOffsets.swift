// How far the peers' clocks are from this machine's: round trips bound it, and Marzullo's algorithm says what
// most of the clocks agree on.

public import Primitives

/// Between which bounds the difference of two clocks is, in microseconds: a peer's clock less this machine's.
public struct OffsetInterval: Sendable, Equatable {
    /// The least and the greatest difference that are possible.
    public var least, most: Int64

    /// Makes the interval; `least` must not be above `most`.
    public init(least: Int64, most: Int64) {
        precondition(least <= most)
        self.least = least
        self.most = most
    }

    /// The best estimate: the middle.
    public var estimate: Int64 { least + (most - least) / 2 }
    /// How far the difference can be from ``estimate``.
    public var error: Int64 { (most - least + 1) / 2 }

    func widened(by margin: Int64) -> OffsetInterval {
        OffsetInterval(least: least - margin, most: most + margin)
    }
}

/// What one exchange of times tells: a peer's clock was read somewhere between the question and the answer
/// (Cristian, "Probabilistic clock synchronization", 1989).
public struct ClockExchange: Sendable {
    /// When the question left and when the answer came, on this machine's monotonic clock.
    public var asked, answered: Instant
    /// What the peer's clock showed in between, in microseconds since 1970.
    public var peerClock: Int64

    /// Makes an exchange.
    public init(asked: Instant, answered: Instant, peerClock: Int64) {
        self.asked = asked
        self.answered = answered
        self.peerClock = peerClock
    }

    /// How long it took.
    public var roundTrip: Instant.Span { answered - asked }
}

/// The differences between the peers' clocks and this machine's, from the exchanges of the last minutes.
///
/// Exchanges are kept on the scale of the monotonic clock, so a step of this machine's own clock moves all
/// differences at once and spoils none of them.
public struct PeerOffsets: Sendable {
    /// Exchanges that are kept for each peer.
    static let kept = 8
    /// After so long an exchange tells nothing any more.
    static let longest = Instant.Span.seconds(300)
    /// An exchange that took longer tells too little to keep.
    static let slowest = Instant.Span.seconds(5)
    /// By how much two clocks drift apart at most, in parts per million: two quartz clocks of 100 each.
    static let drift: Int64 = 200

    private var exchanges: [NodeID: [ClockExchange]] = [:]

    /// Knows nothing yet.
    public init() {}

    /// Takes over what an exchange tells. What a peer's earlier exchanges tell is dropped if it contradicts:
    /// then its clock was set.
    public mutating func note(_ exchange: ClockExchange, with peer: NodeID) {
        guard exchange.roundTrip >= .zero, exchange.roundTrip <= Self.slowest else { return }
        let new = Self.interval(of: exchange, at: exchange.answered)
        var known = exchanges[peer] ?? []
        known.removeAll { old in
            let old = Self.interval(of: old, at: exchange.answered)
            return old.most < new.least || new.most < old.least
        }
        if known.count == Self.kept { known.removeFirst() }
        known.append(exchange)
        exchanges[peer] = known
    }

    /// A peer's clock less this machine's, which shows `wall`, in microseconds since 1970. Nil if nothing was
    /// heard for five minutes.
    public func offset(of peer: NodeID, at now: Instant, wall: Int64) -> OffsetInterval? {
        var best: OffsetInterval?
        for exchange in exchanges[peer] ?? [] where now - exchange.answered <= Self.longest {
            let interval = Self.interval(of: exchange, at: now)
            // Each of them is true, so the truth is where they overlap.
            best =
                best.map {
                    let least = max($0.least, interval.least)
                    return OffsetInterval(least: least, most: max(least, min($0.most, interval.most)))
                } ?? interval
        }
        let origin = wall - now.nanoseconds / 1_000
        return best.map { OffsetInterval(least: $0.least - origin, most: $0.most - origin) }
    }

    /// How long the shortest of a peer's exchanges took, and how long ago the last one was.
    public func latest(of peer: NodeID, at now: Instant) -> (roundTrip: Instant.Span, age: Instant.Span)? {
        guard let known = exchanges[peer], let last = known.last,
            let shortest = known.map(\.roundTrip).min()
        else { return nil }
        return (shortest, now - last.answered)
    }

    /// The peer's clock less the monotonic clock.
    private static func interval(of exchange: ClockExchange, at now: Instant) -> OffsetInterval {
        // The peer's clock may have been rounded down by a microsecond, and the instants are.
        let least = exchange.peerClock - exchange.answered.nanoseconds / 1_000 - 1
        let most = exchange.peerClock - exchange.asked.nanoseconds / 1_000 + 1
        let age = max(0, (now - exchange.answered).microseconds)
        return OffsetInterval(least: least, most: most).widened(by: age * drift / 1_000_000)
    }
}

/// What most of a set of clocks agree on (Marzullo, "Maintaining the time in a distributed system", 1984).
public struct ClockAgreement: Sendable, Equatable {
    /// Where the time is that they agree on, less this machine's clock, in microseconds.
    public var interval: OffsetInterval
    /// How many of the clocks agree.
    public var agreeing: Int
    /// How many there are, those that nothing is known of among them.
    public var clocks: Int
    /// How far each clock has to be taken for wrong before most of them agree, in microseconds, rounded up to
    /// a power of two: 0 if they agree as they are.
    public var disagreement: Int64

    /// The smallest interval that a majority of `clocks` clocks agrees on, this machine's own among them.
    /// `offsets` are those of the peers that are known. Nil if no majority is known, or agrees within ten
    /// seconds.
    public init?(of offsets: [OffsetInterval], clocks: Int) {
        let majority = isPlanted(.oneClockIsAMajority) ? 1 : clocks / 2 + 1
        guard offsets.count + 1 >= majority else { return nil }
        var margin: Int64 = 0
        while margin < 16_000_000 {
            let all = [OffsetInterval(least: 0, most: 0)] + offsets
            let (interval, agreeing) = Self.smallest(all.map { $0.widened(by: margin) })
            if agreeing >= majority {
                self.init(interval: interval, agreeing: agreeing, clocks: clocks, disagreement: margin)
                return
            }
            margin = max(1, margin * 2)
        }
        return nil
    }

    private init(interval: OffsetInterval, agreeing: Int, clocks: Int, disagreement: Int64) {
        self.interval = interval
        self.agreeing = agreeing
        self.clocks = clocks
        self.disagreement = disagreement
    }

    /// Marzullo's algorithm: the smallest interval that most of `intervals` have in common, and how many do.
    static func smallest(_ intervals: [OffsetInterval]) -> (OffsetInterval, Int) {
        precondition(!intervals.isEmpty)
        // Beginnings before ends at the same place: intervals that touch have a point in common.
        var edges: [(place: Int64, isEnd: Bool)] = []
        for interval in intervals {
            edges.append((interval.least, false))
            edges.append((interval.most, true))
        }
        edges.sort { ($0.place, $0.isEnd ? 1 : 0) < ($1.place, $1.isEnd ? 1 : 0) }
        var open = 0
        var most = 0
        var best = intervals[0]
        for (place, edge) in edges.enumerated() {
            guard !edge.isEnd else {
                open -= 1
                continue
            }
            open += 1
            // The next edge closes the interval: another beginning there would be in more of them.
            guard open >= most, place + 1 < edges.count else { continue }
            let found = OffsetInterval(least: edge.place, most: edges[place + 1].place)
            if open > most || found.most - found.least < best.most - best.least {
                most = open
                best = found
            }
        }
        return (best, most)
    }
}
