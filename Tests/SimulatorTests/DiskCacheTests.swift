import Primitives
import Simulator
import Testing
import WAL

/// Cache and platter: what is shown, what is durable, and what goes with the process.
@Suite struct DiskCacheTests {
    @Test func `bytes are durable after a sync, names after one of the folder`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        let file = try disk.make("/data/a", patternBytes(1000))
        #expect(disk.contents("/data/a") == patternBytes(1000))
        #expect(disk.durableContents("/data/a") == nil)
        try disk.syncDirectory("/data")
        #expect(disk.durableContents("/data/a") == [])
        try disk.sync(file)
        #expect(disk.durableContents("/data/a") == patternBytes(1000) && disk.isSettled)
        try disk.write(patternBytes(10, 2), to: file, at: 600)
        #expect(disk.durableContents("/data/a") == patternBytes(1000) && !disk.isSettled)
        try disk.rename("/data/a", to: "/data/b")
        try disk.sync(file)
        #expect(disk.paths() == ["/data/b"])
        var wanted = patternBytes(1000)
        wanted.replaceSubrange(600..<610, with: patternBytes(10, 2))
        #expect(disk.durableContents("/data/a") == wanted && disk.durableContents("/data/b") == nil)
        try disk.remove("/data/b")
        try disk.syncDirectory("/data")
        #expect(disk.durableContents("/data/a") == nil && disk.paths().isEmpty)
    }

    @Test func `a file is emptied, made longer and written beyond its end as on a real disk`() throws {
        let (disk, file) = diskWithFile()
        let again = try disk.create("/data/a.log")
        #expect(try disk.size(of: file) == 0)
        #expect(disk.durableContents("/data/a.log") == patternBytes(4096))
        try disk.write([7], to: again, at: 1000)
        #expect(disk.contents("/data/a.log") == [UInt8](repeating: 0, count: 1000) + [7])
        try disk.allocate(again, count: 1002)
        try disk.allocate(again, count: 5)
        #expect(try disk.size(of: again) == 1002)
        #expect(disk.durableContents("/data/a.log") == patternBytes(4096))
        try disk.sync(file)
        #expect(disk.durableContents("/data/a.log") == [UInt8](repeating: 0, count: 1000) + [7, 0])
        #expect(try disk.read("/data/a.log", at: 999, count: 2) == [0, 7])
        #expect(try disk.read("/data/a.log", at: 1002) == [])
    }

    @Test func `errors are those of the system`() throws {
        let (disk, file) = diskWithFile()
        #expect(errorCode { () throws(DiskError) in _ = try disk.open("/data/b") } == DiskError.noEntry)
        #expect(errorCode { () throws(DiskError) in _ = try disk.create("/other/b") } == DiskError.noEntry)
        #expect(errorCode { () throws(DiskError) in try disk.remove("/data/b") } == DiskError.noEntry)
        #expect(
            errorCode { () throws(DiskError) in try disk.rename("/data/b", to: "/data/c") }
                == DiskError.noEntry)
        #expect(errorCode { () throws(DiskError) in _ = try disk.list("/other") } == DiskError.noEntry)
        #expect(errorCode { () throws(DiskError) in try disk.syncDirectory("/other") } == DiskError.noEntry)
        #expect(errorCode { () throws(DiskError) in _ = try disk.open("/data") } == 21)
        #expect(errorCode { () throws(DiskError) in try disk.createDirectory("/data/a.log") } == 17)
        #expect(errorCode { () throws(DiskError) in try disk.createDirectory("/data") } == nil)
        disk.isReadOnly = true
        #expect(errorCode { () throws(DiskError) in _ = try disk.create("/data/b") } == 30)
        #expect(errorCode { () throws(DiskError) in try disk.write([1], to: file, at: 0) } == 30)
        #expect(errorCode { () throws(DiskError) in try disk.sync(file) } == nil)
        #expect(disk.contents("/data/a.log") == patternBytes(4096))
    }

    @Test func `a removed file can be read to the end, and a replaced one, too`() throws {
        let (disk, file) = diskWithFile()
        let other = try disk.make("/data/b", [1])
        try disk.rename("/data/b", to: "/data/a.log")
        #expect(try disk.read("/data/a.log") == [1])
        try disk.remove("/data/a.log")
        try disk.syncDirectory("/data")
        var buffer = [UInt8](repeating: 0, count: 5000)
        #expect(try disk.read(file, at: 0, into: &buffer) == 4096)
        #expect(try disk.read(other, at: 0, into: &buffer) == 1)
        // Places in the table of files are used again, but never one that a handle stands for.
        let next = try disk.make("/data/c", [3])
        #expect(try disk.read(file, at: 0, into: &buffer) == 4096)
        disk.close(file)
        disk.close(other)
        disk.close(next)
        #expect(disk.openFiles == 0 && disk.usedBytes == 4096)
        let last = try disk.make("/data/d", [4])
        #expect(try disk.read("/data/c") == [3])
        disk.close(last)
    }

    @Test func `names come in an order that nobody can rely on`() throws {
        let disk = SimulatedDisk(seed: 3, folders: ["/data", "/data/log"])
        for number in 0..<10 { disk.put("/data/\(number)", []) }
        var orders: Set<[String]> = []
        for _ in 0..<20 {
            let names = try disk.list("/data")
            #expect(names.sorted() == (0..<10).map { "\($0)" } + ["log"])
            orders.insert(names)
        }
        #expect(orders.count > 15)
        #expect(try disk.list("/") == ["data"])
    }

    @Test func `a lock is one process's until it is given back or the process dies`() throws {
        let disk = SimulatedDisk(seed: 1, folders: ["/data"])
        let lock = try disk.lock("/data/lock")
        #expect(errorCode { () throws(DiskError) in _ = try disk.lock("/data/lock") } == DiskError.wouldBlock)
        disk.close(lock)
        let second = try disk.lock("/data/lock")
        var random = SeededGenerator(seed: 1)
        disk.crash(using: &random, power: false)
        let third = try disk.lock("/data/lock")
        // What is left of the dead process gives its handles back late; that must not take ours.
        disk.close(second)
        #expect(errorCode { () throws(DiskError) in _ = try disk.lock("/data/lock") } == DiskError.wouldBlock)
        #expect(disk.openFiles == 1)
        disk.close(third)
    }

    @Test func `kill -9 loses handles, and nothing of the cache`() throws {
        let (disk, file) = diskWithFile()
        try disk.write([1, 2, 3], to: file, at: 100)
        try disk.make("/data/b", [4])
        var random = SeededGenerator(seed: 1)
        disk.crash(using: &random, power: false)
        #expect(disk.openFiles == 0)
        let error = #expect(throws: DiskError.self) { try disk.write([9], to: file, at: 0) }
        #expect(error?.isSimulatedCrash == true)
        #expect(try disk.read("/data/a.log", at: 100, count: 3) == [1, 2, 3])
        #expect(disk.paths() == ["/data/a.log", "/data/b"])
        // But it is still not durable.
        #expect(disk.fork().paths() == ["/data/a.log"])
        #expect(disk.fork().contents("/data/a.log") == patternBytes(4096))
        #expect(random == SeededGenerator(seed: 1))
    }

    @Test func `whatever is done, cache and platter agree with a plain model`() throws {
        for seed in 0..<UInt64(60) {
            var model = PlainDisk()
            let disk = SimulatedDisk(seed: seed, folders: ["/data"])
            var random = SeededGenerator(seed: seed)
            for _ in 0..<150 {
                try model.step(disk, &random)
                guard model.agrees(with: disk) else {
                    Issue.record("seed \(seed)")
                    return
                }
            }
        }
    }
}

