import Primitives

// Fencing (Chubby, OSDI 2006, section 2.4, calls such a token a sequencer): whoever holds a lock may be
// stopped for so long that the lock passes on, and go on with its writes all the same. So a write may name
// the tokens under which it is made. They are looked at where the write stands in the log, among the grants
// and ends of holds: before it is applied nobody can tell whether they will be current.

/// A fencing token that has to be current for a command to change anything.
public struct Fence: Hashable, Sendable {
    /// What is held with the token.
    public var claim: ClaimName
    /// The token.
    public var token: UInt64
    /// Makes it of its parts.
    public init(_ claim: ClaimName, token: UInt64) {
        self.claim = claim
        self.token = token
    }
}

extension Limits {
    /// No command names more fences.
    public static let fenceCount = 16
}

extension Keyspace {
    /// The token of who holds a thing; of several holders, that of the one who has held it for the longest.
    /// Nil if nobody holds it.
    public func currentToken(of claim: ClaimName) -> UInt64? {
        coordination.keys(claim.holds, limit: 1).first?.lastNumber
    }

    /// What is held under a lease, at most `limit` of it: locks, elections, then semaphores, by their names.
    public func fences(ofLease id: String, limit: Int) -> [Fence] {
        let start = RowKey(.leasedHold, id).bytes.count
        let rows = coordination.keys(RowKey(.leasedHold, id, [RowKind.claimHold.rawValue]), limit: limit)
        return rows.map { row in
            let hold = RowKey(bytes: [UInt8](row.bytes.dropFirst(start)))
            return Fence(ClaimName(of: hold), token: hold.lastNumber)
        }
    }

    /// The refusal of a command with these fences; nil if all their tokens are current.
    func refusal(of fences: [Fence]) -> Refusal? {
        for fence in isPlanted(.looksAtFirstFence) ? Array(fences.prefix(1)) : fences
        where !isCurrent(fence) {
            return .fenceStale(fence, current: currentToken(of: fence.claim))
        }
        return nil
    }

    private func isCurrent(_ fence: Fence) -> Bool {
        if isHeld(fence.claim, token: fence.token) { return true }
        if isPlanted(.checksFencesWhenAsked) { return fence.token > 0 }
        let current = currentToken(of: fence.claim)
        if isPlanted(.freeThingPassesFence) { return current == nil }
        if isPlanted(.olderTokenPassesFence) { return current.map { fence.token < $0 } ?? false }
        return false
    }
}

// MARK: - Binary form

extension Fence {
    func encode(into writer: inout ByteWriter) {
        claim.encode(into: &writer)
        writer.varint(token)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        self.init(try ClaimName(reading: &reader), token: try reader.varint())
    }
}

extension ByteWriter {
    /// Fences behind their number.
    mutating func fences(_ fences: [Fence]) { list(fences) { $0.encode(into: &$1) } }
}

extension RawReader {
    /// The name of a lock, an election or a semaphore.
    mutating func claimName() throws(ByteReaderError) -> ClaimName {
        guard let kind = ClaimKind(rawValue: try unsafe byte()) else { throw .malformed }
        let bytes = try unsafe sized(upTo: Limits.nameBytes)
        guard let name = unsafe String(validating: bytes, as: UTF8.self), Limits.isName(name) else {
            throw .malformed
        }
        return ClaimName(kind, name)
    }

    /// Fences behind their number, at least one.
    mutating func fences() throws(ByteReaderError) -> [Fence] {
        let count = try unsafe count(upTo: Limits.fenceCount)
        guard count > 0 else { throw .malformed }
        var fences: [Fence] = []
        fences.reserveCapacity(count)
        for _ in 0..<count {
            let claim = try unsafe claimName()
            fences.append(Fence(claim, token: try unsafe varint()))
        }
        return fences
    }
}
