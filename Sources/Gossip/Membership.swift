// Who is there: SWIM (Das, Gupta and Motivala 2002) with Lifeguard's extensions (Dadgar et al. 2018), as a
// value that is told what was received and what time it is, and says what to send and what it changed its
// mind about.

public import Primitives

/// One node's opinion of who is there. It informs people and never decides a quorum.
///
/// Whoever owns it sends what it says as datagrams, which may be lost, and calls ``wake(at:into:)`` when
/// ``deadline`` has come.
public struct Membership: Sendable {
    /// What is to be done.
    public enum Effect: Equatable, Sendable {
        /// Send a datagram of at most ``MembershipOptions/longestPayload`` bytes.
        case send(to: NodeID, payload: [UInt8])
        /// The node changed its mind: for logs, metrics and streams. Nothing has to be done about it.
        case transition(MemberTransition)
    }

    /// A member as it is remembered.
    struct Member: Sendable {
        var id: NodeID
        var state = MemberState.alive
        var incarnation = Incarnation(process: 0)
        var since: Instant
        /// Who found it unreachable, kept after the suspicion has ended in its death.
        var confirmers: [NodeID] = []
        var heard: Instant?
        var heardThrough: Instant?
        var roundTrip: Instant.Span?
        var smoothed: Instant.Span?
        /// Probes of this node's in a row that it has not answered directly; nil if none was tried.
        var missed: Int?
        /// Whether the last probe was answered through a helper at least.
        var reachedThrough = false
        var paused: (milliseconds: UInt64, told: Instant)?
        var health: UInt8 = 0
        var phi = PhiDetector()
    }

    /// A probe that is under way.
    struct Probe: Sendable {
        var target: NodeID
        var sequence: UInt32
        var sent: Instant
        var timeout, end: Instant
        var helpers: [NodeID] = []
        var nacks: Set<NodeID> = []
        var hasAskedHelpers = false
        var isAnswered = false
        var isAnsweredThrough = false
    }

    /// A probe made for another node.
    struct Help: Sendable {
        var sequence: UInt32
        var target, asker: NodeID
        var askersSequence: UInt32
        var nackAt: Instant
        var end: Instant
        var hasNacked = false
    }

    /// The node itself.
    public let own: NodeID
    /// Its incarnation as it tells others.
    public internal(set) var incarnation: Incarnation
    /// How it goes about it.
    public let options: MembershipOptions
    /// What happened so far.
    public internal(set) var counters = MembershipCounters()
    /// When ``wake(at:into:)`` must be called.
    public private(set) var deadline: Instant

    var members: [Member]
    var rumours = Rumours()
    var suspicions: [Suspicion] = []
    var health: LocalHealth
    var isLeaving = false
    var random: SeededGenerator
    var round: [NodeID] = []
    /// Whom to look at again in the next period.
    var again: NodeID?
    var probe: Probe?
    var deadProbe: (sequence: UInt32, target: NodeID)?
    var helps: [Help] = []
    var sequence: UInt32
    var periods: UInt64 = 0
    var nextPeriod: Instant
    var lastPause: (length: Instant.Span, ended: Instant)?

    /// Knows these peers and takes them for alive. The first probe begins at a random time within a period.
    ///
    /// - Parameters:
    ///   - process: Greater for every process that this node runs, as its wall clock at the start is.
    ///   - peers: The cluster's other nodes; at most ``MembershipOptions/mostMembers``, the rest is left out.
    ///   - options: Period and probe timeout must be above zero.
    public init(
        own: NodeID, process: UInt64, peers: [NodeID], options: MembershipOptions = MembershipOptions(),
        seed: UInt64, at now: Instant
    ) {
        precondition(options.period > .zero && options.probeTimeout > .zero)
        self.own = own
        self.options = options
        incarnation = Incarnation(process: process)
        members = Set(peers).subtracting([own]).sorted().prefix(MembershipOptions.mostMembers).map {
            Member(id: $0, since: now)
        }
        health = LocalHealth(worst: options.worstHealth)
        random = SeededGenerator(seed: seed)
        sequence = UInt32(truncatingIfNeeded: random.next())
        nextPeriod = now + random.next(in: .zero..<options.period)
        deadline = nextPeriod
        rumours.add(ownClaim)
    }

    /// Takes a datagram that `peer` sent. What is malformed, or from a node that is no member, is counted and
    /// changes nothing.
    public mutating func receive(
        _ payload: ArraySlice<UInt8>, from peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        notice(now)
        counters.bytesReceived += UInt64(payload.count)
        guard let place = place(of: peer) else {
            counters.unknownSenders += 1
            return
        }
        var reader = ByteReader(payload)
        var claims: [Claim] = []
        let message: MembershipMessage
        do throws(ByteReaderError) {
            guard payload.count <= MembershipOptions.longestPayload else { throw .malformed }
            message = try MembershipMessage(from: &reader)
            while !reader.isAtEnd { claims.append(try Claim(from: &reader)) }
        } catch {
            counters.malformed += 1
            return
        }
        hear(message, from: place, at: now)
        let word = Claim(
            member: peer, state: message.isLeaving ? .left : .alive, incarnation: message.incarnation,
            source: peer)
        take(word, from: peer, at: now, into: &effects)
        for claim in claims { take(claim, from: peer, at: now, into: &effects) }
        act(on: message, from: peer, at: now, into: &effects)
        reckon()
    }

