import Primitives
import Testing

@testable import Store

// Right checksums do not prove right contents: these files are whole, but say what no store would.

/// What a checkpoint says, to be written with right checksums whatever it is.
struct ForgedCheckpoint {
    struct Entry {
        var key: String
        var value = "v"
        var version: UInt64 = 1
        var revision: UInt64
        /// The revision less that of creation.
        var age: UInt64 = 0
        var lease: String?

        static func mark(_ key: String, _ revision: UInt64) -> Entry {
            Entry(key: key, value: "", version: 0, revision: revision, age: revision)
        }
    }

    var revision: UInt64 = 9
    var compactRevision: UInt64 = 3
    var lastTime: Int64 = 100
    var oldest: (revision: UInt64, key: String) = (4, "b")
    var headerTail: [UInt8] = []
    /// The first of these has a superseded version, the second has none.
    var items = [
        Entry(key: "a", version: 2, revision: 6, age: 4), Entry(key: "b", revision: 4),
    ]
    /// A version of `a`, and one of `c`, which was deleted.
    var history = [Entry(key: "a", revision: 2), Entry(key: "c", revision: 3), .mark("c", 7)]
    /// Revisions and times as differences, and how many changes each revision has.
    var times: [(revision: UInt64, time: UInt64, count: UInt64)] = [(4, 70, 1), (2, 10, 1), (1, 20, 1)]
    /// The format's version: the first one knew neither leases nor rows.
    var version = CheckpointFormat.version
    var lastNumber: UInt64 = 7
    /// Rows of coordination: the key's bytes, and a value.
    var rows: [(key: [UInt8], value: [UInt8])] = [([RowKind.request.rawValue, 1], [2]), ([5, 2], [])]
    /// What the footer says beyond the truth.
    var excess: (items: UInt64, history: UInt64, changes: UInt64, rows: UInt64) = (0, 0, 0, 0)
    var fileChecksumError: UInt64 = 0

    func bytes() -> [UInt8] {
        var chain = CheckpointChain()
        var file = CheckpointFormat.magic
        func block(_ kind: CheckpointFormat.Kind, _ write: (inout ByteWriter) -> Void) {
            var payload = ByteWriter()
            write(&payload)
            var writer = ByteWriter()
            writer.fixed(UInt32(payload.count))
            writer.fixed(UInt32(kind.rawValue))
            let checksum = writer.bytes.withUnsafeBytes { frame in
                payload.bytes.withUnsafeBytes { chain.add(frame: frame, payload: $0) }
            }
            writer.fixed(checksum)
            file += writer.bytes + payload.bytes
        }
        func write(_ entry: Entry, _ writer: inout ByteWriter) {
            let count = UInt64(entry.key.utf8.count)
            writer.varint(version == 1 ? count : count << 1 | (entry.lease == nil ? 0 : 1))
            writer.varint(UInt64(entry.value.utf8.count))
            for number in [entry.version, entry.revision, entry.age] { writer.varint(number) }
            writer.raw(entry.key.utf8)
            writer.raw(entry.value.utf8)
            if let lease = entry.lease { writer.string(lease) }
        }
        block(.header) { writer in
            writer.fixed(version)
            writer.fixed(ClusterID(5).rawValue)
            for number: UInt64 in [1, 20, 2] { writer.varint(number) }
            writer.sized([])
            writer.varint(revision)
            writer.varint(compactRevision)
            writer.fixed(lastTime)
            writer.varint(oldest.revision)
            writer.string(oldest.key)
            if version > 1 {
                writer.varint(lastNumber)
                RequestLog().encodeHead(into: &writer)
            }
            writer.raw(headerTail)
        }
        block(.items) { writer in for entry in items { write(entry, &writer) } }
        block(.history) { writer in for entry in history { write(entry, &writer) } }
        block(.times) { writer in
            for (revision, time, count) in times {
                for number in [revision, time, count] { writer.varint(number) }
            }
        }
        if !rows.isEmpty {
            block(.rows) { writer in
                for row in rows {
                    writer.sized(row.key)
                    writer.sized(row.value)
                }
            }
        }
        let changes = (items + history).filter { entry in
            entry.revision > oldest.revision || entry.revision == oldest.revision && entry.key >= oldest.key
        }
        block(.footer) { [checksum = chain.file.value] writer in
            writer.varint(UInt64(items.count) + excess.items)
            writer.varint(UInt64(history.count) + excess.history)
            writer.varint(UInt64(changes.count) + excess.changes)
            if version > 1 { writer.varint(UInt64(rows.count) + excess.rows) }
            writer.fixed(checksum + fileChecksumError)
        }
        return file
    }
}

