import Primitives
import Testing

@testable import Store

@Suite struct LeaseTests {
    @Test func `a lease is granted with an id of its own, or the one that was asked for`() {
        var keyspace = Keyspace()
        keyspace.put("k", "1")
        let outcome = keyspace.lease(
            .grant(LeaseTerms(timeToLive: 5_000, lockDelay: 3, name: "n", meta: "m")), time: 7_000)
        guard case .coordinated(.lease(.granted(let lease))) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(lease.id == "l-1" && lease.timer == 2 && lease.isPrivate == false)
        #expect(lease.grantedRevision == Revision(2) && lease.grantedAt == WallTime(milliseconds: 7_000))
        #expect(lease.terms == LeaseTerms(timeToLive: 5_000, lockDelay: 3, name: "n", meta: "m"))
        #expect(keyspace.lease("l-1") == lease)
        #expect(keyspace.revision == Revision(2), "a lease is no key: the revision stays")
        #expect(keyspace.grant("web 1").id == "web 1")
        #expect(
            keyspace.lease(.grant(LeaseTerms(id: "web 1", timeToLive: 1)))
                == .refused(.coordination(.leaseExists("web 1"))))
        keyspace.checkLeases()
    }

    @Test func `an id that is made is never one that a client has chosen`() {
        var keyspace = Keyspace()
        keyspace.grant("l-2")
        keyspace.grant("l-3")
        guard
            case .coordinated(.lease(.granted(let lease))) = keyspace.lease(.grant(LeaseTerms(timeToLive: 1)))
        else {
            Issue.record("no lease")
            return
        }
        #expect(lease.id == "l-4")
        keyspace.checkLeases()
    }

    @Test func `what is not there can't be renewed, revoked or put under`() {
        var keyspace = Keyspace()
        let refusal = Outcome.refused(.coordination(.leaseNotFound("a")))
        #expect(keyspace.lease(.renew(id: "a", timeToLive: 1)) == refusal)
        #expect(keyspace.lease(.revoke(id: "a")) == refusal)
        #expect(keyspace.put("k", "v", under: .existing("a")) == refusal)
        #expect(keyspace.count == 0 && keyspace.revision == Revision(1))
        #expect(keyspace.takeNews().isEmpty)
    }

    @Test
    func `a lease takes its keys with it at one revision, in their order, and says that it was the cause`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        for key in ["z", "b", "m"] { keyspace.put(key, "1", under: .existing("a")) }
        keyspace.put("c", "1")
        #expect(keyspace.keys(under: "a") == ["b", "m", "z"])
        #expect(
            keyspace.lease(.revoke(id: "a"))
                == .coordinated(.lease(.revoked(keys: 3, holds: 0, revision: Revision(6)))))
        #expect(keyspace.text() == "c=1")
        #expect(keyspace.changeText(from: 6) == "6:-b(a) 6:-m(a) 6:-z(a)")
        #expect(keyspace.text(at: 5) == "b=1 c=1 m=1 z=1", "what was stays readable")
        keyspace.checkLeases()
    }

    @Test func `all keys of leases that end together share one revision in the order of keys`() {
        var keyspace = Keyspace()
        let timers = ["x", "y"].map { keyspace.grant($0).timer }
        for (key, lease) in [("d", "x"), ("a", "y"), ("c", "x"), ("b", "y")] {
            keyspace.put(key, "1", under: .existing(lease))
        }
        #expect(keyspace.fire(timers) == .coordinated(.timers(2)))
        #expect(keyspace.changeText(from: 6) == "6:-a(y) 6:-b(y) 6:-c(x) 6:-d(x)")
        #expect(keyspace.revision == Revision(6) && keyspace.count == 0)
        keyspace.checkLeases()
    }

    @Test func `a lease without keys ends without a revision`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        #expect(
            keyspace.lease(.revoke(id: "a"))
                == .coordinated(.lease(.revoked(keys: 0, holds: 0, revision: Revision(1)))))
    }

    @Test func `keys of a lease that releases them stay, at a new revision and under no lease`() {
        var keyspace = Keyspace()
        let timer = keyspace.grant("a", end: .release).timer
        keyspace.put("k", "1", under: .existing("a"))
        keyspace.put("j", "2", under: .existing("a"))
        keyspace.fire([timer])
        #expect(keyspace.changeText(from: 4) == "4:j=2 4:k=1")
        #expect(keyspace.lease(ofKey: "k") == nil)
        let item = (try? keyspace.get(Array("k".utf8)).get())??
            .version
        #expect(item == 2)
        #expect(keyspace.text(at: 3) == "j=2 k=1")
        keyspace.checkLeases()
    }

    @Test func `both kinds of ends may happen in one command`() {
        var keyspace = Keyspace()
        let timers = [keyspace.grant("d").timer, keyspace.grant("r", end: .release).timer]
        keyspace.put("1", "x", under: .existing("r"))
        keyspace.put("2", "x", under: .existing("d"))
        keyspace.put("3", "x", under: .existing("r"))
        keyspace.fire(timers)
        #expect(keyspace.changeText(from: 5) == "5:1=x 5:-2(d) 5:3=x")
        keyspace.checkLeases()
    }

    @Test func `a key moves from lease to lease, and to none with a plain write`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        keyspace.grant("b")
        keyspace.put("k", "1", under: .existing("a"))
        #expect(keyspace.lease(ofKey: "k") == "a" && keyspace.keys(under: "a") == ["k"])
        keyspace.put("k", "2", under: .existing("b"))
        #expect(keyspace.lease(ofKey: "k") == "b" && keyspace.keys(under: "b") == ["k"])
        #expect(keyspace.keys(under: "a").isEmpty)
        keyspace.lease(.revoke(id: "a"))
        #expect(keyspace.text() == "k=2")
        keyspace.put("k", "3")
        #expect(keyspace.lease(ofKey: "k") == nil && keyspace.keys(under: "b").isEmpty)
        keyspace.lease(.revoke(id: "b"))
        #expect(keyspace.text() == "k=3")
        keyspace.checkLeases()
    }

    @Test func `a key moves between leases whose ids Unicode holds for equal`() {
        var keyspace = Keyspace()
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        keyspace.grant(composed)
        keyspace.grant(decomposed)
        keyspace.put("k", "1", under: .existing(composed))
        keyspace.put("k", "2", under: .existing(decomposed))
        keyspace.checkLeases()
        keyspace.lease(.revoke(id: composed))
        #expect(keyspace.text() == "k=2")
        keyspace.lease(.revoke(id: decomposed))
        #expect(keyspace.text() == "")
        keyspace.checkLeases()
    }

    @Test func `a key keeps its lease if that is asked for`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        keyspace.put("k", "1", under: .existing("a"))
        guard case .put(let outcome) = keyspace.put("k", "2", under: .kept) else {
            Issue.record("not written")
            return
        }
        #expect(outcome.lease == "a" && outcome.version == 2)
        #expect(keyspace.keys(under: "a") == ["k"])
        guard case .put(let free) = keyspace.put("j", "2", under: .kept) else {
            Issue.record("not written")
            return
        }
        #expect(free.lease == nil)
        keyspace.checkLeases()
        keyspace.lease(.revoke(id: "a"))
        #expect(keyspace.text() == "j=2")
    }

    @Test(arguments: ["delete", "range", "increment", "batch", "transaction"])
    func `whatever writes or deletes a key takes it from its lease`(_ how: String) {
        var keyspace = Keyspace()
        keyspace.grant("a")
        keyspace.put("k", "1", under: .existing("a"))
        keyspace.put("own", "1", under: .own(milliseconds: 1_000))
        let operation: (String) -> Store.Operation = { name in
            let key = Array(name.utf8)
            switch how {
            case "delete": return .delete(key: key, guard: nil, returnPrevious: false, mustExist: false)
            case "range": return .deleteRange(.only(key))
            case "increment": return .increment(key: key, by: 1)
            case "batch": return .batch([BatchPut(key: key, value: [])], createOnly: false)
            default:
                return .transaction(Transaction(then: [.put(key: key, value: [], returnPrevious: false)]))
            }
        }
        keyspace.apply(operation("k"))
        keyspace.apply(operation("own"))
        #expect(keyspace.keys(under: "a").isEmpty)
        #expect(keyspace.leases(limit: 9).map(\.id) == ["a"], "the lease of its own has ended with its key")
        let left = keyspace.count
        keyspace.lease(.revoke(id: "a"))
        #expect(keyspace.count == left)
        keyspace.checkLeases()
    }

    @Test func `a guard that fails grants no lease of its own`() {
        var keyspace = Keyspace()
        keyspace.put("k", "1")
        let number = keyspace.coordination.lastNumber
        let outcome = keyspace.apply(
            .leasedPut(
                key: Array("k".utf8), value: [], guard: .absent, returnPrevious: false,
                lease: .own(milliseconds: 1_000)))
        #expect(outcome == .refused(.preconditionFailed(current: Revision(2))))
        #expect(keyspace.coordination.count == 0 && keyspace.coordination.lastNumber == number)
    }

    @Test func `history keeps the lease of each version`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        keyspace.put("k", "1", under: .existing("a"))
        keyspace.put("k", "2")
        let old = (try? keyspace.get(Array("k".utf8), at: Revision(2)).get())??.lease
        #expect(old == "a")
    }

    @Test func `leases are listed by id, page by page`() {
        var keyspace = Keyspace()
        for id in ["b", "a", "c!", "c"] { keyspace.grant(id) }
        #expect(keyspace.leases(limit: 2).map(\.id) == ["a", "b"])
        #expect(keyspace.leases(after: "b", limit: 9).map(\.id) == ["c", "c!"])
        #expect(keyspace.leases(after: "bb", limit: 9).map(\.id) == ["c", "c!"])
        #expect(keyspace.leases(limit: 0).isEmpty)
        for key in ["3", "1", "2"] { keyspace.put(key, "", under: .existing("c")) }
        #expect(keyspace.keys(ofLease: "c", limit: 2).map(string) == ["1", "2"])
        #expect(keyspace.keys(ofLease: "c!").isEmpty)
    }
}

