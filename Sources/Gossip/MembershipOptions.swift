public import Primitives

/// How a ``Membership`` goes about it. The defaults and their reasons are in this target's documentation.
public struct MembershipOptions: Sendable, Equatable {
    /// One probe begins in each period (SWIM's T').
    public var period = Instant.Span.seconds(1)
    /// After so long without an answer, others are asked to try.
    public var probeTimeout = Instant.Span.milliseconds(500)
    /// How many others are asked (SWIM's k).
    public var helpers = 3
    /// The shortest time to object is this many periods times log2 of the members' number (SWIM, section 4.2;
    /// Lifeguard's alpha).
    public var suspicionPeriods = 1.0
    /// The longest time to object is so many times the shortest (Lifeguard's beta).
    public var suspicionStretch = 3.0
    /// So many confirmations bring the longest time down to the shortest (Lifeguard's K).
    public var confirmations = 2
    /// A rumour is sent on this many times log2 of the members' number (SWIM's lambda).
    public var transmissions = 3
    /// In every so many periods a member that is taken for dead is probed as well.
    public var deadProbeEvery = 4
    /// The greatest local health score (Lifeguard's S): timeouts grow by up to 1 + this.
    public var worstHealth = 8
    /// A wake-up that comes later than this was a pause.
    public var pauseAfter = Instant.Span.milliseconds(250)
    /// For so long a node tells others of its last pause.
    public var pauseTold = Instant.Span.seconds(60)

    /// The defaults.
    public init() {}

    /// The most members that there can be, the node itself not counted.
    public static let mostMembers = 1_024
    /// The greatest payload in bytes.
    public static let longestPayload = 1_200
    /// Probes for others that a node has under way at most.
    public static let mostHelped = 64
    /// Confirmations of a suspicion that are remembered at most, for people to see.
    public static let mostConfirmers = 16
}
