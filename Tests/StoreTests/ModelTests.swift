import Primitives
import Testing

@testable import Store

/// The store as anyone would write it who had no care for speed: a list of all versions ever written.
struct NaiveStore {
    struct Version {
        var key, value: [UInt8]
        var revision, created, version: UInt64
    }
    var versions: [Version] = []
    var revision: UInt64 = 1

    func get(_ key: [UInt8], at revision: UInt64) -> Version? {
        let last = versions.last { $0.key == key && $0.revision <= revision }
        return last.flatMap { $0.version > 0 ? $0 : nil }
    }

    func items(in range: KeyRange, at revision: UInt64) -> [Item] {
        var newest: [[UInt8]: Version] = [:]
        for version in versions where version.revision <= revision && range.contains(version.key) {
            newest[version.key] = version
        }
        return newest.values.filter { $0.version > 0 }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map {
                Item(
                    key: $0.key, value: $0.value, createRevision: Revision($0.created),
                    modRevision: Revision($0.revision), version: $0.version)
            }
    }

    mutating func put(_ key: [UInt8], _ value: [UInt8], at revision: UInt64) {
        let old = get(key, at: revision)
        let created = old?.created ?? revision
        versions.append(
            Version(
                key: key, value: value, revision: revision, created: created,
                version: (old?.version ?? 0) + 1))
        self.revision = revision
    }

    mutating func delete(_ key: [UInt8], at revision: UInt64) {
        versions.append(Version(key: key, value: [], revision: revision, created: 0, version: 0))
        self.revision = revision
    }
}

extension TestRandom {
    mutating func operation(_ revision: Revision) -> Operation {
        switch below(20) {
        case 0..<9: return .put(key: key(), value: value(), guard: nil, returnPrevious: below(2) == 0)
        case 9..<12:
            return .delete(key: key(), guard: nil, returnPrevious: false, mustExist: below(4) == 0)
        case 12: return .deleteRange(KeyRange(start: key(), end: key()))
        case 13, 14: return .increment(key: key(), by: Int64(below(9)) - 4)
        case 15..<18:
            let puts = (0..<below(6)).map { _ in BatchPut(key: key(), value: value()) }
            return .batch(puts, createOnly: below(2) == 0)
        default: return .put(key: key(), value: value(), guard: .absent, returnPrevious: false)
        }
    }
}

@Suite struct ModelTests {
    /// Bounds small enough that automatic compaction is always at work.
    static var limits: Limits {
        var limits = Limits()
        limits.minimumRevisions = 20
        limits.maximumRevisions = 60
        limits.historyAge = 500
        limits.stepsPerCommand = 1
        return limits
    }

    @Test(arguments: 1...6)
    func `the store agrees with a list of all versions`(seed: UInt64) throws {
        var random = TestRandom(seed: seed)
        var keyspace = Keyspace(limits: Self.limits, leafCapacity: 3, innerCapacity: 4)
        var model = NaiveStore()
        var frozen: [(keyspace: Keyspace, model: NaiveStore)] = []
        for step in 0..<400 {
            let operation =
                random.below(60) == 0
                ? .compact(Revision(UInt64(random.below(Int(keyspace.revision.rawValue) + 2))))
                : random.operation(keyspace.revision)
            let before = keyspace.compactRevision
            let outcome = keyspace.apply(operation, time: Int64(step * 20 + random.below(100)))
            follow(operation, outcome, &model)
            #expect(keyspace.revision.rawValue == model.revision, "step \(step): \(operation)")
            #expect(keyspace.compactRevision >= before)
            if step % 20 == 0 {
                compare(keyspace, model, &random)
                keyspace = try checkRestored(keyspace)
                frozen.append((keyspace, model))
                if frozen.count > 3 { frozen.remove(at: random.below(3)) }
                for pair in frozen { compare(pair.keyspace, pair.model, &random) }
            }
        }
        #expect(keyspace.compactRevision > .zero)
        #expect(keyspace.historyCount < 600)
    }

    /// Does to the model what the store says it has done, and checks that it was right to.
    private func follow(_ operation: Operation, _ outcome: Outcome, _ model: inout NaiveStore) {
        let next = model.revision + 1
        switch (operation, outcome) {
        case (.put(let key, let value, let condition, let returnPrevious), .put(let put)):
            let old = model.get(key, at: model.revision)
            #expect(condition == nil || old == nil)
            #expect(put.previous?.value == (returnPrevious ? old?.value : nil))
            model.put(key, value, at: next)
            #expect(put.version == (old?.version ?? 0) + 1)
        case (.put(let key, _, _, _), .refused(.preconditionFailed(let current))):
            #expect(model.get(key, at: model.revision)?.revision == current?.rawValue)
        case (.delete(let key, _, _, let mustExist), _):
            let exists = model.get(key, at: model.revision) != nil
            if exists { model.delete(key, at: next) }
            let expected: Outcome =
                !exists && mustExist
                ? .refused(.keyNotFound)
                : .deleted(count: exists ? 1 : 0, revision: Revision(model.revision), previous: nil)
            #expect(outcome == expected)
        case (.deleteRange(let range), .deleted(let count, _, _)):
            let items = model.items(in: range, at: model.revision)
            #expect(count == items.count)
            for item in items { model.delete(item.key, at: next) }
        case (.increment(let key, let by), .incremented(let value, _, _)):
            let old = model.get(key, at: model.revision).map { Int64(string($0.value)) } ?? 0
            #expect(old.map { $0 + by } == value)
            model.put(key, Array(String(value).utf8), at: next)
        case (.increment(let key, _), .refused(.notAnInteger)):
            #expect(model.get(key, at: model.revision).map { Int64(string($0.value)) == nil } == true)
        case (.batch(let puts, let createOnly), .batch(let results, _)):
            let before = model
            for (index, put) in puts.enumerated() {
                let exists = before.get(put.key, at: before.revision) != nil
                let isFirst = !puts[..<index].contains { $0.key == put.key }
                let isLast = !puts[(index + 1)...].contains { $0.key == put.key }
                let isWritten = createOnly ? !exists && isFirst : isLast
                if isWritten { model.put(put.key, put.value, at: next) }
                #expect(results[index] == (createOnly && !isWritten ? .exists : .put(Revision(next))))
            }
        case (.compact, _): break
        default: Issue.record("\(operation) gave \(outcome)")
        }
    }

