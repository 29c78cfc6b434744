/// What has happened in a run, or in many.
public struct Statistics: Sendable {
    /// Runs.
    public internal(set) var runs = 0
    /// Virtual time, in nanoseconds.
    public internal(set) var virtualTime: Int64 = 0
    /// Entries of the event queue.
    public internal(set) var events: UInt64 = 0
    /// Steps that observers saw.
    public internal(set) var steps: UInt64 = 0
    /// Turns of node loops.
    public internal(set) var turns = 0
    /// Requests between nodes.
    public internal(set) var posts = 0
    /// Bytes of requests and answers between nodes.
    public internal(set) var bytes = 0
    /// Operations of clients.
    public internal(set) var operations = 0
    /// Operations that the store has answered.
    public internal(set) var answered = 0
    /// Operations that were refused for certain.
    public internal(set) var refused = 0
    /// Operations whose outcome nobody knows.
    public internal(set) var unknown = 0
    /// Nodes that have become leader.
    public internal(set) var elections = 0
    /// Checkpoints that were written.
    public internal(set) var checkpoints = 0
    /// Snapshots that followers have installed.
    public internal(set) var installs = 0
    /// Nodes that could not start from what was left of their disk.
    public internal(set) var refusals = 0
    /// Nodes that were kept down because their disk has lost something that nobody can know of.
    public internal(set) var silentLosses = 0
    /// Faults that took place, by kind, in the order of their names.
    public internal(set) var faults: [(kind: String, count: Int)] = []

    /// Nothing has happened.
    public init() {}

    mutating func count(_ kind: String) {
        if let place = faults.firstIndex(where: { $0.kind == kind }) {
            faults[place].count += 1
        } else {
            faults.append((kind, 1))
            faults.sort { $0.kind < $1.kind }
        }
    }

    /// All numbers but those of faults, in a fixed order.
    private static var fields: [WritableKeyPath<Statistics, Int>] {
        [
            \.runs, \.turns, \.posts, \.bytes, \.operations, \.answered, \.refused, \.unknown, \.elections,
            \.checkpoints, \.installs, \.refusals, \.silentLosses,
        ]
    }

    /// One line, for another process.
    public var text: String {
        var parts = ["\(virtualTime)", "\(events)", "\(steps)"]
        parts += Self.fields.map { "\(self[keyPath: $0])" }
        return parts.joined(separator: ",") + "|"
            + faults.map { "\($0.kind):\($0.count)" }.joined(separator: ";")
    }

    /// Reads what ``text`` gives; nil if it is something else.
    public init?(text: String) {
        let halves = text.split(separator: "|", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        let numbers = halves[0].split(separator: ",").map { Int64($0) }
        let fields = Self.fields
        guard numbers.count == fields.count + 3, let time = numbers[0], let events = numbers[1],
            let steps = numbers[2], events >= 0, steps >= 0
        else { return nil }
        (virtualTime, self.events, self.steps) = (time, UInt64(events), UInt64(steps))
        for (field, number) in zip(fields, numbers.dropFirst(3)) {
            guard let number else { return nil }
            self[keyPath: field] = Int(number)
        }
        for part in halves[1].split(separator: ";") {
            let pair = part.split(separator: ":")
            guard pair.count == 2, let count = Int(pair[1]) else { return nil }
            faults.append((String(pair[0]), count))
        }
    }

    /// Adds what has happened in other runs.
    public mutating func add(_ other: Statistics) {
        virtualTime += other.virtualTime
        events += other.events
        steps += other.steps
        for field in Self.fields { self[keyPath: field] += other[keyPath: field] }
        for (kind, number) in other.faults {
            if let place = faults.firstIndex(where: { $0.kind == kind }) {
                faults[place].count += number
            } else {
                faults.append((kind, number))
            }
        }
        faults.sort { $0.kind < $1.kind }
    }
}
