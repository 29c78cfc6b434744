// Bugs in what nodes tell each other by datagrams, which a test build brings back on demand: the tests of
// links, gossip and clocks must fail with each of them. `Tests/EndToEnd/planted-datagrams.sh` tries that.
#if PARLEY_PLANTED
    internal import Glibc
#endif

/// A bug that a test build can bring back in links, broadcast, membership, events or clocks.
public enum PlantedDatagramBug: String, CaseIterable, Sendable {
    /// A perfect message that comes once more is delivered once more.
    case linkDeliversTwice
    /// A FIFO message is delivered when it comes, whatever is missing before it.
    case fifoDoesNotWait
    /// What is lost is not sent again.
    case linkNeverRepeats
    /// The first acknowledgement that comes is taken for one of all that is under way.
    case linkBelievesTooMuch
    /// When the peer restarts, what was under way stays as if nothing had happened.
    case restartKeepsNumbers
    /// Payloads of an earlier process of the peer's are taken.
    case linkHeedsTheDead
    /// A reliable message is not relayed.
    case nobodyRelays
    /// A uniform message is delivered before a majority has it.
    case uniformDoesNotWait
    /// A causal message is delivered whatever its sender had delivered before.
    case causalDoesNotWait
    /// The later state of a member wins, whatever its incarnation.
    case claimsForgetIncarnations
    /// A node that is said to be suspect does not object.
    case nobodyObjects
    /// Nobody else is asked when a probe fails.
    case noHelpers
    /// An event that was seen is delivered again.
    case eventsComeTwice
    /// A comparison finds nothing that is lacking.
    case comparisonsRepairNothing
    /// Any one clock passes for what most of them agree on.
    case oneClockIsAMajority
}

#if PARLEY_PLANTED
    extension PlantedDatagramBug {
        /// The bug that this process has: the environment names it in `PARLEY_PLANT`.
        static let planted: PlantedDatagramBug? = unsafe getenv("PARLEY_PLANT").flatMap {
            PlantedDatagramBug(rawValue: unsafe String(cString: $0))
        }
    }

    /// Whether this process has that bug.
    public func isPlanted(_ bug: PlantedDatagramBug) -> Bool { PlantedDatagramBug.planted == bug }
#else
    /// False: a product has no planted bugs.
    @inlinable @inline(__always)
    public func isPlanted(_ bug: PlantedDatagramBug) -> Bool { false }
#endif
