import Consensus
import NodeCore
import Primitives
import Replication

extension Mark {
    static let disks: [Mark: String] = [
        .groupSynced: "three or more persists made durable by one sync",
        .tailLost: "start without what was on its way to the disk at the crash",
        .tailKept: "start with all that was on its way to the disk at the crash",
        .tailPartly: "start with a part of what was on its way to the disk at the crash",
        .hardStateLost: "start in the term before the one that was on its way to the disk",
        .voteKept: "start with the vote of the present term",
        .diedInsideOperation: "process died in the middle of a disk operation",
        .unsyncedKept: "power failure left sectors that were never synced",
        .unsyncedGarbled: "power failure left rubbish in sectors that were being written",
        .namesLost: "power failure undid the creation, renaming or removal of a file",
        .segmentBegun: "log went on in a new segment",
        .segmentsFreed: "segments given back after a cut",
        .syncFailed: "process ended because a sync of the log failed",
        .diskFailed: "process ended because its disk failed otherwise",
        .diskFull: "log could not be written: the disk was full",
        .diskFullWaitedOut: "log was written after a full disk was waited out",
        .spaceShort: "node reported that it is short of space",
        .spaceReturned: "node reported that it has space again",
        .leaderShortOfSpace: "leader was short of space",
        .electedShortOfSpace: "leader elected that is short of space",
        .votedShortOfSpace: "vote given by a node short of space",
        .checkpointShortOfSpace: "checkpoint failed for want of space",
        .damageFound: "start refused: what was durable is damaged",
        .checkpointMissing: "start refused: neither checkpoint nor log reach back far enough",
        .startFailedOtherwise: "start refused for another reason",
        .startRepeated: "start succeeded after it had been refused",
        .injuredStart: "node with a bad disk started with all that it had promised",
        .injuredForGood: "node kept down, because its disk has lost something silently",
        .stalledDisk: "log took a second or more to become durable",
        .leaderDiskBehind: "leader's disk was ten or more entries behind its commit index",
        .staleDurable: "persist became durable after a later term had begun",
        .crashBeforeFirstSync: "node died before anything of this life was durable",
    ]
}

