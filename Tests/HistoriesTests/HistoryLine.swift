import Histories
import Primitives

/// A history in one line of text: operations in the order of their time, each after the one before.
///
///     put a=1 r2; get a=1 r2 @2; cas a=2 if:r2 r3
///
/// The words of an operation are, in this order: what is done (`put`, `del`, `add`, `get`, `old` for a read that
/// may be stale, `at7` for one of revision 7, `list`, `batch`, `create` for a batch that only creates, `clear`
/// for a delete of all); its keys and values (`a=1`, several with commas, `-` for absent or none); and then any
/// of: `r2` the revision that was told, `c2` that of creation, `v3` the version, `@5` the store's revision,
/// `if:r2`, `if:absent`, `if:exists`, `if:=1` a condition, `n2` how many were deleted, `no` the label that it was
/// not applied, `lost` an unknown outcome, `refused` or `refused:r5` or `refused:-` a refusal. A `&` before it
/// stands for the time of the one before, a `_` for a time that goes on to the end.
struct HistoryLine {
    private(set) var operations: [HistoryOperation] = []
    private var time: Int64 = 0

    static func history(_ text: String, isExclusive: Bool = false) -> History {
        var line = HistoryLine()
        for part in text.split(separator: ";") {
            let words = part.split(separator: " ").map(String.init)
            if !words.isEmpty { line.add(words) }
        }
        return History(line.operations, isExclusive: isExclusive)
    }

    private mutating func add(_ words: [String]) {
        var words = words
        var isLong = false
        if words[0] == "&" { words.removeFirst() } else { time += 10 }
        if words[0] == "_" {
            words.removeFirst()
            isLong = true
        }
        let details = Details(Array(words.dropFirst(2)))
        let action = HistoryLine.action(words[0], words[1], details)
        operations.append(
            HistoryOperation(
                id: operations.count, client: operations.count, action: action, invoked: time,
                returned: isLong ? 1_000_000 : time + 5,
                outcome: HistoryLine.outcome(words[0], words[1], action, details)))
    }

    /// What the words after the first two say.
    private struct Details {
        var revision: Revision?
        var created: Revision?
        var version: UInt64?
        var seen: Revision?
        var condition: HistoryOperation.Condition?
        var count: Int?
        var outcome: HistoryOperation.Outcome?

        init(_ words: [String]) { for word in words { add(word) } }

        private mutating func add(_ word: String) {
            let number = UInt64(word.dropFirst())
            switch word.first {
            case _ where word == "no": outcome = .failed("no_leader")
            case _ where word == "lost": outcome = .unknown("timeout")
            case _ where word == "refused": outcome = .ok(.refused(.condition(.untold)))
            case _ where word == "refused:-": outcome = .ok(.refused(.condition(.absent)))
            case _ where word.hasPrefix("refused:r"):
                let revision = Revision(UInt64(word.dropFirst(9))!)
                outcome = .ok(.refused(.condition(.revision(revision))))
            case _ where word == "if:absent": condition = .absent
            case _ where word == "if:exists": condition = .exists
            case _ where word.hasPrefix("if:r"): condition = .revision(Revision(UInt64(word.dropFirst(4))!))
            case _ where word.hasPrefix("if:="): condition = .value(bytes(String(word.dropFirst(4))))
            case "r": revision = Revision(number!)
            case "c": created = Revision(number!)
            case "v": version = number!
            case "@": seen = Revision(number!)
            case "n": count = Int(number!)
            default: preconditionFailure("what is \(word)?")
            }
        }

        func sighting(_ value: String) -> HistoryOperation.Sighting {
            HistoryOperation.Sighting(
                value: bytes(value), revision: revision, createRevision: created, version: version)
        }
    }

    private static func pairs(_ text: String) -> [(key: [UInt8], value: String)] {
        if text == "-" { return [] }
        return text.split(separator: ",").map { pair in
            let halves = pair.split(separator: "=", omittingEmptySubsequences: false)
            return (bytes(String(halves[0])), halves.count > 1 ? String(halves[1]) : "")
        }
    }

    private static func action(
        _ verb: String, _ target: String, _ details: Details
    ) -> HistoryOperation.Action {
        let pairs = pairs(target)
        let key = pairs.first?.key ?? []
        let puts = pairs.map { HistoryOperation.Put(key: $0.key, value: bytes($0.value)) }
        switch verb {
        case "put": return .put(key, value: puts[0].value, if: details.condition)
        case "del": return .delete(key, if: details.condition)
        case "add": return .increment(key, by: 1)
        case "get": return .get(key)
        case "old": return .get(key, .stale)
        case "list": return .list(.prefix([]))
        case "batch": return .batch(puts)
        case "create": return .batch(puts, createOnly: true)
        case "clear": return .deleteRange(.prefix([]))
        default:
            precondition(verb.hasPrefix("at"), "what is \(verb)?")
            return .get(key, .at(Revision(UInt64(verb.dropFirst(2))!)))
        }
    }

    private static func outcome(
        _ verb: String, _ target: String, _ action: HistoryOperation.Action, _ details: Details
    ) -> HistoryOperation.Outcome {
        if let outcome = details.outcome { return outcome }
        let pairs = pairs(target)
        switch action {
        case .put:
            return .ok(
                .written(
                    revision: details.revision, createRevision: details.created, version: details.version))
        case .delete, .deleteRange:
            let count = details.count ?? 1
            return .ok(.deleted(count, revision: count > 0 ? details.revision : nil), at: details.seen)
        case .increment:
            return .ok(
                .incremented(
                    Int64(pairs[0].value)!, revision: details.revision, version: details.version))
        case .get:
            let answer: HistoryOperation.Answer =
                pairs[0].value == "-" ? .absent : .found(details.sighting(pairs[0].value))
            return .ok(answer, at: details.seen)
        case .list:
            let items = pairs.map {
                HistoryOperation.Item(key: $0.key, HistoryOperation.Sighting(value: bytes($0.value)))
            }
            return .ok(.items(items), at: details.seen)
        case .batch:
            return .ok(.batch(pairs.map { $0.value == "x" ? .exists : .written(details.revision) }))
        case .transaction: preconditionFailure("no verb makes a transaction")
        }
    }
}
