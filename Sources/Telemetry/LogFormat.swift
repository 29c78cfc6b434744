// One event, one line: whatever a message or a value holds, it can neither begin a second line nor forge a
// field of this one.

public import Logging
public import Primitives

/// How log lines are written.
public enum LogFormat: String, Sendable, CaseIterable {
    /// `2026-11-22T10:52:33.120Z info n1 became leader term=7`
    case text
    /// `{"time":"2026-11-22T10:52:33.120Z","level":"info","node":"n1","message":"became leader","term":"7"}`
    case json

    /// The line for one event, without its line feed. Metadata are sorted by key.
    ///
    /// In JSON a metadata key that is the name of a member of every line (`time`, `level`, `node`, `message`)
    /// gets the prefix `meta_`.
    public func line(
        time: WallTime, level: Logger.Level, node: String, message: String, metadata: Logger.Metadata
    ) -> String {
        let pairs = metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value.description) }
        switch self {
        case .text:
            var text = "\(time.rfc3339) \(level.rawValue) \(node.isEmpty ? "-" : bare(node)) "
            text += escaped(message, quotes: false)
            for pair in pairs { text += " \(bare(pair.key))=\(bare(pair.value))" }
            return text
        case .json:
            var text = "{\"time\":\"\(time.rfc3339)\",\"level\":\"\(level.rawValue)\""
            if !node.isEmpty { text += ",\"node\":\"\(escaped(node, quotes: true))\"" }
            text += ",\"message\":\"\(escaped(message, quotes: true))\""
            for pair in pairs {
                let taken = ["time", "level", "node", "message"].contains(pair.key)
                text += ",\"\(taken ? "meta_" : "")\(escaped(pair.key, quotes: true))\""
                text += ":\"\(escaped(pair.value, quotes: true))\""
            }
            return text + "}"
        }
    }
}

/// `text` as it stands if it needs no quotation marks, else quoted.
private func bare(_ text: String) -> String {
    let plain =
        !text.isEmpty && text.utf8.allSatisfy { $0 > 32 && $0 != 34 && $0 != 61 && $0 != 92 && $0 != 127 }
    return plain ? text : "\"\(escaped(text, quotes: true))\""
}

/// Control characters, and those that a terminal may take for commands, as JSON escapes.
private func escaped(_ text: String, quotes: Bool) -> String {
    func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value >= 32 && !(127..<160).contains(scalar.value) && scalar != "\u{2028}"
            && scalar != "\u{2029}"
            && (!quotes || scalar != "\"" && scalar != "\\")
    }
    guard !text.unicodeScalars.allSatisfy(isPlain) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case _ where isPlain(scalar): result.unicodeScalars.append(scalar)
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\r": result += "\\r"
        case "\t": result += "\\t"
        default: result += "\\u" + hexadecimal(UInt64(scalar.value), digits: 4)
        }
    }
    return result
}
