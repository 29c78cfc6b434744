public import Primitives

/// What is left out of a plan, to find the smallest run that still fails. It can be written on a command
/// line.
public struct Reduction: Sendable, Equatable, CustomStringConvertible {
    /// Faults that are left out, by number.
    public var faults: [Int] = []
    /// Clients that are left out, by number.
    public var clients: [Int] = []
    /// Limits that have their defaults.
    public var knobs: [Knobs.Group] = []
    /// Whether links have no faults of their own.
    public var plainNetwork = false
    /// When the faults end; nil if as planned.
    public var safety: Instant.Span?

    /// Nothing is left out.
    public init() {}

    /// Whether nothing is left out.
    public var isEmpty: Bool { self == Reduction() }

    /// The form for a command line, as in `faults=1,4-7;knobs=log;until=2500ms`.
    public var description: String {
        var parts: [String] = []
        if !faults.isEmpty { parts.append("faults=" + Self.ranges(faults)) }
        if !clients.isEmpty { parts.append("clients=" + Self.ranges(clients)) }
        if !knobs.isEmpty { parts.append("knobs=" + knobs.map(\.rawValue).joined(separator: ",")) }
        if plainNetwork { parts.append("network=plain") }
        if let safety { parts.append("until=\(safety.milliseconds)ms") }
        return parts.joined(separator: ";")
    }

    /// Reads what ``description`` gives; nil if it is something else.
    public init?(_ text: String) {
        for part in text.split(separator: ";") {
            let halves = part.split(separator: "=", maxSplits: 1)
            guard halves.count == 2 else { return nil }
            let value = String(halves[1])
            switch halves[0] {
            case "faults":
                guard let numbers = Self.numbers(value) else { return nil }
                faults = numbers
            case "clients":
                guard let numbers = Self.numbers(value) else { return nil }
                clients = numbers
            case "knobs":
                let groups = value.split(separator: ",").map { Knobs.Group(rawValue: String($0)) }
                guard !groups.contains(nil) else { return nil }
                knobs = groups.compactMap(\.self)
            case "network":
                guard value == "plain" else { return nil }
                plainNetwork = true
            case "until":
                guard value.hasSuffix("ms"), let count = Int(value.dropLast(2)), count >= 0 else {
                    return nil
                }
                safety = .milliseconds(count)
            default: return nil
            }
        }
    }

    private static func ranges(_ numbers: [Int]) -> String {
        var parts: [String] = []
        var place = 0
        while place < numbers.count {
            var end = place
            while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
            parts.append(end > place ? "\(numbers[place])-\(numbers[end])" : "\(numbers[place])")
            place = end + 1
        }
        return parts.joined(separator: ",")
    }

    private static func numbers(_ text: String) -> [Int]? {
        var result: [Int] = []
        for part in text.split(separator: ",") {
            let bounds = part.split(separator: "-").map { Int($0) }
            guard (1...2).contains(bounds.count), let first = bounds[0], let last = bounds[bounds.count - 1],
                first <= last, last - first < 1 << 20
            else { return nil }
            result += first...last
        }
        return result.sorted()
    }

    func apply(to plan: inout Plan) {
        plan.faults.removeAll { faults.contains($0.number) }
        plan.clients.removeAll { clients.contains($0.number) }
        for group in knobs { plan.knobs.reset(group) }
        if plainNetwork { plan.network = NetworkPlan() }
        if let safety {
            plan.safety = min(plan.safety, safety)
            plan.faults.removeAll { $0.at.nanoseconds >= plan.safety.nanoseconds }
        }
    }
}
