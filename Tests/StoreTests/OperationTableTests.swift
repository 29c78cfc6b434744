import Primitives
import Testing

@testable import Store

/// Runs a table of operations, one a line, against a new store, and compares what each answers with what
/// stands behind the bar. A line is blank, a remark after `#`, or one of
///
///     put KEY VALUE [GUARD] [prev]    guard: @REVISION, absent, exists
///     del KEY [GUARD] [prev] [must]
///     delrange START END              an END of - is none
///     incr KEY BY
///     batch KEY=VALUE…                create KEY=VALUE…
///     compact REVISION
///     get KEY [REVISION]              all [REVISION]       history KEY       since REVISION
func run(_ table: String, limits: Limits = Limits(), sourceLocation: SourceLocation = #_sourceLocation) {
    var keyspace = Keyspace(limits: limits, leafCapacity: 2, innerCapacity: 4)
    for line in table.split(separator: "\n") {
        let columns = line.split(separator: "|", maxSplits: 1).map {
            $0.split(separator: " ").map(String.init)
        }
        guard columns.count == 2, !columns[0].isEmpty, !line.hasPrefix("#") else { continue }
        let answer = answer(columns[0], &keyspace)
        #expect(answer == columns[1].joined(separator: " "), "\(line)", sourceLocation: sourceLocation)
    }
}

private func answer(_ words: [String], _ keyspace: inout Keyspace) -> String {
    let key = words.count > 1 ? Array(words[1].utf8) : []
    var condition: Guard?
    for word in words.dropFirst(2) {
        if word == "absent" { condition = .absent }
        if word == "exists" { condition = .exists }
        if word.hasPrefix("@") { condition = .revision(Revision(UInt64(word.dropFirst())!)) }
    }
    let previous = words.contains("prev")
    func writes() -> [BatchPut] {
        words.dropFirst().map { word in
            let parts = word.split(separator: "=").map { Array($0.utf8) }
            return BatchPut(key: parts[0], value: parts[1])
        }
    }
    func revision(_ index: Int) -> Revision? {
        words.count > index ? Revision(UInt64(words[index])!) : nil
    }
    switch words[0] {
    case "put":
        return describe(
            keyspace.apply(
                .put(key: key, value: Array(words[2].utf8), guard: condition, returnPrevious: previous)))
    case "del":
        return describe(
            keyspace.apply(
                .delete(
                    key: key, guard: condition, returnPrevious: previous, mustExist: words.contains("must"))))
    case "delrange":
        let end = words[2] == "-" ? nil : Array(words[2].utf8)
        return describe(keyspace.apply(.deleteRange(KeyRange(start: key, end: end))))
    case "incr": return describe(keyspace.apply(.increment(key: key, by: Int64(words[2])!)))
    case "batch": return describe(keyspace.apply(.batch(writes(), createOnly: false)))
    case "create": return describe(keyspace.apply(.batch(writes(), createOnly: true)))
    case "compact": return describe(keyspace.apply(.compact(revision(1)!)))
    case "get":
        switch keyspace.get(key, at: revision(2)) {
        case .success(let item?):
            return "\(string(item.value)) r\(item.modRevision) c\(item.createRevision) v\(item.version)"
        case .success(nil): return "none"
        case .failure(let error): return describe(error)
        }
    case "all":
        if let error = keyspace.readError(at: revision(1)) { return describe(error) }
        return keyspace.text(at: revision(1)?.rawValue)
    case "history": return describe(keyspace.history(of: key).changes)
    case "since":
        var changes: [Change] = []
        let result = keyspace.changes(since: revision(1)!) {
            changes.append($0)
            return true
        }
        if case .failure(let error) = result { return describe(error) }
        return describe(changes)
    default: return "unknown operation"
    }
}

private func describe(_ changes: [Change]) -> String {
    changes.map { change in
        "\(change.revision):" + (change.isDelete ? "-" : "") + string(change.key)
            + (change.isDelete ? "" : "=" + string(change.row.value))
    }.joined(separator: " ")
}

private func describe(_ error: ReadError) -> String {
    switch error {
    case .compacted(let compact, let current): "compacted \(compact) of \(current)"
    case .future(let current): "future, now \(current)"
    }
}

private func describe(_ outcome: Outcome) -> String {
    func was(_ item: Item?) -> String { item.map { " was \(string($0.value))" } ?? "" }
    switch outcome {
    case .put(let put):
        let verb = put.created ? "new" : "set"
        return "\(verb) r\(put.revision) c\(put.createRevision) v\(put.version)" + was(put.previous)
    case .deleted(let count, let revision, let previous):
        return "deleted \(count) r\(revision)" + was(previous)
    case .incremented(let value, let revision, let version): return "\(value) r\(revision) v\(version)"
    case .batch(let results, let revision):
        let each = results.map { $0 == .exists ? "exists" : "put" }
        return (each + ["r\(revision)"]).joined(separator: " ")
    case .compacted(let revision): return "compacted \(revision)"
    case .transaction(let outcome, let revision): return "\(outcome.succeeded) r\(revision)"
    case .coordinated(let outcome): return "\(outcome)"
    case .replayed(let outcome, _): return "again " + describe(outcome)
    case .refused(let refusal):
        switch refusal {
        case .preconditionFailed(let current): return "no, at " + (current.map { "\($0)" } ?? "none")
        case .keyNotFound: return "not found"
        case .notAnInteger: return "not an integer"
        case .overflow: return "overflow"
        case .compacted(let compact, let current): return "compacted \(compact) of \(current)"
        case .futureRevision(let current): return "future, now \(current)"
        case .transaction(let reason): return "\(reason)"
        case .coordination(let reason): return "\(reason)"
        case .cancelled: return "cancelled"
        case .keyReused: return "key reused"
        case .fenceStale(let fence, let current):
            return "stale \(fence.token), now \(current.map { "\($0)" } ?? "none")"
        case .malformedCommand: return "malformed"
        }
    }
}

