// The thread that writes checkpoints, serves them to peers and loads those of a leader, so that none of it
// holds up the node loop. It works in small pieces and looks at its mailbox between them.
import NodeCore
import Platform
import Primitives
import WAL

/// The checkpoint thread and what it owns.
struct CheckpointLoop<D: Disk & Sendable>: ~Copyable {
    private var keeper: CheckpointKeeper<D>
    private let inbox: Mailbox<CheckpointCommand>
    private let reports: Mailbox<NodeInput>
    private var batch: [CheckpointCommand] = []
    private var news: [CheckpointReport] = []

    init(
        store: CheckpointStore<D>, cluster: ClusterID, inbox: Mailbox<CheckpointCommand>,
        reports: Mailbox<NodeInput>
    ) {
        keeper = CheckpointKeeper(store: store, cluster: cluster)
        self.inbox = inbox
        self.reports = reports
    }

    consuming func run() {
        try? CurrentThread.lowerPriority()
        while turn() {}
    }

    private mutating func turn() -> Bool {
        batch.removeAll(keepingCapacity: true)
        inbox.wait(until: keeper.wake, into: &batch)
        let goesOn = keeper.take(batch, at: Clock.now(), into: &news)
        if goesOn { keeper.write(at: Clock.now(), into: &news) }
        for report in news { reports.deliver(.checkpoint(report)) }
        news.removeAll(keepingCapacity: true)
        return goesOn
    }
}
