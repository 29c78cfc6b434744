import Primitives
import Simulator
import Testing
import WAL

/// What a power failure may do, and what it may not.
@Suite struct DiskCrashTests {
    private func afterCrash(_ disk: SimulatedDisk, _ seed: UInt64) -> SimulatedDisk {
        var random = SeededGenerator(seed: seed)
        return disk.fork(using: &random)
    }

    @Test func `each unsynced sector is kept, lost or garbled by itself; a synced one stays`() throws {
        let (disk, file) = diskWithFile()
        // Sectors 1 to 4 are written; of the last one the first byte.
        try disk.write(patternBytes(3 * sectorBytes + 1, 9), to: file, at: sectorBytes)
        let (old, new) = (patternBytes(4096), disk.contents("/data/a.log") ?? [])
        var outcomes: Set<String> = []
        for seed in 0..<UInt64(600) {
            let found = afterCrash(disk, seed).contents("/data/a.log") ?? []
            try #require(found.count == 4096)
            let kinds = (0..<8).map { place in
                let range = place * sectorBytes..<(place + 1) * sectorBytes
                return found[range] == new[range] ? "k" : found[range] == old[range] ? "l" : "g"
            }
            #expect(kinds[0] == "k" && kinds[5...] == ["k", "k", "k"])
            outcomes.insert(kinds[1...4].joined())
        }
        let plain = outcomes.filter { !$0.contains("g") }
        #expect(plain.count == 16)
        for place in 0..<4 { #expect(outcomes.contains { Array($0)[place] == "g" }) }
        disk.garblesSectors = false
        for seed in 0..<UInt64(100) {
            let found = afterCrash(disk, seed).contents("/data/a.log") ?? []
            for place in 1...4 {
                let range = place * sectorBytes..<(place + 1) * sectorBytes
                #expect(found[range] == new[range] || found[range] == old[range])
            }
        }
    }

    @Test func `garbled is rubbish, a mixture, zeros or a bit`() throws {
        let (disk, file) = diskWithFile()
        try disk.write(patternBytes(sectorBytes, 9), to: file, at: 0)
        let (old, new) = (patternBytes(4096)[..<sectorBytes], patternBytes(sectorBytes, 9)[...])
        var (zeros, mixed, bits, rubbish) = (0, 0, 0, 0)
        for seed in 0..<UInt64(2000) {
            let found = (afterCrash(disk, seed).contents("/data/a.log") ?? [])[..<sectorBytes]
            guard found != old && found != new else { continue }
            let strange = found.indices.filter { found[$0] != old[$0] && found[$0] != new[$0] }
            if found.allSatisfy({ $0 == 0 }) {
                zeros += 1
            } else if strange.isEmpty {
                mixed += 1
            } else if strange.count == 1 {
                bits += 1
            } else {
                rubbish += 1
            }
        }
        #expect(zeros > 10 && mixed > 10 && bits > 10 && rubbish > 10)
    }

    @Test func `an unsynced length is kept or lost, and something in between now and then`() throws {
        let (disk, file) = diskWithFile()
        try disk.write(patternBytes(4096, 5), to: file, at: 4096)
        try disk.allocate(file, count: 10_000)
        var sizes: [Int: Int] = [:]
        for seed in 0..<UInt64(400) {
            let found = afterCrash(disk, seed).contents("/data/a.log") ?? []
            sizes[found.count, default: 0] += 1
            #expect(found.prefix(4096) == patternBytes(4096)[...])
            if found.count == 10_000 { #expect(found.suffix(10_000 - 8192).allSatisfy { $0 == 0 }) }
        }
        #expect(sizes[4096, default: 0] > 50 && sizes[10_000, default: 0] > 50)
        #expect(sizes.count > 10 && sizes.keys.allSatisfy { (4096...10_000).contains($0) })
        // Of a file that was emptied and written again, the old bytes may come back; what wasn't written
        // anew comes back as it was.
        _ = try disk.create("/data/a.log")
        try disk.write(patternBytes(100, 8), to: file, at: 0)
        var isOld = 0
        for seed in 0..<UInt64(100) {
            let found = afterCrash(disk, seed).contents("/data/a.log") ?? []
            isOld += found == patternBytes(4096) ? 1 : 0
            #expect(
                found.dropFirst(sectorBytes) == patternBytes(4096).prefix(found.count).dropFirst(sectorBytes))
        }
        #expect(isOld > 5)
    }

    @Test func `unsynced names are kept or lost in any order that the syncs allow`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        disk.put("/data/a", [1])
        disk.put("/data/b", [2])
        try disk.rename("/data/a", to: "/data/c")
        try disk.remove("/data/b")
        disk.close(try disk.create("/data/d"))
        var found: Set<String> = []
        for seed in 0..<UInt64(500) {
            found.insert(
                afterCrash(disk, seed).paths().map { String($0.suffix(1)) }.joined())
        }
        #expect(found == ["ab", "abd", "a", "ad", "bc", "bcd", "c", "cd"])
        try disk.syncDirectory("/data")
        try disk.rename("/data/c", to: "/data/d")
        for seed in 0..<UInt64(50) {
            let after = afterCrash(disk, seed)
            #expect(after.paths() == ["/data/d"] || after.paths() == ["/data/c", "/data/d"])
            // In one step: there is always one, and never a mixture.
            #expect(after.contents("/data/d") == (after.paths().count == 1 ? [1] : []))
        }
    }

