// Bugs that a test build brings back on demand, to see whether the simulator convicts them: a simulator that
// finds nothing may be blind. Each is one that a Raft implementation or a coordination service really had.
//
// A product build has none of them: `isPlanted` is then the constant false, and the compiler drops what hangs
// on it. A test build is made with `-Xswiftc -DPARLEY_PLANTED`.

/// A known bug that a test build can bring back. The letters and numbers are those of a catalogue of bugs
/// that such services had: E elections, L log, S snapshots, R reads, A applying, D disks, C clients, LK
/// leases and locks, W watches; Q queues, which it does not have.
public enum PlantedBug: UInt8, CaseIterable, Sendable {
    // MARK: Elections

    /// E1: gives its vote to everybody who asks in a term.
    case votesTwice
    /// E2: a leader votes for another candidate of its own term, whatever that one's log is like.
    case leaderVotes
    /// E3: term and vote go to the disk in two writes, and only the first is awaited before the vote leaves.
    case voteNotAwaited
    /// E3: the vote is not among what is written.
    case voteNotWritten
    /// E4: messages of older terms are heeded like those of the present one.
    case heedsOldTerms
    /// E4: a term leaves the node before it is durable.
    case tellsTermTooEarly
    /// E5: positions of logs are compared as vectors, not by term and then by index.
    case comparesLogsAsVectors
    /// E5: the longer log counts as more up-to-date, whatever its last term is.
    case comparesLogLengths
    /// E6: half of an even number of voters passes for a majority.
    case smallEvenQuorum
    /// E6: one voter less than a majority decides.
    case smallQuorum
    /// E10: the promise of a pre-vote overwrites the vote of the present term.
    case preVoteTakesVote
    /// E12: voters that hear the old leader refuse the one it hands over to.
    case refusesTransferredVote
    /// E14: a leader goes on proposing while it hands over.
    case proposesDuringTransfer
    /// E15: a node that was restarted does not campaign.
    case restartsAsleep
    /// E16: a node votes against a leader that it hears.
    case forgetsLiveLeader
    /// E17: a leader that hears no quorum goes on leading.
    case leadsWithoutQuorum

    // MARK: Log

    /// L1: an append that was seen before cuts off what follows it.
    case truncatesOnDuplicate
    /// L2: an entry of an older term is committed by counting replicas (figure 8 of the Raft paper).
    case commitsOldTerm
    /// L3: the term before an append's entries is not compared.
    case skipsPreviousTerm
    /// L4: an entry is committed when the leader has it.
    case commitsWithoutQuorum
    /// L5: a follower's commit index jumps beyond its log.
    case commitsBeyondLog
    /// L5: a follower commits what it has when an append does not fit its log.
    case commitsBeyondMatch
    /// L5: a heartbeat tells a follower to commit what it is not known to hold.
    case heartbeatTellsAll
    /// L7: what a follower is known to hold goes back when its answers overtake each other.
    case matchGoesBack
    /// L8: a follower acknowledges entries that it has not synced.
    case acknowledgesTooEarly
    /// L8: a leader counts itself for entries that it has not synced.
    case leaderCountsUnsynced
    /// L13: entries that are too large for an append are left out of it, and the next ones take their places.
    case packsLargeEntriesWrongly
    /// L14: the sync of an entry that was replaced counts for the one that replaced it.
    case oldSyncCountsForNew
    /// L18: the cache keeps entries that were replaced in the log.
    case cacheKeepsReplaced

    // MARK: Snapshots

    /// S1: a checkpoint that is finished late replaces the newer one of the leader.
    case lateCheckpointReplacesNewer
    /// S2: a snapshot that is older than what was applied meanwhile is put in its place.
    case installsOlderSnapshot
    /// S3: the index of a damaged checkpoint is adopted, with the state of the one before.
    case adoptsDamagedIndex
    /// S6: a checkpoint is named for more than it holds.
    case misnamesCheckpoint
    /// S13: the log is cut when a checkpoint is begun.
    case cutsBeforeCheckpoint
    /// S13: the log is cut to the newest checkpoint, although the older one is kept for want of trust in it.
    case cutsToNewestCheckpoint
    /// S15: a snapshot of the leader is in use before it is durable.
    case installsBeforeDurable
    /// S16: a follower whose log contradicts a snapshot, but is long enough, keeps it.
    case keepsContradictedLog
    /// S17: a snapshot that is older than what is committed lowers the commit index.
    case installLowersCommit
    /// S19: a checkpoint gets its name, and its folder is not synced.
    case renamesCheckpointUnsynced

