/// A time of a vector clock (Mattern 1989; Fidge 1988): how many events of each process were known.
///
/// Other than numbers alone it tells whether two events are concurrent: then neither knew of the other.
public struct VectorTime: Hashable, Sendable {
    /// How many processes a vector may name.
    public static let most = 1_024

    /// The counts that are not 0, by the processes' names.
    public private(set) var counts: [String: UInt64] = [:]

    /// No process has done anything.
    public init() {}

    /// Takes over the counts that are not 0; nil if there are more than ``most``.
    public init?(_ counts: [String: UInt64]) {
        self.counts = counts.filter { $0.value > 0 }
        if self.counts.count > Self.most { return nil }
    }

    /// How many events of a process are known.
    public subscript(process: String) -> UInt64 { counts[process] ?? 0 }

    /// How this time stands to another.
    public func compared(with other: VectorTime) -> CausalOrder {
        let isWithin = counts.allSatisfy { $0.value <= other[$0.key] }
        let contains = other.counts.allSatisfy { $0.value <= self[$0.key] }
        return switch (isWithin, contains) {
        case (true, true): .equal
        case (true, false): .before
        case (false, true): .after
        case (false, false): .concurrent
        }
    }

    /// What is known if both are.
    func merged(with other: VectorTime) -> VectorTime {
        var merged = self
        merged.counts.merge(other.counts) { max($0, $1) }
        return merged
    }

    /// A process has done one thing more.
    mutating func count(_ process: String) { counts[process, default: 0] += 1 }
}

/// How two times, and the events that have them, stand to each other (Lamport 1978).
public enum CausalOrder: String, Sendable {
    /// The first may have influenced the second.
    case before
    /// The second may have influenced the first.
    case after
    /// Neither can have influenced the other.
    case concurrent
    /// They are the same.
    case equal

    init<Time: Comparable>(_ a: Time, _ b: Time) {
        self = a < b ? .before : a > b ? .after : .equal
    }
}