@Suite struct PrivateLeaseTests {
    /// A store with a key under a lease of its own.
    private func sample() -> (keyspace: Keyspace, id: String, timer: UInt64) {
        var keyspace = Keyspace()
        guard case .put(let outcome) = keyspace.put("k", "1", under: .own(milliseconds: 2_000)),
            let id = outcome.lease, let lease = keyspace.lease(id)
        else { preconditionFailure("not written") }
        #expect(lease.isPrivate && lease.terms.timeToLive == 2_000)
        return (keyspace, id, lease.timer)
    }

    @Test func `a lease of its own ends with its key and the key with it`() {
        var (keyspace, id, timer) = sample()
        keyspace.fire([timer])
        #expect(keyspace.count == 0 && keyspace.coordination.count == 0)
        #expect(keyspace.changeText(from: 3) == "3:-k(\(id))")
    }

    @Test func `writing again starts the time again, under another lease`() {
        var (keyspace, id, timer) = sample()
        guard case .put(let again) = keyspace.put("k", "2", under: .own(milliseconds: 2_000)) else {
            Issue.record("not written")
            return
        }
        #expect(again.lease != id && keyspace.lease(id) == nil)
        #expect(keyspace.fire([timer]) == .coordinated(.timers(0)))
        #expect(keyspace.text() == "k=2" && keyspace.coordination.timerCount == 1)
        keyspace.checkLeases()
    }

