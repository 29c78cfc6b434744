import Consensus
import Primitives
import Simulator
import Testing
import WAL

/// A node's files on the simulated disk: folder, log and checkpoints, through crashes and faults.
@Suite struct DiskLogTests {
    static let identity = FolderIdentity(
        cluster: ClusterID(7), node: NodeID(1), nodeName: "n1", group: .first, salt: 0x5eed)
    static let limits = Limits(segmentBytes: 4096, spareSliceBytes: 2048, markSpacing: 700, readBytes: 1024)

    // MARK: - Crashes

    @Test func `nothing that was acknowledged is lost by a crash at any operation`() throws {
        let total = try {
            let disk = SimulatedDisk(seed: 1)
            var life = Life()
            try life.run(disk)
            return disk.changes
        }()
        #expect(total > 100)
        var crashes = 0
        for operation in 0..<total {
            for seed in 0..<UInt64(3) {
                let disk = SimulatedDisk(seed: seed)
                var random = SeededGenerator(seed: UInt64(operation) << 8 | seed)
                disk.die(after: operation)
                var life = Life()
                // Again and again, until a life sees its end.
                while true {
                    do {
                        try life.run(disk)
                        break
                    } catch {
                        guard disk.isDead, crashes < 1_000_000 else {
                            Issue.record("operation \(operation), seed \(seed): \(error)")
                            return
                        }
                        crashes += 1
                        disk.crash(using: &random, power: seed != 2)
                        if random.next(below: 2) == 0 { disk.die(after: Int(random.next(below: 40))) }
                    }
                }
                try life.check(disk)
            }
        }
        #expect(crashes > 3 * total)
    }

    @Test func `whatever is acknowledged is on every fork`() throws {
        let disk = SimulatedDisk(seed: 1)
        var life = Life()
        life.forks = true
        try life.run(disk)
        #expect(life.checks > 12)
    }

    @Test func `a disk that lies about a sync is found out`() throws {
        let disk = SimulatedDisk(seed: 1)
        var life = Life()
        try life.run(disk)
        // The first sync is that of the restart.
        disk.inject(.syncErrorLater, skipping: 1, in: .segments)
        life.forks = true
        life.target += 20
        var isFound = false
        do {
            try life.run(disk)
        } catch is Lost {
            isFound = true
        } catch WALError.corrupt {
            isFound = true
        }
        #expect(isFound)
    }

    // MARK: - Faults

