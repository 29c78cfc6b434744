// A counterexample as a person reads it: a lane for each client, time downwards.

extension Counterexample {
    /// The whole evidence as text of several lines.
    ///
    ///     violation (answer): operation 7 (get a) was answered "x", which … no order of the operations
    ///     explains it could have been answered: "y"
    ///
    ///     time/ms  client 0           client 1
    ///       0.000  7 get a @n1
    ///       0.310  │                  9 put a = "y" @n2
    ///       …
    public var text: String {
        var lines = ["violation (\(kind.rawValue)): \(reason)"]
        if !alternatives.isEmpty {
            lines.append("it could have been answered: " + alternatives.joined(separator: " or "))
        }
        lines.append("")
        lines += Timeline(operations, culprit: culprit).lines
        lines.append("")
        lines.append("\(operations.count) of \(considered) operations; the others do not explain it either")
        if !isMinimal { lines.append("not minimal: the limit of the work on the evidence was reached") }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Lanes of clients with what happens in each.
private struct Timeline {
    private struct Event {
        var time: Int64
        var lane: Int
        var text: String
        var isReturn: Bool
    }

    let lines: [String]

    /// How many columns all lanes have together.
    private static let width = 150

    init(_ operations: [HistoryOperation], culprit: Int?) {
        let clients = Array(Set(operations.map(\.client))).sorted()
        var events: [Event] = []
        for operation in operations {
            guard let lane = clients.firstIndex(of: operation.client) else { continue }
            let node = operation.node.map { " @\($0)" } ?? ""
            events.append(
                Event(
                    time: operation.invoked, lane: lane, text: "\(operation.id) \(operation.question)\(node)",
                    isReturn: false))
            let mark = operation.id == culprit ? "  <== cannot be" : ""
            events.append(
                Event(
                    time: operation.returned ?? .max, lane: lane, text: "└ \(operation.told)\(mark)",
                    isReturn: true))
        }
        events.sort { a, b in
            (a.time, a.isReturn ? 1 : 0, a.lane) < (b.time, b.isReturn ? 1 : 0, b.lane)
        }
        lines = Timeline.render(events, clients)
    }

    private static func render(_ events: [Event], _ clients: [Int]) -> [String] {
        let origin = events.first?.time ?? 0
        let last = events.last { $0.time != .max }?.time ?? origin
        let isFine = last - origin < 100_000
        let limit = max(24, width / max(1, clients.count) - 2)
        var widths = clients.map { "client \($0)".count }
        for event in events { widths[event.lane] = max(widths[event.lane], min(limit, event.text.count)) }
        var lines = [
            line(isFine ? "time/ns" : "time/ms", clients.map { "client \($0)" }, widths)
        ]
        var isOpen = [Bool](repeating: false, count: clients.count)
        for event in events {
            let time = event.time == .max ? "later" : stamp(event.time - origin, isFine)
            for (place, piece) in pieces(event.text, limit: limit).enumerated() {
                var cells = isOpen.map { $0 ? "│" : "" }
                cells[event.lane] = place == 0 ? piece : "  " + piece
                lines.append(line(place == 0 ? time : "", cells, widths))
            }
            isOpen[event.lane] = !event.isReturn
        }
        return lines
    }

    /// A text in pieces that fit a lane.
    private static func pieces(_ text: String, limit: Int) -> [String] {
        var pieces: [String] = []
        var piece = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !piece.isEmpty, piece.count + 1 + word.count > limit - 2 {
                pieces.append(piece)
                piece = String(word)
            } else {
                piece += (piece.isEmpty ? "" : " ") + word
            }
        }
        return pieces + [piece]
    }

    private static func line(_ time: String, _ cells: [String], _ widths: [Int]) -> String {
        var line = String(repeating: " ", count: max(0, 12 - time.count)) + time + "  "
        for (cell, width) in zip(cells, widths) {
            line += cell + String(repeating: " ", count: max(0, width - cell.count) + 2)
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    private static func stamp(_ nanoseconds: Int64, _ isFine: Bool) -> String {
        if isFine { return "\(nanoseconds)" }
        let microseconds = (nanoseconds + 500) / 1000
        return "\(microseconds / 1000)." + String(1000 + microseconds % 1000).dropFirst()
    }
}
