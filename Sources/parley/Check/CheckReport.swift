// What a check has found, for people and for programs.

import Histories
import JSON
import Primitives

/// The verdict on a history with what it rests on.
struct CheckReport: Sendable {
    var history: History
    var judgement: Judgement
    /// How long the judging took.
    var time: Instant.Span
    /// Where the history is kept; nil if it could not be written.
    var file: String?

    /// The verdict in a word.
    static func word(_ verdict: Verdict) -> String {
        switch verdict {
        case .linearizable: "linearizable"
        case .violation: "violation"
        case .undecided: "undecided"
        }
    }

    // MARK: For people

    /// Counts, the verdict, and the evidence if there is any against the store.
    var text: String {
        var text = Self.table(history)
        text += "\nverdict: \(Self.word(judgement.verdict)) (judged in \(Self.seconds(time)) s)\n"
        text += "  in the order of the revisions: \(Self.words(judgement.revisions))\n"
        text += "  by a search that does not believe revisions: \(Self.words(judgement.search))\n"
        if judgement.agreement == .contradiction {
            text += "  The two contradict each other: one of the checkers is wrong. Please report it.\n"
        }
        if let file { text += "history: \(file)\n" }
        if let example = judgement.verdict.counterexample { text += "\n\(example.text)" }
        return text
    }

    private static func words(_ verdict: Verdict) -> String {
        if case .undecided(let doubt) = verdict { return "undecided, \(doubt)" }
        return word(verdict)
    }

    /// A line for each kind of operation.
    private static func table(_ history: History) -> String {
        var counts: [Kind: [Int]] = [:]
        for operation in history.operations {
            let column =
                switch operation.outcome {
                case .ok: 1
                case .failed: 2
                case .unknown: 3
                }
            for kind in [Kind(operation.action), .all] {
                counts[kind, default: [0, 0, 0, 0]][0] += 1
                counts[kind, default: [0, 0, 0, 0]][column] += 1
            }
        }
        let rows = Kind.allCases.compactMap { kind in
            counts[kind].map { [kind.rawValue] + $0.map { "\($0)" } }
        }
        return Terminal.table([["OPERATION", "COUNT", "ANSWERED", "REFUSED", "UNKNOWN"]] + rows)
    }

    /// Operations as the table counts them.
    private enum Kind: String, CaseIterable {
        case get, staleGet = "get, may be stale", pastGet = "get of a revision", list
        case staleList = "list, may be stale", put, conditionalPut = "put with a condition", delete
        case conditionalDelete = "delete with a condition", deleteRange = "delete of many", increment, batch
        case transaction
        case all = "all"

        init(_ action: HistoryOperation.Action) {
            switch action {
            case .get(_, .linearizable): self = .get
            case .get(_, .stale): self = .staleGet
            case .get(_, .at): self = .pastGet
            case .list(_, .stale): self = .staleList
            case .list: self = .list
            case .put(_, _, nil): self = .put
            case .put: self = .conditionalPut
            case .delete(_, nil, false): self = .delete
            case .delete: self = .conditionalDelete
            case .deleteRange: self = .deleteRange
            case .increment: self = .increment
            case .batch: self = .batch
            case .transaction: self = .transaction
            }
        }
    }

    private static func seconds(_ span: Instant.Span) -> String {
        let tenths = (span.milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10)"
    }

    // MARK: For programs

    /// One JSON object in one line.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("verdict", Self.word(judgement.verdict))
        writer.field("revisions", Self.word(judgement.revisions))
        writer.field("search", Self.word(judgement.search))
        if case .undecided(let doubt) = judgement.verdict { writer.field("doubt", "\(doubt)") }
        writer.field("operations", history.operations.count)
        var counts = (answered: 0, refused: 0, unknown: 0)
        for operation in history.operations {
            switch operation.outcome {
            case .ok: counts.answered += 1
            case .failed: counts.refused += 1
            case .unknown: counts.unknown += 1
            }
        }
        writer.field("answered", counts.answered)
        writer.field("refused", counts.refused)
        writer.field("unknown", counts.unknown)
        writer.field("judging_ms", time.milliseconds)
        if let file { writer.field("history", file) }
        if let example = judgement.verdict.counterexample {
            writer.name("counterexample")
            writer.beginObject()
            writer.field("kind", example.kind.rawValue)
            writer.field("reason", example.reason)
            if let culprit = example.culprit { writer.field("culprit", culprit) }
            writer.name("operations")
            writer.beginArray()
            for operation in example.operations { writer.number(operation.id) }
            writer.endArray()
            writer.field("text", example.text)
            writer.endObject()
        }
        writer.endObject()
        return writer.take() + [10]
    }
}
