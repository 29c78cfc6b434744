import Primitives
import Simulator
import Testing
import WAL

/// Space and time.
@Suite struct DiskSpaceTests {
    @Test func `a full disk refuses what needs space, and takes the rest`() throws {
        let (disk, file) = diskWithFile()
        disk.capacity = 8192 + 100
        #expect(disk.usedBytes == 4096 && disk.freeBytes == 4196)
        // As much as fits is written.
        #expect(
            errorCode { () throws(DiskError) in try disk.write(patternBytes(6000, 2), to: file, at: 4000) }
                == DiskError.noSpaceLeft)
        #expect(try disk.size(of: file) == 8192 && disk.usedBytes == 8192)
        try disk.write(patternBytes(8192, 3), to: file, at: 0)
        try disk.sync(file)
        #expect(
            errorCode { () throws(DiskError) in try disk.allocate(file, count: 8193) }
                == DiskError.noSpaceLeft)
        #expect(errorCode { () throws(DiskError) in try disk.write([1], to: file, at: 8192) } == 28)
        #expect(errorCode { () throws(DiskError) in try disk.write([1], to: file, at: 100_000) } == 28)
        #expect(disk.contents("/data/a.log") == patternBytes(8192, 3) && disk.counters.spaceRefusals == 4)
        disk.capacity = 12_288
        try disk.write([1], to: file, at: 8192)
        #expect(disk.usedBytes == 12_288)
        // Less than is used already: nothing grows, but nothing is lost.
        disk.capacity = 4096
        #expect(disk.freeBytes == 0)
        try disk.write([1], to: file, at: 0)
        try disk.remove("/data/a.log")
        #expect(disk.usedBytes == 12_288)
        disk.close(file)
        #expect(disk.usedBytes == 0)
    }

    @Test func `allocation takes what there is before it fails`() throws {
        let (disk, file) = diskWithFile()
        disk.capacity = 10_000
        #expect(
            errorCode { () throws(DiskError) in try disk.allocate(file, count: 20_000) }
                == DiskError.noSpaceLeft)
        #expect(try disk.size(of: file) == 8192)
        let again = try disk.create("/data/a.log")
        #expect(disk.usedBytes == 0)
        disk.close(again)
    }

    @Test func `without room new names are refused now and then`() throws {
        let (disk, file) = diskWithFile()
        disk.close(file)
        disk.capacity = 4096
        var refused = 0
        for number in 0..<200 {
            let path = "/data/\(number)"
            if errorCode({ () throws(DiskError) in try disk.make(path, []) }) == DiskError.noSpaceLeft {
                refused += 1
                #expect(disk.contents(path) == nil)
            }
        }
        #expect((30...70).contains(refused))
        var random = SeededGenerator(seed: 1)
        disk.crash(using: &random, power: true)
        disk.capacity = .max
        try disk.make("/data/x", [])
    }

    @Test func `a quota refuses although there is room`() throws {
        let (disk, file) = diskWithFile()
        for _ in 0..<2 { disk.inject(.noSpace) }
        #expect(errorCode { () throws(DiskError) in try disk.write([1], to: file, at: 0) } == 28)
        #expect(errorCode { () throws(DiskError) in try disk.rename("/data/a.log", to: "/data/b") } == 28)
        #expect(disk.paths() == ["/data/a.log"] && disk.counters[.noSpace] == 2)
        try disk.rename("/data/a.log", to: "/data/b")
    }

    @Test func `space is given back in a crash, and taken again`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        let file = try disk.make("/data/a", patternBytes(9000))
        disk.close(file)
        #expect(disk.usedBytes == 12_288)
        #expect(disk.fork().usedBytes == 0)
        try disk.syncDirectory("/data")
        #expect(disk.fork().usedBytes == 0 && disk.fork().paths() == ["/data/a"])
        try disk.sync(try disk.open("/data/a"))
        try disk.remove("/data/a")
        #expect(disk.fork().usedBytes == 12_288)
        var random = SeededGenerator(seed: 1)
        disk.crash(using: &random, power: false)
        #expect(disk.usedBytes == 0)
    }

    // MARK: - Time

    @Test func `operations take time: by call, by byte, by sync, and slow disks longer`() throws {
        let (disk, file) = diskWithFile()
        disk.latency = DiskLatency(call: .microseconds(3), sync: .microseconds(100))
        #expect(disk.takeConsumed() == .zero)
        try disk.write(patternBytes(4096), to: file, at: 0)
        #expect(disk.takeConsumed() == .microseconds(3))
        #expect(disk.takeConsumed() == .zero)
        var buffer = [UInt8](repeating: 0, count: 8192)
        _ = try disk.read(file, at: 0, into: &buffer)
        #expect(disk.takeConsumed().nanoseconds == 3000 + (4096 * 2_000_000) >> 20)
        var spans: [Int64] = []
        for _ in 0..<50 {
            try disk.write(patternBytes(4096), to: file, at: 0)
            _ = disk.takeConsumed()
            try disk.sync(file)
            spans.append(disk.takeConsumed().nanoseconds - 3000 - (4096 * 2_000_000) >> 20)
        }
        #expect(spans.allSatisfy { (50_000..<150_000).contains($0) })
        #expect((85_000...115_000).contains(spans.reduce(0, +) / 50))
        disk.latency.factor = 100
        try disk.write([1], to: file, at: 0)
        #expect(disk.takeConsumed() == .microseconds(300))
    }

    @Test func `stalls are rare and long`() throws {
        let (disk, file) = diskWithFile()
        disk.latency = .none
        disk.latency.stallsPerMillion = 10_000
        var stalled = 0
        for _ in 0..<2000 {
            try disk.write([1], to: file, at: 0)
            let span = disk.takeConsumed()
            if span != .zero {
                stalled += 1
                #expect(span >= .milliseconds(50) && span < .seconds(2))
            }
        }
        #expect((8...40).contains(stalled) && stalled == disk.counters.stalls)
    }

    @Test func `a fork is free of faults, limits and latency`() throws {
        let (disk, _) = diskWithFile()
        disk.capacity = 0
        disk.isReadOnly = true
        disk.faults = [.writeError: 1_000_000]
        disk.latency = DiskLatency()
        let fork = disk.fork()
        let file = try fork.open("/data/a.log")
        try fork.write(patternBytes(9000), to: file, at: 0)
        try fork.sync(file)
        #expect(fork.takeConsumed() == .zero)
    }

    // MARK: - Counting

    @Test func `operations are counted by kind`() throws {
        let (disk, file) = diskWithFile()
        _ = try disk.read("/data/a.log", count: 100)
        try disk.write(patternBytes(300), to: file, at: 0)
        try disk.settle(file)
        try disk.sync(file)
        try disk.allocate(file, count: 1)
        try disk.make("/data/b", [1])
        try disk.rename("/data/b", to: "/data/c")
        try disk.remove("/data/c")
        try disk.syncDirectory("/data")
        _ = try disk.list("/data")
        let counters = disk.counters
        #expect(counters.reads == 1 && counters.bytesRead == 100)
        #expect(counters.writes == 2 && counters.bytesWritten == 301)
        #expect(counters.syncs == 2 && counters.folderSyncs == 1)
        #expect(counters.allocations == 1 && counters.creates == 1 && counters.opens == 2)
        #expect(counters.renames == 1 && counters.removes == 1 && counters.looks == 1)
        #expect(disk.changes == 9)
    }
}
