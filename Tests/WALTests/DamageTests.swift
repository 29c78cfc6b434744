import Consensus
import Primitives
import Simulator
import Testing
import WAL

/// Torn, corrupt and absent are three answers.
@Suite struct DamageTests {
    static let path = directory + "/0000000000000001.log"

    /// Three batches: entries 1 and 2, entry 3 with a hard state that commits 2, entries 4 and 5.
    static func makeLog() throws -> (disk: SimulatedDisk, bytes: [UInt8], lastBatch: Int) {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(entries: entries(1...2))
        try wal.sync()
        try wal.append(
            hardState: HardState(term: Term(1), vote: NodeID(2), commit: index(2)), entries: [entry(3)])
        try wal.sync()
        try wal.append(entries: entries(4...5, bytes: 100))
        try wal.sync()
        // Header, restart, and the first two batches take a sector each.
        return (disk, disk.contents(path) ?? [], 4 * 512)
    }

    private func recover(_ disk: SimulatedDisk) throws(WALError) -> Recovered {
        try WriteAheadLog.recover(disk: disk, directory: directory, identity: identity, limits: small)
    }

    @Test func `a file cut at any byte gives a prefix, or is refused below the commit index`() throws {
        let (disk, bytes, _) = try Self.makeLog()
        var ends: Set<UInt64> = []
        for length in 0..<bytes.count {
            disk.put(Self.path, Array(bytes[..<length]))
            do {
                let found = try recover(disk)
                #expect(found.hardState.commit <= found.log.lastIndex)
                ends.insert(found.log.lastIndex.rawValue)
                // What is left can be gone on with.
                guard length % 37 == 0 else { continue }
                let disk = disk.copy()
                var wal = try openLog(disk)
                let next = Int(wal.terms.lastIndex.rawValue) + 1
                let kept = try contents(wal)
                #expect(kept == Array((entries(1...3) + entries(4...5, bytes: 100)).prefix(next - 1)))
                try wal.append(entries: [entry(next, term: 7)])
                try wal.sync()
                let again = try openLog(disk)
                #expect(try contents(again) == kept + [entry(next, term: 7)])
            } catch let error as WALError {
                guard case .corrupt(Self.path, 0, _) = error else { throw error }
                #expect(length < 512)
            }
        }
        #expect(ends == [0, 1, 2, 3, 4, 5])
    }