/// Marks about disks, crashes and starts.
final class DiskMarks: FactListener {
    let facts: FactKinds = [
        .disk, .durable, .started, .died, .refusedToStart, .event, .elected, .checkpoints, .turned, .sentVote,
    ]
    private let book: MarkBook
    private var losses: [Int: DiskLosses] = [:]
    private var deathsInside: [Int: Int] = [:]
    private var spaceRefusals: [Int: Int] = [:]
    private var bytes: [Int: Int] = [:]
    private var isFull: Set<Int> = []
    private var hasRefused: Set<Int> = []
    private var oldest: [Int: Instant] = [:]
    private var syncedLives: [Int: Int] = [:]
    private var syncFailures: [Int: Int] = [:]

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .disk(let place, let turn): worked(turn, chronicle.nodes[place], chronicle)
        case .durable(let place): durable(chronicle.nodes[place], chronicle)
        case .started(let place): started(chronicle.nodes[place], chronicle)
        case .died(let place, let death): died(chronicle.nodes[place], death, chronicle)
        case .refusedToStart(let place, let reason): refused(place, reason)
        case .event(let place, .log(let report)): reported(report, chronicle.nodes[place])
        case .event(_, .checkpoint(.failed(let reason))):
            book.hit(.checkpointShortOfSpace, if: reason.contains("no space") || reason.contains("28"))
        case .elected(let place):
            book.hit(.electedShortOfSpace, if: chronicle.nodes[place].now.isShortOfSpace)
        case .sent(let place, let message):
            guard case .voteResponse(let response) = message.body else { return }
            let isShort = chronicle.nodes[place].now.isShortOfSpace
            book.hit(.votedShortOfSpace, if: response.granted && !response.isPreVote && isShort)
        case .turned(let place): turned(chronicle.nodes[place], chronicle)
        default: break
        }
    }

    private func worked(_ turn: LogTurn, _ node: NodeGhost, _ chronicle: Chronicle) {
        guard let counters = chronicle.source?.machine(of: node.index)?.disk.counters else { return }
        let isDurable = turn.reports.contains { if case .persisted = $0 { true } else { false } }
        let isWriting = turn.commands.contains { if case .persist = $0 { true } else { false } }
        let refusals = counters.spaceRefusals
        if isWriting, !isDurable, refusals > spaceRefusals[node.index] ?? 0 {
            book.hit(.diskFull)
            isFull.insert(node.index)
        } else if isDurable, isFull.remove(node.index) != nil {
            book.hit(.diskFullWaitedOut)
        }
        spaceRefusals[node.index] = refusals
        if isDurable {
            let count = turn.commands.count { if case .persist = $0 { true } else { false } }
            book.hit(.groupSynced, if: count >= 3)
        }
    }

    private func reported(_ report: LogReport, _ node: NodeGhost) {
        switch report {
        case .size(let size):
            let old = bytes.updateValue(size, forKey: node.index) ?? 0
            book.hit(.segmentBegun, if: old > 0 && size > old)
            book.hit(.segmentsFreed, if: size < old)
        case .storage(let isShort):
            book.hit(isShort ? .spaceShort : .spaceReturned)
            book.hit(.leaderShortOfSpace, if: isShort && node.now.role == .leader)
        default: break
        }
    }

    private func durable(_ node: NodeGhost, _ chronicle: Chronicle) {
        syncedLives[node.index] = node.life
        book.hit(.staleDurable, if: node.disk.term < node.now.term)
        guard let since = oldest.removeValue(forKey: node.index) else { return }
        book.hit(.stalledDisk, if: chronicle.time - since >= .seconds(1))
    }

    private func turned(_ node: NodeGhost, _ chronicle: Chronicle) {
        if !node.pending.isEmpty, oldest[node.index] == nil { oldest[node.index] = chronicle.time }
        let isBehind = node.now.commit.rawValue >= node.disk.log.lastIndex.rawValue + 10
        book.hit(
            .leaderDiskBehind,
            if: node.now.role == .leader && isBehind && node.now.commit != node.before.commit)
    }

    private func died(_ node: NodeGhost, _ death: Death, _ chronicle: Chronicle) {
        isFull.remove(node.index)
        bytes[node.index] = nil
        oldest[node.index] = nil
        book.hit(.crashBeforeFirstSync, if: syncedLives[node.index] != node.life && node.life > 1)
        guard let counters = chronicle.source?.machine(of: node.index)?.disk.counters else { return }
        let failures =
            counters[.syncErrorKept] + counters[.syncErrorReverted] + counters[.syncNoSpace]
            + counters[.folderSyncError]
        if case .failed = death {
            book.hit(failures > syncFailures[node.index] ?? 0 ? .syncFailed : .diskFailed)
        }
        syncFailures[node.index] = failures
        book.hit(.diedInsideOperation, if: counters.deathsInside > deathsInside[node.index] ?? 0)
        deathsInside[node.index] = counters.deathsInside
        let old = losses[node.index] ?? DiskLosses()
        book.hit(.unsyncedKept, if: counters.losses.sectorsKept > old.sectorsKept)
        book.hit(.unsyncedGarbled, if: counters.losses.sectorsGarbled > old.sectorsGarbled)
        book.hit(.namesLost, if: counters.losses.namesLost > old.namesLost)
        losses[node.index] = counters.losses
    }

    private func started(_ node: NodeGhost, _ chronicle: Chronicle) {
        book.hit(.startRepeated, if: hasRefused.remove(node.index) != nil)
        guard node.life > 1 else { return }
        book.hit(.injuredStart, if: node.isInjured)
        book.hit(.voteKept, if: node.now.vote != nil && node.now.term == node.disk.term)
        if let state = node.pending.last(where: { $0.hardState != nil })?.hardState {
            book.hit(.hardStateLost, if: node.now.term < state.term)
        }
        guard let last = node.pending.last(where: { !$0.marks.isEmpty }) else { return }
        let end = last.first + UInt64(last.marks.count) - 1
        let found = node.now.last
        if found.index == end, found.term == last.marks[last.marks.count - 1].term {
            book.hit(.tailKept)
        } else if found == node.disk.log.last {
            book.hit(.tailLost)
        } else {
            book.hit(.tailPartly)
        }
    }

    private func refused(_ place: Int, _ reason: String) {
        hasRefused.insert(place)
        if reason.contains("silently") {
            book.hit(.injuredForGood)
        } else if reason.contains("checkpoint is missing") {
            book.hit(.checkpointMissing)
        } else {
            book.hit(reason.contains("damaged") ? .damageFound : .startFailedOtherwise)
        }
    }
}
