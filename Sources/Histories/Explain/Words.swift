// Operations and bytes in words, for people.

/// Bytes as text between double quotes, long ones shortened; what is not printable text is escaped.
func quoted(_ bytes: [UInt8], limit: Int = 24) -> String { "\"" + readable(bytes, limit: limit) + "\"" }

/// Bytes as text, long ones shortened; what is not printable text is escaped.
func readable(_ bytes: [UInt8], limit: Int = 40) -> String {
    var text = ""
    if let string = String(validating: bytes, as: UTF8.self) {
        for scalar in string.unicodeScalars.prefix(limit) {
            switch scalar {
            case "\n": text += "\\n"
            case "\"", "\\": text += "\\" + String(scalar)
            case _ where scalar.value < 32 || (127..<160).contains(scalar.value):
                text += "\\x" + String(scalar.value + 256, radix: 16).dropFirst()
            default: text.unicodeScalars.append(scalar)
            }
        }
        return string.unicodeScalars.count > limit ? text + "…(\(bytes.count) bytes)" : text
    }
    for byte in bytes.prefix(limit) {
        text +=
            (32..<127).contains(byte) && byte != 92 && byte != 34
            ? String(UnicodeScalar(byte)) : "\\x" + String(UInt16(byte) + 256, radix: 16).dropFirst()
    }
    return bytes.count > limit ? text + "…(\(bytes.count) bytes)" : text
}

extension HistoryOperation {
    /// What was asked, as in `put a = "1" if at revision 5`.
    public var question: String {
        switch action {
        case .get(let key, let freshness): "get \(readable(key))\(freshness.words)"
        case .list(let selection, let freshness): "list \(selection.words)\(freshness.words)"
        case .put(let key, let value, let condition):
            "put \(readable(key)) = \(quoted(value))\(condition.map(\.words) ?? "")"
        case .delete(let key, let condition, let mustExist):
            "delete \(readable(key))\(condition.map(\.words) ?? "")\(mustExist ? ", which must exist" : "")"
        case .deleteRange(let selection): "delete all of \(selection.words)"
        case .increment(let key, let by): "add \(by) to \(readable(key))"
        case .batch(let puts, let createOnly):
            (createOnly ? "create " : "put ")
                + puts.map { "\(readable($0.key)) = \(quoted($0.value))" }.joined(separator: ", ")
        case .transaction(let transaction, let isDry): (isDry ? "what if: " : "") + transaction.words
        }
    }

    /// What came of it, as in `"1" (revision 5, version 2)`.
    public var told: String {
        switch outcome {
        case .ok(let answer, let revision):
            answer.words + (revision.map { " [store at \($0)]" } ?? "")
        case .failed(let reason): "not applied" + (reason.isEmpty ? "" : ": \(reason)")
        case .unknown(let reason): "outcome unknown" + (reason.isEmpty ? "" : ": \(reason)")
        }
    }
}

extension HistoryOperation.Freshness {
    fileprivate var words: String {
        switch self {
        case .linearizable: ""
        case .stale: ", may be stale"
        case .at(let revision): " at revision \(revision)"
        }
    }
}

extension HistoryOperation.Condition {
    fileprivate var words: String {
        switch self {
        case .revision(let revision): " if at revision \(revision)"
        case .absent: " if absent"
        case .exists: " if it exists"
        case .value(let value): " if \(quoted(value))"
        }
    }
}

extension KeySelection {
    fileprivate var words: String {
        switch self {
        case .prefix(let prefix): prefix.isEmpty ? "all keys" : "\(readable(prefix))*"
        case .range(let start, let end): "\(readable(start)) to \(end.map { readable($0) } ?? "the end")"
        }
    }
}

