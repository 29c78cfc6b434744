import Primitives
import Testing

@testable import Store

/// When each revision was committed, as a list.
private struct Times {
    /// By revision, from 2 on; revision 1 is the empty store.
    var list: [(revision: UInt64, time: Int64)] = []

    /// The last revision that is not after an instant.
    func revision(notAfter instant: Int64) -> UInt64 {
        list.last { $0.time <= instant }?.revision ?? 1
    }
}

@Suite struct `Time travel` {
    /// A store whose clock often stands still and sometimes goes back, compacted now and then.
    private static func run(
        seed: UInt64, steps: Int = 250, _ check: (Keyspace, Times, inout TestRandom) throws -> Void
    ) rethrows {
        var random = TestRandom(seed: seed)
        var keyspace = Keyspace(limits: ModelTests.limits, leafCapacity: 3, innerCapacity: 4)
        var times = Times()
        var clock: Int64 = 1000
        for step in 0..<steps {
            clock += Int64([0, 0, 1, 7, -3, 40][random.below(6)])
            let before = keyspace.revision
            if random.below(40) == 0 {
                keyspace.apply(
                    .compact(Revision(UInt64(1 + random.below(Int(before.rawValue))))), time: clock)
            } else {
                keyspace.apply(random.operation(before), time: clock)
            }
            if keyspace.revision > before {
                times.list.append((keyspace.revision.rawValue, keyspace.lastTime.milliseconds))
            }
            if step % 10 == 0 { try check(keyspace, times, &random) }
        }
    }

    @Test(arguments: 1...4)
    func `an instant is the last revision that is not after it, or is refused`(seed: UInt64) throws {
        var refusals = 0
        try Self.run(seed: seed) { keyspace, times, _ in
            let last = keyspace.lastTime.milliseconds
            for instant in stride(from: Int64(990), through: last + 2, by: 1 + Int(last - 990) / 300) {
                let found = keyspace.revision(notAfter: WallTime(milliseconds: instant))
                let wanted = times.revision(notAfter: instant)
                guard let found else {
                    refusals += 1
                    // It may be that the compact revision would be the answer, never a later one.
                    #expect(wanted <= keyspace.compactRevision.rawValue)
                    let oldest = try #require(keyspace.oldestTime)
                    #expect(instant < oldest.milliseconds)
                    continue
                }
                #expect(found.rawValue == wanted)
                #expect(found >= keyspace.compactRevision)
            }
            // At each commit time it is the last revision of that time.
            for (revision, time) in times.list where revision > keyspace.compactRevision.rawValue {
                #expect(keyspace.time(of: Revision(revision))?.milliseconds == time)
                let found = keyspace.revision(notAfter: WallTime(milliseconds: time))
                #expect(found?.rawValue == times.revision(notAfter: time))
            }
        }
        #expect(refusals > 0)
    }

    @Test func `a checkpoint keeps the times`() throws {
        var count = 0
        try Self.run(seed: 9, steps: 120) { keyspace, _, _ in
            let restored = try keyspace.restored()
            #expect(restored.oldestTime == keyspace.oldestTime)
            for instant in stride(from: Int64(990), through: keyspace.lastTime.milliseconds, by: 5) {
                let instant = WallTime(milliseconds: instant)
                #expect(restored.revision(notAfter: instant) == keyspace.revision(notAfter: instant))
                count += 1
            }
        }
        #expect(count > 100)
    }

    @Test func `before the first change there is the empty store, until something is compacted`() {
        var keyspace = Keyspace()
        #expect(keyspace.revision(notAfter: WallTime(milliseconds: 5)) == Revision(1))
        keyspace.put("a", "1", time: 100)
        keyspace.put("a", "2", time: 100)
        #expect(keyspace.revision(notAfter: WallTime(milliseconds: 99)) == Revision(1))
        #expect(keyspace.revision(notAfter: WallTime(milliseconds: 100)) == Revision(3))
        #expect(keyspace.oldestTime == nil)
        keyspace.apply(.compact(Revision(3)), time: 200)
        #expect(keyspace.revision(notAfter: WallTime(milliseconds: 99)) == nil)
        #expect(keyspace.revision(notAfter: WallTime(milliseconds: 200)) == Revision(3))
    }

    // MARK: Differences

    @Test(arguments: 11...14)
    func `a difference is what two reads differ in, by changes and by keys, in pages`(seed: UInt64) throws {
        var kinds: Set<Difference.Kind> = []
        try Self.run(seed: seed) { keyspace, _, random in
            let lowest = max(1, Int(keyspace.compactRevision.rawValue))
            let span = Int(keyspace.revision.rawValue) - lowest + 1
            let (a, b) = (lowest + random.below(span), lowest + random.below(span))
            let (from, to) = (Revision(UInt64(min(a, b))), Revision(UInt64(max(a, b))))
            let range = [KeyRange.all, .prefix(Array("a/".utf8)), KeyRange(start: random.key(), end: nil)][
                random.below(3)]
            let wanted = try Self.difference(keyspace, range, from, to)
            for fromChanges in [true, false, nil] {
                var found: [String] = []
                var cursor: [UInt8]?
                let limit = 1 + random.below(5)
                repeat {
                    let page = try keyspace.differences(
                        in: range, from: from, to: to, limit: limit, after: cursor, fromChanges: fromChanges
                    ).get()
                    #expect(page.items.count <= limit && (!page.more || page.items.count == limit))
                    found += page.items.map {
                        Self.text($0.key, $0.old?.item, $0.new?.item)
                    }
                    for item in page.items {
                        kinds.insert(item.kind)
                        #expect(item.revision > from && item.revision <= to)
                        #expect(item.new.map { $0.modRevision == item.revision } ?? true)
                    }
                    cursor = page.more ? page.items.last?.key : nil
                } while cursor != nil
                #expect(found == wanted)
            }
        }
        #expect(kinds == [.added, .changed, .deleted])
    }

