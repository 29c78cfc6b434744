import Primitives
import Testing

@testable import Store

/// Leases as anyone would write them who had no care for speed.
struct NaiveLeases {
    struct Lease: Equatable {
        var timeToLive: Int64
        var remaining: Int64
        var timer: UInt64
        var end: LeaseTerms.End
        var isPrivate: Bool
    }
    struct Key: Equatable {
        var value: String
        var lease: String?
    }

    var leases: [String: Lease] = [:]
    var keys: [String: Key] = [:]
    var revision: UInt64 = 1

    mutating func write(_ key: String, _ value: String, under lease: String? = nil) {
        revision += 1
        let old = keys[key]?.lease
        keys[key] = Key(value: value, lease: lease)
        if let old, old != lease { leave(old) }
    }

    mutating func delete(_ doomed: [String]) {
        let doomed = doomed.filter { keys[$0] != nil }
        if !doomed.isEmpty { revision += 1 }
        for key in doomed {
            if let lease = keys.removeValue(forKey: key)?.lease { leave(lease) }
        }
    }

    /// A key has left a lease.
    private mutating func leave(_ id: String) {
        guard leases[id]?.isPrivate == true, !keys.values.contains(where: { $0.lease == id }) else { return }
        leases[id] = nil
    }

    mutating func end(_ ids: [String]) {
        var isChanged = false
        for id in ids {
            guard let lease = leases.removeValue(forKey: id) else { continue }
            for (key, value) in keys where value.lease == id {
                isChanged = true
                keys[key] = lease.end == .delete ? nil : Key(value: value.value, lease: nil)
            }
        }
        if isChanged { revision += 1 }
    }

    mutating func note(_ told: Int64, leftOf timer: UInt64) {
        guard let (id, lease) = leases.first(where: { $0.value.timer == timer }) else { return }
        leases[id]?.remaining = min(lease.remaining, max(0, told))
    }

    mutating func fire(_ numbers: [UInt64]) -> Int {
        let ids = numbers.compactMap { number in leases.first { $0.value.timer == number }?.key }
        let distinct = Set(ids)
        end(Array(distinct))
        return distinct.count
    }
}

@Suite struct LeaseModelTests {
    private static let ids = ["a", "b", "c!", "c", "web é"]

    private struct Run {
        var random: TestRandom
        var keyspace = Keyspace(limits: ModelTests.limits, leafCapacity: 3, innerCapacity: 4)
        var model = NaiveLeases()
        /// Timers that ran once.
        var oldTimers: [UInt64] = []
        var seen: [String: Int] = [:]

        init(seed: UInt64) { random = TestRandom(seed: seed) }

        mutating func id() -> String {
            // Private leases have ids as well, which clients can read.
            let known = model.leases.keys.sorted()
            if random.below(8) == 0, !known.isEmpty { return known[random.below(known.count)] }
            return LeaseModelTests.ids[random.below(5)]
        }

        mutating func key() -> String {
            ["k1", "k2", "k3", "m", "", "z"][random.below(4)] + "\(random.below(4))"
        }

        mutating func note(_ what: String) { seen[what, default: 0] += 1 }
    }

    @Test(arguments: 1...8) func `leases agree with a model`(seed: UInt64) throws {
        var run = Run(seed: seed)
        for step in 0..<800 {
            let number = run.keyspace.coordination.lastNumber
            let before = run.keyspace.leases(limit: .max).map(\.timer)
            Self.step(&run)
            run.oldTimers += before
            if run.oldTimers.count > 40 { run.oldTimers.removeFirst(run.oldTimers.count - 40) }
            #expect(run.keyspace.coordination.lastNumber >= number)
            Self.compare(run, step)
            if step % 50 == 0 {
                let restored = try run.keyspace.restored(inChunksOf: 700)
                #expect(restored.digest == run.keyspace.digest, "step \(step)")
                run.keyspace = restored
            }
        }
        for what in ["granted", "renewed", "revoked", "fired", "fired late", "fired in vain", "noted", "own"]
        {
            #expect(run.seen[what, default: 0] > 2, "\(what) is rare: \(run.seen)")
        }
    }

    private static func step(_ run: inout Run) {
        switch run.random.below(16) {
        case 0, 1: grant(&run)
        case 2: renew(&run)
        case 3: revoke(&run)
        case 4, 5: fire(&run)
        case 6: note(&run)
        case 7..<12: putUnderLease(&run)
        case 12, 13:
            let (key, value) = (run.key(), "\(run.random.below(9))")
            run.keyspace.put(key, value)
            run.model.write(key, value)
        case 14:
            let key = run.key()
            run.keyspace.delete(key)
            run.model.delete([key])
        default:
            let prefix = ["k", "m", "k1"][run.random.below(3)]
            run.keyspace.apply(.deleteRange(.prefix(Array(prefix.utf8))))
            run.model.delete(run.model.keys.keys.filter { $0.hasPrefix(prefix) })
        }
    }

    private static func grant(_ run: inout Run) {
        let (id, ttl) = (run.id(), Int64(run.random.below(5) + 1) * 1_000)
        let end = run.random.below(3) == 0 ? LeaseTerms.End.release : .delete
        let outcome = run.keyspace.lease(.grant(LeaseTerms(id: id, timeToLive: ttl, end: end)))
        if run.model.leases[id] != nil {
            #expect(outcome == .refused(.coordination(.leaseExists(id))))
        } else if case .coordinated(.lease(.granted(let lease))) = outcome {
            #expect(lease.id == id && lease.grantedRevision.rawValue == run.model.revision)
            run.note("granted")
            run.model.leases[id] = .init(
                timeToLive: ttl, remaining: ttl, timer: lease.timer, end: end, isPrivate: false)
        } else {
            Issue.record("\(outcome)")
        }
    }