extension HistoryOperation.Answer {
    fileprivate var words: String {
        switch self {
        case .absent: return "no such key"
        case .found(let sighting): return sighting.words
        case .items(let items):
            if items.isEmpty { return "no keys" }
            return items.map { "\(readable($0.key)) = \($0.sighting.words)" }.joined(separator: "; ")
        case .written(let revision, _, let version):
            return "done" + details([revision.map { "revision \($0)" }, version.map { "version \($0)" }])
        case .deleted(let count, let revision):
            return "\(count) deleted" + details([revision.map { "revision \($0)" }])
        case .incremented(let sum, let revision, let version):
            return "\(sum)" + details([revision.map { "revision \($0)" }, version.map { "version \($0)" }])
        case .batch(let results):
            return results.map { result in
                switch result {
                case .exists: "existed"
                case .written(let revision): "done" + details([revision.map { "revision \($0)" }])
                }
            }.joined(separator: "; ")
        case .refused(.condition(.untold)): return "refused: the condition does not hold"
        case .refused(.condition(.absent)): return "refused: it does not exist"
        case .refused(.condition(.revision(let revision))): return "refused: it is at revision \(revision)"
        case .refused(.notFound): return "refused: there is no such key"
        case .refused(.notAnInteger): return "refused: it is no number"
        case .refused(.overflow): return "refused: the sum is too large"
        case .refused(.conditions(let failed)):
            return "refused: " + failed.words(or: "conditions do not hold")
        case .refused(.step(let place, .notAnInteger)):
            return "refused: at step \(place.words) it is no number"
        case .refused(.step(let place, .overflow)):
            return "refused: at step \(place.words) the sum is too large"
        case .transaction(let answer, let revision):
            return answer.words + details([revision.map { "revision \($0)" }])
        }
    }
}

extension HistoryOperation.Transaction {
    /// It in words, as in `if a = "1" then [put a = "2"] else [get a]`.
    public var words: String {
        let asked = conditions.isEmpty ? "" : "if " + conditions.map(\.words).joined(separator: ", ") + " "
        return asked + "then [" + then.map(\.words).joined(separator: "; ") + "]"
            + (otherwise.map { " else [" + $0.map(\.words).joined(separator: "; ") + "]" } ?? "")
    }
}

extension HistoryOperation.TransactionAnswer {
    /// It in words, as in `[done (version 2); "1"]`.
    public var words: String {
        (succeeded ? "" : failed.words(or: "conditions do not hold") + ": ")
            + "[" + results.map(\.words).joined(separator: "; ") + "]"
    }
}

extension HistoryOperation.Transaction.Condition {
    fileprivate var words: String {
        switch self {
        case .value(let key, let relation, let value):
            "\(readable(key)) \(relation.rawValue) \(quoted(value))"
        case .number(let key, let property, let relation, let number):
            "\(property.rawValue) of \(readable(key)) \(relation.rawValue) \(number)"
        case .count(let selection, let relation, let number):
            "count of \(selection.words) \(relation.rawValue) \(number)"
        }
    }
}

extension HistoryOperation.Transaction.Step {
    fileprivate var words: String {
        switch self {
        case .put(let key, let value): "put \(readable(key)) = \(quoted(value))"
        case .delete(let key): "delete \(readable(key))"
        case .deleteRange(let selection): "delete all of \(selection.words)"
        case .increment(let key, let by): "add \(by) to \(readable(key))"
        case .get(let key): "get \(readable(key))"
        case .list(let selection, let limit): "list \(limit) of \(selection.words)"
        case .transaction(let nested): nested.words
        }
    }
}

extension [HistoryOperation.FailedCondition] {
    /// Which they are, or something else if they were not told.
    fileprivate func words(or other: String) -> String {
        if isEmpty { return other }
        return map { failed in
            "condition \(failed.index) does not hold"
                + details([
                    failed.found.map { "found \($0)" }, failed.revision.map { "at revision \($0)" },
                ])
        }.joined(separator: ", ")
    }
}

extension [Int] {
    fileprivate var words: String { map(String.init).joined(separator: ".") }
}

extension HistoryOperation.Sighting {
    fileprivate var words: String {
        (value.map { quoted($0) } ?? "there")
            + details([revision.map { "revision \($0)" }, version.map { "version \($0)" }])
    }
}

private func details(_ parts: [String?]) -> String {
    let told = parts.compactMap { $0 }
    return told.isEmpty ? "" : " (\(told.joined(separator: ", ")))"
}
