public import Primitives

/// What happened since the node started.
public struct MembershipCounters: Equatable, Sendable {
    /// Members probed, and members that are taken for dead.
    public var probes: UInt64 = 0, deadProbes: UInt64 = 0
    /// Direct answers in time; probes that were answered through helpers; and probes that were not answered.
    public var acks: UInt64 = 0, indirectAcks: UInt64 = 0, failedProbes: UInt64 = 0
    /// Requests to helpers, and their word that they had no answer either.
    public var indirectProbes: UInt64 = 0, nacks: UInt64 = 0
    /// Answers to no present question.
    public var lateAcks: UInt64 = 0
    /// Others' probes that were answered; probes made for others; and such requests beyond the limit.
    public var pings: UInt64 = 0, helps: UInt64 = 0, helpsRefused: UInt64 = 0
    /// Members that became suspect, and suspicions that the member refuted.
    public var suspicions: UInt64 = 0, suspicionsRefuted: UInt64 = 0
    /// Members that were taken for dead, and those whose same process then was heard of again.
    public var deaths: UInt64 = 0, deathsRefuted: UInt64 = 0
    /// How often this node objected to being suspect or dead.
    public var objections: UInt64 = 0
    /// How often it woke up late.
    public var pauses: UInt64 = 0
    /// Datagrams sent, and bytes of payload.
    public var sent: UInt64 = 0, bytesSent: UInt64 = 0, bytesReceived: UInt64 = 0
    /// Datagrams that made no sense, those of nodes that are no members, and rumours about such.
    public var malformed: UInt64 = 0, unknownSenders: UInt64 = 0, unknownMembers: UInt64 = 0
}

/// By which way a member can be reached, as far as the last probes tell.
public enum Reach: String, Sendable {
    /// It has not been probed yet.
    case unknown
    /// It answers.
    case direct
    /// It answers others and not this node: a broken way, not a crash.
    case indirect
    /// It answers nobody who was asked.
    case none
}

/// What this node makes of a member, in a word.
public enum Diagnosis: String, Sendable {
    /// It answers.
    case healthy
    /// It answers, and says that it stood still not long ago.
    case paused
    /// This node hears it, but gets no answers: its own datagrams do not arrive there.
    case onewayTo = "oneway_to"
    /// Others reach it, and this node hears nothing from it: the way back is broken, or both ways.
    case onewayFrom = "oneway_from"
    /// Nobody reaches it: crashed, standing still, or cut off.
    case silent
    /// It left.
    case left
    /// Nothing is known yet.
    case unknown
}

/// One node's opinion of one member.
public struct MemberView: Sendable {
    /// Whom it is about.
    public var id: NodeID
    /// What is believed.
    public var state: MemberState
    /// At which incarnation; its process is zero if nothing was ever heard of it.
    public var incarnation: Incarnation
    /// Since when it is in this state.
    public var since: Instant
    /// Who found it unreachable, if it is suspect or dead; at most ``MembershipOptions/mostConfirmers``.
    public var suspectedBy: [NodeID]
    /// When something was heard from it directly, and when a helper last got an answer for this node.
    public var heard: Instant?, heardThrough: Instant?
    /// The round trip of the last answered probe, and a moving average with weight 1/8.
    public var roundTrip: Instant.Span?, smoothedRoundTrip: Instant.Span?
    /// The phi accrual detector's level; nil if too little was heard.
    public var phi: Double?
    /// That level in a word.
    public var verdict: PhiDetector.Verdict
    /// How it can be reached.
    public var reach: Reach
    /// Probes in a row that it did not answer directly.
    public var missed: Int
    /// How long its last pause was, as it said itself within the last minute or so; nil for none.
    public var paused: Instant.Span?
    /// Its own local health score: 0 is healthy.
    public var health: Int
    /// All this in a word.
    public var diagnosis: Diagnosis
}

/// One node's opinion of everybody, for people.
public struct MembershipView: Sendable {
    /// Whose opinion.
    public var own: NodeID
    /// Its incarnation.
    public var incarnation: Incarnation
    /// Its local health score (Lifeguard): 0 is healthy, and timeouts grow by a factor of 1 + this.
    public var health: Int
    /// Its last pause, and when that ended.
    public var lastPause: (length: Instant.Span, ended: Instant)?
    /// The others, by number.
    public var members: [MemberView]
}

extension Membership {
    /// What this node thinks of everybody, its own local health included.
    public func view(at now: Instant) -> MembershipView {
        MembershipView(
            own: own, incarnation: incarnation, health: health.score, lastPause: lastPause,
            members: members.map { view(of: $0, at: now) })
    }

    /// What is believed of a member; nil if it is none.
    public func state(of member: NodeID) -> MemberState? { place(of: member).map { members[$0].state } }

    private func view(of member: Member, at now: Instant) -> MemberView {
        let reach: Reach =
            switch member.missed {
            case nil: .unknown
            case 0: .direct
            case .some: member.reachedThrough ? .indirect : .none
            }
        var paused: Instant.Span?
        if let told = member.paused, now - told.told < options.pauseTold {
            paused = .milliseconds(Int(clamping: told.milliseconds))
        }
        return MemberView(
            id: member.id, state: member.state, incarnation: member.incarnation, since: member.since,
            suspectedBy: member.state == .alive ? [] : member.confirmers, heard: member.heard,
            heardThrough: member.heardThrough, roundTrip: member.roundTrip,
            smoothedRoundTrip: member.smoothed, phi: member.phi.phi(at: now),
            verdict: member.phi.verdict(at: now), reach: reach, missed: member.missed ?? 0, paused: paused,
            health: Int(member.health), diagnosis: diagnosis(of: member, reach, paused, at: now))
    }

    private func diagnosis(
        of member: Member, _ reach: Reach, _ paused: Instant.Span?, at now: Instant
    ) -> Diagnosis {
        if member.state == .left { return .left }
        // It probes this node once in as many periods as there are members, or twice that.
        let roundsWithout = options.period * (2 * members.count + 2)
        let hears = member.heard.map { now - $0 < roundsWithout } ?? false
        switch reach {
        case _ where member.state == .dead: return .silent
        case .unknown: return member.heard == nil ? .unknown : .healthy
        case .direct: return paused == nil ? .healthy : .paused
        case .indirect: return member.missed == 1 ? .healthy : hears ? .onewayTo : .onewayFrom
        case .none: return .silent
        }
    }
}
