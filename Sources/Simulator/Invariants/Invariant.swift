// What is checked while a cluster is simulated, and how. A step of the simulation is turned into facts once
// (Chronicle); each promise is a class of its own that listens to the facts it needs. So a promise reads like
// its sentence, a test can make up the facts that break it, and a step costs a microsecond for all of them.

/// Listens to what happens.
protocol FactListener: AnyObject {
    /// What it wants to hear of; nothing else is told.
    var facts: FactKinds { get }
    /// Something happened. All that came before it is in the chronicle.
    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation)
}

/// Something that must hold at all times, whatever goes wrong around the product.
protocol Invariant: FactListener {
    /// Short and never changed: reports and reduced runs are told apart by it.
    static var name: String { get }
    /// The promise in a sentence for people.
    static var promise: String { get }
}

extension Invariant {
    /// Unless `holds`, the promise is broken.
    func demand(_ holds: Bool, _ details: @autoclosure () -> String) throws(Violation) {
        if !holds { throw violation(details()) }
    }

    /// That the promise is broken.
    func violation(_ details: String) -> Violation { Violation(invariant: Self.name, details: details) }
}

/// One of each: all promises of the product as it is.
///
/// Not among them, because there is nothing yet that they could be about: I32 (removed members) and I36
/// (leases of leaders). What I39 to I41 say of leases is a part of I42. The liveness promises V1 to V4 and V6
/// are demanded by the simulation itself.
func allInvariants(seed: UInt64) -> [any Invariant] {
    [
        ElectionSafety(), TermsNeverGoBack(), OneVotePerTerm(), VotesForTheUpToDate(), LeadersDontVote(),
        PreVotesChangeNothing(), ElectedByVoters(), TheDeadAreSilent(),
        LogMatching(), LeadersOnlyAppend(), CommittedInOwnTerm(), CommittedIsDurable(),
        LeaderCompleteness(), CommittedStays(), ProgressIsTrue(), LogsAreWhole(),
        DurableBeforeAcknowledged(seed: seed), DurableBeforeSaid(),
        StateMachineSafety(), EqualStates(), AppliedIsCommitted(), RevisionsCount(), AllOrNothing(),
        ExactlyOnce(), ApplyingIsDeterministic(), LimitsAreReplicated(),
        SnapshotsAreReplays(), InstallsOnlyAdvance(), CutsAreCovered(),
        QuorumsIntersect(), OneChangeAtATime(), LatestConfiguration(),
        TransfersHoldWrites(), LeadersHearQuorums(),
        FreshReads(), ReadyLeadersAnswer(), TrueSnapshots(), TrueAnswers(), TrueRefusals(),
        NothingDurableIsLost(seed: seed), FailedSyncsAreFinal(), FullDisksRefuse(), BoundedQueues(),
        NothingEndsEarly(), TimersRunOut(), HoldersByTheRules(), FencesHold(), MessagesAreKept(),
        OnceMeansOnce(),
        CancelledIsNeverDone(), BarriersByTheRules(),
        WatchesTellAll(seed: seed),
    ]
}

/// The names and sentences of all promises that are checked, in order.
public var standardInvariants: [(name: String, promise: String)] {
    allInvariants(seed: 0).map { (type(of: $0).name, type(of: $0).promise) }
}
