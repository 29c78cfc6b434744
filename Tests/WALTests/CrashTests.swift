import Consensus
import Primitives
import Simulator
import Testing
import WAL

/// The process dies at every operation on the disk, and the power with it.
@Suite struct CrashTests {
    /// Appends, a truncation across segments, roll-overs, a huge entry, spares, cuts and a reset.
    static let steps: [Step] = {
        var steps: [Step] = []
        func state(_ term: Int, _ vote: Int?, _ commit: Int) -> HardState {
            HardState(term: Term(UInt64(term)), vote: vote.map { NodeID(UInt64($0)) }, commit: index(commit))
        }
        steps += [.append(state(1, 2, 0), entries(1...4, bytes: 300)), .sync]
        steps += [.append(nil, entries(5...8, bytes: 600)), .sync, .spare]
        steps += [
            .append(state(1, 2, 6), entries(9...12, bytes: 500)), .append(nil, entries(13...14)), .sync,
        ]
        steps += [.append(state(2, nil, 8), entries(9...9, term: 2, bytes: 900)), .sync, .cut(index(7))]
        steps += [.append(nil, [entry(10, term: 2, bytes: 9000), entry(11, term: 2)]), .sync]
        steps += [
            .append(state(3, 1, 11), []), .sync, .append(nil, entries(12...20, term: 3, bytes: 700)), .sync,
        ]
        steps += [.cut(index(12)), .append(nil, entries(21...22, term: 3)), .sync]
        steps += [.append(nil, [entry(23, term: 3)]), .reset(LogPosition(index: index(40), term: Term(3)))]
        steps += [.append(state(4, 2, 40), entries(41...46, term: 4, bytes: 900)), .sync, .spare]
        return steps
    }()

    private func run(
        _ disk: SimulatedDisk, _ tracker: inout Tracker, steps: ArraySlice<Step> = Self.steps[...]
    ) throws(WALError) {
        var wal = try openLog(disk)
        for step in steps { try tracker.perform(step, on: &wal) }
    }

    @Test func `an acknowledged entry survives a crash at any operation, and none is invented`() throws {
        let disk = try makeDisk()
        var tracker = Tracker()
        let start = disk.changes
        try run(disk, &tracker)
        let total = disk.changes - start
        #expect(total > 60)
        for operation in 0..<total {
            for seed in 0..<UInt64(4) {
                let disk = try makeDisk()
                disk.garblesSectors = seed % 2 == 0
                disk.die(after: operation)
                var tracker = Tracker()
                #expect(throws: WALError.self) { try run(disk, &tracker) }
                let survivor = disk.afterCrash(seed: UInt64(operation) << 8 | seed)
                let wal = try reopen(survivor, crashing: seed)
                guard tracker.expect(wal, "operation \(operation), seed \(seed)") else { return }
            }
        }
    }

    @Test func `kill -9 loses nothing that was appended and written`() throws {
        for operation in 0..<75 {
            let disk = try makeDisk()
            disk.die(after: operation)
            var tracker = Tracker()
            #expect(throws: WALError.self) { try run(disk, &tracker) }
            // The process is killed; when the next one has read the log, the power goes.
            var random = SeededGenerator(seed: 1)
            disk.crash(using: &random, power: false)
            let first = try openLog(disk)
            guard tracker.expect(first, "operation \(operation)") else { return }
            let second = try openLog(disk.afterCrash(seed: UInt64(operation)))
            guard tracker.expect(second, "operation \(operation), again") else { return }
        }
    }

    @Test func `when there is no space, nothing is lost, and the call may be made again`() throws {
        var refusals = 0
        for operation in 0..<75 {
            let disk = try makeDisk()
            disk.inject(.noSpace, skipping: operation)
            var tracker = Tracker()
            var isDone = false
            do {
                var wal = try openLog(disk)
                for step in Self.steps {
                    do {
                        try tracker.perform(step, on: &wal)
                    } catch WALError.noSpace {
                        refusals += 1
                        #expect(wal.isShortOfSpace == true)
                        if case .append = step { continue }
                        try tracker.perform(step, on: &wal)
                    }
                }
                isDone = true
                let found = try contents(wal)
                #expect(found == tracker.current.entries)
            } catch {
                // The very first operations.
                guard case .noSpace? = error as? WALError, operation <= 3 else { throw error }
            }
            if isDone { tracker.possible = [tracker.current] }
            let wal = try reopen(disk.afterCrash(seed: UInt64(operation)))
            guard tracker.expect(wal, "operation \(operation)") else { return }
        }
        #expect(refusals > 10)
    }

