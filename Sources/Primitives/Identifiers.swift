// Counters and names that must never be mixed up are types of their own: a log index is not a revision,
// a term is not a node.

/// A whole number that counts something: ordered, hashable, and only ever compared with its own kind.
public protocol Counter: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number itself.
    var rawValue: UInt64 { get }
    /// Makes the counter with this number.
    init(_ rawValue: UInt64)
}

extension Counter {
    /// The first value, before anything was counted.
    public static var zero: Self { Self(0) }
    /// The value after this one. Stops the process at 2^64 - 1.
    public var next: Self { Self(rawValue + 1) }
    /// The value before this one. Stops the process at zero.
    public var previous: Self { Self(rawValue - 1) }
    /// The number in decimal.
    public var description: String { String(rawValue) }

    /// Orders by number.
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    /// Counts forward. Stops the process on overflow.
    public static func + (a: Self, steps: UInt64) -> Self { Self(a.rawValue + steps) }
    /// Counts back. Stops the process below zero.
    public static func - (a: Self, steps: UInt64) -> Self { Self(a.rawValue - steps) }
    /// How many steps lie from `b` up to `a`. Stops the process if `a` is less than `b`.
    public static func - (a: Self, b: Self) -> UInt64 { a.rawValue - b.rawValue }
}

/// A node of the cluster. Numbers are given once and never used again for another node.
public struct NodeID: Counter {
    /// The number itself; zero is no node.
    public let rawValue: UInt64
    /// Makes the identifier with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// A Raft term (Raft thesis, section 3.3): the logical clock of leadership.
public struct Term: Counter {
    /// The number itself; zero is before the first election.
    public let rawValue: UInt64
    /// Makes the term with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The place of an entry in the replicated log; the first entry is at 1.
public struct LogIndex: Counter {
    /// The number itself; zero is before the first entry.
    public let rawValue: UInt64
    /// Makes the index with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The store's version: it grows by one with each command that changes something.
public struct Revision: Counter {
    /// The number itself; an empty store is at 1, as in etcd, so that 0 can mean "none".
    public let rawValue: UInt64
    /// Makes the revision with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// One of several consensus groups that may share a node. There is one today.
public struct GroupID: Counter {
    /// The number itself.
    public let rawValue: UInt64
    /// Makes the identifier with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    /// The only group of today's clusters.
    public static let first = GroupID(1)
}

/// Identifies a cluster, so that a node, a file or a message of another one is refused.
public struct ClusterID: Counter {
    /// The number itself.
    public let rawValue: UInt64
    /// Makes the identifier with this number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    /// Sixteen hexadecimal digits.
    public var description: String { hexadecimal(rawValue, digits: 16) }
}

/// Identifies one client request, so that its outcome can be told and a repeat recognised.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    /// Milliseconds since 1970 in the upper 48 bits, then 16 bits of the node's own.
    public let high: UInt64
    /// Bits of the node and a counter that make it unique.
    public let low: UInt64
    /// Makes the identifier with these halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    /// The request id of entries that no client asked for.
    public static let none = RequestID(high: 0, low: 0)

    /// Reads 26 characters of Crockford's base 32, in either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 26 else { return nil }
        var (high, low): (UInt64, UInt64) = (0, 0)
        for (place, byte) in text.utf8.enumerated() {
            let upper = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") ? byte - 32 : byte
            guard let digit = Self.alphabet.firstIndex(of: upper), place > 0 || digit < 8 else { return nil }
            high = high << 5 | low >> 59
            low = low << 5 | UInt64(digit)
        }
        self.init(high: high, low: low)
    }

    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// 26 characters of Crockford's base 32, as in the ULID specification.
    public var description: String {
        var digits = [UInt8](repeating: 48, count: 26)
        var (upper, lower) = (high, low)
        for place in stride(from: 25, through: 0, by: -1) {
            digits[place] = Self.alphabet[Int(lower & 31)]
            lower = lower >> 5 | upper << 59
            upper >>= 5
        }
        return String(decoding: digits, as: UTF8.self)
    }
}

/// `number` in lower-case hexadecimal with leading zeros.
public func hexadecimal(_ number: UInt64, digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

/// FNV-1a, 64 bits: a stable hash for identifiers, never for data that an enemy may choose.
public func fnv1a(_ bytes: some Sequence<UInt8>, seed: UInt64 = 0xcbf2_9ce4_8422_2325) -> UInt64 {
    var hash = seed
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return hash
}