    @Test func `names are often kept as a journal keeps them: all up to some change`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        let all = "abcdefghijkl".map { "/data/\($0)" }
        for path in all { try disk.make(path, []) }
        var prefixes: Set<Int> = []
        var others = 0
        for seed in 0..<UInt64(300) {
            let found = afterCrash(disk, seed).paths()
            if found == Array(all.prefix(found.count)) { prefixes.insert(found.count) } else { others += 1 }
        }
        #expect(prefixes == Set(0...12) && others > 50)
    }

    @Test func `a file has one name, whatever is kept`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        disk.put("/data/a", [1])
        try disk.rename("/data/a", to: "/data/b")
        try disk.rename("/data/b", to: "/data/c")
        var found: Set<[String]> = []
        for seed in 0..<UInt64(100) { found.insert(afterCrash(disk, seed).paths()) }
        #expect(found == [["/data/a"], ["/data/b"], ["/data/c"]])
    }

    @Test func `a removed file that comes back has its bytes, whatever was made since`() throws {
        let (disk, file) = diskWithFile()
        let second = try disk.make("/data/b", [2])
        try disk.sync(second)
        try disk.remove("/data/a.log")
        try disk.remove("/data/b")
        disk.close(file)
        disk.close(second)
        for number in 0..<3 {
            let other = try disk.make("/data/new\(number)", [9])
            try disk.sync(other)
            disk.close(other)
        }
        var found: Set<[String]> = []
        for seed in 0..<UInt64(200) {
            let after = afterCrash(disk, seed)
            let first = after.contents("/data/a.log")
            let second = after.contents("/data/b")
            #expect(first == nil || first == patternBytes(4096))
            #expect(second == nil || second == [2])
            #expect(after.paths(ending: "0").allSatisfy { after.contents($0) == [9] })
            found.insert(after.paths().filter { !$0.contains("new") })
        }
        #expect(found == [[], ["/data/a.log"], ["/data/b"], ["/data/a.log", "/data/b"]])
    }

    @Test func `a folder that isn't durable takes everything in it along`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        try disk.createDirectory("/data/log")
        let file = try disk.make("/data/log/a", [1])
        try disk.sync(file)
        try disk.syncDirectory("/data/log")
        var found: Set<[String]> = []
        for seed in 0..<UInt64(50) { found.insert(afterCrash(disk, seed).paths()) }
        #expect(found == [[], ["/data/log/a"]])
        let empty = disk.fork()
        #expect(errorCode { () throws(DiskError) in _ = try empty.list("/data/log") } == DiskError.noEntry)
        try empty.createDirectory("/data/log")
        #expect(try empty.list("/data/log") == [])
        try disk.syncDirectory("/data")
        for seed in 0..<UInt64(20) { #expect(afterCrash(disk, seed).paths() == ["/data/log/a"]) }
    }

    @Test func `what crashes did is counted`() throws {
        let (disk, file) = diskWithFile()
        var random = SeededGenerator(seed: 5)
        var handle = file
        for number in 0..<100 {
            try disk.write(patternBytes(2048, 7), to: handle, at: 2048 + 512)
            try disk.make("/data/\(number)", [])
            disk.crash(using: &random, power: true)
            #expect(disk.isSettled && disk.openFiles == 0)
            handle = try disk.open("/data/a.log")
        }
        let losses = disk.counters.losses
        #expect(disk.counters.deaths == 100 && disk.counters.powerFailures == 100)
        #expect(losses.sectorsKept > 50 && losses.sectorsLost > 50 && losses.sectorsGarbled > 10)
        #expect(losses.namesKept > 10 && losses.namesLost > 10)
        #expect(losses.sectorsKept + losses.sectorsLost + losses.sectorsGarbled <= 500)
    }

    // MARK: - Death inside an operation

    @Test func `a write at which the process dies is done up to some byte`() throws {
        var counts: Set<Int> = []
        for seed in 0..<UInt64(100) {
            let (disk, file) = diskWithFile(seed: seed)
            disk.die(after: 1)
            try disk.write([1], to: file, at: 0)
            let error = #expect(throws: DiskError.self) {
                try disk.write(patternBytes(2000, 9), to: file, at: 100)
            }
            #expect(error?.isSimulatedCrash == true && disk.isDead)
            #expect(errorCode { () throws(DiskError) in try disk.sync(file) } == SimulatedDisk.crashed)
            #expect(
                errorCode { () throws(DiskError) in _ = try disk.open("/data/a.log") }
                    == SimulatedDisk.crashed)
            disk.close(file)
            var random = SeededGenerator(seed: seed)
            disk.crash(using: &random, power: false)
            let found = try disk.read("/data/a.log")
            let written = zip(found.dropFirst(100), patternBytes(2000, 9)).prefix { $0 == $1 }.count
            counts.insert(written)
            #expect(found.count == 4096)
            #expect(
                Array(found.dropFirst(100 + written)) == Array(patternBytes(4096).dropFirst(100 + written)))
        }
        #expect(counts.count > 50)
    }

    @Test func `anything else is done, not done, or a sync in part`() throws {
        var renamed = 0
        var synced: Set<Int> = []
        var namesSynced: Set<[String]> = []
        for seed in 0..<UInt64(60) {
            let (disk, file) = diskWithFile(seed: seed)
            try disk.write(patternBytes(1024, 9), to: file, at: 0)
            disk.die(after: 0)
            #expect(throws: DiskError.self) { try disk.rename("/data/a.log", to: "/data/b.log") }
            renamed += disk.contents("/data/b.log") == nil ? 0 : 1
            #expect(disk.paths().count == 1)

            var random = SeededGenerator(seed: seed)
            disk.crash(using: &random, power: false)
            let path = disk.paths()[0]
            let handle = try disk.open(path)
            disk.die(after: 0)
            #expect(throws: DiskError.self) { try disk.sync(handle) }
            let durable = disk.fork().contents("/data/a.log") ?? []
            let isDone = (0..<2).map { durable[$0 * sectorBytes] == patternBytes(1024, 9)[$0 * sectorBytes] }
            synced.insert((isDone[0] ? 1 : 0) + (isDone[1] ? 2 : 0))

            let other = diskWithFile(seed: seed).disk
            try other.make("/data/x", [])
            try other.make("/data/y", [])
            other.die(after: 0)
            #expect(throws: DiskError.self) { try other.syncDirectory("/data") }
            namesSynced.insert(other.fork().paths().map { String($0.suffix(1)) })
        }
        #expect(renamed > 15 && renamed < 45)
        #expect(synced == [0, 1, 2, 3])
        #expect(namesSynced == [["g"], ["g", "x"], ["g", "y"], ["g", "x", "y"]])
    }

    @Test func `only changes count towards death`() throws {
        let (disk, file) = diskWithFile()
        disk.die(after: 1)
        let before = disk.changes
        _ = try disk.read("/data/a.log")
        _ = try disk.list("/data")
        _ = try disk.size(of: file)
        disk.close(try disk.lock("/data/lock"))
        #expect(disk.changes == before)
        try disk.sync(file)
        #expect(throws: DiskError.self) { try disk.sync(file) }
        #expect(disk.counters.deathsInside == 1 && disk.changes == before + 2)
    }

    // MARK: - Forks and images

    @Test func `a fork is independent, both ways, and the disk doesn't notice`() throws {
        let (disk, file) = diskWithFile()
        try disk.write([1], to: file, at: 0)
        let fork = disk.fork()
        #expect(fork.contents("/data/a.log") == patternBytes(4096) && disk.contents("/data/a.log")?[0] == 1)
        let other = try fork.open("/data/a.log")
        try fork.write([2], to: other, at: 1)
        try fork.sync(other)
        try disk.write([3], to: file, at: 2)
        try disk.sync(file)
        #expect(fork.contents("/data/a.log")?.prefix(3) == [patternBytes(1)[0], 2, patternBytes(1)[0]])
        #expect(disk.contents("/data/a.log")?.prefix(3) == [1, patternBytes(1)[0], 3])
        #expect(disk.isDead == false && disk.openFiles == 1 && disk.counters.deaths == 0)
    }

    @Test func `a disk is wiped, and an old image put back`() throws {
        let (disk, file) = diskWithFile()
        let image = disk.snapshot()
        let digest = disk.durableDigest
        try disk.write([1], to: file, at: 0)
        try disk.sync(file)
        #expect(disk.durableDigest != digest)
        disk.wipe()
        #expect(disk.paths().isEmpty && disk.usedBytes == 0)
        #expect(errorCode { () throws(DiskError) in _ = try disk.list("/data") } == DiskError.noEntry)
        disk.restore(image)
        #expect(disk.contents("/data/a.log") == patternBytes(4096) && disk.durableDigest == digest)
        #expect(disk.usedBytes == 4096 && image.digest == digest)
        #expect(errorCode { () throws(DiskError) in try disk.sync(file) } == SimulatedDisk.crashed)
        #expect(SimulatedDisk(image: image, seed: 9).contents("/data/a.log") == patternBytes(4096))
    }
}