    @Test func `a full disk is reported, consensus goes on in the reserve, and space that returns is used`()
        throws
    {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        while try wal.prepareSpare() {}
        try wal.append(entries: entries(1...3, bytes: 900))
        try wal.sync()
        disk.capacity = disk.usedBytes
        let more = try wal.prepareSpare()
        #expect(more == false)
        #expect(wal.isShortOfSpace == false)
        disk.capacity = .max
        try wal.append(entries: entries(4...4, bytes: 900))
        try wal.sync()
        disk.capacity = disk.usedBytes
        let yetMore = try wal.prepareSpare()
        #expect(yetMore == false)
        #expect(wal.isShortOfSpace == true)
        disk.capacity = .max
        // The rest of the segment in use needs no space.
        try wal.append(hardState: HardState(term: Term(2), vote: NodeID(1)), entries: [entry(5)])
        try wal.sync()
        while try wal.prepareSpare() {}
        #expect(wal.isShortOfSpace == false)
        let again = try openLog(disk.afterCrash(seed: 4))
        #expect(again.terms.lastIndex == index(5) && again.hardState.vote == NodeID(1))
    }

    @Test(arguments: [DiskFault.syncErrorKept, .syncErrorReverted, .syncNoSpace, .folderSyncError])
    func `a failed sync ends the log wherever it happens`(_ fault: DiskFault) throws {
        var failures = 0
        for operation in 0..<40 {
            let disk = try makeDisk()
            disk.inject(fault, skipping: operation)
            var tracker = Tracker()
            do {
                try run(disk, &tracker)
            } catch {
                failures += 1
                guard case .disk(let cause) = error, cause.operation == .sync else { throw error }
            }
            let wal = try reopen(disk.afterCrash(seed: UInt64(operation)))
            guard tracker.expect(wal, "operation \(operation)") else { return }
        }
        #expect(failures >= 15)
    }

    @Test func `the making of a log can be interrupted anywhere`() throws {
        for operation in 0..<40 {
            let disk = SimulatedDisk(seed: UInt64(operation), folders: [directory])
            disk.die(after: operation)
            do {
                try WriteAheadLog.create(disk: disk, directory: directory, identity: identity, limits: small)
                return #expect(operation > 5)
            } catch {
                let next = disk.afterCrash(seed: UInt64(operation))
                do {
                    let wal = try openLog(next)
                    #expect(wal.terms.isEmpty == true)
                } catch WALError.absent {
                    try WriteAheadLog.create(
                        disk: next, directory: directory, identity: identity, limits: small)
                }
            }
        }
    }

    @Test(arguments: 0..<16 as Range<UInt64>)
    func `random histories with crashes agree with the model`(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed &* 7919)
        let disk = try makeDisk()
        disk.garblesSectors = seed % 2 == 0
        var tracker = Tracker()
        var term = 1
        for life in 0..<8 {
            disk.die(after: Int(random.next(below: 60)))
            do {
                var wal = try openLog(disk)
                guard tracker.expect(wal, "seed \(seed), life \(life)") else { return }
                for _ in 0..<120 {
                    let step = Self.randomStep(&random, &term, tracker.current)
                    try tracker.perform(step, on: &wal)
                }
                let found = try contents(wal)
                #expect(found.suffix(5) == tracker.current.entries.suffix(5))
            } catch {
                guard disk.isDead else { throw error }
            }
            disk.crash(using: &random, power: true)
        }
    }

    private static func randomStep(_ random: inout SeededGenerator, _ term: inout Int, _ model: Model) -> Step
    {
        let last = Int(model.last.index.rawValue)
        let commit = Int(model.hardState.commit.rawValue)
        switch random.next(below: 20) {
        case 0..<8:
            var first = last + 1
            let lowest = max(commit, Int(model.base.index.rawValue)) + 1
            if random.next(below: 6) == 0 && lowest <= last {
                first = lowest + Int(random.next(below: UInt64(last - lowest + 1)))
                term += 1
            }
            let bytes = random.next(below: 30) == 0 ? 6000 : Int(random.next(below: 900))
            let count = Int(random.next(below: 4))
            let added = count == 0 ? [] : entries(first...first + count - 1, term: term, bytes: bytes)
            var state: HardState?
            if random.next(below: 3) == 0 {
                let end = added.last.map { Int($0.index.rawValue) } ?? last
                let low = min(commit, end)
                let next = low + Int(random.next(below: UInt64(end - low + 1)))
                state = HardState(
                    term: Term(UInt64(term)), vote: random.next(below: 2) == 0 ? nil : NodeID(2),
                    commit: index(next))
            }
            return .append(state, added)
        case 8..<15: return .sync
        case 15, 16: return .cut(LogIndex(random.next(below: UInt64(commit + 2))))
        case 17, 18: return .spare
        default:
            guard random.next(below: 3) == 0 else { return .sync }
            term += 1
            return .reset(
                LogPosition(index: index(last + 1 + Int(random.next(below: 5))), term: Term(UInt64(term))))
        }
    }
}
