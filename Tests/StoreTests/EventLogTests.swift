import Primitives
import Testing

@testable import Store

/// An event log beside a list of the same changes. It holds the records, as a keyspace does.
struct LoggedChanges {
    struct Change {
        let key: [UInt8]
        let revision: UInt64
        let record: Record
    }

    var log = EventLog()
    var all: [Change] = []
    /// How many of the oldest changes were forgotten.
    var forgotten = 0
    var kept: ArraySlice<Change> { all[forgotten...] }

    mutating func add(_ key: String, at revision: UInt64) {
        let bytes = Array(key.utf8)
        let record = bytes.withUnsafeBytes { key in
            Record.make(
                key: key, value: key, createRevision: Revision(1), modRevision: Revision(revision), version: 1
            ).takeRetainedValue()
        }
        let old = all.last { $0.key == bytes }?.record
        log.append(
            revision: Revision(revision), time: WallTime(milliseconds: Int64(revision)),
            record: .passUnretained(record), superseded: old.map { .passRetained($0) }, isDelete: false)
        all.append(Change(key: bytes, revision: revision, record: record))
    }

    mutating func forget(_ count: Int) {
        for _ in 0..<count { log.removeFirst() }
        forgotten += count
    }

    /// The places of a key's changes that are kept, oldest first.
    func places(of key: String) -> [Int] {
        kept.indices.filter { all[$0].key == Array(key.utf8) }.map { $0 - forgotten }
    }

    /// What is wrong with the log, nil if it has the changes that it should have.
    func check() -> String? {
        if log.count != kept.count { return "\(log.count) changes instead of \(kept.count)" }
        for (place, change) in kept.enumerated() {
            let event = log[place]
            if event.revision.rawValue != change.revision { return "revision at \(place)" }
            if event.record.takeUnretainedValue() !== change.record { return "record at \(place)" }
            let old = all[..<(forgotten + place)].last { $0.key == change.key }?.record
            if event.superseded?.takeUnretainedValue() !== old { return "superseded at \(place)" }
        }
        return nil
    }
}

@Suite struct EventLogTests {
    @Test func `the first change after a revision is found, whatever the gaps`() {
        var changes = LoggedChanges()
        var random = TestRandom(seed: 3)
        var revision: UInt64 = 1
        while changes.all.count < 600 {
            revision += 1 + UInt64(random.below(6) == 0 ? random.below(20) : 0)
            // Revisions of several changes, and runs of them; their keys ascend.
            let count = random.below(5) == 0 ? 1 + random.below(7) : 1
            for key in 0..<count { changes.add("k\(key)", at: revision) }
        }
        for forgotten in [0, 1, 100, 155, 1, 200] {
            changes.forget(forgotten)
            let kept = changes.kept.map(\.revision)
            for wanted in 0...(revision + 2) {
                let expected = kept.firstIndex { $0 > wanted } ?? kept.count
                let found = changes.log.firstPlace(after: Revision(wanted))
                if found != expected { Issue.record("after \(wanted): \(found) instead of \(expected)") }
            }
        }
        changes.forget(changes.kept.count)
        #expect(changes.log.firstPlace(after: .zero) == 0)
        #expect(changes.log.first?.revision == nil)
    }

    @Test func `the change that made a record is found among others of its revision`() {
        var changes = LoggedChanges()
        for revision in 2...40 {
            for key in ["a", "b", "c", "d", "e"] { changes.add(key, at: UInt64(revision)) }
        }
        changes.forget(7)
        for (place, change) in changes.all.enumerated() {
            let expected = place < 7 ? nil : place - 7
            #expect(changes.log.place(of: change.record) == expected)
        }
        let stranger = LoggedChanges.recordOf(key: "bb", revision: 20)
        #expect(changes.log.place(of: stranger) == nil)
        let later = LoggedChanges.recordOf(key: "a", revision: 41)
        #expect(changes.log.place(of: later) == nil)
    }

    // MARK: Links

    /// A key with many versions among others.
    static func hot(_ count: Int) -> LoggedChanges {
        var changes = LoggedChanges()
        for number in 0..<count {
            changes.add("hot", at: UInt64(number + 2))
            if number % 3 == 0 { changes.add("cold\(number % 7)", at: UInt64(number + 2)) }
        }
        return changes
    }

    @Test(arguments: [0, 1, 130, 700])
    func `each change leads to the one before it, and jumps as far as it says`(forgotten: Int) {
        var changes = Self.hot(900)
        changes.forget(forgotten)
        let places = changes.places(of: "hot")
        for (number, place) in places.enumerated() {
            #expect(changes.log.previous(of: place) == (number > 0 ? places[number - 1] : nil))
            guard let jump = changes.log.jump(from: place) else { continue }
            guard jump.steps <= number, places[number - jump.steps] == jump.place else {
                Issue.record("\(place) jumps to \(jump)")
                continue
            }
        }
        #expect(changes.log.jump(from: places[0]) == nil)
    }

