import Consensus
import NodeCore
import Primitives
import Replication
import Store

extension Mark {
    static let snapshots: [Mark: String] = [
        .snapshotOffered: "leader named a snapshot, because its log no longer reaches back far enough",
        .snapshotOfferedAgain: "leader named a snapshot again before the first was installed",
        .snapshotOfferUseless: "snapshot named to a follower that has committed as much",
        .snapshotOfferInLog: "snapshot named to a follower whose log holds its last entry",
        .snapshotInstalled: "snapshot installed, and the log begun anew after it",
        .snapshotTooLate: "snapshot came when more was applied already",
        .secondSnapshot: "second snapshot installed in one life",
        .appendDuringFetch: "append accepted while a snapshot is on its way",
        .conflictDuringFetch: "entries removed while a snapshot is on its way",
        .electedDuringFetch: "term changed while a snapshot is on its way",
        .fetchReplaced: "snapshot given up for one of another leader",
        .fetchFailed: "snapshot could not be fetched",
        .snapshotRefused: "snapshot that came was not usable",
        .installInterrupted: "node died while a snapshot came in",
        .installCutByCrash: "node started with a durable snapshot and a log from before it",
        .checkpointDuringInstall: "checkpoint begun while a snapshot is on its way",
        .installDuringCheckpoint: "snapshot loaded while a checkpoint is being written",
        .checkpointLate: "checkpoint finished after a newer snapshot was installed",
        .checkpointWritten: "checkpoint written",
        .checkpointInterrupted: "node died while it wrote a checkpoint",
        .checkpointFailed: "checkpoint could not be written",
        .checkpointOnLeader: "leader wrote a checkpoint",
        .restartFromCheckpointAndLog: "start from a checkpoint and the log behind it",
        .restartFromCheckpointOnly: "start from a checkpoint and an empty log",
        .restartFromLogOnly: "start from the log alone",
        .restartFromOlderCheckpoint: "start from the older checkpoint, the newer one being damaged",
        .logCut: "log cut below a checkpoint",
        .logCutWhileLagging: "leader cut its log while a follower still needs what is cut",
        .snapshotInParts: "snapshot served in several parts",
        .snapshotPartGone: "part of a snapshot asked for that is not there any more",
        .checkpointFoundDamaged: "checkpoint found damaged when it was read for a peer",
        .checkpointReplaced: "new checkpoint in place of a damaged one",
        .snapshotServedByFormerLeader: "snapshot served by a node that leads no more",
        .appliedByInstall: "entries were applied by installing a snapshot, a client's write among them",
    ]
}

