public import Primitives

// Leases (Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache
// consistency", 1989): a right that ends by itself unless it is renewed. Keys and holds that were put under a
// lease end with it, all at one revision.

/// What is done with leases.
public enum LeaseCommand: Sendable, Equatable {
    /// A new lease.
    case grant(LeaseTerms)
    /// Starts a lease's time again, with another time to live if one is given, in milliseconds.
    case renew(id: String, timeToLive: Int64?)
    /// Ends a lease now.
    case revoke(id: String)
}

/// What is asked for with a new lease.
public struct LeaseTerms: Sendable, Equatable {
    /// What becomes of the keys under a lease when it ends.
    public enum End: UInt8, Sendable {
        /// They are deleted.
        case delete = 1
        /// They stay, and belong to no lease.
        case release = 2
    }

    /// The id; nil to be given one.
    public var id: String?
    /// How long it lasts without being renewed, in milliseconds.
    public var timeToLive: Int64
    /// What becomes of its keys.
    public var end: End
    /// For how long a lock that was held under it is not given to others after it has expired, in
    /// milliseconds.
    public var lockDelay: Int64
    /// What the client calls it.
    public var name: String
    /// What the client wants to be remembered with it.
    public var meta: String

    /// Makes it of its parts.
    public init(
        id: String? = nil, timeToLive: Int64, end: End = .delete, lockDelay: Int64 = 0, name: String = "",
        meta: String = ""
    ) {
        self.id = id
        self.timeToLive = timeToLive
        self.end = end
        self.lockDelay = lockDelay
        self.name = name
        self.meta = meta
    }
}

/// A lease as it stands in the state.
public struct Lease: Sendable, Equatable {
    /// Under what it is known.
    public internal(set) var id: String
    /// What it was granted for; the time to live is that of the last renewal.
    public internal(set) var terms: LeaseTerms
    /// The number of its running timer; another one after each renewal.
    public internal(set) var timer: UInt64
    /// The store's revision when it was granted.
    public internal(set) var grantedRevision: Revision
    /// The log's time when it was granted.
    public internal(set) var grantedAt: WallTime
    /// Whether it was made for one key or hold, and ends with that.
    public internal(set) var isPrivate: Bool
}

/// What became of a lease.
public enum LeaseOutcome: Sendable, Equatable {
    /// It was granted.
    case granted(Lease)
    /// Its time began anew.
    case renewed(Lease)
    /// It has ended, and with it so many keys and holds, at this revision.
    case revoked(keys: Int, holds: Int, revision: Revision)
}

extension Lease: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        id = try reader.string()
        terms = try LeaseTerms(reading: &reader)
        timer = try reader.varint()
        grantedRevision = try reader.counter()
        grantedAt = WallTime(milliseconds: try reader.signed())
        isPrivate = try reader.bool()
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(id)
        terms.encode(into: &writer)
        writer.varint(timer)
        writer.counter(grantedRevision)
        writer.signed(grantedAt.milliseconds)
        writer.bool(isPrivate)
    }
}

// MARK: - State machine

extension Keyspace {
    mutating func carryOut(_ command: LeaseCommand) -> Outcome {
        switch command {
        case .grant(let terms):
            if let id = terms.id, coordination.has(RowKey(.lease, id)) {
                return .refused(.coordination(.leaseExists(id)))
            }
            guard hasRoom else { return .refused(.coordination(.full)) }
            return .coordinated(.lease(.granted(grantLease(terms, isPrivate: false))))
        case .renew(let id, let timeToLive):
            if isPlanted(.renewalRevives), lease(id) == nil {
                let terms = LeaseTerms(id: id, timeToLive: timeToLive ?? 1_000)
                return .coordinated(.lease(.renewed(grantLease(terms, isPrivate: false))))
            }
            guard var lease = lease(id) else { return .refused(.coordination(.leaseNotFound(id))) }
            if !isPlanted(.renewalKeepsTimer) { coordination.disarm(lease.timer) }
            if let timeToLive, timeToLive != lease.terms.timeToLive {
                lease.terms.timeToLive = timeToLive
                coordination.news.append(.changed(RowKey(.lease, id)))
            }
            lease.timer = coordination.arm(.lease(id), milliseconds: lease.terms.timeToLive)
            coordination.set(RowKey(.lease, id), lease)
            return .coordinated(.lease(.renewed(lease)))
        case .revoke(let id):
            guard lease(id) != nil else { return .refused(.coordination(.leaseNotFound(id))) }
            let ended = endLeases([id])
            return .coordinated(.lease(.revoked(keys: ended.keys, holds: ended.holds, revision: revision)))
        }
    }

    /// Whether coordination may hold more rows.
    var hasRoom: Bool {
        coordination.count < Limits.coordinationRows && coordination.byteCount < Limits.coordinationBytes
    }

    /// The lease with this id, nil if there is none.
    public func lease(_ id: String) -> Lease? { coordination.value(RowKey(.lease, id)) }

    /// Leases in the order of their ids, from the one after `cursor` on.
    public func leases(after cursor: String? = nil, limit: Int) -> [Lease] {
        var leases: [Lease] = []
        let last = cursor.map { RowKey(.lease, $0) }
        coordination.forEach(RowKey(.lease), after: last) { _, value in
            guard leases.count < limit else { return false }
            leases.append(Coordination.decode(value))
            return true
        }
        return leases
    }

    /// The keys that end with a lease, in their order.
    public func keys(ofLease id: String, limit: Int = .max) -> [[UInt8]] {
        let prefix = RowKey(.leasedKey, id)
        return coordination.keys(prefix, limit: limit).map { [UInt8]($0.bytes.dropFirst(prefix.bytes.count)) }
    }