    // MARK: Reads

    /// R1: a leader answers reads without asking anybody.
    case readsWithoutRound
    /// R2: a read waits for a question that was asked before it began.
    case joinsOldQuestion
    /// R3: a follower's question is answered without a round, though asker and leader are no quorum.
    case answersQuestionAlone
    /// R4: answers to the round before count for the present one.
    case oldRoundCounts
    /// R5: a new leader answers reads before it has committed an entry of its term.
    case readsBeforeNoop
    /// R6: a read is answered before as much as it needs is applied.
    case readsBeforeApplied
    /// R7: one follower's answer confirms a round.
    case oneAnswerConfirmsRound

    // MARK: Applying

    /// A1: a checkpoint says that it holds one entry more than it does.
    case appliedIndexAhead
    /// A2: after a restart the revision is that of the last change which compaction has left.
    case revisionGoesBack
    /// A3: a batch ends at the first write that is refused, and the ones before it stay.
    case stopsBatchHalfway
    /// A4: a command's time is that of the node which applies it.
    case appliesByOwnClock
    /// A7: entries are applied, and answered, before they are committed.
    case appliesUncommitted
    /// A7: entries are applied, and answered, when this node's disk has them.
    case appliesDurable
    /// A9: the writes of a batch are carried out in the order of a set.
    case appliesInHashOrder

    // MARK: Transactions

    /// A3: a transaction does what it says to do then, although a condition failed.
    case ignoresFailedConditions
    /// A3: only the first condition of a transaction is looked at.
    case looksAtFirstCondition
    /// A3: of a transaction's writes the last is lost, and told as if it were done.
    case losesLastStep
    /// A3: when a step of a transaction can't be done, the ones before it stay.
    case refusesHalfway
    /// A3: each write of a transaction makes a revision of its own.
    case splitsTransaction
    /// A3: what a transaction says to do else is done, too.
    case carriesOutBothBranches
    /// A3: conditions of a nested transaction see what the steps before it have written.
    case nestedConditionsSeeWrites
    /// A3: reads of a transaction see the state before it, not what its own steps have written.
    case readsMissOwnWrites
    /// A3: a value that is not there counts as another one, so that "not equal" holds.
    case absentValueDiffers

    // MARK: Disks

    /// D1: what was written counts as durable without a sync.
    case doesNotSync
    /// D1: what fits a sector, as a term and a vote do, counts as durable without a sync.
    case doesNotSyncHardState
    /// D2: a node does not start when its last write was torn.
    case refusesTornTail
    /// D2: a record whose payload was torn counts.
    case acceptsTornRecord
    /// D3: damage in the middle of the log passes for a torn end.
    case takesDamageForTornTail
    /// D4: a segment says of the one before that it ends where its last write began.
    case wrongEndOfSegment
    /// D5: a sync that failed counts as done.
    case believesFailedSync
    /// D6: a new segment gets its name, and the folder is not synced.
    case doesNotSyncFolder
    /// D8: a segment that is used again shows what it held before.
    case resurrectsOldRecords
    /// D9: an error of the disk is ignored.
    case ignoresDiskErrors
    /// D12: a disk that was full counts as full for ever.
    case staysShortOfSpace
    /// D16: segments are given up without regard to the order in which that becomes durable.
    case recyclesUnsynced
    /// D17: the vote and the term are left behind in the segments that a new one, or a snapshot, replaces.
    case leavesHardStateBehind
    /// D18: the checksums of checkpoints are not compared.
    case checkpointUnchecked
    /// D18: the checksums of messages are not compared.
    case messagesUnchecked

    // MARK: Clients

