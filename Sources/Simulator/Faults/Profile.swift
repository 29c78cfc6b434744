import Primitives

/// How large a simulated cluster is, how long it runs, and what may go wrong.
public enum Profile: String, CaseIterable, Sendable {
    /// Three nodes for 15 virtual seconds; crashes only.
    case lite
    /// Five nodes for about 60 virtual seconds; all faults.
    case std
    /// Fifty voters for 30 virtual seconds; all faults.
    case wide
    /// Five nodes for 24 virtual hours; few faults.
    case long

    /// How many nodes, unless somebody wants another number.
    public var nodeCount: Int {
        switch self {
        case .lite: 3
        case .std, .long: 5
        case .wide: 50
        }
    }

    /// How long anything may go wrong.
    var safety: Instant.Span {
        switch self {
        case .lite: .seconds(12)
        case .std: .seconds(48)
        case .wide: .seconds(20)
        case .long: .seconds(86_000)
        }
    }

    /// Operations of all clients in that time, if nothing goes wrong.
    var operations: ClosedRange<Int> {
        switch self {
        case .lite: 60...200
        case .std: 150...800
        case .wide: 60...200
        case .long: 5_000...20_000
        }
    }

    /// How often each kind of fault befalls a run at most.
    var faultsOfAKind: Int {
        switch self {
        case .lite: 8
        case .std, .wide: 12
        case .long: 40
        }
    }

    /// The longest that a crash, a pause or a partition lasts.
    var longest: Instant.Span {
        switch self {
        case .lite: .seconds(5)
        case .std, .long: .seconds(20)
        case .wide: .seconds(8)
        }
    }
}

/// A kind of fault that a run is drawn with or without (swarm testing: Groce and others, ISSTA 2012).
public enum FaultFamily: String, CaseIterable, Sendable {
    /// Links are slow, some messages very.
    case slowLinks
    /// Messages and connections are lost.
    case loss
    /// Requests arrive twice.
    case duplicates
    /// Requests overtake each other.
    case reordering
    /// Bytes are changed on their way.
    case corruption
    /// Links are stuck, and then deliver everything at once.
    case clogs
    /// Groups of nodes are cut off from each other.
    case partitions
    /// Partitions that come and go quickly.
    case flapping
    /// Connections break.
    case resets
    /// Processes are killed.
    case kills
    /// The power fails.
    case powerCuts
    /// Processes die in the middle of a disk operation.
    case diskDeaths
    /// Many processes die at the same moment.
    case massCrashes
    /// Processes stand still.
    case pauses
    /// One thread of a process stands still.
    case stalls
    /// Disks are slow.
    case slowDisks
    /// Disks are full.
    case fullDisks
    /// Calls to the disk fail.
    case diskErrors
    /// What is durable goes bad.
    case damage
    /// Wall clocks jump.
    case wallSteps
    /// Clocks run at different rates.
    case drift
    /// Leadership is moved by hand.
    case transfers
    /// Checkpoints are frequent, and followers that lag need snapshots.
    case snapshotPressure
    /// Limits of the product are small.
    case smallLimits
    /// Clients can't reach some nodes.
    case clientCuts
    /// Several things happen in an order in which known bugs show.
    case scenes

    /// Those of a profile.
    static func all(in profile: Profile) -> [FaultFamily] {
        profile == .lite ? [.kills, .powerCuts, .diskDeaths, .massCrashes] : allCases
    }
}
