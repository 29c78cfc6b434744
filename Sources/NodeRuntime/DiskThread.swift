// The thread that owns the log on disk. It takes all that has come, writes it, syncs once, and reports: what
// gathers during a sync is the next group.
import NodeCore
import Platform
import Primitives
import WAL

/// The disk thread and what it owns.
struct DiskLoop<D: Disk & Sendable>: ~Copyable {
    private var keeper: LogKeeper<D>
    private let inbox: Mailbox<LogCommand>
    private let reports: Mailbox<NodeInput>
    private var batch: [LogCommand] = []
    private var news: [LogReport] = []

    init(log: consuming WriteAheadLog<D>, inbox: Mailbox<LogCommand>, reports: Mailbox<NodeInput>) {
        keeper = LogKeeper(log: log)
        self.inbox = inbox
        self.reports = reports
    }

    /// Runs until told to stop, or until the disk fails: then the node can't go on.
    consuming func run() {
        do throws(WALError) {
            while try turn() {}
        } catch {
            reports.deliver(.fatal("\(error)"))
        }
    }

    private mutating func turn() throws(WALError) -> Bool {
        batch.removeAll(keepingCapacity: true)
        inbox.wait(until: keeper.wake, into: &batch)
        let start = Clock.now()
        guard try keeper.write(batch, at: start, into: &news) else { return false }
        let written = Clock.now()
        report(took: written - start)
        let goesOn = try keeper.finish(at: written, into: &news)
        report(took: .zero)
        return goesOn
    }

    private mutating func report(took: Instant.Span) {
        for report in news { reports.deliver(.log(report, took: took)) }
        news.removeAll(keepingCapacity: true)
    }
}

extension DiskLoop: Sendable {}