    @Test(arguments: DiskFault.allCases)
    func `each fault ends in refusal, recovery or nothing: never in a wrong log`(_ fault: DiskFault) throws {
        var (endings, silent) = (0, 0)
        var start = Life()
        start.mayForget = fault.isSilent
        let first = SimulatedDisk(seed: 1)
        try start.run(first)
        let image = first.snapshot()
        for seed in 0..<UInt64(30) {
            let disk = SimulatedDisk(image: image, seed: seed)
            var random = SeededGenerator(seed: seed)
            var life = start
            disk.inject(fault, skipping: Int(random.next(below: 20)), in: [.segments, .spares, .temporaries])
            life.target += 20
            for _ in 0..<3 {
                do {
                    try life.run(disk)
                    silent += 1
                } catch is Lost {
                    throw Lost()
                } catch {
                    endings += 1
                }
                disk.crash(using: &random, power: random.next(below: 2) == 0)
            }
        }
        #expect(endings + silent == 90)
        // What the caller is told of, it doesn't ignore.
        let isTold = [.writeError, .syncErrorKept, .syncErrorReverted, .syncNoSpace, .folderSyncError]
            .contains(fault)
        if isTold { #expect(endings >= 15) }
    }

    @Test func `a full disk is waited out`() throws {
        let disk = SimulatedDisk(seed: 1)
        var life = Life()
        try life.run(disk)
        disk.capacity = disk.usedBytes
        life.target += 60
        var refusals = 0
        do {
            try life.run(disk)
        } catch let error as WALError {
            guard case .noSpace = error else { throw error }
            refusals += 1
        } catch let error as DiskError {
            guard error.isNoSpace else { throw error }
            refusals += 1
        }
        #expect(refusals == 1)
        disk.capacity = .max
        try life.run(disk)
        try life.check(disk)
        #expect(life.acknowledged == life.target)
    }

    // MARK: - Determinism

    @Test func `two runs of one seed are the same, byte by byte; of two seeds, not`() throws {
        func run(_ seed: UInt64) -> [UInt64] {
            var random = SeededGenerator(seed: seed)
            let disk = SimulatedDisk(seed: random.next())
            disk.latency = DiskLatency(stallsPerMillion: 5000)
            var life = Life()
            life.mayForget = true
            var found: [UInt64] = []
            for _ in 0..<12 {
                disk.die(after: Int(random.next(below: 80)))
                disk.faults = [.writeError: 2000, .syncErrorKept: 2000, .lostWrite: 500, .bitRot: 100]
                life.target += 20
                do {
                    try life.run(disk)
                } catch {
                    found.append(UInt64("\(error)".utf8.reduce(0) { $0 &* 31 &+ Int($1) } & .max))
                }
                found.append(UInt64(disk.takeConsumed().nanoseconds))
                found.append(disk.durableDigest)
                disk.crash(using: &random, power: true)
                found.append(disk.durableDigest)
                found.append(UInt64(disk.changes))
                found.append(UInt64(disk.takeInjuries().count))
            }
            return found
        }
        for seed in 0..<UInt64(20) { #expect(run(seed) == run(seed)) }
        #expect(run(1) != run(2))
    }
}

/// An acknowledged entry is not there.
private struct Lost: Error {}

/// What a node does to its disk in a life: set the folder up or open it, recover, append and sync, write
/// checkpoints, cut the log, prepare spares. Goes on where the last life ended.
private struct Life {
    /// Entries that were synced.
    var acknowledged = 0
    /// The newest checkpoint that was finished.
    var checkpoint = 0
    /// How far to go.
    var target = 30
    /// Whether to look at a fork after each sync.
    var forks = false
    /// Whether the disk may have lost what it acknowledged: then a shorter log is no error, a wrong one is.
    var mayForget = false
    var checks = 0

    static func entry(_ index: Int) -> Entry {
        let payload = (0..<(index % 9) * 70 + 10).map { UInt8(truncatingIfNeeded: index &* 7 &+ $0) }
        return Entry(index: LogIndex(UInt64(index)), term: Term(1), kind: .command, payload: payload)
    }

    mutating func run(_ disk: SimulatedDisk) throws {
        var folder = try DataFolder(disk: disk, path: "/data")
        if folder.identity == nil {
            guard acknowledged == 0 else { throw Lost() }
            try folder.initialise(as: DiskLogTests.identity, limits: DiskLogTests.limits)
        }
        var log = try WriteAheadLog(
            disk: disk, directory: folder.logDirectory, identity: DiskLogTests.identity,
            limits: DiskLogTests.limits)
        let store = CheckpointStore(disk: disk, directory: folder.checkpointDirectory)
        try store.removeLeftovers()
        try verify(log, store)
        var next = Int(log.terms.lastIndex.rawValue) + 1
        if mayForget { (acknowledged, checkpoint) = (next - 1, min(checkpoint, next - 1)) }
        while acknowledged < target {
            let count = 1 + next % 3
            try log.append(entries: (next..<next + count).map(Self.entry))
            try log.append(
                hardState: HardState(term: Term(1), commit: LogIndex(UInt64(acknowledged))))
            try log.sync()
            next += count
            acknowledged = next - 1
            if forks {
                checks += 1
                try check(disk.fork())
            }
            if next % 4 == 0 { while try log.prepareSpare() {} }
            if next - checkpoint > 15 { try save(acknowledged, store, &log) }
        }
        target = acknowledged
    }

    private mutating func save(
        _ index: Int, _ store: CheckpointStore<SimulatedDisk>, _ log: inout WriteAheadLog<SimulatedDisk>
    ) throws {
        let position = LogPosition(index: LogIndex(UInt64(index)), term: Term(1))
        var writer = try store.write(position, from: .own)
        for _ in 0..<3 { try writer.append(patternBytes(700, index)) }
        _ = try writer.finish()
        checkpoint = index
        try store.prune()
        let present = try store.list()
        if present.count == 2 { try log.cut(below: present[1].position.index.next) }
    }

    /// Everything that was acknowledged is there and right, and nothing that was never appended.
    private func verify(
        _ log: borrowing WriteAheadLog<SimulatedDisk>, _ store: CheckpointStore<SimulatedDisk>
    ) throws {
        let first = log.terms.firstIndex
        let entries = try log.entries(from: first, to: log.terms.lastIndex.next)
        let numbers = Int(first.rawValue)..<Int(first.rawValue) + entries.count
        guard entries == numbers.map(Self.entry) else { throw Lost() }
        guard !mayForget else { return }
        guard Int(log.terms.lastIndex.rawValue) >= acknowledged else { throw Lost() }
        let present = try store.list()
        guard checkpoint == 0 || present.contains(where: { $0.position.index.rawValue >= checkpoint }) else {
            throw Lost()
        }
        for each in present {
            let reader = try store.read(each.position)
            let found = try reader.read(at: 0, count: 5000)
            let wanted = patternBytes(700, Int(each.position.index.rawValue))
            guard found == wanted + wanted + wanted else { throw Lost() }
        }
        // The log begins no later than the oldest checkpoint ends, so that nothing is missing between them.
        guard Int(first.rawValue) <= Int(present.last?.position.index.rawValue ?? 0) + 1 else { throw Lost() }
    }

    /// Demands that all is there, on a disk without this process.
    func check(_ disk: SimulatedDisk) throws {
        let disk = disk.fork()
        let log = try WriteAheadLog(
            disk: disk, directory: "/data/log", identity: DiskLogTests.identity, limits: DiskLogTests.limits)
        try verify(log, CheckpointStore(disk: disk, directory: "/data/checkpoints"))
    }
}
