import Consensus
import Primitives
import Simulator
import Testing
import WAL

@Suite struct CheckpointStoreTests {
    static let folder = "/data/checkpoints"

    private func position(_ number: Int, term: Int = 1) -> LogPosition {
        LogPosition(index: index(number), term: Term(UInt64(term)))
    }

    private func bytes(_ number: Int) -> [UInt8] {
        (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ number) }
    }

    private func save(
        _ number: Int, in store: CheckpointStore<SimulatedDisk>, origin: CheckpointOrigin = .own
    ) throws(DiskError) {
        var writer = try store.write(position(number), from: origin)
        let bytes = bytes(number)
        for start in stride(from: 0, to: bytes.count, by: 700) {
            try writer.append(Array(bytes[start..<min(start + 700, bytes.count)]))
        }
        let made = try writer.finish()
        #expect(made == Checkpoint(position: position(number), bytes: 3000))
    }

    private func read(_ number: Int, in store: CheckpointStore<SimulatedDisk>) throws -> [UInt8] {
        let reader = try store.read(position(number))
        var result: [UInt8] = []
        while true {
            let chunk = try reader.read(at: result.count, count: 1000)
            if chunk.isEmpty { return result }
            result += chunk
        }
    }

    @Test func `checkpoints are listed newest first, read in ranges, and the last two stay`() throws {
        let disk = SimulatedDisk(seed: 1, folders: [Self.folder])
        let store = CheckpointStore(disk: disk, directory: Self.folder)
        for number in [10, 200, 30] { try save(number, in: store) }
        #expect(try store.list().map(\.position) == [position(200), position(30), position(10)])
        let open = try store.read(position(10))
        try store.prune()
        #expect(try store.list().map(\.position) == [position(200), position(30)])
        #expect(try read(30, in: store) == bytes(30))
        // One that is being read may go, but is read to the end.
        #expect(try open.read(at: 2990, count: 100) == bytes(10).suffix(10))
        #expect(try open.read(at: 3000, count: 100) == [])
        #expect(try open.read(at: -1, count: 100) == [])
        try store.remove(position(200))
        #expect(try store.list().map(\.position) == [position(30)])
    }

    @Test func `an unfinished one is never listed, and goes at the next start`() throws {
        let disk = SimulatedDisk(seed: 1, folders: [Self.folder])
        let store = CheckpointStore(disk: disk, directory: Self.folder)
        var own = try store.write(position(5), from: .own)
        var fetched = try store.write(position(5), from: .fetched)
        try own.append([1, 2, 3])
        try fetched.append(bytes(5))
        #expect(try store.list().isEmpty)
        try own.abandon()
        #expect(disk.paths(ending: ".tmp").count == 1)
        try store.removeLeftovers()
        #expect(disk.paths(ending: ".tmp").isEmpty)
        disk.put(Self.folder + "/lost+found", [])
        disk.put(Self.folder + "/zzzzzzzzzzzzzzzz-0000000000000001.checkpoint", [])
        #expect(try store.list().isEmpty)
    }

    @Test func `a writer that failed once never becomes a checkpoint`() throws {
        let disk = SimulatedDisk(seed: 1, folders: [Self.folder])
        let store = CheckpointStore(disk: disk, directory: Self.folder)
        var writer = try store.write(position(7), from: .own)
        try writer.append(bytes(7))
        disk.inject(.syncErrorKept)
        #expect(throws: DiskError.self) { _ = try writer.finish() }
        #expect(throws: DiskError.self) { _ = try writer.finish() }
        #expect(throws: DiskError.self) { try writer.append([1]) }
        #expect(try store.list().isEmpty)
        try writer.abandon()
        #expect(disk.paths(ending: ".tmp").isEmpty && disk.openFiles == 0)
    }

    @Test func `a crash at any operation leaves whole checkpoints only, and the finished ones`() throws {
        for operation in 0..<60 {
            for seed in 0..<UInt64(4) {
                let disk = SimulatedDisk(seed: seed, folders: [Self.folder])
                disk.die(after: operation)
                let store = CheckpointStore(disk: disk, directory: Self.folder)
                var finished = 0
                do {
                    for number in 1...5 {
                        try save(number, in: store, origin: number % 2 == 0 ? .own : .fetched)
                        finished = number
                        try store.prune()
                    }
                } catch {
                    guard disk.isDead else { throw error }
                }
                let next = CheckpointStore(
                    disk: disk.afterCrash(seed: UInt64(operation) << 8 | seed), directory: Self.folder)
                try next.removeLeftovers()
                let found = try next.list()
                if finished > 0 { #expect(found.contains { $0.position >= position(finished) }) }
                for checkpoint in found {
                    let number = Int(checkpoint.position.index.rawValue)
                    #expect(try read(number, in: next) == bytes(number))
                }
                // Whatever was cut: the two newest finished ones are there.
                if finished > 1 { #expect(found.contains { $0.position == position(finished - 1) }) }
            }
        }
    }
}

extension LogPosition {
    fileprivate static func >= (a: LogPosition, b: LogPosition) -> Bool { a.isAtLeastAsUpToDate(as: b) }
}
