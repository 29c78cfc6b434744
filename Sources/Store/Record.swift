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
        /// The length of the value in the lower 25 bits, that of the lease's id in the others.
        let counts: UInt32
        let keyCount: UInt16

        var valueCount: Int { Int(counts & 0x1ff_ffff) }
        var leaseCount: Int { Int(counts >> 25) }
    }

    /// How many bytes stand before the key.
    static let headCount = 46

    /// What a record costs besides its bytes: object header, numbers, allocator, slot in a map.
    static let overhead = 72

    /// Copies key, value and the lease's id into a new record. All must keep to the limits of the format.
    /// Whoever calls owns the reference, and passes it on without counting it once more.
    static func make(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, createRevision: Revision,
        modRevision: Revision, version: UInt64, lease: UnsafeRawBufferPointer? = nil
    ) -> Unmanaged<Record> {
        let leaseCount = unsafe lease?.count ?? 0
        precondition(
            key.count <= Limits.keyBytes && value.count <= Limits.valueBytes
                && leaseCount <= Limits.leaseIDBytes)
        let buffer = Record.create(minimumCapacity: key.count + value.count + leaseCount) { _ in
            Header(
                createRevision: createRevision.rawValue, modRevision: modRevision.rawValue, version: version,
                counts: UInt32(leaseCount) << 25 | UInt32(value.count), keyCount: UInt16(key.count))
        }
        unsafe buffer.withUnsafeMutablePointerToElements { bytes in
            let bytes = UnsafeMutableRawPointer(bytes)
            if let start = key.baseAddress { unsafe bytes.copyMemory(from: start, byteCount: key.count) }
            if let start = value.baseAddress {
                unsafe (bytes + key.count).copyMemory(from: start, byteCount: value.count)
            }
            if let start = unsafe lease?.baseAddress {
                unsafe (bytes + key.count + value.count).copyMemory(from: start, byteCount: leaseCount)
            }
        }
        return unsafe Unmanaged.fromOpaque(Unmanaged.passRetained(buffer).toOpaque())
    }

    /// The mark of a deletion, with the lease whose end has caused it.
    static func tombstone(
        key: UnsafeRawBufferPointer, modRevision: Revision, cause: UnsafeRawBufferPointer? = nil
    ) -> Unmanaged<Record> {
        unsafe make(
            key: key, value: UnsafeRawBufferPointer(start: nil, count: 0), createRevision: .zero,
            modRevision: modRevision, version: 0, lease: cause)
    }

    /// `header`, read without the checks of exclusive access that a property of an object is subject to:
    /// nobody writes to it.
    @inline(__always) private var numbers: Header {
        unsafe withUnsafeMutablePointerToHeader { unsafe $0.pointee }
    }

    var createRevision: Revision { Revision(numbers.createRevision) }
    var modRevision: Revision { Revision(numbers.modRevision) }
    var version: UInt64 { numbers.version }
    var keyCount: Int { Int(numbers.keyCount) }
    var valueCount: Int { numbers.valueCount }
    var leaseCount: Int { numbers.leaseCount }
    var isTombstone: Bool { version == 0 }
    /// What the record costs in memory, about.
    var cost: Int { keyCount + valueCount + leaseCount + Record.overhead }

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
                start: bytes + Int(header.pointee.keyCount), count: header.pointee.valueCount)
        }
    }

    /// The bytes of the id of the lease that the version ends with, or that ended the key; empty if there is
    /// none. Valid while the record is.
    var lease: UnsafeRawBufferPointer {
        unsafe withUnsafeMutablePointers { header, bytes in
            unsafe UnsafeRawBufferPointer(
                start: bytes + Int(header.pointee.keyCount) + header.pointee.valueCount,
                count: header.pointee.leaseCount)
        }
    }
}

/// Records stand in the order of their keys; a map holds one of each.
enum ByKey: SortOrder {
    static func place(of record: Record) -> Place { unsafe Place(record.key) }
}

/// One version of a key that shares the store's bytes: cheap to hold, never changed, good for ever.
///
/// Holding a row keeps its bytes in memory, also after the store has let go of them.
public struct Row: Sendable {
    /// Never written to.
    nonisolated(unsafe) let record: Record

    init(_ record: Record) { unsafe self.record = record }

    /// The row of a record that somebody else owns at this moment.
    init(_ record: Unmanaged<Record>) { unsafe self.record = unsafe record.takeUnretainedValue() }

    /// Bytes in the key.
    public var keyCount: Int { unsafe record.keyCount }
    /// Bytes in the value.
    public var valueCount: Int { unsafe record.valueCount }
    /// A copy of the key.
    public var key: [UInt8] { unsafe withKey { unsafe [UInt8]($0) } }
    /// A copy of the value.
    public var value: [UInt8] { unsafe withValue { unsafe [UInt8]($0) } }
    /// The revision that made the key, counted from its last deletion.
    public var createRevision: Revision { unsafe record.createRevision }
    /// The revision that wrote this version.
    public var modRevision: Revision { unsafe record.modRevision }
    /// How many times the key was written since it was made; zero for the mark of a deletion.
    public var version: UInt64 { unsafe record.version }

    /// The id of the lease that the key ends with; of a deletion, that of the lease whose end has caused it.
    public var lease: String? {
        unsafe Unmanaged.passUnretained(record)._withUnsafeGuaranteedRef { record in
            record.leaseCount == 0 ? nil : unsafe String(decoding: record.lease, as: UTF8.self)
        }
    }

    /// A copy of everything.
    public var item: Item {
        Item(
            key: key, value: value, createRevision: createRevision, modRevision: modRevision,
            version: version, lease: lease)
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
