import Primitives
import Testing

@testable import Store

@Suite struct RangeTests {
    @Test func `a prefix ends before the next one`() {
        #expect(KeyRange.prefix([1, 2]) == KeyRange(start: [1, 2], end: [1, 3]))
        #expect(KeyRange.prefix([1, 255, 255]) == KeyRange(start: [1, 255, 255], end: [2]))
        #expect(KeyRange.prefix([255]) == KeyRange(start: [255], end: nil))
        #expect(KeyRange.prefix([]) == .all)
        #expect(KeyRange.only([1]).contains([1]) && !KeyRange.only([1]).contains([1, 0]))
        #expect(KeyRange(start: [2], end: [1]).isEmpty && !KeyRange.all.isEmpty)
    }

    @Test func `pages of one revision fit together while writes go on`() throws {
        var keyspace = Keyspace()
        for number in 0..<30 { keyspace.put("k\(number + 10)", "old") }
        let revision = keyspace.revision
        var cursor: [UInt8]?
        var seen: [String] = []
        repeat {
            let page = try keyspace.range(.all, at: revision, limit: 7, after: cursor).get()
            #expect(page.revision == revision)
            seen += page.items.map { string($0.value) }
            cursor = page.more ? page.rows.last?.key : nil
            keyspace.put("k\(seen.count + 12)", "new")
            keyspace.put("k1", "new")
            keyspace.delete("k\(seen.count + 13)")
        } while cursor != nil
        #expect(seen == [String](repeating: "old", count: 30))
    }

    @Test func `rows outlive what they came from`() throws {
        var keyspace = Keyspace()
        keyspace.put("a", "first")
        let row = try #require(try keyspace.row(Array("a".utf8)).get())
        keyspace.put("a", "second")
        keyspace.delete("a")
        keyspace.apply(.compact(keyspace.revision))
        var output = Array("<".utf8)
        row.appendKey(to: &output)
        row.appendValue(to: &output)
        #expect(string(output) == "<afirst")
        #expect(row.withValue { $0.count } == 5)
    }

    @Test(arguments: [1, 2, 3, 100])
    func `folding gives rows and prefixes once each`(limit: Int) throws {
        var keyspace = Keyspace()
        for key in ["a", "a/", "a/1", "a/2/3", "a0", "b/1", "b/2", "c", "c//d", "\u{7f}/x"] {
            keyspace.put(key, key)
        }
        let revision = keyspace.revision
        keyspace.delete("b/1")
        keyspace.delete("b/2")
        for (prefix, at, rows, folders) in [
            ("", nil, "a a0 c", "a/ c/ \u{7f}/"), ("", revision, "a a0 c", "a/ b/ c/ \u{7f}/"),
            ("a/", nil, "a/ a/1", "a/2/"), ("c/", nil, "", "c//"), ("a", nil, "a a0", "a/"),
            ("x", nil, "", ""),
        ] {
            var cursor: [UInt8]?
            var (foundRows, foundFolders): ([String], [String]) = ([], [])
            var isFirst = true
            while isFirst || cursor != nil {
                isFirst = false
                let page = try keyspace.fold(
                    .prefix(Array(prefix.utf8)), by: Array("/".utf8), skipping: prefix.utf8.count, at: at,
                    limit: limit, after: cursor
                ).get()
                #expect(page.rows.count + page.commonPrefixes.count <= limit)
                foundRows += page.rows.map { string($0.key) }
                foundFolders += page.commonPrefixes.map(string)
                cursor = page.next
            }
            #expect(foundRows.joined(separator: " ") == rows, "\(prefix)")
            #expect(foundFolders.joined(separator: " ") == folders, "\(prefix)")
        }
    }

    @Test func `folding at the last possible prefix ends`() throws {
        var keyspace = Keyspace()
        keyspace.apply(.put(key: [255, 255, 47], value: [], guard: nil, returnPrevious: false))
        keyspace.apply(.put(key: [255, 255, 255], value: [], guard: nil, returnPrevious: false))
        let page = try keyspace.fold(.all, by: [255], skipping: 0).get()
        #expect(page.commonPrefixes == [[255]] && page.rows.isEmpty && page.next == nil)
    }

