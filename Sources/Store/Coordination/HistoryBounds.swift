import Primitives

// How much history is kept, as the cluster has agreed. A row of the state, so that all replicas free the same
// versions at the same entry and a checkpoint carries it.

/// How much history is kept.
public struct HistoryBounds: Sendable, Equatable {
    /// Between the two numbers of revisions, what is younger than this is kept; in milliseconds.
    public var maximumAge: Int64
    /// At least so many of the newest revisions are kept (unless ``maximumBytes`` is exceeded).
    public var minimumRevisions: UInt64
    /// At most so many of the newest revisions are kept.
    public var maximumRevisions: UInt64
    /// Superseded versions cost at most this many bytes, whatever the other bounds say.
    public var maximumBytes: UInt64

    /// What can be chosen: from 0 to ten years.
    public static let ages: ClosedRange<Int64> = 0...315_360_000_000
    /// What can be chosen for either number of revisions; at most none is 1, the newest.
    public static let revisions: ClosedRange<UInt64> = 1...10_000_000
    /// What can be chosen: from 1 MiB to 16 GiB.
    public static let bytes: ClosedRange<UInt64> = (1 << 20)...(16 << 30)

    /// What is kept as long as nobody has chosen.
    public init(_ limits: Limits) {
        maximumAge = limits.historyAge
        minimumRevisions = limits.minimumRevisions
        maximumRevisions = limits.maximumRevisions
        maximumBytes = UInt64(limits.historyBytes)
    }
}

/// A choice of how much history is kept; what is nil stays as it is.
public struct HistoryCommand: Sendable, Equatable {
    /// See ``HistoryBounds/maximumAge``.
    public var maximumAge: Int64?
    /// See ``HistoryBounds/minimumRevisions``.
    public var minimumRevisions: UInt64?
    /// See ``HistoryBounds/maximumRevisions``.
    public var maximumRevisions: UInt64?
    /// See ``HistoryBounds/maximumBytes``.
    public var maximumBytes: UInt64?

    /// Changes nothing.
    public init() {}

    /// Whether nothing is chosen.
    public var isEmpty: Bool { self == HistoryCommand() }
}

extension HistoryBounds: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        maximumAge = try reader.signed()
        minimumRevisions = try reader.varint()
        maximumRevisions = try reader.varint()
        maximumBytes = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        writer.signed(maximumAge)
        writer.varint(minimumRevisions)
        writer.varint(maximumRevisions)
        writer.varint(maximumBytes)
    }
}

extension HistoryCommand {
    func encode(into writer: inout ByteWriter) {
        writer.bool(maximumAge != nil)
        if let maximumAge { writer.signed(maximumAge) }
        for number in [minimumRevisions, maximumRevisions, maximumBytes] {
            writer.bool(number != nil)
            if let number { writer.varint(number) }
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        if try reader.bool() { maximumAge = try reader.signed() }
        minimumRevisions = try reader.bool() ? try reader.varint() : nil
        maximumRevisions = try reader.bool() ? try reader.varint() : nil
        maximumBytes = try reader.bool() ? try reader.varint() : nil
        let isSound =
            maximumAge.map(HistoryBounds.ages.contains) ?? true
            && minimumRevisions.map(HistoryBounds.revisions.contains) ?? true
            && maximumRevisions.map(HistoryBounds.revisions.contains) ?? true
            && maximumBytes.map(HistoryBounds.bytes.contains) ?? true
        guard isSound else { throw .malformed }
    }
}

// MARK: - State machine

extension Keyspace {
    mutating func carryOut(_ command: HistoryCommand) -> Outcome {
        var bounds = historyBounds
        if let age = command.maximumAge { bounds.maximumAge = age }
        if let count = command.minimumRevisions { bounds.minimumRevisions = count }
        if let count = command.maximumRevisions { bounds.maximumRevisions = count }
        if let count = command.maximumBytes { bounds.maximumBytes = count }
        guard bounds.minimumRevisions <= bounds.maximumRevisions else {
            return .refused(
                .coordination(
                    .historyBounds(minimum: bounds.minimumRevisions, maximum: bounds.maximumRevisions)))
        }
        coordination.set(RowKey(.historyBounds), bounds)
        historyBounds = bounds
        return .coordinated(.historyBounds(bounds))
    }

    /// Takes the bounds from the rows, which came from a checkpoint; false if they are none.
    mutating func readHistoryBounds() -> Bool {
        guard let bytes = coordination.bytes(RowKey(.historyBounds)) else { return true }
        do throws(ByteReaderError) {
            var reader = ByteReader(bytes)
            historyBounds = try HistoryBounds(reading: &reader)
            try reader.expectEnd()
            return true
        } catch {
            return false
        }
    }

    /// Changes that are kept; they make up the history.
    public var changeCount: Int { events.count }
}