    private func compare(_ keyspace: Keyspace, _ model: NaiveStore, _ random: inout TestRandom) {
        let current = model.revision
        let all = model.items(in: .all, at: current)
        #expect(keyspace.count == all.count)
        #expect(keyspace.logicalBytes == all.reduce(0) { $0 + $1.key.count + $1.value.count })
        for _ in 0..<4 {
            let revision = UInt64(random.below(Int(current) + 1))
            let range = random.below(3) == 0 ? KeyRange.all : KeyRange(start: random.key(), end: random.key())
            let page = keyspace.range(range, at: Revision(revision))
            guard revision >= keyspace.compactRevision.rawValue else {
                guard case .failure(.compacted) = page else {
                    Issue.record("a compacted revision was read")
                    continue
                }
                continue
            }
            let expected = model.items(in: range, at: revision)
            #expect((try? page.get())?.items == expected)
            let descending = keyspace.range(range, at: Revision(revision), descending: true)
            #expect((try? descending.get())?.items == expected.reversed())
            #expect((try? keyspace.countKeys(in: range, at: Revision(revision)).get()) == expected.count)
            let key = random.key()
            let item = try? keyspace.get(key, at: Revision(revision)).get()
            #expect(item?.value == model.get(key, at: revision)?.value)
            var changes: [UInt64] = []
            _ = keyspace.changes(since: Revision(revision)) {
                changes.append($0.revision.rawValue)
                return true
            }
            #expect(changes == model.versions.map(\.revision).filter { $0 > revision }.sorted())
            comparePages(keyspace, range, revision, expected)
        }
    }

    private func comparePages(
        _ keyspace: Keyspace, _ range: KeyRange, _ revision: UInt64, _ expected: [Item]
    ) {
        for descending in [false, true] {
            var cursor: [UInt8]?
            var found: [Item] = []
            while case .success(let page) = keyspace.range(
                range, at: Revision(revision), limit: 2, after: cursor, descending: descending)
            {
                found += page.items
                cursor = page.rows.last?.key
                if !page.more { break }
            }
            #expect(found == (descending ? expected.reversed() : expected))
        }
    }

    /// The store that comes out of a checkpoint, which must be the same in every way.
    private func checkRestored(_ keyspace: Keyspace) throws -> Keyspace {
        let restored = try keyspace.restored(inChunksOf: 300)
        #expect(restored.digest == keyspace.digest)
        #expect(restored.checkpoint() == keyspace.checkpoint())
        return restored
    }

    @Test func `a restored store goes on as the original does`() throws {
        var random = TestRandom(seed: 17)
        var original = Keyspace(limits: Self.limits)
        for step in 0..<300 {
            original.apply(random.operation(original.revision), time: Int64(step * 20))
        }
        var restored = try original.restored()
        for step in 300..<600 {
            let operation = random.operation(original.revision)
            #expect(
                original.apply(operation, time: Int64(step * 20))
                    == restored.apply(operation, time: Int64(step * 20)))
            #expect(original.compactRevision == restored.compactRevision)
            #expect(original.digest == restored.digest)
        }
    }

    @Test func `two runs give equal bytes`() {
        let runs = (0..<2).map { _ in
            var random = TestRandom(seed: 5)
            var keyspace = Keyspace(limits: Self.limits)
            var outcomes: [Outcome] = []
            for step in 0..<500 {
                outcomes.append(keyspace.apply(random.operation(keyspace.revision), time: Int64(step * 9)))
            }
            return (outcomes, keyspace.digest, keyspace.checkpoint())
        }
        #expect(runs[0].0 == runs[1].0)
        #expect(runs[0].1 == runs[1].1)
        #expect(runs[0].2 == runs[1].2)
    }

    @Test func `an entry applied to two copies gives one state`() {
        var random = TestRandom(seed: 6)
        var keyspace = Keyspace(limits: Self.limits)
        for step in 0..<300 {
            let operation = random.operation(keyspace.revision)
            var copy = keyspace
            let outcomes = (
                copy.apply(operation, time: Int64(step * 9)), keyspace.apply(operation, time: Int64(step * 9))
            )
            #expect(outcomes.0 == outcomes.1)
            #expect(copy.digest == keyspace.digest)
        }
    }
}
