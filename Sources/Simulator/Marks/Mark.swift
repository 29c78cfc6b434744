/// A rare state that a simulated cluster can come into: as long as each is reached now and then, what
/// could go wrong there is tried. What each name means says ``words``.
public enum Mark: Int, CaseIterable, Sendable {
    // MARK: Of elections

    case voteDeniedStaleLog
    case voteDeniedAlreadyVoted
    case voteDeniedLeaderKnown
    case voteRepeated
    case voteRequestOfOldTerm
    case voteRequestIgnored
    case voteAgainstLivingLeader
    case preVoteDeniedLiveLeader
    case preVoteDeniedStaleLog
    case preVoteDeniedOldTerm
    case preVoteGrantedByLeaderless
    case preVoteGrantLate
    case preVoteLost
    case preCandidateHeardLeader
    case preCandidateBeatenByTerm
    case electionSplit
    case electionLost
    case candidateBeatenByAppend
    case candidateBeatenByTerm
    case candidateDied
    case voteOnItsWayAtDeath
    case checkQuorumStepDown
    case leaderDeposedByTerm
    case leaderDeposedByLeader
    case electionByTimeout
    case electionByDisconnect
    case electionByTransfer
    case leaderElectedAgain
    case leaderElectedAfterRestart
    case electedWithUncommitted
    case electedByBareQuorum
    case electedBesideLeader
    case electedBesidePausedLeader
    case termsWithoutLeader
    case termSkipped
    case allVotedForOne
    case termRememberedAfterRestart

    // MARK: Of logs and commitment

    case conflictTruncatedOne
    case conflictTruncatedMany
    case truncatedAfterRestart
    case truncatedBeforeDurable
    case truncatedDurable
    case truncatedOwnEntries
    case oldTermCommitted
    case oldTermCommittedByNoop
    case commitWithoutOwnDisk
    case commitByHeartbeat
    case commitJump
    case appendRepeated
    case appendOverlaps
    case appendOfOldTerm
    case appendBeyondLog
    case appendConflictsBefore
    case appendBelowCommit
    case appendReordered
    case matchLate
    case matchRepeated
    case rejectionLate
    case answerOfOldTerm
    case answerToFormerLeader
    case backOffSkips
    case backOffSkipsTerm
    case entriesReadBack
    case readBackGone
    case readBackCut
    case followerShortened
    case followerFarBehind
    case bigPersist
    case termsInOnePersist
    case threePersistsOnTheirWay
    case applyPutOff
    case leaderDiedWithUncommitted
    case leaderDiedWithCommitted
    case uncommittedSurvived
    case peerGaveUp
    case staleLeaderTold

    // MARK: Of checkpoints and snapshots

    case snapshotOffered
    case snapshotOfferedAgain
    case snapshotOfferUseless
    case snapshotOfferInLog
    case snapshotInstalled
    case snapshotTooLate
    case secondSnapshot
    case appendDuringFetch
    case conflictDuringFetch
    case electedDuringFetch
    case fetchReplaced
    case fetchFailed
    case snapshotRefused
    case installInterrupted
    case installCutByCrash
    case checkpointDuringInstall
    case installDuringCheckpoint
    case checkpointLate
    case checkpointWritten
    case checkpointInterrupted
    case checkpointFailed
    case checkpointOnLeader
    case restartFromCheckpointAndLog
    case restartFromCheckpointOnly
    case restartFromLogOnly
    case restartFromOlderCheckpoint
    case logCut
    case logCutWhileLagging
    case snapshotInParts
    case snapshotPartGone
    case snapshotServedByFormerLeader
    case checkpointFoundDamaged
    case checkpointReplaced
    case appliedByInstall

    // MARK: Of writes

    case writeForwarded
    case writeResent
    case writeResentSameTerm
    case forwardRefusedDeposed
    case forwardRefusedOverloaded
    case forwardRefusedStorage
    case forwardUndelivered
    case forwardUncertain
    case forwardRepeatedDropped
    case batchRepeatedDropped
    case batchOfFormerLife
    case batchOutOfOrder
    case writeRefusedNoLeader
    case writeRefusedNotLeader
    case writeRefusedOverloaded
    case writeRefusedStorage
    case writeUnknown
    case unknownApplied
    case unknownNotApplied
    case unknownAppliedLate
    case answerLost
    case answeredByAnotherTerm
    case answeredAfterRestartOfLeader
    case guardFailed
    case rangeDeleted
    case batchPartlyExists
    case incrementRefused
    case historyCompacted
    case historyCompactedByCommand
    case commitTimeHeld

    // MARK: Of transactions

    case transactionThen
    case transactionElse
    case transactionRefused
    case transactionStepRefused
    case transactionOverlapRefused
    case transactionUnchanged
    case transactionNestedHeld
    case transactionNestedElse
    case transactionNestedIdle
    case transactionNestedOnWritten
    case transactionReadsOwnWrite
    case transactionListsOwnWrites
    case transactionRangeDeleted
    case transactionCountFailed
    case transactionEvaluated
    case transactionEvaluatedOnFollower
    case transactionEvaluationRefused
    case transactionUnknownApplied
    case transactionUnknownRefused
    case transactionUnknownNotApplied
    case transactionResent
    case transactionByAnotherTerm