    /// Does what is due. Calling it too early does nothing; if it is called late, the node has been paused or
    /// is overloaded, and blames nobody for what it missed.
    public mutating func wake(at now: Instant, into effects: inout [Effect]) {
        notice(now)
        endSuspicions(at: now, into: &effects)
        turnHelps(at: now, into: &effects)
        turnProbe(at: now, into: &effects)
        reckon()
    }

    /// Says good-bye: tells some members, who tell the others. The node goes on answering, and should be kept
    /// for some periods so that the word gets around.
    public mutating func leave(at now: Instant, into effects: inout [Effect]) {
        guard !isLeaving else { return }
        isLeaving = true
        rumours.add(ownClaim)
        effects.append(
            .transition(
                MemberTransition(
                    member: own, from: .alive, to: .left, incarnation: incarnation, cause: .told, at: now)))
        for peer in choose(max(options.helpers, scaled(1)), except: own) {
            send(.tell, to: peer, at: now, into: &effects)
        }
    }

    /// Adds a member; false if it is one already, or if there are too many.
    public mutating func add(_ peer: NodeID, at now: Instant) -> Bool {
        guard peer != own, place(of: peer) == nil, members.count < MembershipOptions.mostMembers else {
            return false
        }
        let place = members.firstIndex { $0.id > peer } ?? members.count
        members.insert(Member(id: peer, since: now), at: place)
        round.insert(peer, at: Int(random.next(below: UInt64(round.count + 1))))
        return true
    }

    /// Forgets a member; false if it is none.
    public mutating func remove(_ peer: NodeID) -> Bool {
        guard let place = place(of: peer) else { return false }
        members.remove(at: place)
        round.removeAll { $0 == peer }
        suspicions.removeAll { $0.member == peer }
        helps.removeAll { $0.target == peer || $0.asker == peer }
        rumours.remove(about: peer)
        if probe?.target == peer { probe = nil }
        reckon()
        return true
    }

    /// The members that are taken to be there: alive or suspect.
    public var living: [NodeID] { members.filter { $0.state <= .suspect }.map(\.id) }

    // MARK: Parts

    /// What the node says of itself.
    var ownClaim: Claim {
        Claim(member: own, state: isLeaving ? .left : .alive, incarnation: incarnation, source: own)
    }

    /// Where a member is, by binary search.
    func place(of id: NodeID) -> Int? {
        var (low, high) = (0, members.count)
        while low < high {
            let middle = (low + high) / 2
            if members[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < members.count && members[low].id == id ? low : nil
    }

    /// This many times log2 of the number of nodes, and at least so many.
    func scaled(_ factor: Int) -> Int {
        let scale = binaryLogarithm(Double(max(2, members.count + 1)))
        return max(factor, Int((Double(factor) * scale).rounded(.up)))
    }

    /// If the node comes late, it stood still: its timers begin anew, so that nobody is blamed for not having
    /// been heard by a node that did not listen.
    private mutating func notice(_ now: Instant) {
        let late = now - deadline
        guard deadline < now, late > options.pauseAfter else { return }
        counters.pauses += 1
        lastPause = (late, now)
        health.note(1)
        for place in suspicions.indices { suspicions[place].postpone(by: late) }
        probe = nil
        helps.removeAll()
        nextPeriod = now + random.next(in: .zero..<options.probeTimeout)
        reckon()
    }

    private mutating func reckon() {
        var earliest = nextPeriod
        if let probe, !probe.hasAskedHelpers, !probe.isAnswered { earliest = min(earliest, probe.timeout) }
        for suspicion in suspicions { earliest = min(earliest, suspicion.deadline) }
        for help in helps { earliest = min(earliest, help.hasNacked ? help.end : help.nackAt) }
        deadline = earliest
    }

    /// Notes what a message tells of its sender by arriving.
    private mutating func hear(_ message: MembershipMessage, from place: Int, at now: Instant) {
        members[place].heard = now
        members[place].health = message.health
        members[place].paused = message.paused > 0 ? (message.paused, now) : nil
        members[place].phi.hear(at: now)
    }

    /// Sends a message with as many rumours as fit. A member that is taken for anything but alive is told so
    /// first, that it may object (Lifeguard's buddy system).
    mutating func send(
        _ body: MembershipMessage.Body, to peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        var paused: UInt64 = 0
        if let lastPause, now - lastPause.ended < options.pauseTold {
            paused = UInt64(clamping: lastPause.length.milliseconds)
        }
        let message = MembershipMessage(
            body: body, incarnation: incarnation, isLeaving: isLeaving, health: UInt8(health.score),
            paused: paused)
        var writer = ByteWriter(capacity: 64)
        message.encode(into: &writer)
        var urgent: Claim?
        if let place = place(of: peer), members[place].state != .alive {
            urgent = Claim(
                member: peer, state: members[place].state, incarnation: members[place].incarnation,
                source: members[place].confirmers.first ?? own)
        }
        let room = MembershipOptions.longestPayload - writer.count
        rumours.encode(into: &writer, room: room, limit: scaled(options.transmissions), urgent: urgent)
        counters.sent += 1
        counters.bytesSent += UInt64(writer.count)
        effects.append(.send(to: peer, payload: writer.take()))
    }

    /// Up to `count` members that are alive or suspect, at random.
    mutating func choose(_ count: Int, except excluded: NodeID) -> [NodeID] {
        var candidates = living.filter { $0 != excluded }
        var chosen: [NodeID] = []
        while chosen.count < count, !candidates.isEmpty {
            let place = Int(random.next(below: UInt64(candidates.count)))
            candidates.swapAt(place, candidates.count - 1)
            chosen.append(candidates.removeLast())
        }
        return chosen
    }
}
