public import Primitives

// A digest of a node's state, for those who run many nodes and ask whether two states are the same: the
// small-scope search, which must not explore a state twice, and the test that a seed gives the same run
// again.
//
// What is private to the parts of the core is asked of copies of them, so that they stay private.

/// 128 bits that stand for a state: two states with the same digest are taken for the same.
public struct StateDigest: Hashable, Sendable {
    /// The upper half.
    public var high: UInt64
    /// The lower half.
    public var low: UInt64

    /// Makes the digest with these halves.
    public init(high: UInt64 = 0, low: UInt64 = 0) {
        self.high = high
        self.low = low
    }

    /// Adds a digest half by half: the sum of several does not depend on their order.
    public static func &+ (a: StateDigest, b: StateDigest) -> StateDigest {
        StateDigest(high: a.high &+ b.high, low: a.low &+ b.low)
    }

    /// Takes away what was added.
    public static func &- (a: StateDigest, b: StateDigest) -> StateDigest {
        StateDigest(high: a.high &- b.high, low: a.low &- b.low)
    }
}

/// Makes digests: two lanes of folded multiplication (after wyhash, Wang Yi 2019). The same in every process
/// and on every machine, unlike `Hasher`; never for data that an enemy may choose.
public struct StateHasher: Sendable {
    /// Names that leave every node its own.
    public static let ownNames: UInt64 = 0x0706_0504_0302_0100

    private let names: UInt64
    private var first: UInt64 = 0x243f_6a88_85a3_08d3
    private var second: UInt64 = 0x1319_8a2e_0370_7344

    /// An empty digest. Byte `n` of `names` is what node `n` is to be called, for nodes up to 7: so two
    /// states that differ only in the names of the nodes have the same digest under different names.
    public init(names: UInt64 = StateHasher.ownNames) { self.names = names }

    /// Another empty digest, under the same names.
    public var fresh: StateHasher { StateHasher(names: names) }

    /// Adds a number.
    public mutating func feed(_ number: UInt64) {
        let a = (first ^ number).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        first = a.high ^ a.low
        let b = (second &+ number).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
        second = b.high ^ b.low &+ number
    }

    /// Adds a yes or no.
    public mutating func feed(_ flag: Bool) { feed(flag ? 1 : 0) }

    /// Adds a node, or none, under its name.
    public mutating func feed(_ node: NodeID?) {
        let number = node?.rawValue ?? 0
        feed(number < 8 ? names >> (8 * number) & 0xff : number)
    }

    /// Adds the end of a log.
    public mutating func feed(_ position: LogPosition) {
        feed(position.index.rawValue)
        feed(position.term.rawValue)
    }

    /// Adds a digest.
    public mutating func feed(_ digest: StateDigest) {
        feed(digest.high)
        feed(digest.low)
    }

    /// Adds items whose order is of no meaning.
    public mutating func feedUnordered<Items: Sequence>(
        _ items: Items, _ feedOne: (inout StateHasher, Items.Element) -> Void
    ) {
        var sum = StateDigest()
        var count: UInt64 = 0
        for item in items {
            var hasher = fresh
            feedOne(&hasher, item)
            sum = sum &+ hasher.digest
            count += 1
        }
        feed(count)
        feed(sum)
    }

    /// The digest of all that was fed.
    public var digest: StateDigest {
        func mixed(_ lane: UInt64, _ other: UInt64) -> UInt64 {
            var z = lane ^ other >> 32 ^ other << 32
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            return z ^ z >> 31
        }
        return StateDigest(high: mixed(first, second), low: mixed(second &+ 1, first))
    }
}

// MARK: Messages

extension Configuration {
    /// Feeds the members.
    public func feed(_ hasher: inout StateHasher) {
        for nodes in [voters, outgoing, learners] { hasher.feedUnordered(nodes) { $0.feed($1) } }
    }
}

extension SnapshotReference {
    /// Feeds the position and the members.
    public func feed(_ hasher: inout StateHasher) {
        hasher.feed(position)
        configuration.feed(&hasher)
    }
}

extension Entry {
    /// Feeds the position and the content.
    public func feed(_ hasher: inout StateHasher) {
        hasher.feed(index.rawValue)
        hasher.feed(term.rawValue)
        hasher.feed(UInt64(kind.rawValue))
        if kind == .configuration, let configuration = try? Configuration(decoding: payload) {
            return configuration.feed(&hasher)
        }
        hasher.feed(UInt64(payload.count))
        hasher.feed(fnv1a(payload))
    }
}