    @Test func `a plain write ends it and tells so`() {
        var (keyspace, id, timer) = sample()
        _ = keyspace.takeNews()
        keyspace.put("k", "2")
        #expect(
            keyspace.takeNews() == [
                .disarmed(timer), .changed(RowKey(.lease, id)), .stepped(.lease(id, .unused)),
            ])
        #expect(keyspace.coordination.count == 0)
    }

    @Test func `it can be kept, renewed and revoked like others`() {
        var (keyspace, id, timer) = sample()
        keyspace.put("k", "2", under: .kept)
        #expect(keyspace.lease(ofKey: "k") == id && keyspace.lease(id)?.timer == timer)
        keyspace.lease(.renew(id: id, timeToLive: 9_000))
        #expect(keyspace.fire([timer]) == .coordinated(.timers(0)))
        keyspace.checkLeases()
        keyspace.lease(.revoke(id: id))
        #expect(keyspace.count == 0 && keyspace.coordination.count == 0)
    }

    @Test func `another key under it keeps it alive`() {
        var (keyspace, id, _) = sample()
        keyspace.put("j", "1", under: .existing(id))
        keyspace.delete("k")
        #expect(keyspace.lease(id) != nil && keyspace.keys(under: id) == ["j"])
        keyspace.checkLeases()
        keyspace.delete("j")
        #expect(keyspace.lease(id) == nil && keyspace.coordination.count == 0)
    }
}