    /// By two full reads.
    private static func difference(
        _ keyspace: Keyspace, _ range: KeyRange, _ from: Revision, _ to: Revision
    ) throws -> [String] {
        var old: [[UInt8]: Item] = [:]
        var new: [[UInt8]: Item] = [:]
        for item in try keyspace.range(range, at: from).get().items { old[item.key] = item }
        for item in try keyspace.range(range, at: to).get().items { new[item.key] = item }
        let keys = Set(old.keys).union(new.keys).sorted { $0.lexicographicallyPrecedes($1) }
        return keys.filter { old[$0]?.modRevision != new[$0]?.modRevision }
            .map { text($0, old[$0], new[$0]) }
    }

    private static func text(_ key: [UInt8], _ old: Item?, _ new: Item?) -> String {
        func version(_ item: Item?) -> String {
            item.map { "\($0.value)@\($0.modRevision) v\($0.version)" } ?? "-"
        }
        return "\(key): \(version(old)) > \(version(new))"
    }

    @Test func `a key made and deleted in between is no difference, one written over and over is one`() throws
    {
        var keyspace = Keyspace()
        keyspace.put("same", "x")
        let from = keyspace.revision
        keyspace.put("gone", "x")
        keyspace.delete("gone")
        for _ in 0..<5 { keyspace.put("same", "x") }
        let page = try keyspace.differences(in: .all, from: from, to: keyspace.revision).get()
        #expect(page.items.map { string($0.key) } == ["same"])
        #expect(page.items.first?.kind == .changed)
        #expect(try keyspace.differences(in: .all, from: from, to: from).get().items.isEmpty)
    }

    @Test func `a difference of compacted or future revisions is refused`() {
        var keyspace = Keyspace()
        for _ in 0..<5 { keyspace.put("a", "x") }
        keyspace.apply(.compact(Revision(4)))
        let early = keyspace.differences(in: .all, from: Revision(3), to: Revision(5))
        guard case .failure(.compacted(Revision(4), Revision(6))) = early else {
            Issue.record("\(early)")
            return
        }
        let late = keyspace.differences(in: .all, from: Revision(4), to: Revision(7))
        guard case .failure(.future(Revision(6))) = late else {
            Issue.record("\(late)")
            return
        }
    }

    // MARK: Bounds of history

    private func set(_ keyspace: inout Keyspace, _ change: (inout HistoryCommand) -> Void) -> Outcome {
        var command = HistoryCommand()
        change(&command)
        return keyspace.apply(.coordinate(.history(command)))
    }

    @Test func `bounds that were chosen hold, outlast a checkpoint and count for the digest`() throws {
        var keyspace = Keyspace()
        for number in 0..<300 { keyspace.put("k\(number % 7)", "x", time: Int64(number)) }
        #expect(keyspace.compactRevision == .zero)
        let before = keyspace.digest
        _ = set(&keyspace) {
            $0.minimumRevisions = 10
            $0.maximumRevisions = 20
        }
        #expect(keyspace.digest != before)
        #expect(keyspace.historyBounds.maximumRevisions == 20)
        #expect(keyspace.historyBounds.maximumAge == Limits().historyAge)
        var restored = try keyspace.restored()
        #expect(restored.historyBounds == keyspace.historyBounds)
        for number in 0..<200 {
            let done = keyspace.compactRevision
            keyspace.put("k\(number % 7)", "y", time: 400)
            restored.put("k\(number % 7)", "y", time: 400)
            // In small steps: four, and two for each change.
            #expect(keyspace.compactRevision.rawValue <= max(done.rawValue, 1) + 6)
        }
        #expect(keyspace.digest == restored.digest)
        #expect(keyspace.revision - keyspace.compactRevision == 20)
    }

    @Test func `at least more than at most is refused and changes nothing`() {
        var keyspace = Keyspace()
        let before = keyspace.historyBounds
        let outcome = set(&keyspace) { $0.maximumRevisions = 5000 }
        #expect(outcome == .refused(.coordination(.historyBounds(minimum: 10_000, maximum: 5000))))
        #expect(keyspace.historyBounds == before)
    }

    @Test func `a command out of bounds is malformed`() {
        var keyspace = Keyspace()
        #expect(set(&keyspace) { $0.maximumRevisions = 0 } == .refused(.malformedCommand))
        #expect(set(&keyspace) { $0.maximumAge = -1 } == .refused(.malformedCommand))
        #expect(set(&keyspace) { $0.maximumBytes = 5 } == .refused(.malformedCommand))
        #expect(keyspace.historyBounds == HistoryBounds(Limits()))
    }
}