extension Message {
    /// Feeds all that is said, by whom and to whom.
    public func feed(_ hasher: inout StateHasher) {
        hasher.feed(from)
        hasher.feed(to)
        hasher.feed(term.rawValue)
        switch body {
        case .append(let append):
            hasher.feed(1)
            hasher.feed(append.previous)
            hasher.feed(append.commit.rawValue)
            hasher.feed(UInt64(append.entries.count))
            for entry in append.entries { entry.feed(&hasher) }
        case .appendResponse(let response): response.feed(&hasher)
        case .heartbeat(let heartbeat):
            hasher.feed(4)
            hasher.feed(heartbeat.commit.rawValue)
            hasher.feed(heartbeat.round)
            hasher.feed(heartbeat.leaderCommit.rawValue)
        case .heartbeatResponse(let round):
            hasher.feed(5)
            hasher.feed(round)
        case .voteRequest(let request):
            hasher.feed(request.isPreVote ? 6 : request.isTransfer ? 7 : 8)
            hasher.feed(request.last)
        case .voteResponse(let response):
            hasher.feed(response.isPreVote ? 9 : 10)
            hasher.feed(response.granted)
        case .installSnapshot(let reference):
            hasher.feed(11)
            reference.feed(&hasher)
        case .timeoutNow: hasher.feed(12)
        case .readIndexRequest(let token):
            hasher.feed(13)
            hasher.feed(token)
        case .readIndexResponse(let token, let index):
            hasher.feed(index == nil ? 14 : 15)
            hasher.feed(token)
            hasher.feed(index?.rawValue ?? 0)
        }
    }
}

extension AppendResponse {
    fileprivate func feed(_ hasher: inout StateHasher) {
        hasher.feed(previous)
        switch outcome {
        case .matched(let index):
            hasher.feed(2)
            hasher.feed(index.rawValue)
        case .rejected(let hint, let last):
            hasher.feed(3)
            hasher.feed(hint)
            hasher.feed(last.rawValue)
        }
    }
}

// MARK: Nodes

extension Raft {
    /// Feeds what decides how this node will behave from now on, without its options.
    ///
    /// Without `now` that is everything: absolute times and the state of the generator too, so that two runs
    /// can be compared.
    ///
    /// With `now`, times count relative to it and no further than they make a difference: of a leader's last
    /// sign of life only whether it still stands against a vote. The generator is left out, so this is for
    /// nodes that leave nothing to it: whose ranges of options have room for one value. What waits for the
    /// disk counts by what it is, not by its sequence number, and what is under way to it not at all: the
    /// owner, who has it, feeds that itself.
    public func feed(_ hasher: inout StateHasher, relativeTo now: Instant?) {
        let clock = DigestClock(now: now)
        hasher.feed(id)
        hasher.feed(role.ordinal)
        hasher.feed(term.rawValue)
        hasher.feed(vote)
        hasher.feed(leader)
        hasher.feed(commit.rawValue)
        hasher.feed(announcedCommit.rawValue)
        log.feed(&hasher)
        hasher.feed(sizes.first.rawValue)
        hasher.feed(UInt64(sizes.bytes(in: sizes.first..<max(sizes.first, log.lastIndex.next))))
        hasher.feed(UInt64(sizes.bytes(after: commit)))
        durability.feed(&hasher)
        snapshot.feed(&hasher)
        hasher.feed(UInt64(configurations.count))
        for placed in configurations {
            hasher.feed(placed.index.rawValue)
            placed.configuration.feed(&hasher)
        }
        if role != .leader { clock.feed(until: electionDeadline, &hasher) }
        if now == nil {
            hasher.feed(leaderContact.map { UInt64(bitPattern: $0.nanoseconds) } ?? 1)
            var copy = generator
            hasher.feed(copy.next())
        } else {
            clock.feed(since: leaderContact, noMoreThan: options.electionTimeout.lowerBound, &hasher)
        }
        hasher.feed(isLeaderDisconnected)
        hasher.feed(fetch == nil)
        fetch?.reference.feed(&hasher)
        hasher.feed(fetch?.from)
        forwardedReads.feed(&hasher, clock)
        hasher.feed(candidacy == nil)
        candidacy?.feed(&hasher, configuration.members)
        hasher.feed(leadership == nil)
        leadership?.feed(&hasher, clock, options)
    }
}

/// How times are fed: relative to an instant, or as they are.
private struct DigestClock {
    let now: Instant?

    /// Feeds a time to come; what is past is due now.
    func feed(until instant: Instant, _ hasher: inout StateHasher) {
        guard let now, instant != .never else { return hasher.feed(UInt64(bitPattern: instant.nanoseconds)) }
        hasher.feed(UInt64(max(0, (instant - now).nanoseconds)))
    }

    /// Feeds a time that is past; what is longer ago than `limit` makes no difference.
    func feed(since instant: Instant?, noMoreThan limit: Instant.Span, _ hasher: inout StateHasher) {
        guard let instant else { return hasher.feed(.max) }
        guard let now else { return hasher.feed(UInt64(bitPattern: instant.nanoseconds)) }
        hasher.feed(UInt64(max(0, min((now - instant).nanoseconds, limit.nanoseconds))))
    }
}

extension Role {
    /// A number of its own for each role.
    fileprivate var ordinal: UInt64 {
        switch self {
        case .follower: 1
        case .preCandidate: 2
        case .candidate: 3
        case .leader: 4
        }
    }
}

