// Which messages of whom have come, in bounded memory.

internal import Primitives

/// Numbers of one process: all up to some, and single ones beyond.
struct SeenNumbers: Sendable {
    private(set) var floor: UInt64 = 0
    private var beyond: Set<UInt64> = []

    /// Takes note of a number: false if it was there. With more than `most` beyond a gap, the gap is taken
    /// for seen: what would fill it is never taken, but nothing is taken twice.
    mutating func insert(_ number: UInt64, most: Int) -> Bool {
        guard number > floor, beyond.insert(number).inserted else { return false }
        if beyond.count > most, let least = beyond.min() { floor = least - 1 }
        while beyond.remove(floor + 1) != nil { floor += 1 }
        return true
    }
}

/// Numbers by kind, origin and process.
struct SeenMessages: Sendable {
    /// Processes of a node's that are remembered.
    static let mostProcesses = 4

    private struct Stream: Hashable {
        var kind: BroadcastKind
        var origin: NodeID
    }

    enum Verdict {
        case new, duplicate, late
    }

    private var streams: [Stream: [(process: UInt64, numbers: SeenNumbers)]] = [:]

    mutating func note(_ id: BroadcastID, most: Int) -> Verdict {
        let stream = Stream(kind: id.kind, origin: id.origin)
        var processes = streams[stream, default: []]
        defer { streams[stream] = processes }
        var place = processes.firstIndex { $0.process >= id.process } ?? processes.count
        if place == processes.count || processes[place].process != id.process {
            processes.insert((id.process, SeenNumbers()), at: place)
            if processes.count > Self.mostProcesses {
                processes.removeFirst()
                guard place > 0 else { return .late }
                place -= 1
            }
        }
        return processes[place].numbers.insert(id.number, most: most) ? .new : .duplicate
    }
}
