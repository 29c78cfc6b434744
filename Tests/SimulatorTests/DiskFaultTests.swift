import Primitives
import Simulator
import Testing
import WAL

/// Every fault does what it says, and is told of.
@Suite struct DiskFaultTests {
    private func expectOnly(_ fault: DiskFault, _ disk: SimulatedDisk, count: Int = 1) {
        for each in DiskFault.allCases {
            #expect(disk.counters[each] == (each == fault ? count : 0), "\(each)")
        }
        #expect(disk.takeInjuries().allSatisfy { $0.fault == fault })
        #expect(disk.takeInjuries().isEmpty)
    }

    // MARK: - Reading

    @Test func `a read fails once`() throws {
        let (disk, _) = diskWithFile()
        disk.inject(.readError, skipping: 1)
        #expect(try disk.read("/data/a.log") == patternBytes(4096))
        #expect(
            errorCode { () throws(DiskError) in _ = try disk.read("/data/a.log") } == DiskError.inputOutput)
        #expect(try disk.read("/data/a.log") == patternBytes(4096))
        expectOnly(.readError, disk)
    }

    @Test func `a stale read shows what was there before the last sync`() throws {
        let (disk, file) = diskWithFile()
        disk.inject(.staleRead)
        // Nothing older is known yet: the fault waits.
        #expect(try disk.read("/data/a.log") == patternBytes(4096))
        try disk.write(patternBytes(1000, 9), to: file, at: 600)
        try disk.sync(file)
        var wanted = patternBytes(4096)
        wanted.replaceSubrange(600..<1600, with: patternBytes(1000, 9))
        #expect(try disk.read("/data/a.log", at: 512, count: 2048) == Array(patternBytes(4096)[512..<2560]))
        #expect(try disk.read("/data/a.log") == wanted)
        expectOnly(.staleRead, disk)
    }

    @Test func `a flipped read is wrong in one bit, once`() throws {
        let (disk, _) = diskWithFile()
        disk.inject(.flippedRead)
        let found = try disk.read("/data/a.log", at: 1000, count: 900)
        let wrong = zip(found, patternBytes(4096)[1000...]).map { $0 ^ $1 }
        #expect(wrong.reduce(0) { $0 + $1.nonzeroBitCount } == 1)
        #expect(disk.contents("/data/a.log") == patternBytes(4096))
        expectOnly(.flippedRead, disk)
    }

    @Test func `a sector becomes unreadable until it is written`() throws {
        let (disk, file) = diskWithFile()
        var random = SeededGenerator(seed: 4)
        #expect(disk.spoil(.checkpoints, using: &random) == false)
        #expect(disk.spoil(.segments, using: &random) == true)
        let injury = try #require(disk.takeInjuries().first)
        #expect(injury.bytes.count == sectorBytes && injury.path == "/data/a.log")
        let start = injury.bytes.lowerBound
        #expect(
            errorCode { () throws(DiskError) in _ = try disk.read("/data/a.log", at: start + 511, count: 1) }
                == DiskError.inputOutput)
        #expect(try disk.read("/data/a.log", at: 0, count: start).count == start)
        #expect(
            errorCode { () throws(DiskError) in _ = try disk.fork().read("/data/a.log") }
                == DiskError.inputOutput)
        try disk.write([1], to: file, at: start)
        #expect(try disk.read("/data/a.log").count == 4096)
    }

    @Test func `bits rot in durable bytes, in the cache, too, unless they were written`() throws {
        let (disk, file) = diskWithFile()
        disk.put("/data/b.checkpoint", patternBytes(600))
        var random = SeededGenerator(seed: 4)
        for _ in 0..<20 { disk.rot(.checkpoints, using: &random) }
        #expect(disk.contents("/data/a.log") == patternBytes(4096))
        #expect(disk.contents("/data/b.checkpoint") != patternBytes(600))
        #expect(disk.contents("/data/b.checkpoint")?.count == 600)
        try disk.write(patternBytes(4096, 9), to: file, at: 0)
        for _ in 0..<20 { disk.rot(.segments, using: &random) }
        #expect(disk.contents("/data/a.log") == patternBytes(4096, 9))
        let flipped = zip(disk.durableContents("/data/a.log") ?? [], patternBytes(4096)).map { $0 ^ $1 }
        #expect(flipped.reduce(0) { $0 + $1.nonzeroBitCount } >= 10)
        #expect(disk.counters[.bitRot] == 40)
    }

    // MARK: - Writing

    @Test func `a write fails, and a part from the beginning is there`() throws {
        var counts: Set<Int> = []
        for seed in 0..<UInt64(50) {
            let (disk, file) = diskWithFile(seed: seed)
            disk.inject(.writeError)
            #expect(
                errorCode { () throws(DiskError) in try disk.write(patternBytes(1000, 9), to: file, at: 0) }
                    == DiskError.inputOutput)
            let found = disk.contents("/data/a.log") ?? []
            counts.insert(zip(found, patternBytes(1000, 9)).prefix { $0 == $1 }.count)
            expectOnly(.writeError, disk)
        }
        #expect(counts.count > 25)
    }

    @Test func `a lost write is acknowledged, synced and gone after the crash`() throws {
        let (disk, file) = diskWithFile()
        disk.inject(.lostWrite, in: .segments)
        try disk.make("/data/b.checkpoint", [1])
        try disk.write(patternBytes(1000, 9), to: file, at: 0)
        try disk.write(patternBytes(sectorBytes, 9), to: file, at: 2048)
        try disk.sync(file)
        try disk.sync(file)
        #expect(try disk.read("/data/a.log", count: 1000) == patternBytes(1000, 9))
        var wanted = patternBytes(4096)
        wanted.replaceSubrange(2048..<2560, with: patternBytes(sectorBytes, 9))
        #expect(disk.fork().contents("/data/a.log") == wanted)
        var random = SeededGenerator(seed: 1)
        for _ in 0..<50 { #expect(disk.fork(using: &random).contents("/data/a.log") == wanted) }
        // Settling shows what the platter has.
        try disk.settle(file)
        #expect(disk.contents("/data/a.log") == wanted)
        #expect(DiskFault.lostWrite.isSilent)
        expectOnly(.lostWrite, disk)
    }

    @Test func `a misdirected write lands on other sectors of the same file`() throws {
        var targets: Set<Int> = []
        for seed in 0..<UInt64(80) {
            let (disk, file) = diskWithFile(seed: seed)
            disk.inject(.misdirectedWrite)
            try disk.write(patternBytes(2 * sectorBytes, 99), to: file, at: sectorBytes)
            try disk.sync(file)
            var shown = patternBytes(4096)
            shown.replaceSubrange(sectorBytes..<3 * sectorBytes, with: patternBytes(2 * sectorBytes, 99))
            #expect(disk.contents("/data/a.log") == shown)
            let injuries = disk.takeInjuries()
            try #require(injuries.count == 2 && injuries[0].bytes == sectorBytes..<3 * sectorBytes)
            let target = injuries[1].bytes
            targets.insert(target.lowerBound / sectorBytes)
            var wanted = patternBytes(4096)
            wanted.replaceSubrange(target, with: patternBytes(2 * sectorBytes, 99))
            #expect(disk.fork().contents("/data/a.log") == wanted)
            #expect(disk.counters[.misdirectedWrite] == 1)
        }
        #expect(targets == [0, 2, 3, 4, 5, 6])
    }

    @Test func `a file of one sector has no other place: the fault waits`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        disk.inject(.misdirectedWrite)
        let file = try disk.make("/data/a", patternBytes(sectorBytes))
        try disk.sync(file)
        try disk.write(patternBytes(sectorBytes, 2), to: file, at: 0)
        try disk.sync(file)
        #expect(disk.durableContents("/data/a") == nil)
        #expect(
            disk.contents("/data/a") == patternBytes(sectorBytes, 2) && disk.counters[.misdirectedWrite] == 0)
        disk.cancelInjections()
    }

    // MARK: - Syncing

    @Test func `a failed sync: the cache shows the new content until the crash (ext4)`() throws {
        var survivors: Set<Int> = []
        for seed in 0..<UInt64(40) {
            let (disk, file) = diskWithFile(seed: seed)
            try disk.write(patternBytes(1024, 9), to: file, at: 0)
            disk.inject(.syncErrorKept)
            #expect(errorCode { () throws(DiskError) in try disk.sync(file) } == DiskError.inputOutput)
            try disk.sync(file)
            #expect(try disk.read("/data/a.log", count: 1024) == patternBytes(1024, 9))
            let durable = disk.fork().contents("/data/a.log") ?? []
            let isThere = (0..<2).map { durable[$0 * sectorBytes] == patternBytes(1024, 9)[$0 * sectorBytes] }
            survivors.insert((isThere[0] ? 1 : 0) + (isThere[1] ? 2 : 0))
            // Whatever is written anew is synced.
            try disk.write(patternBytes(1024, 7), to: file, at: 0)
            try disk.sync(file)
            #expect(disk.fork().contents("/data/a.log")?.prefix(1024) == patternBytes(1024, 7)[...])
            expectOnly(.syncErrorKept, disk)
        }
        // Never everything: an error that loses nothing would prove nothing.
        #expect(survivors == [0, 1, 2])
    }

    @Test func `a failed sync: the old content is back at once (Btrfs)`() throws {
        let (disk, file) = diskWithFile()
        try disk.write(patternBytes(5000, 9), to: file, at: 0)
        disk.inject(.syncErrorReverted)
        #expect(errorCode { () throws(DiskError) in try disk.sync(file) } == DiskError.inputOutput)
        #expect(try disk.read("/data/a.log") == patternBytes(4096))
        #expect(disk.isSettled && disk.usedBytes == 4096)
        try disk.sync(file)
        expectOnly(.syncErrorReverted, disk)
    }

    @Test func `a failed sync: somebody later is told`() throws {
        let (disk, file) = diskWithFile()
        try disk.write(patternBytes(5000, 9), to: file, at: 0)
        disk.inject(.syncErrorLater)
        try disk.sync(file)
        #expect(try disk.read("/data/a.log") == patternBytes(5000, 9))
        let durable = disk.fork().contents("/data/a.log") ?? []
        #expect(
            durable.prefix(4096) == patternBytes(4096)[...] && durable.dropFirst(4096).allSatisfy { $0 == 0 })
        let other = try disk.open("/data/a.log")
        #expect(errorCode { () throws(DiskError) in try disk.sync(other) } == DiskError.inputOutput)
        try disk.sync(file)
        expectOnly(.syncErrorLater, disk)
    }

    @Test func `a sync finds that there is no room`() throws {
        let (disk, file) = diskWithFile()
        try disk.write(patternBytes(600, 9), to: file, at: 0)
        disk.inject(.syncNoSpace)
        let error = #expect(throws: DiskError.self) { try disk.sync(file) }
        #expect(error?.code == DiskError.noSpaceLeft && error?.isNoSpace == false)
        expectOnly(.syncNoSpace, disk)
    }

    @Test func `a folder's sync fails, and some of its changes are durable`() throws {
        var found: Set<Int> = []
        for seed in 0..<UInt64(40) {
            let disk = SimulatedDisk(seed: seed, folders: ["/data"])
            try disk.make("/data/a", [])
            try disk.make("/data/b", [])
            disk.inject(.folderSyncError)
            #expect(
                errorCode { () throws(DiskError) in try disk.syncDirectory("/data") } == DiskError.inputOutput
            )
            found.insert(disk.fork().paths().count)
            #expect(disk.paths().count == 2)
            expectOnly(.folderSyncError, disk)
            try disk.syncDirectory("/data")
            #expect(disk.fork().paths().count == 2)
        }
        #expect(found == [0, 1, 2])
    }

    @Test func `a sync that succeeds after one that failed makes durable what the cache shows`() throws {
        for seed in 0..<UInt64(64) {
            let (disk, _) = diskWithFile(seed: seed)
            disk.put("/data/b.spare", [2])
            // Of a file that gets two names one after the other, the failed sync may keep the later change
            // alone; the same of a name that two files get.
            try disk.rename("/data/b.spare", to: "/data/b.tmp")
            try disk.rename("/data/b.tmp", to: "/data/b.log")
            try disk.make("/data/c", [3])
            try disk.rename("/data/c", to: "/data/a.log")
            try disk.make("/data/d", [4])
            try disk.rename("/data/d", to: "/data/a.log")
            for name in ["/data/a.log", "/data/b.log"] { try disk.sync(try disk.open(name)) }
            disk.inject(.folderSyncError)
            #expect(throws: DiskError.self) { try disk.syncDirectory("/data") }
            try disk.syncDirectory("/data")
            let after = disk.fork()
            #expect(after.paths().sorted() == ["/data/a.log", "/data/b.log"])
            #expect(after.contents("/data/a.log") == [4])
            #expect(after.contents("/data/b.log") == [2])
        }
    }

    // MARK: - Names

    @Test func `names fail, and it may have been done all the same`() throws {
        var isDone = [0, 0, 0]
        for seed in 0..<UInt64(40) {
            let (disk, _) = diskWithFile(seed: seed)
            disk.inject(.nameError)
            #expect(
                errorCode { () throws(DiskError) in try disk.make("/data/b", []) } == DiskError.inputOutput)
            if disk.paths().count == 2 { isDone[0] += 1 }
            disk.inject(.nameError)
            #expect(
                errorCode { () throws(DiskError) in try disk.rename("/data/a.log", to: "/data/c") }
                    == DiskError.inputOutput)
            if disk.contents("/data/c") != nil { isDone[1] += 1 }
            disk.put("/data/d", [])
            disk.inject(.nameError)
            #expect(errorCode { () throws(DiskError) in try disk.remove("/data/d") } == DiskError.inputOutput)
            if disk.contents("/data/d") == nil { isDone[2] += 1 }
            disk.inject(.nameError)
            #expect(errorCode { () throws(DiskError) in _ = try disk.list("/data") } == DiskError.inputOutput)
            expectOnly(.nameError, disk, count: 4)
            #expect(disk.openFiles == 1)
        }
        #expect(isDone.allSatisfy { $0 > 8 && $0 < 32 })
    }

    // MARK: - Rates

    @Test func `faults happen as often as their rates say, and only to the files named`() throws {
        let (disk, file) = diskWithFile()
        disk.put("/data/b.checkpoint", patternBytes(4096))
        let other = try disk.open("/data/b.checkpoint")
        disk.faults = [.writeError: 100_000, .lostWrite: 50_000]
        disk.faults.kinds = .segments
        #expect(disk.faults.description == "writeError 100000, lostWrite 50000")
        var failures = 0
        for _ in 0..<2000 {
            if errorCode({ () throws(DiskError) in try disk.write([1, 2], to: file, at: 10) }) != nil {
                failures += 1
            }
            try disk.write([1, 2], to: other, at: 10)
        }
        #expect((150...250).contains(failures) && failures == disk.counters[.writeError])
        #expect((60...140).contains(disk.counters[.lostWrite]))
        #expect(disk.takeInjuries().allSatisfy { $0.path == "/data/a.log" })
        disk.faults = .none
        for _ in 0..<100 { try disk.write([1], to: file, at: 0) }
        #expect(DiskFaults.none.isNone && DiskFaults.none.description == "none")
    }

    @Test func `files are told apart by the ends of their names`() {
        let kinds: [(String, FileKinds)] = [
            ("/data/log/1.log", .segments), ("/data/log/1.spare", .spares), ("/data/log/a.tmp", .temporaries),
            ("/data/checkpoints/1-1.checkpoint", .checkpoints), ("/data/identity", .identity),
            ("/data/identity.tmp", .temporaries), ("/data/lock", .others), ("/data/logs", .others),
        ]
        for (path, kind) in kinds { #expect(FileKinds(path: path) == kind, "\(path)") }
        #expect(kinds.allSatisfy { FileKinds.all.contains($0.1) })
    }

    @Test func `rot comes with time`() throws {
        let (disk, file) = diskWithFile()
        disk.faults = [.bitRot: 10_000, .unreadableSector: 5_000]
        for _ in 0..<2000 { _ = try disk.size(of: file) }
        #expect((8...40).contains(disk.counters[.bitRot]))
        #expect((2...25).contains(disk.counters[.unreadableSector]))
        disk.faults = .none
        disk.inject(.bitRot, in: .checkpoints)
        _ = try disk.size(of: file)
        #expect(disk.takeInjuries().count == disk.counters[.bitRot] + disk.counters[.unreadableSector])
    }
}
