import Consensus
import Primitives

/// Nothing in a node grows without bound, however long its peers, its disk or its clients make it wait.
/// Looked at in every 64th step. Bugs L12, LK8, C5, S17.
final class BoundedQueues: Invariant {
    static let name = "V5"
    static let promise = "Queues, open files and bytes on disk stay below fixed bounds."
    let facts: FactKinds = [.tick]

    /// Messages that may wait for a peer.
    static let outbox = 8192
    /// Files that may be open: segments, spares, checkpoints in the making and in reading, the lock. Some
    /// nodes make few checkpoints while segments are as small as 4 KiB.
    static let openFiles = 1024
    private var place = 0

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard let source = chronicle.source else { return }
        place = (place + 1) % chronicle.nodes.count
        let node = chronicle.nodes[place]
        guard node.isAlive else { return }
        let sizes = source.queues(of: place)
        let options = sizes.options
        try check(node, "messages for a peer", sizes.outbox, Self.outbox)
        try check(node, "open reads", sizes.openReads, options.maxOpenReads)
        try check(node, "appends under way", sizes.appendsInFlight, options.maxAppendsInFlight)
        try check(node, "open files", sizes.openFiles, Self.openFiles)
    }

    private func check(_ node: NodeGhost, _ what: String, _ size: Int, _ bound: Int) throws(Violation) {
        try demand(size <= bound, "\(node.name) holds \(size) \(what), more than \(bound)")
    }
}
