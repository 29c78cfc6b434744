import Consensus
import Primitives
import Simulator
import Testing
import WAL

@Suite struct LogTests {
    @Test func `what was synced is there after a restart`() throws {
        let disk = try makeDisk()
        let state = HardState(term: Term(2), vote: NodeID(1), commit: index(2))
        var wal = try openLog(disk)
        try wal.append(hardState: state, entries: entries(1...2) + [entry(3, term: 2, bytes: 0)])
        try wal.sync()
        let again = try openLog(disk.afterCrash(seed: 1))
        #expect(again.recovered.hardState == state)
        #expect(again.recovered.log.last == LogPosition(index: index(3), term: Term(2)))
        #expect(try contents(again) == entries(1...2) + [entry(3, term: 2, bytes: 0)])
    }

    @Test func `a batch is one write and one sync`() throws {
        let disk = try makeDisk(limits: Limits(segmentBytes: 1 << 16))
        var wal = try openLog(disk, limits: Limits(segmentBytes: 1 << 16))
        let before = disk.counters
        try wal.append(hardState: HardState(term: Term(1)), entries: entries(1...50))
        try wal.append(entries: entries(51...60))
        #expect(disk.counters.writes == before.writes)
        try wal.sync()
        try wal.sync()
        #expect(disk.counters.syncs == before.syncs + 1 && disk.counters.writes == before.writes + 1)
    }