/// Marks about checkpoints and snapshots.
final class SnapshotMarks: FactListener {
    let facts: FactKinds = [
        .receivedLog, .sentLog, .logged, .event, .asks, .checkpoints, .died, .started, .turned, .client,
    ]
    private let book: MarkBook
    private var writing: [Int: LogIndex] = [:]
    private var fetching: [Int: LogIndex] = [:]
    private var installs: [Int: Int] = [:]
    private var offered: [Int: (to: NodeID, index: LogIndex)] = [:]
    private var loaded: (node: Int, index: LogIndex)?
    private var isReset = false
    private var isDamaged: Set<Int> = []

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .received(let place, let message): received(message, chronicle.nodes[place])
        case .sent(let place, let message):
            guard case .installSnapshot(let reference) = message.body else { return }
            book.hit(.snapshotOffered)
            let last = offered.updateValue((message.to, reference.position.index), forKey: place)
            book.hit(.snapshotOfferedAgain, if: last.map { $0.to == message.to } ?? false)
        case .logged(let place, let change):
            isReset = isReset || change.resetTo != nil
            guard fetching[place] != nil, change.resetTo == nil else { return }
            book.hit(.appendDuringFetch, if: change.count > 0)
            book.hit(.conflictDuringFetch, if: change.truncated != nil)
        case .event(let place, let event): happened(event, chronicle.nodes[place])
        case .asks(let place, let effect): asks(effect, chronicle.nodes[place], chronicle)
        case .checkpoints(let place, let turn): worked(turn, chronicle.nodes[place])
        case .client(let place, .refused(_, _, .unknown)):
            book.hit(.appliedByInstall, if: loaded?.node == place)
        case .died(let place, _): died(place)
        case .started(let place): started(chronicle.nodes[place])
        case .turned(let place): turned(chronicle.nodes[place])
        default: break
        }
    }

    private func received(_ message: Message, _ node: NodeGhost) {
        guard case .installSnapshot(let reference) = message.body, message.term >= node.now.term else {
            return
        }
        let position = reference.position
        if position.index <= node.now.commit { return book.hit(.snapshotOfferUseless) }
        book.hit(.snapshotOfferInLog, if: node.memory.term(at: position.index) == position.term)
    }

    private func happened(_ event: NodeEvent, _ node: NodeGhost) {
        switch event {
        case .checkpoint(.snapshotLoaded(_, let reference)):
            loaded = (node.index, reference.position.index)
            fetching[node.index] = nil
        case .checkpoint(.snapshotFailed):
            book.hit(.snapshotRefused)
            fetching[node.index] = nil
        case .fetchFailed:
            book.hit(.fetchFailed)
            fetching[node.index] = nil
        case .checkpoint(.written(let reference, _, _, _)):
            book.hit(.checkpointLate, if: reference.position.index < node.now.checkpoint)
            book.hit(.checkpointOnLeader, if: node.now.role == .leader)
        default: break
        }
    }

    private func asks(_ effect: NodeEffect, _ node: NodeGhost, _ chronicle: Chronicle) {
        switch effect {
        case .checkpoint(.write(_, let reference)):
            writing[node.index] = reference.position.index
            book.hit(.checkpointDuringInstall, if: fetching[node.index] != nil)
        case .fetch(_, let reference, _): fetching[node.index] = reference.position.index
        case .cancelFetch: book.hit(.fetchReplaced)
        case .log(.cut(let below, _)):
            guard below > node.now.first else { return }
            book.hit(.logCut)
            let lags = chronicle.nodes.contains { $0.index != node.index && $0.now.last.index.next < below }
            book.hit(.logCutWhileLagging, if: lags && node.now.role == .leader)
        default: break
        }
    }

    private func worked(_ turn: CheckpointTurn, _ node: NodeGhost) {
        for report in turn.reports {
            switch report {
            case .damaged:
                book.hit(.checkpointFoundDamaged)
                isDamaged.insert(node.index)
            case .written:
                book.hit(.checkpointReplaced, if: isDamaged.remove(node.index) != nil)
                book.hit(.checkpointWritten)
                writing[node.index] = nil
            case .failed:
                book.hit(.checkpointFailed)
                writing[node.index] = nil
            case .snapshotLoaded: book.hit(.installDuringCheckpoint, if: writing[node.index] != nil)
            case .part(_, let offset, let bytes, _):
                book.hit(.snapshotInParts, if: offset > 0)
                book.hit(.snapshotPartGone, if: bytes == nil)
                book.hit(.snapshotServedByFormerLeader, if: node.now.role != .leader)
            case .snapshotFailed: break
            }
        }
    }

    private func died(_ place: Int) {
        book.hit(.checkpointInterrupted, if: writing[place] != nil)
        book.hit(.installInterrupted, if: fetching[place] != nil)
        (writing[place], fetching[place], installs[place]) = (nil, nil, nil)
        isDamaged.remove(place)
    }

    private func started(_ node: NodeGhost) {
        guard node.life > 1 else { return }
        let state = node.now
        book.hit(
            .restartFromCheckpointAndLog, if: state.snapshot > .zero && state.last.index > state.snapshot)
        book.hit(.restartFromCheckpointOnly, if: state.snapshot > .zero && state.last.index == state.snapshot)
        book.hit(.restartFromLogOnly, if: state.snapshot == .zero && state.last.index > .zero)
        book.hit(.restartFromOlderCheckpoint, if: state.snapshot < node.disk.checkpoints.last?.index ?? .zero)
        book.hit(
            .installCutByCrash,
            if: state.snapshot > node.disk.log.lastIndex && state.last.index == state.snapshot)
    }

    private func turned(_ node: NodeGhost) {
        book.hit(
            .electedDuringFetch, if: fetching[node.index] != nil && node.now.term != node.before.term)
        if let loaded, loaded.node == node.index {
            if loaded.index <= node.before.applied {
                book.hit(.snapshotTooLate)
            } else {
                book.hit(.snapshotInstalled, if: isReset)
                installs[node.index, default: 0] += 1
                book.hit(.secondSnapshot, if: installs[node.index] == 2)
            }
            self.loaded = nil
        }
        isReset = false
    }
}
