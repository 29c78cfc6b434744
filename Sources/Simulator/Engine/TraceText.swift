// What happens in a run, in few words.

import Consensus
import Histories
import NodeCore
import Primitives
import Replication
import Store
import WAL
import Wire

enum TraceText {
    static func text(_ transit: Transit) -> String {
        "\(transit.kind.rawValue) \(transit.number) from n\(transit.from + 1) to n\(transit.to + 1)"
    }

    static func text(_ event: NodeEvent) -> String {
        switch event {
        case .timeout: "timeout"
        case .write(let write): "write #\(write.token)"
        case .read(let token, _): "read #\(token)"
        case .transferLeadership(let target): "transfer to \(target.map { "n\($0)" } ?? "anyone")"
        case .peerRequest(_, let envelope, _):
            ">n\(envelope.from).\(envelope.batch)\(text(envelope.messages))"
        case .peerRequestGone: "!request gone"
        case .peerAnswered(let peer, let batch, let envelope):
            "<n\(peer).\(batch)\(text(envelope?.messages ?? []))"
        case .peerFailed(let peer, let batch, let reached):
            "!n\(peer).\(batch) failed\(reached ? "" : ", never arrived")"
        case .peerDisconnected(let peer): "!n\(peer) disconnected"
        case .log(let report): text(report)
        case .checkpoint(let report): text(report)
        case .fetched(let id, let offset, let bytes, let isLast):
            "fetched \(id): \(bytes.count) bytes at \(offset)\(isLast ? ", the last" : "")"
        case .fetchFailed(let id): "!fetch \(id) failed"
        }
    }

    static func text(_ effect: NodeEffect) -> String {
        switch effect {
        case .log(let command): text(command)
        case .checkpoint(let command): text(command)
        case .post(let envelope): "ask n\(envelope.to).\(envelope.batch)\(text(envelope.messages))"
        case .answer(_, let envelope, _): "answer n\(envelope.to)\(text(envelope.messages))"
        case .fetch(let id, let reference, let source): "fetch \(id): \(reference.position) from n\(source)"
        case .cancelFetch(let id): "cancel fetch \(id)"
        case .client(let effect): text(effect)
        }
    }

    private static func text(_ effect: ReplicaEffect) -> String {
        switch effect {
        case .answered(let token, _, let outcome): "#\(token) \(text(outcome))"
        case .refused(let token, _, let refusal): "#\(token) refused: \(refusal)"
        case .readable(let token): "#\(token) readable"
        case .readRefused(let token, let refusal): "#\(token) read refused: \(refusal)"
        case .transition(let transition):
            "\(transition.from) to \(transition.to), term \(transition.term): \(transition.reason)"
        case .transferEnded(let target, let outcome):
            "transfer to \(target.map { "n\($0)" } ?? "anyone") ended: \(outcome)"
        case .settled(let id, let outcome): "\(id) settled: \(text(outcome))"
        case .changed(let row): "changed: \(row)"
        case .stepped(let step): "stepped: \(step)"
        case .replaced: "the state was replaced"
        case .announced(let id, let said): "\(id) says \(said.body.count) bytes to all"
        case .messageEnded(let number, let wasTaken): "message \(number) \(wasTaken ? "taken" : "expired")"
        case .deliver(let note): "note for \(note.recipient)"
        case .traced(let id, _, let peer, _): "traced write \(id) from \(peer)"
        case .persist, .send, .readLog, .checkpoint, .fetchSnapshot: "?"
        }
    }

    static func text(_ command: LogCommand) -> String {
        switch command {
        case .persist(let persist): text(persist)
        case .read(let replicate): "read \(replicate.range.lowerBound)..<\(replicate.range.upperBound)"
        case .show: "show"
        case .cut(let below, _): "cut below \(below)"
        case .stop: "stop"
        }
    }

    private static func text(_ persist: Persist) -> String {
        var parts = ["persist \(persist.sequence)"]
        if let position = persist.resetTo { parts.append("reset to \(position)") }
        if let first = persist.entries.first, let last = persist.entries.last {
            parts.append("\(first.index)...\(last.index)@\(last.term)")
        }
        if let state = persist.hardState {
            parts.append(
                "term \(state.term) vote \(state.vote.map { "n\($0)" } ?? "-") commit \(state.commit)")
        }
        if !persist.thenSend.isEmpty {
            parts.append("then \(persist.thenSend.map(text).joined(separator: " "))")
        }
        return parts.joined(separator: " ")
    }

    static func text(_ report: LogReport) -> String {
        switch report {
        case .persisted(let sequence, _): "persisted \(sequence)"
        case .read(let replicate, let entries): "read \(entries.count) from \(replicate.range.lowerBound)"
        case .shown: "shown"
        case .cut(_, let first): "cut, begins at \(first)"
        case .size(let bytes): "log of \(bytes) bytes"
        case .storage(let isShort): isShort ? "DISK FULL" : "disk has room"
        }
    }

    static func text(_ command: CheckpointCommand) -> String {
        switch command {
        case .write(_, let reference): "write checkpoint \(reference.position)"
        case .serve(_, let position, let offset, _): "serve \(position) at \(offset)"
        case .beginReceiving(let reference): "begin receiving \(reference.position)"
        case .receive(_, let offset, let bytes, let isLast):
            "receive \(bytes.count) bytes at \(offset)\(isLast ? ", the last" : "")"
        case .stop: "stop"
        }
    }

