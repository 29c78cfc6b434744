public import Primitives

/// One version of a key, with bytes of its own. ``Row`` is the form that shares the store's bytes.
public struct Item: Sendable, Equatable {
    /// The key; never empty.
    public let key: [UInt8]
    /// The value, as it was given.
    public let value: [UInt8]
    /// The revision that made the key, counted from its last deletion.
    public let createRevision: Revision
    /// The revision that wrote this version.
    public let modRevision: Revision
    /// How many times the key was written since it was made; the first write is 1.
    public let version: UInt64
    /// The id of the lease that the key ends with.
    public let lease: String?

    /// Makes an item.
    public init(
        key: [UInt8], value: [UInt8], createRevision: Revision, modRevision: Revision, version: UInt64,
        lease: String? = nil
    ) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }
}

/// The keys from `start` up to but not including `end`, in the order of their bytes.
public struct KeyRange: Sendable, Hashable {
    /// The first key that may be in the range.
    public let start: [UInt8]
    /// The first key beyond the range; nil if there is none.
    public let end: [UInt8]?

    /// Makes the range; it is empty if `end` is not above `start`.
    public init(start: [UInt8], end: [UInt8]?) {
        self.start = start
        self.end = end
    }

    /// Every key.
    public static let all = KeyRange(start: [], end: nil)

    /// Every key that begins with `prefix`.
    public static func prefix(_ prefix: [UInt8]) -> KeyRange {
        KeyRange(start: prefix, end: successor(ofPrefix: prefix))
    }

    /// Nothing but `key`.
    public static func only(_ key: [UInt8]) -> KeyRange { KeyRange(start: key, end: key + [0]) }

    /// Whether no key can be in the range.
    public var isEmpty: Bool {
        guard let end else { return false }
        return !start.lexicographicallyPrecedes(end)
    }

    /// Whether `key` is in the range.
    public func contains(_ key: some Sequence<UInt8>) -> Bool {
        if key.lexicographicallyPrecedes(start) { return false }
        guard let end else { return true }
        return key.lexicographicallyPrecedes(end)
    }

    /// The first key that is above all keys with this prefix; nil if all of its bytes are 255.
    static func successor(ofPrefix prefix: [UInt8]) -> [UInt8]? {
        var bound = prefix
        while let last = bound.popLast() {
            if last < 255 { return bound + [last + 1] }
        }
        return nil
    }
}
