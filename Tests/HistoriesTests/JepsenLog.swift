import Foundation
import Histories

/// A history of one register as Jepsen logs it.
struct JepsenLog {
    static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .appendingPathComponent("../../../shared/corpora/histories").standardizedFileURL

    /// By file: whether its history is linearizable.
    static let verdicts: [(file: String, isLinearizable: Bool)] = {
        guard
            let table = try? String(
                contentsOf: folder.appendingPathComponent("verdicts.tsv"), encoding: .utf8)
        else { return [] }
        return table.split(separator: "\n").map { line in
            let cells = line.split(separator: "\t")
            return (String(cells[0]), cells[1] == "linearizable")
        }
    }()

    /// Reads the lines `INFO  jepsen.util - process :type :function value`; the time is the line's number.
    ///
    /// A cas that failed did not find the old value, which is an answer; a read that failed says nothing.
    static func history(_ file: String) throws -> History {
        let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        var operations: [HistoryOperation] = []
        var open: [Int: Int] = [:]
        for (time, line) in text.split(separator: "\n").enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard words.count >= 7, words[0] == "INFO", let process = Int(words[3]) else {
                throw HistoryProblem(text: "\(file): \(line)")
            }
            let values = words[6...].map { $0.filter { $0 != "[" && $0 != "]" } }
            if words[4] == ":invoke" {
                open[process] = operations.count
                operations.append(
                    HistoryOperation(
                        id: operations.count, client: process, action: try action(words[5], values),
                        invoked: Int64(time), returned: nil, outcome: .unknown("")))
                continue
            }
            guard let place = open.removeValue(forKey: process) else {
                throw HistoryProblem(text: "\(file): nothing was invoked: \(line)")
            }
            operations[place].returned = Int64(time)
            operations[place].outcome = outcome(words[4], words[5], values)
        }
        return History(operations)
    }

    private static let key = Array("register".utf8)

    private static func action(_ function: String, _ values: [String]) throws -> HistoryOperation.Action {
        switch function {
        case ":read": .get(key)
        case ":write": .put(key, value: Array(values[0].utf8))
        case ":cas": .put(key, value: Array(values[1].utf8), if: .value(Array(values[0].utf8)))
        default: throw HistoryProblem(text: "what is \(function)?")
        }
    }

    private static func outcome(
        _ type: String, _ function: String, _ values: [String]
    ) -> HistoryOperation.Outcome {
        switch (type, function) {
        case (":ok", ":read"):
            values[0] == "nil"
                ? .ok(.absent) : .ok(.found(HistoryOperation.Sighting(value: Array(values[0].utf8))))
        case (":ok", _): .ok(.written())
        case (":fail", ":cas"): .ok(.refused(.condition(.untold)))
        case (":fail", _): .failed(values.joined(separator: " "))
        default: .unknown(values.joined(separator: " "))
        }
    }
}

struct HistoryProblem: Error {
    var text: String
}