    // MARK: Of leases, locks, queues, and what comes of requests

    case leaseRenewed
    case leaseExpired
    case leaseExpiredWithKeys
    case leaseExpiredInLaterTerm
    case leaseRenewalTooLate
    case leasesExpiredTogether
    case firingHitNothing
    case firingOfDeposedLeader
    case timeLeftRecorded
    case claimReadersTogether
    case claimReaderBehindWriter
    case claimWaiterLetIn
    case claimWaiterLetInLaterTerm
    case claimTakenOver
    case claimClosedByDelay
    case claimWaitTimedOut
    case claimLeaseEndedWaiting
    case claimWaiterAbandoned
    case claimHoldAbandoned
    case claimReleasedAgain
    case claimCandidateOvertook
    case claimPermitsShared
    case waitersInSnapshot
    case waitersAfterStart
    case messageRedelivered
    case messageRedeliveredLaterTerm
    case messageDied
    case messageAcknowledgedTooLate
    case messageNeverSeen
    case messageRepeated
    case onceReplayed
    case onceReplayedElsewhere
    case onceReplayedLaterTerm
    case onceReused
    case onceParkedWithOriginal
    case onceToldEndOfWait
    case onceParkedElsewhere
    case fencePassed
    case fencesPassedTogether
    case fenceStaleHeldByOther
    case fenceStaleHeldByNobody
    case fenceStaleOnTheWay
    case fencedRepeatedWhenStale
    case barrierReleased
    case barrierBroken
    case barrierRefusedBroken
    case barrierReset
    case barrierWaitTimedOut
    case barrierArrivedTwice
    case barrierLeftTogether
    case barrierPartyGone
    case cancelledInTime
    case cancelledTooLate
    case cancelledCame
    case cancelledCameAfterRestore

    // MARK: Of reads

    case readOnLeader
    case readOnFollower
    case readOfQuorumOfTwo
    case readAskedAgain
    case readRefusedByFormerLeader
    case readRefusedNoLeader
    case readRefusedNoQuorum
    case readRefusedOverloaded
    case readWaitsForApply
    case readAtLeaderNotReady
    case readAtDeposedLeader
    case readAcrossTerms
    case readDuringPause
    case readWhileDiskFull
    case readBesideUnsynced
    case readAfterRestart
    case readIndexLate
    case staleReadBehind
    case staleReadCurrent
    case staleReadDuringInstall
    case readOfManyKeys

    // MARK: Of disks and starts

    case groupSynced
    case tailLost
    case tailKept
    case tailPartly
    case hardStateLost
    case voteKept
    case diedInsideOperation
    case unsyncedKept
    case unsyncedGarbled
    case namesLost
    case segmentBegun
    case segmentsFreed
    case syncFailed
    case diskFailed
    case diskFull
    case diskFullWaitedOut
    case spaceShort
    case spaceReturned
    case leaderShortOfSpace
    case electedShortOfSpace
    case votedShortOfSpace
    case checkpointShortOfSpace
    case damageFound
    case checkpointMissing
    case startFailedOtherwise
    case startRepeated
    case injuredStart
    case injuredForGood
    case stalledDisk
    case leaderDiskBehind
    case staleDurable
    case crashBeforeFirstSync

    // MARK: Of processes, clocks, transfers, the whole cluster

    case transferSucceeded
    case transferTimedOut
    case transferToLagging
    case transferWithUncommitted
    case transferNotLeader
    case transferSuperseded
    case transferToItself
    case transferEndedBySteppingDown
    case transferTargetDied
    case writeDuringTransfer
    case pausedLeaderDeposed
    case pausedLeaderGoesOn
    case pausedLongerThanElection
    case wallBackOnLeader
    case wallFarAhead
    case wholeClusterDown
    case wholeClusterBack
    case majorityDown
    case crashSoonAfterStart
    case crashLoop
    case leaderDied
    case leaderRestartedUnnoticed
    case requestLost
    case answerLostOnTheWay
    case requestDoubled
    case requestTimedOut
    case connectionBroken
    case peerGone
    case healedWithoutLeader
    case healedWithTwoLeaders
    case nodeDownAtHealing
    case quietTerm
    case manyTerms
    case oneTerm

    /// What it is, in a line.
    public var words: String { Self.allWords[rawValue] }

    /// Whether runs of a profile can come into it.
    func canBeReached(in profile: Profile) -> Bool {
        switch profile {
        case .lite, .std, .wide, .long: true
        }
    }

    private static let allWords: [String] = {
        let tables = [
            elections, logs, snapshots, writes, transactions, coordination, fences, reads, disks, cluster,
        ]
        return allCases.map { mark in
            for table in tables { if let words = table[mark] { return words } }
            return ""
        }
    }()
}

/// Everything that counts rare states.
func allMarks(_ book: MarkBook) -> [any FactListener] {
    [
        ElectionMarks(book), LogMarks(book), SnapshotMarks(book), WriteMarks(book), ReadMarks(book),
        DiskMarks(book), ClusterMarks(book), TransactionMarks(book),
        CoordinationMarks(book), FenceMarks(book),
    ]
}
