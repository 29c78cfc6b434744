import Primitives
import Testing

@testable import Store

@Suite struct CoordinationRowTests {
    @Test func `rows sort by kind, names and numbers`() {
        let keys = [
            RowKey(.timer, 1), RowKey(.timer, 255), RowKey(.timer, 256), RowKey(.timer, 1 << 40),
            RowKey(.lease, "a"), RowKey(.lease, "a!"), RowKey(.lease, "ab"), RowKey(.lease, "b"),
            RowKey(.leasedKey, "a", [0]), RowKey(.leasedKey, "a", [255]), RowKey(.leasedKey, "a!", []),
        ]
        for (a, b) in zip(keys, keys.dropFirst()) {
            #expect(a.bytes.lexicographicallyPrecedes(b.bytes), "\(a) before \(b)")
        }
        #expect(RowKey(.timer, 0x0102_0304_0506_0708).bytes == [1, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(RowKey(.timer, .max).lastNumber == .max)
        #expect(
            RowKey(.leasedHold, "a", RowKey(.timer, 7).bytes).bytes == [4, 97, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7])
    }

    @Test func `rows are made, replaced, removed and counted with their bytes`() {
        var rows = Coordination(leafCapacity: 3, innerCapacity: 4)
        for number in 0..<100 { rows.set(RowKey(.request, UInt64(number)), bytes: [1, 2, 3]) }
        for number in 0..<100 { rows.set(RowKey(.lease, "l\(number)"), bytes: []) }
        #expect(rows.count == 200)
        #expect(rows.count(RowKey(.request)) == 100 && rows.count(RowKey(.timer)) == 0)
        #expect(rows.byteCount == 100 * (9 + 3) + 10 * 4 + 90 * 5)
        rows.set(RowKey(.request, 7), bytes: [9])
        #expect(rows.bytes(RowKey(.request, 7)) == [9] && rows.byteCount == 100 * 12 - 2 + 490)
        #expect(rows.first(RowKey(.lease))?.key == RowKey(.lease, "l0"))
        #expect(rows.first(RowKey(.timer)) == nil)
        #expect(rows.keys(RowKey(.request), limit: 3).map(\.lastNumber) == [0, 1, 2])
        #expect(rows.keys(RowKey(.request), limit: 0).isEmpty)
        var seen: [UInt64] = []
        rows.forEach(RowKey(.request), after: RowKey(.request, 96)) { key, _ in
            seen.append(key.lastNumber)
            return true
        }
        #expect(seen == [97, 98, 99])
        for number in 0..<100 {
            let removed = rows.remove(RowKey(.request, UInt64(number)))
            let again = rows.remove(RowKey(.request, UInt64(number)))
            #expect(removed && !again)
        }
        #expect(rows.count == 100 && rows.byteCount == 490)
    }

    @Test func `a copy keeps its rows while the original changes`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        let frozen = keyspace
        keyspace.lease(.revoke(id: "a"))
        #expect(frozen.lease("a") != nil && keyspace.lease("a") == nil)
        frozen.checkLeases()
        keyspace.checkLeases()
    }

    @Test func `numbers are never given twice`() {
        var rows = Coordination()
        let first = rows.nextNumber()
        let timer = rows.arm(.lease("a"), milliseconds: 5)
        rows.disarm(timer)
        let second = rows.nextNumber()
        #expect(first == 1 && timer == 2 && second == 3 && rows.lastNumber == 3)
    }
}

@Suite struct TimerTests {
    /// A store with lease `a` and the number of its timer.
    private func sample() -> (keyspace: Keyspace, timer: UInt64) {
        var keyspace = Keyspace()
        let timer = keyspace.grant("a").timer
        _ = keyspace.takeNews()
        return (keyspace, timer)
    }

