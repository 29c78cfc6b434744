public import Primitives

// Barriers: a fixed number of parties wait for each other (as in POSIX `pthread_barrier_wait`, with the
// broken state of Java's `CyclicBarrier`). With `leave` they also wait for each other at the end: a double
// barrier (Hunt et al., "ZooKeeper: wait-free coordination for internet-scale systems", 2010, section 2.4).

/// What a barrier is like.
public struct BarrierTerms: Sendable, Equatable {
    /// How many have to arrive.
    public var parties: Int
    /// The barrier is deleted so many milliseconds after it was used last; zero: never.
    public var timeToLive: Int64
    /// Whether it stays open once all have arrived; else the next generation begins then.
    public var isOnce: Bool

    /// Makes it of its parts.
    public init(parties: Int, timeToLive: Int64 = 0, isOnce: Bool = false) {
        self.parties = parties
        self.timeToLive = timeToLive
        self.isOnce = isOnce
    }
}

/// One party's arrival.
public struct Arrival: Sendable, Equatable {
    /// Who arrives. Who arrives again in the same generation is not counted twice.
    public var member: String
    /// For how long it waits for the others, in milliseconds; its arrival stays afterwards.
    public var wait: Int64
    /// The lease whose end breaks the barrier, as long as not all have arrived.
    public var lease: String?
    /// The generation that it means; nil: the one that has not told it of its release, or the current one.
    public var generation: UInt64?
    /// With this many parties the barrier is made if there is none; with another number it is refused.
    public var parties: Int?

    /// Makes it of its parts.
    public init(
        member: String, wait: Int64 = 0, lease: String? = nil, generation: UInt64? = nil, parties: Int? = nil
    ) {
        self.member = member
        self.wait = wait
        self.lease = lease
        self.generation = generation
        self.parties = parties
    }
}

/// What is done with barriers.
public enum BarrierCommand: Sendable, Equatable {
    /// Makes a barrier, or gives it other terms.
    case configure(String, BarrierTerms)
    /// A party arrives.
    case arrive(String, Arrival)
    /// A party leaves, and waits so many milliseconds for all others to leave too.
    case leave(String, member: String, wait: Int64)
    /// Breaks the current generation and begins another one.
    case reset(String)
    /// Removes a barrier.
    case delete(String)
}

/// What became of a barrier or a party.
public enum BarrierOutcome: Sendable, Equatable {
    /// The barrier has these terms now.
    case configured(Barrier, isNew: Bool)
    /// All have arrived. The index tells in which order, from 1; nil for who came when it was open already.
    case released(generation: UInt64, index: Int?, parties: Int)
    /// The party has arrived and waits for the others.
    case waiting(generation: UInt64, arrived: Int, parties: Int)
    /// The party has arrived, does not wait (any more), and counts.
    case arrived(generation: UInt64, arrived: Int, parties: Int)
    /// The party has left and waits for the others.
    case leaving(generation: UInt64, left: Int, parties: Int)
    /// The party has left; so many parties of its generation have.
    case left(generation: UInt64, left: Int, parties: Int)
    /// The party had not been released, and has taken back its arrival.
    case withdrawn(generation: UInt64, arrived: Int, parties: Int)
    /// The barrier broke while the party waited.
    case broken(BarrierBreak)
    /// This is the generation that begins.
    case reset(Barrier)
    /// The barrier was removed.
    case deleted
}

/// How a generation of a barrier was broken.
public struct BarrierBreak: Sendable, Equatable {
    /// Why.
    public enum Cause: Sendable, Equatable {
        /// The lease of this member ended before all had arrived.
        case leaseEnded(member: String)
        /// Somebody asked for a new generation.
        case reset
        /// Somebody deleted the barrier, or nobody had used it for its time to live.
        case deleted
        /// The next generation was released before all of this one had left.
        case overtaken
    }

    /// The barrier's name.
    public let barrier: String
    /// Which generation.
    public let generation: UInt64
    /// Why.
    public let cause: Cause
}

/// Why a command changed nothing at a barrier.
public enum BarrierRefusal: Sendable, Equatable {
    /// There is no barrier with this name.
    case notFound(String)
    /// It is broken until it is reset.
    case broken(BarrierBreak)
    /// It has another number of parties, and some have arrived or the number was given in passing.
    case otherParties(String, parties: Int)
    /// The generation is past and its members are forgotten, or it has not begun.
    case otherGeneration(String, current: UInt64)
    /// The member has not arrived.
    case notArrived(String, member: String)
}

/// A barrier as it stands in the state.
public struct Barrier: Sendable, Equatable {
    /// Under what it is known.
    public internal(set) var name: String
    /// What it is like.
    public internal(set) var terms: BarrierTerms
    /// The generation whose parties arrive now; of one that opens once, the one that is open.
    public internal(set) var generation: UInt64 = 1
    /// How many have arrived of it; all of them if it is open.
    public internal(set) var arrived = 0
    /// The newest generation that all arrived of; zero if there is none.
    public internal(set) var released: UInt64 = 0
    /// How many parties it had.
    public internal(set) var releasedParties = 0
    /// How many of them have left.
    public internal(set) var left = 0
    /// How the current generation was broken; nil if it was not.
    public internal(set) var broken: BarrierBreak.Cause?
    /// The log's time when it was made.
    public internal(set) var createdAt: WallTime
    /// The timer of its time to live; zero if none runs.
    var timer: UInt64 = 0

    /// Whether it is open for ever, since all have arrived.
    public var isOpen: Bool { terms.isOnce && released == generation }
}

/// A party in a generation.
public struct BarrierMember: Sendable, Equatable {
    /// Its name.
    public internal(set) var name: String
    /// The log's time when it arrived.
    public internal(set) var since: WallTime
    /// Its place in the order of arrival, from 1; zero as long as not all have arrived.
    public internal(set) var index = 0
    /// The lease that it arrived under.
    public internal(set) var lease: String?
    /// Whether it has left.
    public internal(set) var hasLeft = false
    /// Whether a request waits for it.
    public var isWaiting: Bool { request != nil }

    /// Grows in the order of arrival.
    var order: UInt64
    /// Whether it was told that all have arrived.
    var isTold = false
    /// The request that waits.
    var request: RequestID?
    /// The timer of that wait; zero if none runs.
    var timer: UInt64 = 0
}

/// What happens to a barrier when a timer has run out.
enum BarrierTimer: Equatable, Sendable {
    /// A member's wait is over.
    case wait(barrier: String, generation: UInt64, member: String)
    /// The barrier was not used for its time to live.
    case end(barrier: String)
}

extension Limits {
    /// No barrier has more parties than this.
    public static let parties = 4_096
}