    static func text(_ report: CheckpointReport) -> String {
        switch report {
        case .written(let reference, let cutBelow, let bytes, _):
            "checkpoint \(reference.position) written, \(bytes) bytes, cut below \(cutBelow)"
        case .failed(let reason): "checkpoint failed: \(reason)"
        case .part(_, let offset, let bytes, let total):
            "part of \(bytes?.count ?? -1) bytes at \(offset) of \(total)"
        case .snapshotLoaded(_, let reference): "snapshot \(reference.position) loaded"
        case .damaged(let position, let reason): "checkpoint \(position) is damaged: \(reason)"
        case .snapshotFailed(let reference, let reason): "snapshot \(reference.position) failed: \(reason)"
        }
    }

    private static func text(_ messages: [PeerMessage]) -> String {
        "(" + messages.map(text).joined(separator: " ") + ")"
    }

    private static func text(_ message: PeerMessage) -> String {
        switch message {
        case .consensus(let message): text(message)
        case .forward(let forward): "forward:\(forward.commands.count)@\(forward.term)"
        case .forwardRefused(let refusal): "forwardRefused:\(refusal.requests.count) \(refusal.reason)"
        case .transfer(let target): "transfer:\(target.map { "n\($0)" } ?? "anyone")"
        case .note: "note"
        }
    }

    private static func text(_ message: Message) -> String {
        let term = "@\(message.term)"
        switch message.body {
        case .append(let append):
            return "append\(term) after \(append.previous) +\(append.entries.count) commit \(append.commit)"
        case .appendResponse(let response):
            switch response.outcome {
            case .matched(let index): return "matched\(term) \(index)"
            case .rejected(let hint, let last): return "rejected\(term) hint \(hint) last \(last)"
            }
        case .heartbeat(let heartbeat):
            return "beat\(term) commit \(heartbeat.commit) round \(heartbeat.round)"
        case .heartbeatResponse(let round): return "beaten\(term) \(round)"
        case .voteRequest(let request):
            return "\(request.isPreVote ? "prevote?" : "vote?")\(term) last \(request.last)"
                + (request.isTransfer ? " transfer" : "")
        case .voteResponse(let response):
            return "\(response.isPreVote ? "prevote" : "vote")\(term) \(response.granted ? "yes" : "no")"
        case .installSnapshot(let reference): return "snapshot\(term) \(reference.position)"
        case .timeoutNow: return "timeoutNow\(term)"
        case .readIndexRequest(let token): return "readIndex?\(term) \(token)"
        case .readIndexResponse(let token, let index):
            return "readIndex\(term) \(token) \(index.map { "\($0)" } ?? "no")"
        }
    }
}

extension TraceText {
    static func text(_ key: [UInt8]) -> String {
        key.count <= 24
            ? String(decoding: key, as: UTF8.self) : String(decoding: key.prefix(20), as: UTF8.self) + "…"
    }

    static func text(_ action: ClientAction) -> String {
        switch action {
        case .write(let operation, let forwards): text(operation) + (forwards ? "" : " (here only)")
        case .get(let key, let isStale): "get \(text(key))\(isStale ? " (stale)" : "")"
        case .range(let range, let limit, let isStale):
            "range \(text(range.start))…, \(limit) at most\(isStale ? " (stale)" : "")"
        case .evaluate(let transaction): "what if: \(transaction.recorded.words)"
        }
    }

    private static func text(_ operation: Store.Operation) -> String {
        switch operation {
        case .put(let key, let value, let condition, _):
            "put \(text(key)) = \(text(value))\(condition.map { " if \($0)" } ?? "")"
        case .delete(let key, let condition, _, let mustExist):
            "delete \(text(key))\(condition.map { " if \($0)" } ?? "")\(mustExist ? ", must exist" : "")"
        case .deleteRange(let range): "delete range \(text(range.start))…"
        case .increment(let key, let amount): "increment \(text(key)) by \(amount)"
        case .batch(let puts, let createOnly):
            "batch \(puts.map { "\(text($0.key)) = \(text($0.value))" }.joined(separator: ", "))"
                + (createOnly ? " (create only)" : "")
        case .compact(let revision): "compact \(revision)"
        case .leasedPut(let key, let value, let condition, _, let lease):
            "put \(text(key)) = \(text(value)) under \(lease)\(condition.map { " if \($0)" } ?? "")"
        case .coordinate(let command): "\(command)"
        case .fenced(let fences, let operation): "\(text(operation)) behind \(fences)"
        case .transaction(let transaction): transaction.recorded.words
        }
    }

    static func text(_ outcome: Outcome) -> String {
        switch outcome {
        case .put(let put): "put at \(put.revision)"
        case .deleted(let count, let revision, _): "deleted \(count) at \(revision)"
        case .incremented(let value, let revision, _): "now \(value) at \(revision)"
        case .batch(let results, let revision): "batch of \(results.count) at \(revision)"
        case .compacted(let revision): "compacted \(revision)"
        case .transaction(let outcome, let revision):
            "\(outcome.succeeded ? "then" : "else") at \(revision): \(outcome.recorded(upTo: nil).words)"
        case .replayed(let outcome, let original): "as \(original): \(text(outcome))"
        case .coordinated(let outcome): "\(outcome)"
        case .refused(let refusal): "refused by the store: \(refusal)"
        }
    }

    static func text(_ outcome: ClientOutcome) -> String {
        switch outcome {
        case .written(let outcome): text(outcome)
        case .item(let item, let revision):
            "\(item.map { "\(text($0.value)) of \($0.modRevision)" } ?? "nothing") at \(revision)"
        case .items(let items, let more, let revision):
            "\(items.map { "\(text($0.key))=\(text($0.value))" }.joined(separator: " "))"
                + "\(more ? " …" : "") at \(revision)"
        case .evaluated(let outcome, let revision): "would be \(text(outcome)), seen at \(revision)"
        case .refused(let reason): "REFUSED: \(reason)"
        case .unknown(let reason): "UNKNOWN: \(reason)"
        }
    }
}