    @Test func `what is armed and disarmed is told once`() {
        var keyspace = Keyspace()
        let lease = keyspace.grant("a", ttl: 5_000)
        #expect(
            keyspace.takeNews() == [
                .armed(lease.timer, milliseconds: 5_000), .stepped(.lease("a", .granted)),
            ])
        #expect(keyspace.takeNews().isEmpty)
        keyspace.lease(.renew(id: "a", timeToLive: nil))
        let timer = keyspace.lease("a")?.timer ?? 0
        #expect(timer > lease.timer)
        #expect(keyspace.takeNews() == [.disarmed(lease.timer), .armed(timer, milliseconds: 5_000)])
        keyspace.lease(.revoke(id: "a"))
        #expect(
            keyspace.takeNews() == [
                .disarmed(timer), .changed(RowKey(.lease, "a")), .stepped(.lease("a", .revoked)),
            ])
        #expect(keyspace.coordination.timerCount == 0)
    }

    @Test func `a firing ends what it names and counts it`() {
        var (keyspace, timer) = sample()
        #expect(keyspace.fire([timer, timer, 99]) == .coordinated(.timers(1)))
        #expect(keyspace.lease("a") == nil)
        #expect(
            keyspace.takeNews() == [
                .disarmed(timer), .changed(RowKey(.lease, "a")), .stepped(.lease("a", .expired)),
            ])
        #expect(keyspace.fire([timer]) == .coordinated(.timers(0)))
        keyspace.checkLeases()
    }

    @Test func `a firing that stands in an entry of another term does nothing`() {
        var (keyspace, timer) = sample()
        for term in [Term(0), Term(2)] {
            #expect(keyspace.fire([timer], term: term) == .coordinated(.timers(0)))
            #expect(keyspace.lease("a")?.timer == timer)
        }
        #expect(keyspace.takeNews().isEmpty)
        let left = TimerCommand.TimeLeft(number: timer, milliseconds: 1)
        #expect(
            keyspace.apply(.coordinate(.timers(.elapsed(term: Term(2), [left])))) == .coordinated(.timers(0)))
        #expect(remaining(keyspace) == [10_000])
    }

    @Test func `a firing hits nothing after a renewal`() {
        var (keyspace, timer) = sample()
        keyspace.lease(.renew(id: "a", timeToLive: nil))
        #expect(keyspace.fire([timer]) == .coordinated(.timers(0)))
        #expect(keyspace.lease("a") != nil)
        keyspace.checkLeases()
    }

    @Test func `what is left of a timer never grows, and is never less than nothing`() {
        var (keyspace, timer) = sample()
        for (told, expected) in [(20_000, 10_000), (4_000, 4_000), (5_000, 4_000), (-3, 0), (1, 0)]
            as [(Int64, Int64)]
        {
            let left = TimerCommand.TimeLeft(number: timer, milliseconds: told)
            keyspace.apply(
                .coordinate(.timers(.elapsed(term: Term(1), [left, .init(number: 77, milliseconds: 3)]))))
            #expect(remaining(keyspace) == [expected])
        }
        #expect(keyspace.lease("a") != nil, "only a firing ends it")
        keyspace.lease(.renew(id: "a", timeToLive: 3_000))
        #expect(remaining(keyspace) == [3_000])
        keyspace.checkLeases()
    }

    private func remaining(_ keyspace: Keyspace) -> [Int64] {
        var all: [Int64] = []
        keyspace.coordination.forEachTimer { _, _, remaining in all.append(remaining) }
        return all
    }

    @Test func `the time of commands decides nothing`() {
        var (keyspace, timer) = sample()
        keyspace.put("k", "v", time: 1_000_000_000)
        keyspace.lease(.renew(id: "a", timeToLive: nil), time: 2_000_000_000)
        #expect(keyspace.lease("a") != nil)
        #expect(keyspace.fire([timer]) == .coordinated(.timers(0)))
    }

    @Test func `a command names no more than the most timers`() {
        let most = (0..<UInt64(TimerCommand.mostTimers)).map { $0 }
        var keyspace = Keyspace()
        #expect(keyspace.fire(most) == .coordinated(.timers(0)))
        #expect(keyspace.fire(most + [1]) == .refused(.malformedCommand))
    }

    @Test func `commands of timers and leases that no client can mean are malformed`() {
        var keyspace = Keyspace()
        let wrong: [LeaseCommand] = [
            .grant(LeaseTerms(timeToLive: 0)), .grant(LeaseTerms(timeToLive: -1)),
            .grant(LeaseTerms(timeToLive: 1, lockDelay: -1)), .grant(LeaseTerms(id: "", timeToLive: 1)),
            .grant(LeaseTerms(id: "a\u{0}b", timeToLive: 1)), .grant(LeaseTerms(id: "a\n", timeToLive: 1)),
            .grant(LeaseTerms(id: String(repeating: "x", count: 101), timeToLive: 1)),
            .renew(id: "a", timeToLive: -5),
        ]
        for command in wrong {
            #expect(keyspace.lease(command) == .refused(.malformedCommand), "\(command)")
        }
        #expect(keyspace.put("k", "v", under: .own(milliseconds: 0)) == .refused(.malformedCommand))
        #expect(keyspace.coordination.count == 0 && keyspace.revision == Revision(1))
    }
}