/// A disk as plain as possible: whole files, copied at every sync.
private struct PlainDisk {
    struct File {
        var cached: [UInt8] = []
        var durable: [UInt8] = []
    }

    var files: [File] = []
    var names: [String: Int] = [:]
    var durable: [String: Int] = [:]
    let all = ["a", "b", "c", "d"].map { "/data/" + $0 }

    mutating func step(_ disk: SimulatedDisk, _ random: inout SeededGenerator) throws {
        let path = all[Int(random.next(below: 4))]
        let other = all[Int(random.next(below: 4))]
        switch random.next(below: 12) {
        case 0:
            disk.close(try disk.create(path))
            if names[path] == nil {
                names[path] = files.count
                files.append(File())
            }
            if let number = names[path] { files[number].cached = [] }
        case 1 where names[path] != nil && path != other:
            try disk.rename(path, to: other)
            names[other] = names.removeValue(forKey: path)
        case 2 where names[path] != nil:
            try disk.remove(path)
            names[path] = nil
        case 3:
            try disk.syncDirectory("/data")
            durable = names
        case 4:
            disk.restore(disk.snapshot())
            names = durable
            for number in files.indices { files[number].cached = files[number].durable }
        default:
            guard let number = names[path] else { return }
            let file = try disk.open(path)
            defer { disk.close(file) }
            try change(file, &files[number], disk, &random)
        }
    }

    private func change(
        _ handle: DiskFile, _ file: inout File, _ disk: SimulatedDisk, _ random: inout SeededGenerator
    ) throws {
        switch random.next(below: 8) {
        case 0:
            try disk.sync(handle)
            file.durable = file.cached
        case 1:
            try disk.settle(handle)
            file.durable = file.cached
        case 2:
            let count = Int(random.next(below: 6000))
            try disk.allocate(handle, count: count)
            while file.cached.count < count { file.cached.append(0) }
        case 3 where random.next(below: 2) == 0:
            disk.inject(.syncErrorReverted)
            #expect(throws: DiskError.self) { try disk.sync(handle) }
            file.cached = file.durable
        default:
            let offset = Int(random.next(below: 4000))
            let new = (0..<Int(random.next(below: 2000))).map { _ in
                UInt8(truncatingIfNeeded: random.next())
            }
            try disk.write(new, to: handle, at: offset)
            guard !new.isEmpty else { return }
            while file.cached.count < offset + new.count { file.cached.append(0) }
            file.cached.replaceSubrange(offset..<offset + new.count, with: new)
        }
    }

    func agrees(with disk: SimulatedDisk) -> Bool {
        let used = names.values.reduce(0) { $0 + (files[$1].cached.count + 4095) / 4096 * 4096 }
        return all.allSatisfy { path in
            disk.contents(path) == names[path].map { files[$0].cached }
                && disk.durableContents(path) == durable[path].map { files[$0].durable }
        } && disk.usedBytes == used
    }
}