    @Test func `history comes in pages from either end`() {
        var keyspace = Keyspace()
        for number in 1...5 { keyspace.put("a", "\(number)", time: Int64(number)) }
        keyspace.delete("a")
        keyspace.put("a", "7", time: 9)
        let key = Array("a".utf8)
        for descending in [false, true] {
            var revisions: [UInt64] = []
            var cursor: Revision?
            while true {
                let page = keyspace.history(of: key, after: cursor, limit: 3, descending: descending)
                revisions += page.changes.map(\.revision.rawValue)
                cursor = page.changes.last?.revision
                if !page.more { break }
            }
            #expect(revisions == (descending ? (2...8).reversed() : Array(2...8)))
        }
        let changes = keyspace.history(of: key).changes
        #expect(changes.map(\.isDelete) == [false, false, false, false, false, true, false])
        #expect(changes.map { $0.time?.milliseconds } == [1, 2, 3, 4, 5, 1000, 1000])
    }
}

@Suite struct CompactionTests {
    @Test func `history is bounded by number and by age`() {
        var limits = Limits()
        (limits.minimumRevisions, limits.maximumRevisions, limits.historyAge) = (10, 50, 100)
        var keyspace = Keyspace(limits: limits)
        for _ in 0..<200 { keyspace.put("a", "x", time: 1000) }
        #expect(keyspace.compactRevision == keyspace.revision - 50)
        #expect(keyspace.historyCount == 50)
        // Time passes: all but the newest ten go, a few with each command.
        for step in 0..<40 { keyspace.apply(.increment(key: [1], by: 0), time: Int64(2000 + step)) }
        #expect(keyspace.compactRevision == keyspace.revision - 40 + 0)
        keyspace.apply(.increment(key: [1], by: 0), time: 9000)
        for _ in 0..<20 {
            keyspace.apply(.delete(key: [9], guard: nil, returnPrevious: false, mustExist: false))
        }
        #expect(keyspace.compactRevision == keyspace.revision - 10)
        #expect(keyspace.events.count == 10)
    }

    @Test func `large values shorten history`() {
        var limits = Limits()
        limits.historyBytes = 10_000
        var keyspace = Keyspace(limits: limits)
        let value = String(repeating: "v", count: 1000)
        for _ in 0..<100 {
            keyspace.put("a", value)
            #expect(keyspace.historyBytes <= limits.historyBytes + 1100)
        }
        #expect(keyspace.historyCount < 11)
        #expect(keyspace.text() == "a=\(value)")
    }

    @Test func `explicit compaction is seen at once and freed step by step`() {
        var keyspace = Keyspace()
        for number in 0..<100 { keyspace.put("k\(number % 10)", "\(number)") }
        let frozen = keyspace
        #expect(keyspace.historyCount == 90)
        #expect(keyspace.apply(.compact(Revision(101))) == .compacted(Revision(101)))
        #expect(keyspace.compactRevision == Revision(101))
        #expect(keyspace.historyCount > 80)
        var commands = 0
        while keyspace.historyCount > 0 {
            keyspace.apply(.delete(key: [9], guard: nil, returnPrevious: false, mustExist: false))
            commands += 1
        }
        #expect(commands == 24)
        #expect(keyspace.historyBytes == 0 && keyspace.events.count == 0)
        #expect(frozen.text(at: 51).hasPrefix("k0=40"))
    }

    @Test func `time never goes back`() {
        var keyspace = Keyspace()
        for (time, expected) in [(5, 5), (3, 5), (Int64.min, 5), (7, 7), (.max, .max), (1, .max)] {
            keyspace.put("a", "1", time: time)
            #expect(keyspace.lastTime.milliseconds == expected)
        }
    }

    @Test func `entries are applied in their order, each once`() async {
        await #expect(processExitsWith: .failure) {
            var keyspace = Keyspace()
            keyspace.skip(index: LogIndex(2), term: Term(1))
        }
        await #expect(processExitsWith: .failure) {
            var keyspace = Keyspace()
            keyspace.skip(index: LogIndex(1), term: Term(1))
            keyspace.skip(index: LogIndex(1), term: Term(1))
        }
        var keyspace = Keyspace()
        keyspace.skip(index: LogIndex(1), term: Term(3))
        #expect(keyspace.appliedIndex == LogIndex(1) && keyspace.appliedTerm == Term(3))
    }
}