    /// C1: a forward that got no answer counts as not arrived, and is sent again.
    case takesSilenceForLoss
    /// C1: writes that were sent in a term are sent again when its first entry is applied.
    case resendsWithoutFence
    /// C1: a leader proposes writes that were meant for the leader of another term.
    case takesForwardOfOtherTerm
    /// C2: a batch of messages that comes twice is taken twice.
    case takesBatchTwice
    /// C2: writes that a snapshot may hold are sent again.
    case resendsAfterInstall
    /// C5: a client whose write is given up is never told.
    case leavesClientsWaiting
    /// C7: a write whose fate is unknown is said not to have been carried out.
    case callsUnknownDefinite
    /// C3: a request that comes again under its idempotency key is carried out again.
    case carriesOutRepeats
    /// C3: another request under the same key is told what came of the first one.
    case ignoresFingerprint
    /// C3: who repeats a request that waits gets a place of his own.
    case repeatWaitsAgain
    /// C3: how a request ended that had to wait is not kept under its key.
    case endOfWaitForgotten
    /// S14: where a checkpoint is read it is forgotten that requests with keys wait in it.
    case restoreForgetsWaitingKeys
    /// C7: who cancels a request is told that it never will be carried out, and it is when it comes.
    case cancelDoesNotStick

    // MARK: Leases and locks

    /// LK1: a renewal leaves the old timer running, which ends the lease.
    case renewalKeepsTimer
    /// LK1: a node that starts, or gets a snapshot, takes every timer for one that has run out.
    case restartEndsTimers
    /// LK1: timers run by the wall clock, which somebody may set.
    case timersByWallClock
    /// LK2: the renewal of a lease that has ended succeeds.
    case renewalRevives
    /// LK3: the keys of a lease stay when it expires.
    case expiryLeavesKeys
    /// LK4: somebody whose lease has ended goes on waiting, and is let in under it.
    case grantsUnderDeadLease
    /// LK5: a fencing token is no new number but the last one that was given.
    case tokenRepeats
    /// LK5: a writer is let in beside readers.
    case writerJoinsReaders
    /// LK5: fences are looked at when a write comes to a node, and not when it is applied.
    case checksFencesWhenAsked
    /// LK5: of several fences only the first is looked at.
    case looksAtFirstFence
    /// LK5: a fence is stale only if somebody else holds the thing by now.
    case freeThingPassesFence
    /// LK5: tokens are compared the wrong way round: an older one than the holder's passes.
    case olderTokenPassesFence
    /// LK5: a repeated request is refused by its fence before its first outcome is looked for.
    case fencesBeforeOutcomes
    /// LK7: a timer whose firing was lost is not fired again.
    case firesOnlyOnce
    /// LK11: a node that gets a snapshot does not measure the timers in it.
    case installForgetsTimers
    /// LK12: a reader is let in before a writer that waits.
    case readerOvertakes
    /// LK12: a request that is given up keeps what it holds.
    case abandonKeepsHold
    /// LK12: who has waited for too long is told so, and stays in line.
    case timedOutStaysInLine
    /// LK12: nobody looks who is next when something is given back.
    case releaseForgetsQueue
    /// LK12: a party that arrives at a barrier twice counts as two.
    case partyCountsTwice
    /// LK12: a barrier opens while parties are still missing whose leases have ended.
    case deadPartyCounts
    /// LK12: who waits at a barrier is not told when it breaks.
    case breakTellsNobody
    /// S14: waiters are lost where a checkpoint is read.
    case restoreForgetsWaiters
    /// S14: cancelled requests are forgotten where a checkpoint is read.
    case restoreForgetsCancelled

    // MARK: Queues

    /// Q1: a message is hidden for half of the time for which its receiver has it.
    case halvesVisibility
    /// Q1: a message that is handed out stays among those that are ready.
    case handsOutTwice
    /// Q2: an acknowledgement is answered, and the message stays.
    case acknowledgesNothing
    /// Q2: a message can be acknowledged by who had it before.
    case oldReceiptCounts
    /// Q3: a message that has used up its attempts is lost, although there is a queue for it.
    case buriesNowhere

    // MARK: Watches

    /// W2: the change at which a stream falls behind is lost.
    case watchLosesWhenSlow
    /// W4: the first part of a revision of many changes is told like all of it.
    case watchSplitsRevision
    /// W6: a stream that is taken up again begins one revision too early.
    case watchResumesEarly
}

#if PARLEY_PLANTED
    extension PlantedBug {
        /// The bug that this process has. Unsafe only in name: it is set once, before anything else runs.
        public nonisolated(unsafe) static var planted: PlantedBug?
    }

    /// Whether this process has that bug.
    public func isPlanted(_ bug: PlantedBug) -> Bool { unsafe PlantedBug.planted == bug }
#else
    /// False: a product has no planted bugs.
    @inlinable @inline(__always)
    public func isPlanted(_ bug: PlantedBug) -> Bool { false }
#endif