    /// The rows of what is held under a lease.
    func holds(ofLease id: String) -> [RowKey] {
        let prefix = RowKey(.leasedHold, id)
        return coordination.keys(prefix).map {
            RowKey(bytes: [UInt8]($0.bytes.dropFirst(prefix.bytes.count)))
        }
    }

    /// Makes a lease. The caller has seen to it that there is none with its id.
    mutating func grantLease(_ terms: LeaseTerms, isPrivate: Bool) -> Lease {
        var id = terms.id
        while id == nil {
            // A client may have chosen a name like ours.
            let made = "l-" + String(coordination.nextNumber(), radix: 36)
            if !coordination.has(RowKey(.lease, made)) { id = made }
        }
        let name = id ?? ""
        let lease = Lease(
            id: name, terms: terms, timer: coordination.arm(.lease(name), milliseconds: terms.timeToLive),
            grantedRevision: revision, grantedAt: lastTime, isPrivate: isPrivate)
        coordination.set(RowKey(.lease, name), lease)
        coordination.news.append(.stepped(.lease(name, .granted)))
        return lease
    }

    /// Ends leases, with their keys at one revision and their holds. Ids that are not known are passed over.
    mutating func endLeases(_ ids: [String], haveExpired: Bool = false) -> (keys: Int, holds: Int) {
        var doomed: [(key: [UInt8], id: String, isDeleted: Bool)] = []
        var holdCount = 0
        for id in ids {
            guard let lease = lease(id) else { continue }
            coordination.disarm(lease.timer)
            coordination.remove(RowKey(.lease, id))
            coordination.news.append(.changed(RowKey(.lease, id)))
            coordination.news.append(.stepped(.lease(id, haveExpired ? .expired : .revoked)))
            for key in keys(ofLease: id) where !(haveExpired && isPlanted(.expiryLeavesKeys)) {
                doomed.append((key, id, lease.terms.end == .delete))
            }
            for hold in holds(ofLease: id) {
                coordination.remove(RowKey(.leasedHold, id, hold.bytes))
                coordination.endHold(
                    hold, delay: haveExpired ? lease.terms.lockDelay : 0, at: lastTime)
                holdCount += 1
            }
        }
        guard !doomed.isEmpty else { return (0, holdCount) }
        revision = revision.next
        for (key, id, isDeleted) in doomed.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            unsafe key.withUnsafeBytes { key in
                if isDeleted {
                    _ = unsafe erase(key, cause: id)
                } else if let row = unsafe current.find(Place(key)).map({ unsafe Row($0) }) {
                    _ = unsafe row.withValue { unsafe write(key: key, value: $0) }
                }
            }
        }
        return (doomed.count, holdCount)
    }

    /// A key is not under this lease any more.
    mutating func detach(_ key: UnsafeRawBufferPointer, fromLease id: String) {
        unsafe coordination.remove(RowKey(.leasedKey, id, key))
        endIfUnused(id)
    }

    /// A private lease ends with the last of what is under it.
    mutating func endIfUnused(_ id: String) {
        guard let lease = lease(id), lease.isPrivate, coordination.first(RowKey(.leasedKey, id)) == nil,
            coordination.first(RowKey(.leasedHold, id)) == nil
        else { return }
        coordination.disarm(lease.timer)
        coordination.remove(RowKey(.lease, id))
        coordination.news.append(.changed(RowKey(.lease, id)))
        coordination.news.append(.stepped(.lease(id, .unused)))
    }
}

extension Coordination {
    /// Puts a thing under a lease, whose id must be known.
    mutating func hold(_ row: RowKey, under id: String) { set(RowKey(.leasedHold, id, row.bytes)) }

    /// A thing is not under a lease any more, because it was given back.
    mutating func letGo(_ row: RowKey, of id: String) { remove(RowKey(.leasedHold, id, row.bytes)) }

    /// A thing ends since the lease has ended under which it was held; its row is still there.
    mutating func endHold(_ row: RowKey, delay: Int64, at time: WallTime) {
        switch row.kind {
        case .barrierMember: endBarrierHold(row)
        case .claimHold, .claimWaiter: endClaim(row, delay: delay)
        case .worker: endWorker(row, at: time)
        case .participant: endParticipant(row)
        default: preconditionFailure("no hold: \(row)")
        }
    }
}

// MARK: - Binary form

extension LeaseTerms {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        id = try reader.bool() ? try reader.string() : nil
        timeToLive = try reader.signed()
        guard let end = End(rawValue: try reader.byte()) else { throw .malformed }
        self.end = end
        lockDelay = try reader.signed()
        name = try reader.string()
        meta = try reader.string()
        guard timeToLive > 0, lockDelay >= 0, id.map(Limits.isLeaseID) ?? true else { throw .malformed }
    }

    func encode(into writer: inout ByteWriter) {
        writer.bool(id != nil)
        if let id { writer.string(id) }
        writer.signed(timeToLive)
        writer.byte(end.rawValue)
        writer.signed(lockDelay)
        writer.string(name)
        writer.string(meta)
    }
}

extension LeaseCommand {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .grant(let terms):
            writer.byte(1)
            terms.encode(into: &writer)
        case .renew(let id, let timeToLive):
            writer.byte(2)
            writer.string(id)
            writer.signed(timeToLive ?? 0)
        case .revoke(let id):
            writer.byte(3)
            writer.string(id)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .grant(try LeaseTerms(reading: &reader))
        case 2:
            let id = try reader.string()
            let timeToLive = try reader.signed()
            guard timeToLive >= 0 else { throw .malformed }
            self = .renew(id: id, timeToLive: timeToLive == 0 ? nil : timeToLive)
        case 3: self = .revoke(id: try reader.string())
        default: throw .malformed
        }
    }
}