/// One thing that a checkpoint says wrongly.
struct Lie: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let tell: @Sendable (inout ForgedCheckpoint) -> Void

    init(_ description: String, _ tell: @escaping @Sendable (inout ForgedCheckpoint) -> Void) {
        testDescription = description
        self.tell = tell
    }
}

@Suite struct ForgedCheckpointTests {
    @Test func `a checkpoint that says nothing wrong is read`() throws {
        let keyspace = try Keyspace.restored(ForgedCheckpoint().bytes())
        #expect(keyspace.text() == "a=v b=v")
        #expect(keyspace.text(at: 3) == "a=v c=v")
        #expect(keyspace.history(of: Array("c".utf8)).changes.map(\.isDelete) == [false, true])
        #expect(keyspace.historyCount == 3 && keyspace.events.count == 3 && keyspace.deleted.count == 1)
        #expect(keyspace.coordination.lastNumber == 7 && keyspace.coordination.count == 2)
        #expect(keyspace.coordination.byteCount == 5)
    }

    @Test func `a checkpoint of version 1, without leases and rows, is still read`() throws {
        var old = ForgedCheckpoint()
        (old.version, old.rows) = (1, [])
        let keyspace = try Keyspace.restored(old.bytes())
        #expect(keyspace.text() == "a=v b=v")
        #expect(keyspace.text(at: 3) == "a=v c=v")
        #expect(keyspace.coordination.lastNumber == 0 && keyspace.coordination.count == 0)
        // What is written from it is of the present version, and says the same.
        #expect(try keyspace.restored().digest == keyspace.digest)
        var new = ForgedCheckpoint()
        (new.lastNumber, new.rows) = (0, [])
        #expect(try Keyspace.restored(new.bytes()).digest == keyspace.digest)
    }

    @Test func `a checkpoint of a version to come is refused by name`() {
        for version: UInt32 in [0, 3, .max] {
            var forged = ForgedCheckpoint()
            forged.version = version
            #expect(throws: CheckpointError.unknownVersion(version)) { try Keyspace.restored(forged.bytes()) }
        }
    }

    static let wrongHistory = [
        Lie("a superseded version that no change superseded") {
            $0.history.insert(.init(key: "c", revision: 2), at: 1)
        },
        Lie("a version of a key that has gone without a deletion") {
            $0.history.append(.init(key: "d", revision: 3))
        },
        Lie("the mark of a deletion whose change is forgotten") { $0.history.append(.mark("d", 3)) },
        Lie("the mark of a deletion, forgotten, and then a change of the key") {
            $0.history += [.mark("d", 2), .init(key: "d", revision: 5)]
            $0.times = [(4, 70, 1), (1, 0, 1), (1, 10, 1), (1, 20, 1)]
        },
        Lie("a deletion later than the version that exists") {
            $0.history.insert(.mark("b", 5), at: 1)
            $0.times = [(4, 70, 1), (1, 0, 1), (1, 10, 1), (1, 20, 1)]
        },
        Lie("a deletion of a key that exists since long") {
            $0.items.append(.init(key: "e", revision: 2))
            $0.history.append(.mark("e", 8))
            $0.times.append((1, 0, 1))
        },
        Lie("a version before that of a key that did not change since long") {
            $0.items.append(.init(key: "e", revision: 2))
            $0.history.append(.init(key: "e", revision: 1))
        },
        Lie("a superseded version later than the one that exists") {
            $0.history.insert(.init(key: "a", revision: 8), at: 1)
            $0.times.append((1, 0, 1))
        },
        Lie("a superseded version as late as the one that exists") {
            $0.history.insert(.init(key: "a", revision: 6), at: 1)
            $0.times[1].count = 2
        },
        Lie("a change without a time") { $0.times.removeLast() },
        Lie("a time without a change") { $0.times.append((1, 0, 1)) },
        Lie("the time of another revision") { ($0.times[0].revision, $0.times[1].revision) = (5, 1) },
        Lie("a revision with more changes than there are") { $0.times[2].count = 2 },
        Lie("a number of changes beyond all bounds") { $0.times[2].count = UInt64(Int.max) },
        Lie("a revision of two changes that were two revisions") {
            $0.times = [(4, 70, 2), (3, 20, 1)]
        },
        Lie("a change after the last time") { $0.lastTime = 99 },
    ]