    @Test func `thousands of versions are passed in a few dozen steps`() {
        let changes = Self.hot(4000)
        let places = changes.places(of: "hot")
        for target in places {
            var (place, steps) = (places.last!, 0)
            while place > target {
                if let jump = changes.log.jump(from: place), jump.place >= target {
                    place = jump.place
                } else {
                    place = changes.log.previous(of: place)!
                }
                steps += 1
            }
            if steps > 30 { Issue.record("\(steps) steps to \(target)") }
        }
    }

    @Test(arguments: [0, 5, 300])
    func `the version in force at any revision is found`(forgotten: Int) {
        var changes = Self.hot(500)
        changes.forget(forgotten)
        for key in ["hot", "cold0", "cold6"] {
            let versions = changes.all.filter { $0.key == Array(key.utf8) }
            // What the oldest change that is kept superseded can still be told.
            let gone = changes.all[..<forgotten].count { $0.key == Array(key.utf8) }
            for revision in versions[max(0, gone - 1)].revision...510 {
                let expected = versions.last { $0.revision <= revision }?.record
                let found = changes.log.version(of: versions.last!.record, notAfter: Revision(revision))
                if found !== expected { Issue.record("\(key) at \(revision)") }
            }
        }
    }

    // MARK: Copies

    /// Numbers of changes around the size of a piece.
    @Test(arguments: [0, 1, 100, 255, 256, 257, 600])
    func `a copy and its original go on separately`(count: Int) {
        var original = LoggedChanges()
        for number in 0..<count { original.add("k\(number % 5)", at: UInt64(number + 2)) }
        var fork = original
        let frozen = original
        for number in 0..<300 {
            original.add("k\(number % 3)", at: UInt64(count + number + 2))
            fork.add("fork\(number % 4)", at: UInt64(count + 2 * number + 3))
        }
        #expect(original.check() == nil)
        #expect(fork.check() == nil)
        #expect(frozen.check() == nil)
    }

    @Test(arguments: [1, 200, 256, 300])
    func `forgetting leaves copies what they had`(forgotten: Int) {
        var original = LoggedChanges()
        for number in 0..<600 { original.add("k\(number % 5)", at: UInt64(number + 2)) }
        let frozen = original
        var fork = original
        original.forget(forgotten)
        fork.forget(forgotten / 2)
        original.add("k1", at: 700)
        fork.add("k2", at: 700)
        #expect(original.check() == nil)
        #expect(fork.check() == nil)
        #expect(frozen.check() == nil)
        original.forget(300)
        fork.forget(450)
        #expect(original.check() == nil)
        #expect(fork.check() == nil)
        #expect(frozen.check() == nil)
    }

    /// A log that is copied copies a piece only with its next change.
    @Test(arguments: [false, true], [false, true])
    func `a superseded version is freed with the last log that knows it`(isCopied: Bool, isChanged: Bool) {
        var log = EventLog()
        let newest = LoggedChanges.recordOf(key: "a", revision: 9)
        weak var probe: Record?
        do {
            let old = LoggedChanges.recordOf(key: "a", revision: 2)
            probe = old
            log.append(
                revision: Revision(9), time: WallTime(milliseconds: 1), record: .passUnretained(newest),
                superseded: .passRetained(old), isDelete: false)
            for revision in 10..<20 {
                log.append(
                    revision: Revision(UInt64(revision)), time: WallTime(milliseconds: 1),
                    record: .passUnretained(newest), superseded: nil, isDelete: false)
            }
        }
        #expect(probe != nil)
        var copy: EventLog? = isCopied ? log : nil
        if isChanged {
            log.append(
                revision: Revision(30), time: WallTime(milliseconds: 1), record: .passUnretained(newest),
                superseded: nil, isDelete: false)
        }
        log.removeFirst()
        #expect((probe != nil) == isCopied)
        #expect(copy?.first?.superseded?.takeUnretainedValue() === probe)
        copy = nil
        log.removeFirst()
        #expect(probe == nil)
    }
}

extension LoggedChanges {
    static func recordOf(key: String, revision: UInt64) -> Record {
        Array(key.utf8).withUnsafeBytes { key in
            Record.make(
                key: key, value: key, createRevision: Revision(1), modRevision: Revision(revision), version: 1
            ).takeRetainedValue()
        }
    }
}