    @Test func `a flipped bit is harmless, refused, or cuts the last batch`() throws {
        let (disk, bytes, lastBatch) = try Self.makeLog()
        let whole = try recover(disk)
        var (corrupt, torn, harmless) = (0, 0, 0)
        for bit in 0..<(lastBatch + 512) * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            disk.put(Self.path, damaged)
            do {
                let found = try recover(disk)
                if found == whole {
                    harmless += 1
                } else {
                    torn += 1
                    #expect(bit / 8 >= lastBatch && found.log.lastIndex >= index(3))
                    #expect(found.hardState == whole.hardState)
                }
            } catch {
                corrupt += 1
                guard case .corrupt(let file, let offset, _) = error else { throw error }
                #expect(file == Self.path && offset <= bit / 8 && bit / 8 < lastBatch)
            }
        }
        #expect(corrupt > 6000 && torn > 1500 && harmless > 4000)
    }

    @Test func `damage below the commit index is never taken for a torn tail`() throws {
        let (disk, _, _) = try Self.makeLog()
        var wal = try openLog(disk)
        try wal.append(hardState: HardState(term: Term(1), commit: index(5)))
        try wal.sync()
        // Take the hard state's sector for a lost entry's: the whole last two batches become rubbish but the state.
        var bytes = disk.contents(Self.path) ?? []
        bytes[4 * 512 + 60] ^= 1
        disk.put(Self.path, bytes)
        let error = #expect(throws: WALError.self) { try recover(disk) }
        guard case .corrupt(Self.path, 2048, _) = error else { throw error ?? .unusable }
    }

    @Test func `damage in an older segment is refused`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        for number in 1...20 {
            try wal.append(entries: [entry(number, bytes: 900)])
            try wal.sync()
        }
        let bytes = disk.contents(Self.path) ?? []
        for place in stride(from: 512, to: 3 * 512 + 900, by: 97) {
            var damaged = bytes
            damaged[place] ^= 0x10
            disk.put(Self.path, damaged)
            do {
                let found = try recover(disk)
                #expect(found.log.lastIndex == index(20))
            } catch {
                guard case .corrupt(Self.path, _, _) = error else { throw error }
            }
        }
        disk.put(Self.path, Array(bytes[..<1500]))
        #expect(throws: WALError.self) { try recover(disk) }
    }

    @Test func `a missing segment is refused, a missing log is absent`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        for number in 1...20 { try wal.append(entries: [entry(number, bytes: 900)]) }
        try wal.sync()
        let broken = disk.copy()
        try broken.remove(directory + "/0000000000000002.log")
        #expect(
            throws: WALError.corrupt(
                file: directory + "/0000000000000002.log", offset: 0, reason: "the segment is missing")
        ) { try recover(broken) }
        let empty = SimulatedDisk(seed: 1, folders: [directory])
        #expect(throws: WALError.absent(directory: directory)) { try recover(empty) }
        #expect(throws: WALError.alreadyExists(directory: directory)) {
            try WriteAheadLog.create(disk: disk, directory: directory, identity: identity, limits: small)
        }
    }

    @Test func `another's log is refused, and so is another version's`() throws {
        let (disk, bytes, _) = try Self.makeLog()
        var other = identity
        other.node = NodeID(4)
        #expect(throws: WALError.foreign(file: Self.path, reason: "node 3, not 4")) {
            try WriteAheadLog.recover(disk: disk, directory: directory, identity: other, limits: small)
        }
        var newer = bytes
        newer[12] = 2
        let checksum = CRC32C.checksum(newer[12..<512])
        for byte in 0..<4 { newer[8 + byte] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * byte)) }
        disk.put(Self.path, newer)
        #expect(throws: WALError.unsupportedVersion(file: Self.path, version: 2)) { try recover(disk) }
    }

    @Test func `strange names in the folder are left alone`() throws {
        let (disk, _, _) = try Self.makeLog()
        let strange = ["lost+found", "000000000000000A.log", "1.log", "notes.txt"]
        for name in strange { disk.put(directory + "/" + name, [1]) }
        disk.put(directory + "/segment.tmp", [1])
        let wal = try openLog(disk)
        #expect(wal.terms.lastIndex == index(5))
        for name in strange { #expect(disk.contents(directory + "/" + name) == [1]) }
        #expect(disk.contents(directory + "/segment.tmp") == nil)
    }

    /// Of a batch that was never acknowledged the first entry is lost, the others reach the disk; the next life
    /// writes the same entries again, and is torn again. What survived from the first life must not come back.
    @Test func `records beyond a cut never come back`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(entries: entries(1...3, bytes: 464))
        let before = disk.contents(Self.path) ?? []
        try wal.sync()
        var torn = disk.contents(Self.path) ?? []
        torn.replaceSubrange(1024 + 48..<1536, with: before[1024 + 48..<1536])
        for again in [entries(1...1, bytes: 464), entries(1...2, bytes: 464)] {
            disk.put(Self.path, torn)
            var wal = try openLog(disk)
            #expect(wal.recovered.notes.contains { $0.contains("cut after 0@0") })
            #expect(wal.terms.lastIndex == .zero)
            let started = disk.contents(Self.path) ?? []
            try wal.append(entries: again)
            try wal.sync()
            let written = disk.contents(Self.path) ?? []
            for sector in 0..<8 {
                let bytes = sector * 512..<sector * 512 + 512
                var image = written
                image.replaceSubrange(bytes, with: started[bytes])
                disk.put(Self.path, image)
                let reopened = try openLog(disk)
                let found = try contents(reopened)
                #expect(found == Array(again.prefix(found.count)))
            }
        }
    }

    @Test func `after a failed sync the cache is not believed`() throws {
        let (disk, _, _) = try Self.makeLog()
        var wal = try openLog(disk)
        try wal.append(entries: [entry(6)])
        disk.inject(.syncErrorKept)
        #expect(throws: WALError.self) { try wal.sync() }
        #expect(throws: WALError.unusable) { try wal.sync() }
        #expect(throws: WALError.unusable) { try wal.append(entries: [entry(7)]) }
        #expect(throws: WALError.unusable) { try wal.cut(below: index(2)) }
        #expect(throws: WALError.unusable) { try wal.prepareSpare() }
        #expect(throws: WALError.unusable) { try wal.reset(to: LogPosition(index: index(9), term: Term(1))) }
        #expect(throws: WALError.unusable) { try wal.entries(from: index(1), to: index(2)) }
        // The next process sees the cache, in which the entry stands; the platter hasn't got it.
        var random = SeededGenerator(seed: 1)
        disk.crash(using: &random, power: false)
        let next = try openLog(disk)
        #expect(next.terms.lastIndex == index(5))
    }
}
