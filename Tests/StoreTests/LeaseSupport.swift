import Primitives
import Testing

@testable import Store

extension Keyspace {
    /// Carries out a command on leases as the next log entry.
    @discardableResult mutating func lease(_ command: LeaseCommand, time: Int64 = 1000) -> Outcome {
        apply(.coordinate(.lease(command)), time: time)
    }

    /// Grants a lease with this id, which is free.
    @discardableResult mutating func grant(
        _ id: String, ttl: Int64 = 10_000, end: LeaseTerms.End = .delete
    ) -> Lease {
        let outcome = lease(.grant(LeaseTerms(id: id, timeToLive: ttl, end: end)))
        guard case .coordinated(.lease(.granted(let lease))) = outcome else {
            preconditionFailure("no lease: \(outcome)")
        }
        return lease
    }

    @discardableResult mutating func put(
        _ key: String, _ value: String, under lease: LeaseChoice, time: Int64 = 1000
    ) -> Outcome {
        apply(
            .leasedPut(
                key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false,
                lease: lease),
            time: time)
    }

    /// Says that timers have run out, in an entry of term 1, as the leader of `term`.
    @discardableResult mutating func fire(_ numbers: [UInt64], term: Term = Term(1)) -> Outcome {
        apply(.coordinate(.timers(.fire(term: term, numbers))))
    }

    /// The lease that a key is under.
    func lease(ofKey key: String) -> String? { (try? row(Array(key.utf8)).get())??.lease }

    /// The keys under a lease.
    func keys(under id: String) -> [String] { keys(ofLease: id).map(string) }

    /// All changes from a revision on, as `3:a=1 4:-a(lease)`.
    func changeText(from revision: UInt64) -> String {
        var texts: [String] = []
        _ = changes(since: Revision(revision - 1)) { change in
            let lease = change.row.lease.map { "(\($0))" } ?? ""
            let value = change.isDelete ? "" : "=" + string(change.row.value)
            texts.append(
                "\(change.revision):" + (change.isDelete ? "-" : "") + string(change.key) + value + lease)
            return true
        }
        return texts.joined(separator: " ")
    }

    /// Checks that the rows of leases, their timers and the keys under them agree with each other.
    func checkLeases(
        _ place: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var faults: [String] = []
        var timers: [UInt64: String] = [:]
        var (count, bytes) = (0, 0)
        for kind: RowKind in [.timer, .lease, .leasedKey, .leasedHold, .request] {
            coordination.forEach(RowKey(kind)) { key, value in
                count += 1
                bytes += key.bytes.count + value.count
                return true
            }
        }
        if count != coordination.count { faults.append("\(coordination.count) rows told, \(count) found") }
        if bytes != coordination.byteCount {
            faults.append("\(coordination.byteCount) bytes, \(bytes) found")
        }
        coordination.forEach(RowKey(.timer)) { key, value in
            let row: TimerRow = Coordination.decode(value)
            guard case .lease(let id) = row.target else { return true }
            timers[key.lastNumber] = id
            if lease(id)?.timer != key.lastNumber { faults.append("timer \(key.lastNumber) of nothing") }
            if key.lastNumber > coordination.lastNumber {
                faults.append("timer \(key.lastNumber) of the future")
            }
            if row.remaining > row.duration || row.remaining < 0 { faults.append("\(row)") }
            return true
        }
        var keyCount = 0
        for lease in leases(limit: .max) {
            if timers.removeValue(forKey: lease.timer) == nil { faults.append("\(lease.id) has no timer") }
            let keys = keys(ofLease: lease.id)
            if lease.isPrivate, keys.isEmpty, holds(ofLease: lease.id).isEmpty {
                faults.append("\(lease.id) is private and empty")
            }
            keyCount += keys.count
            for key in keys {
                guard let found = (try? row(key).get())??.lease, found.utf8.elementsEqual(lease.id.utf8)
                else {
                    faults.append("\(string(key)) is not under \(lease.id)")
                    continue
                }
            }
        }
        if !timers.isEmpty { faults.append("timers without leases: \(timers)") }
        if keyCount != coordination.count(RowKey(.leasedKey)) {
            faults.append("keys of leases that are gone")
        }
        let leased = (try? range(.all).get())?.items.count { $0.lease != nil }
        if leased != keyCount {
            faults.append("\(leased ?? -1) keys say that they have a lease, not \(keyCount)")
        }
        #expect(faults.isEmpty, "\(place())", sourceLocation: sourceLocation)
    }
}

extension CommandTests {
    static let leases: [Store.Operation] = [
        .leasedPut(key: key, value: [1], guard: .absent, returnPrevious: true, lease: .existing("web é")),
        .leasedPut(key: key, value: [], guard: nil, returnPrevious: false, lease: .kept),
        .leasedPut(key: key, value: [7], guard: nil, returnPrevious: false, lease: .own(milliseconds: .max)),
        .coordinate(.lease(.grant(LeaseTerms(timeToLive: 1)))),
        .coordinate(
            .lease(
                .grant(
                    LeaseTerms(
                        id: "é 1", timeToLive: 86_400_000, end: .release, lockDelay: 5_000, name: "n",
                        meta: "{}")))),
        .coordinate(.lease(.renew(id: "a", timeToLive: nil))),
        .coordinate(.lease(.renew(id: "a", timeToLive: 1_000))),
        .coordinate(.lease(.revoke(id: "a"))),
        .coordinate(.timers(.fire(term: Term(300), [1, 2, .max]))),
        .coordinate(.timers(.fire(term: Term(0), []))),
        .coordinate(.timers(.elapsed(term: Term(3), [.init(number: 9, milliseconds: 0)]))),
        .coordinate(.abandon(RequestID(high: 1 << 60, low: 3))),
    ]
}