@Suite struct OperationTableTests {
    @Test func `revisions begin at 1 and rise by one with each change`() {
        run(
            """
            all                 |
            put a 1             | new r2 c2 v1
            put b 1             | new r3 c3 v1
            put a 2             | set r4 c2 v2
            put a 2             | set r5 c2 v3
            get a               | 2 r5 c2 v3
            del a               | deleted 1 r6
            del a               | deleted 0 r6
            get a               | none
            put a 3             | new r7 c7 v1
            all                 | a=3 b=1
            """)
    }

    @Test func `a guard that fails changes nothing`() {
        run(
            """
            put a 1 @2          | no, at none
            put a 1 exists      | no, at none
            put a 1 absent      | new r2 c2 v1
            put a 2 absent      | no, at 2
            put a 2 @1          | no, at 2
            put a 2 @2 prev     | set r3 c2 v2 was 1
            put a 3 exists      | set r4 c2 v3
            del a @3            | no, at 4
            del a absent        | no, at 4
            del a @4 prev       | deleted 1 r5 was 3
            del a exists        | no, at none
            del a @4            | no, at none
            del a absent        | deleted 0 r5
            del a must          | not found
            put b 1 prev        | new r6 c6 v1
            """)
    }

    @Test func `increments count in decimal text`() {
        run(
            """
            incr n 5            | 5 r2 v1
            incr n -7           | -2 r3 v2
            get n               | -2 r3 c2 v2
            incr n 0            | -2 r4 v3
            put n 9223372036854775807  | set r5 c2 v4
            incr n 1            | overflow
            put n -9223372036854775808 | set r6 c2 v5
            incr n -1           | overflow
            incr n 1            | -9223372036854775807 r7 v6
            put n 9223372036854775808  | set r8 c2 v7
            incr n 1            | not an integer
            put n +1            | set r9 c2 v8
            incr n 1            | not an integer
            put n -             | set r10 c2 v9
            incr n 1            | not an integer
            put n 1x            | set r11 c2 v10
            incr n 1            | not an integer
            put n 007           | set r12 c2 v11
            incr n 1            | 8 r13 v12
            """)
    }

    @Test func `a batch has one revision`() {
        run(
            """
            put b 0             | new r2 c2 v1
            batch c=1 a=1 b=1   | put put put r3
            all                 | a=1 b=1 c=1
            since 2             | 3:a=1 3:b=1 3:c=1
            get b               | 1 r3 c2 v2
            batch a=2 a=3 a=4   | put put put r4
            get a               | 4 r4 c3 v2
            history a           | 3:a=1 4:a=4
            create a=9 d=1 d=2  | exists put exists r5
            all                 | a=4 b=1 c=1 d=1
            create a=9 d=1      | exists exists r5
            batch               | r5
            """)
    }

    @Test func `a range is deleted at one revision`() {
        run(
            """
            batch a=1 b=1 c=1 d=1 e=1 | put put put put put r2
            delrange b d        | deleted 2 r3
            all                 | a=1 d=1 e=1
            all 2               | a=1 b=1 c=1 d=1 e=1
            since 2             | 3:-b 3:-c
            delrange b d        | deleted 0 r3
            delrange d b        | deleted 0 r3
            delrange d -        | deleted 2 r4
            delrange a -        | deleted 1 r5
            all                 |
            all 4               | a=1
            """)
    }

    @Test func `the past can be read until it is compacted`() {
        run(
            """
            put a 1             | new r2 c2 v1
            put b 1             | new r3 c3 v1
            put a 2             | set r4 c2 v2
            del b               | deleted 1 r5
            put a 3             | set r6 c2 v3
            put b 2             | new r7 c7 v1
            all 1               |
            all 2               | a=1
            all 3               | a=1 b=1
            all 4               | a=2 b=1
            all 5               | a=2
            all 6               | a=3
            all 7               | a=3 b=2
            all 8               | future, now 7
            history a           | 2:a=1 4:a=2 6:a=3
            history b           | 3:b=1 5:-b 7:b=2
            history c           |
            since 5             | 6:a=3 7:b=2
            since 7             |
            since 8             | future, now 7
            compact 8           | future, now 7
            compact 5           | compacted 5
            compact 5           | compacted 5 of 7
            all 4               | compacted 5 of 7
            get a 4             | compacted 5 of 7
            all 5               | a=2
            all 6               | a=3
            since 4             | compacted 5 of 7
            since 5             | 6:a=3 7:b=2
            history a           | 4:a=2 6:a=3
            history b           | 7:b=2
            compact 7           | compacted 7
            all 7               | a=3 b=2
            history a           | 6:a=3
            """)
    }
}