extension LogTerms {
    /// Feeds where the log begins and where each run of equal terms ends, from the last one back.
    fileprivate func feed(_ hasher: inout StateHasher) {
        hasher.feed(base)
        var end = last
        hasher.feed(end)
        while end.index > base.index {
            end = lastPosition(notAfter: LogPosition(index: end.index, term: end.term.previous))
            hasher.feed(end)
        }
    }
}

extension Durability {
    fileprivate func feed(_ hasher: inout StateHasher) {
        hasher.feed(term.rawValue)
        hasher.feed(vote)
        hasher.feed(index.rawValue)
        hasher.feed(isHardStateDirty)
        hasher.feed(resetTo == nil)
        if let resetTo { hasher.feed(resetTo) }
        hasher.feed(UInt64(entries.count))
        for entry in entries { entry.feed(&hasher) }
        hasher.feed(UInt64(messages.count))
        for message in messages { message.feed(&hasher) }
    }
}

extension ForwardedReads {
    fileprivate func feed(_ hasher: inout StateHasher, _ clock: DigestClock) {
        hasher.feed(UInt64(waiting.count))
        for token in waiting { hasher.feed(token) }
        hasher.feed(UInt64(groups.count))
        for group in groups {
            hasher.feed(group.number)
            clock.feed(until: group.deadline, &hasher)
            for token in group.tokens { hasher.feed(token) }
        }
        var copy = self
        copy.add(0)
        hasher.feed(copy.takeGroup(deadline: .never) ?? 0)
    }
}

extension ReadRounds {
    fileprivate func feed(_ hasher: inout StateHasher) {
        hasher.feed(number)
        hasher.feed(index.rawValue)
        var rest = self
        let underway = rest.takeUnderway()
        hasher.feed(UInt64(underway.count))
        for request in underway { request.feed(&hasher) }
        hasher.feed(UInt64(rest.count))
        rest.abandon { $0.feed(&hasher) }
    }
}

extension ReadRounds.Request {
    fileprivate func feed(_ hasher: inout StateHasher) {
        hasher.feed(from)
        hasher.feed(token)
    }
}

extension Candidacy {
    /// Feeds each voter's answer, which a quorum of that voter alone gives away.
    fileprivate func feed(_ hasher: inout StateHasher, _ members: [NodeID]) {
        hasher.feed(isPreVote)
        hasher.feedUnordered(members) { hasher, node in
            hasher.feed(node)
            let quorum = Quorum(voters: [node])
            hasher.feed(isWon(quorum))
            hasher.feed(isLost(quorum))
        }
    }
}

extension Leadership {
    fileprivate func feed(_ hasher: inout StateHasher, _ clock: DigestClock, _ options: Raft.Options) {
        hasher.feed(termStart.rawValue)
        clock.feed(until: nextHeartbeat, &hasher)
        hasher.feed(mayCommit)
        reads.feed(&hasher)
        hasher.feed(transfer?.target)
        clock.feed(until: transfer?.deadline ?? .never, &hasher)
        hasher.feedUnordered(peers) { hasher, peer in
            peer.feed(&hasher, clock, since: since, options)
        }
    }
}

extension Progress {
    fileprivate func feed(
        _ hasher: inout StateHasher, _ clock: DigestClock, since: Instant, _ options: Raft.Options
    ) {
        hasher.feed(id)
        hasher.feed(isLearner)
        switch state {
        case .probe: hasher.feed(1)
        case .replicate: hasher.feed(2)
        case .snapshot: hasher.feed(3)
        }
        hasher.feed(match.rawValue)
        hasher.feed(next.rawValue)
        hasher.feed(commitSent.rawValue)
        hasher.feed(round)
        clock.feed(
            since: lastContact ?? since, noMoreThan: options.electionTimeout.upperBound, &hasher)
        let retries = countedRetries
        hasher.feed(UInt64(retries))
        let patience = options.heartbeatInterval * (2 << retries)
        clock.feed(since: awaitingSince, noMoreThan: patience, &hasher)
        hasher.feed(UInt64(window.count))
        hasher.feed(UInt64(window.bytes))
        hasher.feed(window.hasUnknownSize)
        guard clock.now != nil, !window.isEmpty else { return }
        var count = window.count
        for index in match.rawValue..<next.rawValue {
            var rest = window
            rest.free(upTo: LogIndex(index))
            if rest.count < count { hasher.feed(index) }
            count = rest.count
        }
    }

    /// How often in a row an answer has failed to come, as far as that makes a difference: with each time, up
    /// to three, the wait doubles.
    private var countedRetries: Int {
        for retries in 0..<3 {
            var copy = self
            copy.sentProbe(at: .zero)
            copy.retryIfLate(Instant.Span(nanoseconds: 1), at: Instant(nanoseconds: 1 << retries))
            if copy.awaitingSince == nil { return retries }
        }
        return 3
    }
}