    @Test func `an entry replaces what stands at its index and above`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(entries: entries(1...5))
        try wal.sync()
        try wal.append(entries: entries(3...4, term: 2))
        try wal.sync()
        let expected = entries(1...2) + entries(3...4, term: 2)
        #expect(try contents(wal) == expected)
        let again = try openLog(disk)
        #expect(try contents(again) == expected)
        #expect(again.recovered.log.term(at: index(2)) == Term(1))
        #expect(again.recovered.log.term(at: index(3)) == Term(2))
    }

    @Test func `entries are read back in any range, synced or not`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        for first in stride(from: 1, to: 120, by: 4) {
            try wal.append(entries: entries(first...first + 3, bytes: first * 3))
            if first % 3 != 0 { try wal.sync() }
            if first % 20 == 1 { try wal.append(hardState: HardState(term: Term(1), commit: index(first))) }
        }
        let all = try contents(wal)
        #expect(all.map(\.index) == (1...120).map(index))
        for from in stride(from: 1, through: 120, by: 7) {
            for to in stride(from: from, through: 121, by: 13) {
                let some = try wal.entries(from: index(from), to: index(to))
                #expect(some == Array(all[from - 1..<to - 1]))
            }
        }
        let limited = try wal.entries(from: index(1), to: index(100), maxBytes: 10)
        #expect(limited.map(\.index) == (1...3).map(index))
        let one = try wal.entries(from: index(90), to: index(100), maxBytes: 1)
        #expect(one.count == 1)
        let none = try wal.entries(from: index(121), to: index(130))
        #expect(none.isEmpty)
    }

    @Test func `an entry that does not fit goes to the next segment, a huge one to its own`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        let wanted = [entry(1, bytes: 3000), entry(2, bytes: 1000), entry(3, bytes: 20_000), entry(4)]
        for entry in wanted {
            try wal.append(hardState: HardState(term: Term(1), vote: NodeID(2)), entries: [entry])
        }
        try wal.sync()
        #expect(disk.paths(ending: ".log").count == 3)
        let again = try openLog(disk)
        #expect(try contents(again) == wanted)
        #expect(again.hardState.vote == NodeID(2))
    }

    @Test func `cut segments are recycled, and the hard state and what is above stay`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(hardState: HardState(term: Term(1), vote: NodeID(9), commit: .zero))
        for number in 1...40 {
            try wal.append(entries: [entry(number, bytes: 700)])
            try wal.sync()
        }
        let before = disk.paths(ending: ".log").count
        try wal.cut(below: index(30))
        #expect(wal.terms.firstIndex <= index(30) && wal.terms.firstIndex > index(20))
        #expect(disk.paths(ending: ".log").count < before)
        #expect(disk.paths(ending: ".spare").count == 2)
        let first = wal.terms.firstIndex
        #expect(throws: WALError.compacted(first: first)) { try wal.entries(from: index(5), to: index(6)) }
        // The spares, full of old records, are used again.
        for number in 41...60 {
            try wal.append(entries: [entry(number, bytes: 700)])
            try wal.sync()
        }
        let again = try openLog(disk)
        #expect(again.recovered.log.firstIndex == first)
        #expect(again.recovered.log.base.term == Term(1))
        #expect(again.recovered.hardState.vote == NodeID(9))
        let found = try contents(again)
        #expect(found == (Int(first.rawValue)...60).map { entry($0, bytes: 700) })
    }

    @Test func `everything can be cut, and the log goes on`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(entries: entries(1...3, bytes: 1000))
        try wal.append(hardState: HardState(term: Term(1), commit: index(3)))
        try wal.append(entries: [entry(4, bytes: 3000)])
        try wal.sync()
        try wal.append(entries: [entry(5, bytes: 3000)])
        try wal.sync()
        try wal.cut(below: index(6))
        #expect(wal.terms.base.index == index(4))
        let again = try openLog(disk)
        #expect(try contents(again) == [entry(5, bytes: 3000)])
    }

    @Test func `after a snapshot the log starts anew`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(
            hardState: HardState(term: Term(1), vote: NodeID(1), commit: index(9)),
            entries: entries(1...30, bytes: 400))
        try wal.sync()
        try wal.append(entries: entries(31...33))
        try wal.reset(to: LogPosition(index: index(100), term: Term(4)))
        try wal.append(entries: [entry(101, term: 5)])
        try wal.sync()
        let again = try openLog(disk.afterCrash(seed: 3))
        #expect(again.recovered.log.base == LogPosition(index: index(100), term: Term(4)))
        #expect(try contents(again) == [entry(101, term: 5)])
        #expect(again.recovered.hardState == HardState(term: Term(5), vote: nil, commit: index(9)))
        #expect(disk.paths(ending: ".log").count == 1)
    }

    @Test func `configurations are found again, but not replaced ones`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        let three = Configuration(voters: [1, 2, 3].map { NodeID($0) })
        let four = Configuration(voters: [1, 2, 3].map { NodeID($0) }, learners: [NodeID(4)])
        func placed(_ number: Int, _ value: Configuration, term: Int = 1) -> Entry {
            Entry(
                index: index(number), term: Term(UInt64(term)), kind: .configuration, payload: value.encode())
        }
        try wal.append(entries: [placed(1, three), entry(2), placed(3, four), entry(4)])
        try wal.append(entries: [entry(3, term: 2), placed(4, three, term: 2)])
        try wal.sync()
        let recovered = try WriteAheadLog.recover(
            disk: disk, directory: directory, identity: identity, limits: small)
        #expect(recovered.configurations.map(\.index) == [index(1), index(4)])
        #expect(recovered.configurations.map(\.configuration) == [three, three])
    }

    @Test func `a commit index beyond the end is written as the end`() throws {
        let disk = try makeDisk()
        var wal = try openLog(disk)
        try wal.append(hardState: HardState(term: Term(1), commit: index(99)), entries: entries(1...2))
        try wal.sync()
        let again = try openLog(disk)
        #expect(again.recovered.hardState.commit == index(2))
    }

    @Test func `all handles are given back`() throws {
        let disk = try makeDisk()
        do {
            var wal = try openLog(disk)
            for number in 1...30 { try wal.append(entries: [entry(number, bytes: 900)]) }
            try wal.sync()
            while try wal.prepareSpare() {}
            try wal.cut(below: index(20))
            try wal.reset(to: LogPosition(index: index(50), term: Term(1)))
            _ = try wal.prepareSpare()
        }
        #expect(disk.openFiles == 0)
    }
}
