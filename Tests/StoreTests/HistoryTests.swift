import Primitives
import Testing

@testable import Store

/// Histories as anyone would keep them who had no care for speed.
private struct NaiveHistory {
    struct Change: Equatable {
        var revision: UInt64
        /// Nil for a deletion.
        var value: String?
    }
    var changes: [Change] = []

    /// What a page must have, if everything from a revision on is kept.
    func page(
        compact: UInt64, after cursor: UInt64?, limit: Int, descending: Bool
    ) -> (changes: [Change], more: Bool) {
        let inForce = changes.last { $0.revision <= compact }
        var readable = changes.filter { $0.revision > compact }
        if let inForce, inForce.value != nil { readable.insert(inForce, at: 0) }
        if descending { readable.reverse() }
        let rest = readable.filter { change in
            cursor.map { descending ? change.revision < $0 : change.revision > $0 } ?? true
        }
        return (Array(rest.prefix(limit)), rest.count > limit)
    }
}

extension Keyspace {
    fileprivate func naivePage(
        of key: String, after cursor: UInt64?, limit: Int, descending: Bool
    ) -> (changes: [NaiveHistory.Change], more: Bool) {
        let page = history(
            of: Array(key.utf8), after: cursor.map { Revision($0) }, limit: limit, descending: descending)
        let changes = page.changes.map {
            NaiveHistory.Change(
                revision: $0.revision.rawValue, value: $0.isDelete ? nil : string($0.row.value))
        }
        return (changes, page.more)
    }
}

@Suite struct HistoryTests {
    /// A key written to hundreds of times, and deleted now and then, among others.
    private static func hot(limits: Limits = Limits()) -> (keyspace: Keyspace, hot: NaiveHistory) {
        var keyspace = Keyspace(limits: limits)
        var model = NaiveHistory()
        for number in 0..<500 {
            if number % 41 == 40 {
                keyspace.delete("hot")
                model.changes.append(.init(revision: keyspace.revision.rawValue))
            } else {
                keyspace.put("hot", "\(number)", time: Int64(number))
                model.changes.append(.init(revision: keyspace.revision.rawValue, value: "\(number)"))
            }
            if number % 4 == 0 { keyspace.put("other\(number % 9)", "x") }
        }
        return (keyspace, model)
    }

    /// Revision 52 deletes the key.
    @Test(arguments: [0, 1, 42, 52, 53, 300, 626], [false, true])
    func `pages of a hot key fit together, from wherever they begin`(compact: UInt64, descending: Bool) {
        var (keyspace, model) = Self.hot()
        if compact > 0 { keyspace.apply(.compact(Revision(compact))) }
        for limit in [1, 7, 64, 1000] {
            for start in [nil, 0, 1, 2, 43, 44, 301, 625, 626, 627] as [UInt64?] {
                var cursor = start
                var pages = 0
                while pages < 20 {
                    let page = keyspace.naivePage(
                        of: "hot", after: cursor, limit: limit, descending: descending)
                    let expected = model.page(
                        compact: compact, after: cursor, limit: limit, descending: descending)
                    guard page == expected else {
                        Issue.record("\(limit) after \(String(describing: cursor)): \(page)")
                        break
                    }
                    guard page.more else { break }
                    cursor = page.changes.last?.revision
                    pages += 1
                }
            }
        }
    }

    @Test func `a page of no changes says whether there are any`() {
        let (keyspace, _) = Self.hot()
        let page = keyspace.history(of: Array("hot".utf8), limit: 0)
        #expect(page.changes.isEmpty && page.more)
        #expect(!keyspace.history(of: Array("nobody".utf8), limit: 0).more)
        #expect(!keyspace.history(of: Array("hot".utf8), after: keyspace.revision, limit: 0).more)
    }

    @Test func `history says what it was at each revision while it is freed step by step`() throws {
        var limits = Limits()
        limits.stepsPerCommand = 3
        limits.maximumStepsPerCommand = 3
        var (keyspace, model) = Self.hot(limits: limits)
        let newest = keyspace.revision.rawValue
        keyspace.apply(.compact(Revision(400)))
        for _ in 0..<150 {
            keyspace.put("another", "x")
            for revision in stride(from: UInt64(400), through: newest, by: 13) {
                let item = try keyspace.get(Array("hot".utf8), at: Revision(revision)).get()
                let expected = model.changes.last { $0.revision <= revision }?.value
                #expect(item.map { string($0.value) } == expected)
            }
            let page = keyspace.naivePage(of: "hot", after: nil, limit: .max, descending: false)
            #expect(page == model.page(compact: 400, after: nil, limit: .max, descending: false))
        }
        #expect(keyspace.events.first!.revision.rawValue > 300)
    }

