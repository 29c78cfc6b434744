import Primitives

/// A leader's reads: those that wait for the next round, and those whose round is under way (thesis 6.4: one
/// round of heartbeats serves any number of reads that have accumulated).
struct ReadRounds: Sendable {
    struct Request: Sendable {
        /// The follower that asks, or nil for the leader's own owner.
        let from: NodeID?
        let token: UInt64
    }

    /// The number of the latest round in this term. A read is only answered by a round that began after it
    /// came.
    private(set) var number: UInt64 = 0
    /// The commit index when the round began.
    private(set) var index = LogIndex.zero
    private var waiting: [Request] = []
    private var underway: [Request] = []

    var count: Int { waiting.count + underway.count }
    var isUnderway: Bool { !underway.isEmpty }
    var canBegin: Bool { underway.isEmpty && !waiting.isEmpty }

    /// Takes a read for the next round.
    mutating func add(_ request: Request) { waiting.append(request) }

    /// Begins a round for all that wait.
    mutating func begin(at commit: LogIndex) {
        number += 1
        index = commit
        swap(&waiting, &underway)
    }

    /// Ends the round and hands over its reads.
    mutating func takeUnderway() -> [Request] {
        defer { underway = [] }
        return underway
    }

    /// Calls `answer` for each read that will not be answered.
    func abandon(_ answer: (Request) -> Void) {
        for request in underway { answer(request) }
        for request in waiting { answer(request) }
    }
}

/// A follower's reads: those of this turn, and those it has asked the leader about, a request for each
/// turn's.
struct ForwardedReads: Sendable {
    struct Group: Sendable {
        let number: UInt64
        let tokens: [UInt64]
        let deadline: Instant
    }

    /// Numbers begin at random, so that an answer to a request from before a restart matches none.
    private var lastNumber: UInt64
    private(set) var waiting: [UInt64] = []
    private(set) var groups: [Group] = []
    private(set) var count = 0

    init(numbersAfter number: UInt64) { lastNumber = number }

    var deadline: Instant { groups.first?.deadline ?? .never }

    mutating func add(_ token: UInt64) {
        waiting.append(token)
        count += 1
    }

    /// Turns the waiting reads into a group, and returns its number.
    mutating func takeGroup(deadline: Instant) -> UInt64? {
        guard !waiting.isEmpty else { return nil }
        lastNumber &+= 1
        groups.append(Group(number: lastNumber, tokens: waiting, deadline: deadline))
        waiting = []
        return lastNumber
    }

    /// Takes out the group with this number.
    mutating func remove(_ number: UInt64) -> [UInt64]? {
        guard let place = groups.firstIndex(where: { $0.number == number }) else { return nil }
        let tokens = groups.remove(at: place).tokens
        count -= tokens.count
        return tokens
    }

    /// Takes out the first group whose deadline has passed.
    mutating func removeExpired(at now: Instant) -> [UInt64]? {
        guard let first = groups.first, first.deadline <= now else { return nil }
        return remove(first.number)
    }

    /// Takes out everything.
    mutating func removeAll() -> [UInt64] {
        let tokens = groups.flatMap(\.tokens) + waiting
        groups = []
        waiting = []
        count = 0
        return tokens
    }
}