    @Test(arguments: wrongHistory)
    func `changes that do not account for the records are refused`(lie: Lie) throws {
        var forged = ForgedCheckpoint()
        lie.tell(&forged)
        let bytes = forged.bytes()
        #expect(
            throws: CheckpointError.corrupt(
                offset: bytes.count, reason: "the changes do not fit the records")
        ) { try Keyspace.restored(bytes) }
    }

    static let wrongRecords = [
        Lie("a current version that is the mark of a deletion") { $0.items[1] = .mark("b", 4) },
        Lie("a mark of a deletion with a value") { $0.history[2].value = "v" },
        Lie("a mark of a deletion that was made") { $0.history[2].age = 3 },
        Lie("an empty key") { $0.items[0].key = "" },
        Lie("a key that is too long") { $0.items[1].key = String(repeating: "b", count: 65_536) },
        Lie("a record of no revision") { ($0.items[1].revision, $0.items[1].age) = (0, 0) },
        Lie("a record of a revision to come") { $0.items[1].revision = 10 },
        Lie("a record made at no revision") { $0.items[1].age = 4 },
        Lie("a record made before all revisions") { $0.items[1].age = 5 },
        Lie("items that are not in order") { $0.items.swapAt(0, 1) },
        Lie("an item twice") { $0.items.append($0.items[1]) },
        Lie("history that is not in the order of its keys") { $0.history.swapAt(0, 1) },
        Lie("history that is not in the order of its revisions") { $0.history.swapAt(1, 2) },
        Lie("a record of history twice") { $0.history.insert($0.history[0], at: 0) },
    ]

    static let wrongRows = [
        Lie("rows in a file of version 1") { $0.version = 1 },
        Lie("a row without a key") { $0.rows[0].key = [] },
        Lie("a row of an unknown kind") { $0.rows[0].key = [0, 1] },
        Lie("rows that are not in order") { $0.rows.swapAt(0, 1) },
        Lie("a row twice") { $0.rows.append($0.rows[1]) },
        Lie("one row more than there are") { $0.excess.rows = 1 },
        Lie("a record under a lease without a name") { $0.items[0].lease = "" },
        Lie("a record under a lease with a long name") {
            $0.items[0].lease = String(repeating: "l", count: Limits.leaseIDBytes + 1)
        },
    ]

    static let wrongNumbers = [
        Lie("a revision without changes") { $0.times[1].count = 0 },
        Lie("a revision twice") { $0.times[1].revision = 0 },
        Lie("a revision beyond the last") { $0.times[2].revision = 4 },
        Lie("a revision beyond all numbers") { $0.times[2].revision = .max },
        Lie("a time beyond all numbers") { $0.times[2].time = UInt64(Int64.max) },
        Lie("a step of time beyond all numbers") { $0.times[2].time = .max },
        Lie("one item more than there are") { $0.excess.items = 1 },
        Lie("one record of history more than there are") { $0.excess.history = 1 },
        Lie("one change more than there are") { $0.excess.changes = 1 },
        Lie("another checksum of the file") { $0.fileChecksumError = 1 },
        Lie("a compact revision that is to come") { $0.compactRevision = 10 },
        Lie("no revision") { ($0.revision, $0.compactRevision) = (0, 0) },
        Lie("a revision that no store reaches") { $0.revision = 1 << 63 },
        Lie("a time before 1970") { $0.lastTime = -1 },
        Lie("more in the header than there should be") { $0.headerTail = [0] },
    ]

    @Test(arguments: wrongRecords + wrongRows + wrongNumbers)
    func `records and numbers that no store has are refused`(lie: Lie) {
        var forged = ForgedCheckpoint()
        lie.tell(&forged)
        let error = #expect(throws: CheckpointError.self) { try Keyspace.restored(forged.bytes()) }
        guard case .corrupt(_, "contents") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