    @Test func `a key deleted before the compact revision leaves nothing behind`() {
        var keyspace = Keyspace()
        for key in ["a", "b", "c"] { keyspace.put(key, "1") }
        keyspace.delete("a")
        keyspace.delete("b")
        keyspace.put("b", "2")
        #expect(keyspace.deleted.count == 1)
        keyspace.apply(.compact(keyspace.revision))
        for _ in 0..<3 { keyspace.delete("nobody") }
        #expect(keyspace.events.count == 0)
        #expect(keyspace.deleted.count == 0 && keyspace.historyCount == 0 && keyspace.historyBytes == 0)
        #expect(keyspace.history(of: Array("a".utf8)).changes.isEmpty)
        #expect(keyspace.history(of: Array("b".utf8)).changes.map { string($0.row.value) } == ["2"])
    }

    // MARK: Copies

    @Test func `copies that go on differently are as if they had never been one`() {
        func run(_ seeds: [UInt64], forking: Bool) -> [Keyspace] {
            var forks: [Keyspace] = []
            var shared = Keyspace(limits: ModelTests.limits, leafCapacity: 4, innerCapacity: 4)
            var random = TestRandom(seed: 50)
            for step in 0..<300 { shared.apply(random.operation(shared.revision), time: Int64(step * 5)) }
            for seed in seeds {
                // Read from a checkpoint, a state shares nothing.
                var fork = forking ? shared : (try? shared.restored()) ?? Keyspace()
                var random = TestRandom(seed: seed)
                for step in 300..<500 {
                    fork.apply(random.operation(fork.revision), time: Int64(step * 5))
                }
                forks.append(fork)
            }
            return [shared] + forks
        }
        let (forked, separate) = (run([51, 52, 53], forking: true), run([51, 52, 53], forking: false))
        #expect(forked.map(\.digest) == separate.map(\.digest))
        #expect(Set(forked.map(\.digest)).count == 4)
    }

    @Test func `a frozen copy keeps its past while the original compacts and deletes it`() {
        var (keyspace, model) = Self.hot()
        let frozen = keyspace
        let (digest, checkpoint) = (frozen.digest, frozen.checkpoint())
        keyspace.apply(.deleteRange(.all))
        keyspace.apply(.compact(keyspace.revision))
        for number in 0..<400 { keyspace.put("new\(number)", "x") }
        #expect(keyspace.historyCount == 0)
        #expect(frozen.digest == digest && frozen.checkpoint() == checkpoint)
        let page = frozen.naivePage(of: "hot", after: nil, limit: .max, descending: false)
        #expect(page == model.page(compact: 0, after: nil, limit: .max, descending: false))
    }

    @Test func `a version lives as long as somebody can read it`() {
        var keyspace = Keyspace()
        keyspace.put("a", "first")
        weak let probe = try? keyspace.row(Array("a".utf8)).get()?.record
        keyspace.put("a", "second")
        for number in 0..<20 { keyspace.put("k\(number)", "x") }
        #expect(probe != nil)
        var frozen: Keyspace? = keyspace
        keyspace.apply(.compact(keyspace.revision))
        for _ in 0..<20 { keyspace.delete("nobody") }
        #expect(keyspace.historyCount == 0 && frozen?.historyCount == 1)
        #expect(probe != nil)
        frozen = nil
        #expect(probe == nil)
    }

    /// Large values, so that a key's versions fill several blocks, and small ones, so that one block has
    /// more of them than a walk looks at in one go.
    @Test(arguments: [300, 3])
    func `history of many versions of a key comes back from a checkpoint`(valueCount: Int) throws {
        var keyspace = Keyspace()
        let value = String(repeating: "v", count: valueCount)
        for number in 0..<2200 {
            keyspace.put("hot", value + "\(number)")
            if number % 10 == 0 { keyspace.put("gone\(number % 100)", "x") }
            if number % 20 == 0 { keyspace.delete("gone\(number % 100)") }
        }
        let bytes = keyspace.checkpoint()
        #expect(bytes.count > 2200 * valueCount)
        let restored = try Keyspace.restored(bytes, inChunksOf: 50_000)
        #expect(restored.digest == keyspace.digest)
        #expect(restored.checkpoint() == bytes)
        let key = Array("hot".utf8)
        #expect(restored.history(of: key).changes.count == 2200)
        let early = try restored.get(key, at: Revision(100)).get()
        #expect(early == (try keyspace.get(key, at: Revision(100)).get()))
    }
}