@Suite struct CoordinationLimitTests {
    @Test func `what would add to a full state is refused by name, and what ends or renews is not`() {
        var keyspace = Keyspace()
        keyspace.grant("a")
        keyspace.put("k", "1", under: .existing("a"))
        let bytes = keyspace.coordination.byteCount
        keyspace.coordination.byteCount = Limits.coordinationBytes
        let full = Outcome.refused(.coordination(.full))
        #expect(keyspace.lease(.grant(LeaseTerms(timeToLive: 1))) == full)
        #expect(keyspace.put("j", "1", under: .own(milliseconds: 1)) == full)
        #expect(keyspace.put("j", "1", under: .existing("a")) == full)
        #expect(keyspace.count == 1 && keyspace.revision == Revision(2))
        keyspace.lease(.renew(id: "a", timeToLive: nil))
        keyspace.put("j", "1")
        keyspace.lease(.revoke(id: "a"))
        #expect(keyspace.text() == "j=1")
        keyspace.coordination.byteCount -= Limits.coordinationBytes - bytes
        #expect(keyspace.coordination.byteCount == 0)
        #expect(keyspace.grant("b").id == "b")
    }

    @Test func `keys under leases may be a little shorter than others`() {
        var keyspace = Keyspace()
        let id = String(repeating: "l", count: Limits.leaseIDBytes)
        keyspace.grant(id)
        let longest = String(repeating: "k", count: Limits.leasedKeyBytes)
        for choice in [LeaseChoice.existing(id), .own(milliseconds: 5), .kept] {
            #expect(keyspace.put(longest + "k", "1", under: choice) == .refused(.malformedCommand))
            guard case .put = keyspace.put(longest, "1", under: choice) else {
                Issue.record("not written under \(choice)")
                continue
            }
        }
        keyspace.checkLeases()
    }
}

@Suite struct LeaseCheckpointTests {
    @Test func `leases, their keys and timers come back, and go on as they would have`() throws {
        var keyspace = Keyspace()
        let timer = keyspace.grant("a", ttl: 7_000, end: .release).timer
        keyspace.put("k", "1", under: .existing("a"))
        keyspace.put("own", "1", under: .own(milliseconds: 2_000))
        keyspace.put("gone", "1", under: .existing("a"))
        keyspace.delete("gone")
        let left = TimerCommand.TimeLeft(number: timer, milliseconds: 1_234)
        keyspace.apply(.coordinate(.timers(.elapsed(term: Term(1), [left]))))
        var restored = try keyspace.restored()
        #expect(restored.digest == keyspace.digest)
        #expect(restored.coordination.lastNumber == keyspace.coordination.lastNumber)
        #expect(restored.coordination.byteCount == keyspace.coordination.byteCount)
        #expect(restored.leases(limit: 9) == keyspace.leases(limit: 9))
        var remaining: [Int64] = []
        restored.coordination.forEachTimer { _, _, left in remaining.append(left) }
        #expect(remaining == [1_234, 2_000])
        restored.checkLeases()
        #expect(restored.takeNews().isEmpty)
        keyspace.fire([timer])
        restored.fire([timer])
        #expect(restored.digest == keyspace.digest && restored.text() == "k=1 own=1")
        // Also that a lease was the cause of a deletion.
        #expect(try restored.restored().digest == restored.digest)
        keyspace.grant("b")
        restored.grant("b")
        #expect(restored.digest == keyspace.digest, "the numbers go on")
    }

    @Test func `many rows take many blocks`() throws {
        var keyspace = Keyspace()
        let meta = String(repeating: "m", count: 4_000)
        for number in 0..<300 {
            keyspace.lease(.grant(LeaseTerms(id: "lease\(number)", timeToLive: 1_000, meta: meta)))
            keyspace.put("key\(number)", "v", under: .existing("lease\(number)"))
        }
        var writer = CheckpointWriter(keyspace, cluster: ClusterID(1))
        var kinds: [UInt8] = []
        while let chunk = writer.next() {
            if kinds.isEmpty { kinds.append(1) } else { kinds.append(chunk[4]) }
        }
        #expect(kinds.count { $0 == CheckpointFormat.Kind.rows.rawValue } > 4)
        let restored = try keyspace.restored(inChunksOf: 65_536)
        #expect(restored.digest == keyspace.digest)
        restored.checkLeases()
    }

    @Test func `every part of leases is in the digest`() {
        var plain = Keyspace()
        plain.grant("a")
        plain.put("k", "1", under: .existing("a"))
        var digests: Set<UInt64> = [plain.digest]
        var other = plain
        other.coordination.lastNumber += 1
        digests.insert(other.digest)
        other = plain
        other.coordination.note([.init(number: plain.lease("a")?.timer ?? 0, milliseconds: 3)])
        digests.insert(other.digest)
        other = plain
        other.coordination.remove(RowKey(.leasedKey, "a", Array("k".utf8)))
        digests.insert(other.digest)
        other = Keyspace()
        other.grant("a")
        other.put("k", "1")
        digests.insert(other.digest)
        #expect(digests.count == 5)
    }
}
