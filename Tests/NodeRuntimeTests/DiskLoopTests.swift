import Consensus
import NodeCore
import Platform
import Primitives
import Testing
import WAL

@testable import NodeRuntime

@Suite(.timeLimit(.minutes(1))) struct DiskLoopTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    private func reopened() throws -> WriteAheadLog<PosixDisk> {
        try WriteAheadLog(disk: PosixDisk(), directory: folder.path, identity: identity, limits: smallLog)
    }

    @Test func `what is persisted is reported in order, with the messages that it carried`() throws {
        let runner = try DiskRunner(try newLog(in: folder, on: PosixDisk()))
        for sequence in 1...100 as ClosedRange<UInt64> {
            let entries = (0..<3).map { entry(3 * sequence - 2 + $0) }
            let state =
                sequence % 10 == 1
                ? HardState(term: Term(1), vote: NodeID(1), commit: LogIndex(sequence)) : nil
            let persist = Persist(
                sequence: sequence, hardState: state, entries: entries,
                thenSend: [sign(2 * sequence), sign(2 * sequence + 1)])
            runner.post(.persist(persist))
        }
        var rounds: [UInt64] = []
        var last: UInt64 = 0
        while last < 100 {
            let (sequence, messages) = try runner.reports.next { report in
                if case .log(.persisted(let sequence, let messages), _) = report {
                    (sequence, messages)
                } else {
                    nil
                }
            }
            #expect(sequence > last)
            last = sequence
            rounds += messages.compactMap(round)
            #expect(rounds.count == Int(2 * sequence), "no message leaves before what it tells of is durable")
        }
        #expect(rounds == Array(2...201))
        runner.stop()
        let log = try reopened()
        #expect(log.terms.lastIndex == LogIndex(300))
        #expect(log.hardState == HardState(term: Term(1), vote: NodeID(1), commit: LogIndex(91)))
        let entries = try log.entries(from: LogIndex(1), to: LogIndex(301))
        #expect(entries == (1...300).map { entry($0) })
    }

    @Test func `what comes during a sync is one group`() throws {
        let disk = TrialDisk()
        let runner = try DiskRunner(try newLog(in: folder, on: disk))
        disk.set { $0.stalls = true }
        runner.post(.persist(Persist(sequence: 1, entries: [entry(1)], thenSend: [sign(1)])))
        disk.waitForStall()
        for sequence in 2...50 as ClosedRange<UInt64> {
            runner.post(
                .persist(Persist(sequence: sequence, entries: [entry(sequence)], thenSend: [sign(sequence)])))
        }
        #expect(throws: Reports.Missing.self) {
            try runner.reports.next(within: .milliseconds(30)) {
                if case .log(.persisted, _) = $0 { true } else { nil }
            }
        }
        disk.set { $0.stalls = false }
        // One report for the first alone, one for all that came while it stalled.
        var sequences: [UInt64] = []
        while sequences.last != 50 {
            sequences.append(
                try runner.reports.next {
                    if case .log(.persisted(let last, _), _) = $0 { last } else { nil }
                })
        }
        #expect(sequences == [1, 50])
    }

    @Test func `entries are read back, as many as were asked for and as fit`() throws {
        let runner = try DiskRunner(try newLog(in: folder, on: PosixDisk()))
        // More than the 16 KiB of one segment.
        for sequence in 1...40 as ClosedRange<UInt64> {
            let first = 10 * sequence - 9
            runner.post(
                .persist(Persist(sequence: sequence, entries: (first..<first + 10).map { entry($0) })))
        }
        func read(_ range: Range<UInt64>, maxBytes: Int = 1 << 20) throws -> [Entry] {
            let replicate = Replicate(
                to: NodeID(2), term: Term(1), previous: .origin,
                range: LogIndex(range.lowerBound)..<LogIndex(range.upperBound), commit: .zero,
                maxBytes: maxBytes)
            runner.post(.read(replicate))
            return try runner.reports.next { report in
                guard case .log(.read(let asked, let entries), _) = report else { return nil }
                #expect(asked == replicate)
                return entries
            }
        }
        #expect(try read(1..<401) == (1...400).map { entry($0) })
        #expect(try read(150..<160) == (150..<160).map { entry($0) })
        #expect(try read(150..<160, maxBytes: 350) == (150..<153).map { entry($0) })
        #expect(try read(150..<160, maxBytes: 1) == [entry(150)])
        #expect(try read(395..<402) == [])
        runner.post(.show(token: 5, LogIndex(400)..<LogIndex(401)))
        let shown = try runner.reports.next { report -> [Entry]? in
            if case .log(.shown(5, let entries), _) = report { entries } else { nil }
        }
        #expect(shown == [entry(400)])
    }

    @Test func `a read sees what was to be written with it, and replaced entries are gone`() throws {
        let runner = try DiskRunner(try newLog(in: folder, on: PosixDisk()))
        runner.post(.persist(Persist(sequence: 1, entries: (1...5).map { entry($0) })))
        runner.post(.persist(Persist(sequence: 2, entries: (4...6).map { entry($0, term: 2) })))
        runner.post(.show(token: 1, LogIndex(1)..<LogIndex(7)))
        let shown = try runner.reports.next { report -> [Entry]? in
            if case .log(.shown(1, let entries), _) = report { entries } else { nil }
        }
        #expect(shown == (1...3).map { entry($0) } + (4...6).map { entry($0, term: 2) })
    }

    @Test func `a cut keeps what is above it`() throws {
        let runner = try DiskRunner(try newLog(in: folder, on: PosixDisk()))
        let state = HardState(term: Term(1), vote: nil, commit: LogIndex(600))
        try runner.persist(1, (1...600).map { entry($0) }, hardState: state)
        func cut(_ below: UInt64) throws -> LogIndex {
            runner.post(.cut(below: LogIndex(below), reference(300)))
            return try runner.reports.next { report in
                guard case .log(.cut(let told, let first), _) = report else { return nil }
                #expect(told == reference(300))
                return first
            }
        }
        #expect(try cut(0) == LogIndex(1))
        let first = try cut(301)
        #expect(first > LogIndex(1) && first <= LogIndex(301))
        #expect(try cut(301) == first)
        runner.post(.show(token: 1, LogIndex(1)..<LogIndex(10)))
        runner.post(.show(token: 2, first..<LogIndex(601)))
        let gone = try runner.reports.next {
            if case .log(.shown(1, let entries), _) = $0 { entries } else { nil }
        }
        let kept = try runner.reports.next {
            if case .log(.shown(2, let entries), _) = $0 { entries } else { nil }
        }
        #expect(gone.isEmpty)
        #expect(kept == (first.rawValue...600).map { entry($0) })
        runner.stop()
        let log = try reopened()
        #expect(log.terms.firstIndex == first && log.terms.lastIndex == LogIndex(600))
    }

    @Test func `the log begins anew after a snapshot`() throws {
        let runner = try DiskRunner(try newLog(in: folder, on: PosixDisk()))
        try runner.persist(1, (1...10).map { entry($0) })
        let state = HardState(term: Term(3), vote: nil, commit: LogIndex(50))
        let position = LogPosition(index: LogIndex(50), term: Term(3))
        runner.post(
            .persist(
                Persist(
                    sequence: 2, hardState: state, resetTo: position, entries: [entry(51, term: 3)],
                    thenSend: [sign(9)])))
        let messages = try runner.reports.next {
            if case .log(.persisted(2, let sent), _) = $0 { sent } else { nil }
        }
        #expect(messages == [sign(9)])
        runner.stop()
        let log = try reopened()
        #expect(log.terms.firstIndex == LogIndex(51) && log.terms.lastIndex == LogIndex(51))
        #expect(log.hardState == state)
    }

    @Test func `a full disk is waited out, and nothing is acknowledged meanwhile`() throws {
        let disk = TrialDisk()
        let runner = try DiskRunner(try newLog(in: folder, on: disk))
        try runner.persist(1, [entry(1)])
        disk.set { $0.writes = DiskError.noSpaceLeft }
        runner.post(.persist(Persist(sequence: 2, entries: [entry(2)], thenSend: [sign(2)])))
        #expect(
            try runner.reports.next { if case .log(.storage(let isShort), _) = $0 { isShort } else { nil } })
        runner.post(.persist(Persist(sequence: 3, entries: [entry(3)], thenSend: [sign(3)])))
        runner.post(.show(token: 1, LogIndex(1)..<LogIndex(4)))
        #expect(throws: Reports.Missing.self) {
            try runner.reports.next(within: .milliseconds(300)) {
                if case .log(.persisted, _) = $0 { true } else { nil }
            }
        }
        disk.set { $0.writes = nil }
        var sent: [UInt64] = []
        while sent.count < 2 {
            sent += try runner.reports.next { report -> [UInt64]? in
                if case .log(.persisted(_, let messages), _) = report {
                    messages.compactMap(round)
                } else {
                    nil
                }
            }
        }
        #expect(sent == [2, 3])
        let shown = try runner.reports.next {
            if case .log(.shown(1, let entries), _) = $0 { entries } else { nil }
        }
        #expect(shown == [entry(1), entry(2), entry(3)])
        // The news that there is room again comes when a spare could be made.
        #expect(
            try !runner.reports.next { if case .log(.storage(let isShort), _) = $0 { isShort } else { nil } })
    }

    @Test func `a node with a full disk can be stopped`() throws {
        let disk = TrialDisk()
        let runner = try DiskRunner(try newLog(in: folder, on: disk))
        try runner.persist(1, [entry(1)])
        disk.set { $0.writes = DiskError.noSpaceLeft }
        runner.post(.persist(Persist(sequence: 2, entries: [entry(2)], thenSend: [sign(2)])))
        _ = try runner.reports.next { if case .log(.storage(let isShort), _) = $0 { isShort } else { nil } }
        runner.stop()
        #expect(throws: Reports.Missing.self) {
            try runner.reports.next(within: .zero) { if case .log(.persisted, _) = $0 { true } else { nil } }
        }
        #expect(try reopened().terms.lastIndex == LogIndex(1))
    }

    @Test func `a full disk is waited out before the log begins anew, too`() throws {
        let disk = TrialDisk()
        let runner = try DiskRunner(try newLog(in: folder, on: disk))
        try runner.persist(1, [entry(1)])
        disk.set { $0.writes = DiskError.noSpaceLeft }
        let position = LogPosition(index: LogIndex(50), term: Term(3))
        runner.post(.persist(Persist(sequence: 2, resetTo: position)))
        _ = try runner.reports.next { if case .log(.storage(let isShort), _) = $0 { isShort } else { nil } }
        disk.set { $0.writes = nil }
        _ = try runner.reports.next { if case .log(.persisted(2, _), _) = $0 { true } else { nil } }
        runner.stop()
        #expect(try reopened().terms.firstIndex == LogIndex(51))
    }

    @Test func `after a failed sync nothing more is acknowledged`() throws {
        let disk = TrialDisk()
        let runner = try DiskRunner(try newLog(in: folder, on: disk))
        try runner.persist(1, [entry(1)])
        disk.set { $0.syncs = DiskError.inputOutput }
        runner.post(.persist(Persist(sequence: 2, entries: [entry(2)], thenSend: [sign(2)])))
        let reason = try runner.reports.next { report -> String? in
            switch report {
            case .fatal(let reason): reason
            case .log(.persisted, _): "it was acknowledged"
            default: nil
            }
        }
        #expect(reason.contains("the log's disk failed"))
        disk.set { $0.syncs = nil }
        runner.post(.persist(Persist(sequence: 3, entries: [entry(3)])))
        runner.stop()
        #expect(throws: Reports.Missing.self) {
            try runner.reports.next(within: .zero) { if case .log(.persisted, _) = $0 { true } else { nil } }
        }
    }

    @Test func `an idle disk prepares a spare segment`() throws {
        let runner = try DiskRunner(try newLog(in: folder, on: PosixDisk()))
        try runner.persist(1, (1...150).map { entry($0) })
        let deadline = Clock.now() + .seconds(20)
        while try !Files.list(folder.path).contains(where: { $0.hasSuffix(".spare") }), Clock.now() < deadline
        {
            CurrentThread.sleep(for: .milliseconds(2))
        }
        #expect(Clock.now() < deadline)
        runner.stop()
    }

    @Test func `a report waits for room in a full mailbox`() throws {
        let reports = try Reports(capacity: 1)
        let sender = try startThread(named: "sender", owning: reports.mailbox) { mailbox in
            for number in 1...100 as ClosedRange<UInt64> {
                mailbox.deliver(.log(.persisted(sequence: number, thenSend: []), took: .zero))
            }
        }
        var sequences: [UInt64] = []
        while sequences.count < 100 {
            sequences.append(
                try reports.next {
                    if case .log(.persisted(let sequence, _), _) = $0 { sequence } else { nil }
                })
        }
        sender.join()
        #expect(sequences == Array(1...100))
    }
}