    private static func renew(_ run: inout Run) {
        let id = run.id()
        let ttl: Int64? = run.random.below(2) == 0 ? nil : Int64(run.random.below(5) + 1) * 1_000
        let outcome = run.keyspace.lease(.renew(id: id, timeToLive: ttl))
        guard var lease = run.model.leases[id] else {
            #expect(outcome == .refused(.coordination(.leaseNotFound(id))))
            return
        }
        guard case .coordinated(.lease(.renewed(let renewed))) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(renewed.timer > lease.timer)
        run.note("renewed")
        lease.timer = renewed.timer
        lease.timeToLive = ttl ?? lease.timeToLive
        lease.remaining = lease.timeToLive
        run.model.leases[id] = lease
    }

    private static func revoke(_ run: inout Run) {
        let id = run.id()
        let outcome = run.keyspace.lease(.revoke(id: id))
        guard run.model.leases[id] != nil else {
            #expect(outcome == .refused(.coordination(.leaseNotFound(id))))
            return
        }
        let keys = run.model.keys.values.count { $0.lease == id }
        run.model.end([id])
        run.note("revoked")
        #expect(
            outcome
                == .coordinated(
                    .lease(.revoked(keys: keys, holds: 0, revision: Revision(run.model.revision)))))
    }

    /// Fires some timers that run, some that ran once and some that never did, in the right term or not.
    private static func fire(_ run: inout Run) {
        let running = run.model.leases.values.map(\.timer).sorted()
        var numbers: [UInt64] = []
        for _ in 0...run.random.below(3) {
            switch run.random.below(4) {
            case 0 where !run.oldTimers.isEmpty:
                numbers.append(run.oldTimers[run.random.below(run.oldTimers.count)])
            case 1: numbers.append(run.keyspace.coordination.lastNumber + 1)
            default: if !running.isEmpty { numbers.append(running[run.random.below(running.count)]) }
            }
        }
        let isLate = run.random.below(4) == 0
        let count = isLate ? 0 : run.model.fire(numbers)
        let outcome = run.keyspace.fire(numbers, term: Term(isLate ? UInt64(run.random.below(2) * 2) : 1))
        #expect(outcome == .coordinated(.timers(count)))
        run.note(isLate ? "fired late" : count > 0 ? "fired" : "fired in vain")
    }

    private static func note(_ run: inout Run) {
        var left: [TimerCommand.TimeLeft] = []
        var numbers = run.model.leases.values.map(\.timer).sorted().filter { _ in run.random.below(2) == 0 }
        numbers.append(run.oldTimers.first ?? 1_000_000)
        for number in numbers {
            let told = Int64(run.random.below(6_000)) - 100
            left.append(.init(number: number, milliseconds: told))
            run.model.note(told, leftOf: number)
        }
        run.keyspace.apply(.coordinate(.timers(.elapsed(term: Term(1), left))))
        run.note("noted")
    }

    private static func putUnderLease(_ run: inout Run) {
        let (key, value) = (run.key(), "\(run.random.below(9))")
        switch run.random.below(4) {
        case 0:
            let ttl = Int64(run.random.below(5) + 1) * 1_000
            guard case .put(let outcome) = run.keyspace.put(key, value, under: .own(milliseconds: ttl)),
                let id = outcome.lease, let lease = run.keyspace.lease(id)
            else {
                Issue.record("not written")
                return
            }
            #expect(lease.isPrivate && run.model.leases[id] == nil)
            run.model.leases[id] = .init(
                timeToLive: ttl, remaining: ttl, timer: lease.timer, end: .delete, isPrivate: true)
            run.model.write(key, value, under: id)
            run.note("own")
        case 1:
            run.keyspace.put(key, value, under: .kept)
            run.model.write(key, value, under: run.model.keys[key]?.lease)
        default:
            let id = run.id()
            let outcome = run.keyspace.put(key, value, under: .existing(id))
            guard run.model.leases[id] != nil else {
                #expect(outcome == .refused(.coordination(.leaseNotFound(id))))
                return
            }
            run.model.write(key, value, under: id)
        }
    }

    private static func compare(_ run: Run, _ step: Int) {
        let (keyspace, model) = (run.keyspace, run.model)
        keyspace.checkLeases("step \(step)")
        #expect(keyspace.revision.rawValue == model.revision, "step \(step)")
        var remaining: [UInt64: Int64] = [:]
        keyspace.coordination.forEachTimer { number, _, left in remaining[number] = left }
        let leases = Dictionary(
            uniqueKeysWithValues: keyspace.leases(limit: .max).map { lease in
                (
                    lease.id,
                    NaiveLeases.Lease(
                        timeToLive: lease.terms.timeToLive, remaining: remaining[lease.timer] ?? -1,
                        timer: lease.timer, end: lease.terms.end, isPrivate: lease.isPrivate)
                )
            })
        #expect(leases == model.leases, "step \(step)")
        let items = (try? keyspace.range(.all).get())?.items ?? []
        let keys = Dictionary(
            uniqueKeysWithValues: items.map {
                (string($0.key), NaiveLeases.Key(value: string($0.value), lease: $0.lease))
            })
        #expect(keys == model.keys, "step \(step)")
    }
}
