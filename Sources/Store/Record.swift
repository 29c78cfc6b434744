public import Primitives

// A million records are most of the memory of a node: one allocation each, 32 bytes of numbers, then the
// key, then the value.

/// One version of a key, or the mark that a deletion leaves in history. Never changed once made.
///
/// No `ManagedBuffer` can be declared sendable, so whoever holds a record says `nonisolated(unsafe)`. That is
/// true because nothing writes to a record after it was made.
final class Record: ManagedBuffer<Record.Header, UInt8> {
    struct Header {
        let createRevision, modRevision: UInt64
        /// Zero marks a deletion.
        let version: UInt64
        let valueCount: UInt32
        let keyCount: UInt16
    }

    /// What a record costs besides its bytes: object header, numbers, allocator, slot in a map.
    static let overhead = 72

    /// Copies key and value into a new record. Both must keep to the limits of the format.
    static func make(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, createRevision: Revision,
        modRevision: Revision, version: UInt64
    ) -> Record {
        precondition(key.count <= Limits.keyBytes && value.count <= Limits.valueBytes)
        let buffer = Record.create(minimumCapacity: key.count + value.count) { _ in
            Header(
                createRevision: createRevision.rawValue, modRevision: modRevision.rawValue, version: version,
                valueCount: UInt32(value.count), keyCount: UInt16(key.count))
        }
        unsafe buffer.withUnsafeMutablePointerToElements { bytes in
            let bytes = UnsafeMutableRawPointer(bytes)
            if let start = key.baseAddress { unsafe bytes.copyMemory(from: start, byteCount: key.count) }
            if let start = value.baseAddress {
                unsafe (bytes + key.count).copyMemory(from: start, byteCount: value.count)
            }
        }
        return unsafe unsafeDowncast(buffer, to: Record.self)
    }

    /// The mark of a deletion.
    static func tombstone(key: UnsafeRawBufferPointer, modRevision: Revision) -> Record {
        unsafe make(
            key: key, value: UnsafeRawBufferPointer(start: nil, count: 0), createRevision: .zero,
            modRevision: modRevision, version: 0)
    }

    var modRevision: Revision { Revision(header.modRevision) }
    var isTombstone: Bool { header.version == 0 }
    /// What the record costs in memory, about.
    var cost: Int { Int(header.keyCount) + Int(header.valueCount) + Record.overhead }

    /// The key's bytes; valid while the record is.
    var key: UnsafeRawBufferPointer {
        unsafe withUnsafeMutablePointers { header, bytes in
            unsafe UnsafeRawBufferPointer(start: bytes, count: Int(header.pointee.keyCount))
        }
    }

    /// The value's bytes; valid while the record is.
    var value: UnsafeRawBufferPointer {
        unsafe withUnsafeMutablePointers { header, bytes in
            unsafe UnsafeRawBufferPointer(
                start: bytes + Int(header.pointee.keyCount), count: Int(header.pointee.valueCount))
        }
    }
}

/// Current records stand in the order of their keys.
enum ByKey: SortOrder {
    static func place(of record: Record) -> Place { unsafe Place(record.key) }
}

/// Superseded records stand in the order of their keys, the versions of one key from old to new.
enum ByVersion: SortOrder {
    static func place(of record: Record) -> Place {
        unsafe Place(record.key, rank: record.header.modRevision)
    }
}

/// One version of a key that shares the store's bytes: cheap to hold, never changed, good for ever.
///
/// Holding a row keeps its bytes in memory, also after the store has let go of them.
public struct Row: Sendable {
    /// Never written to.
    nonisolated(unsafe) let record: Record

    init(_ record: Record) { unsafe self.record = record }

    /// Bytes in the key.
    public var keyCount: Int { unsafe Int(record.header.keyCount) }
    /// Bytes in the value.
    public var valueCount: Int { unsafe Int(record.header.valueCount) }
    /// A copy of the key.
    public var key: [UInt8] { unsafe withKey { unsafe [UInt8]($0) } }
    /// A copy of the value.
    public var value: [UInt8] { unsafe withValue { unsafe [UInt8]($0) } }
    /// The revision that made the key, counted from its last deletion.
    public var createRevision: Revision { unsafe Revision(record.header.createRevision) }
    /// The revision that wrote this version.
    public var modRevision: Revision { unsafe Revision(record.header.modRevision) }
    /// How many times the key was written since it was made; zero for the mark of a deletion.
    public var version: UInt64 { unsafe record.header.version }

    /// A copy of everything.
    public var item: Item {
        Item(
            key: key, value: value, createRevision: createRevision, modRevision: modRevision, version: version
        )
    }

    /// Appends the key to `output`.
    public func appendKey(to output: inout [UInt8]) {
        unsafe withKey { unsafe output.append(contentsOf: $0) }
    }
    /// Appends the value to `output`.
    public func appendValue(to output: inout [UInt8]) {
        unsafe withValue { unsafe output.append(contentsOf: $0) }
    }

    /// Lends the key's bytes to `body`, which must not keep the pointer.
    public func withKey<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        // Counting references would cost more than all the rest of a walk over rows.
        try unsafe Unmanaged.passUnretained(record)._withUnsafeGuaranteedRef { try unsafe body($0.key) }
    }
    /// Lends the value's bytes to `body`, which must not keep the pointer.
    public func withValue<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try unsafe Unmanaged.passUnretained(record)._withUnsafeGuaranteedRef { try unsafe body($0.value) }
    }
}
