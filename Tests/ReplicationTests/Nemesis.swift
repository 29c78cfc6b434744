import Consensus
import Primitives
import Replication
import Store

/// What goes wrong in a run: each kind of fault is switched on or off by the seed, so that runs differ in kind.
struct Nemesis {
    let cluster: Cluster
    let clients: Clients
    private var generator: SeededGenerator
    private let crashes, partitions, transfers, rumours, fullDisks: Bool

    init(_ cluster: Cluster, _ clients: Clients, seed: UInt64) {
        self.cluster = cluster
        self.clients = clients
        var generator = SeededGenerator(seed: seed)
        func coin() -> Bool { generator.next(below: 2) == 0 }
        crashes = coin()
        partitions = coin()
        transfers = coin()
        rumours = coin()
        fullDisks = generator.next(below: 4) == 0
        if coin() { cluster.faults.loss = generator.next(below: 200) }
        if coin() { cluster.faults.duplicates = generator.next(below: 300) }
        if coin() { cluster.faults.tellsLoss = 200 + generator.next(below: 800) }
        if coin() { cluster.faults.delay = .microseconds(100) ..< .milliseconds(60) }
        if coin() { cluster.faults.sync = .microseconds(100) ..< .milliseconds(40) }
        if coin() { (cluster.faults.fetchFailures, cluster.faults.checkpointFailures) = (200, 200) }
        cluster.cutsEagerly = coin()
        for node in cluster.nodes where coin() {
            node.wallSkew = Int64(generator.next(below: 7_200_000)) - 3_600_000
        }
        self.generator = generator
    }

    private mutating func chance(_ ofThousand: UInt64) -> Bool { generator.next(below: 1000) < ofThousand }
    private mutating func anyNode() -> Node {
        cluster.nodes[Int(generator.next(below: UInt64(cluster.nodes.count)))]
    }

    /// Something may go wrong, or right again.
    mutating func strike() {
        if crashes { crashOrRestart() }
        if partitions { cutOrHeal() }
        if transfers, chance(200) {
            let target = chance(300) ? nil : anyNode().id
            let asked = chance(200) ? anyNode() : (cluster.leader ?? anyNode())
            cluster.post(.transferLeadership(to: target), to: asked.id)
        }
        if rumours, chance(200) {
            let (a, b) = (anyNode(), anyNode())
            if a.id != b.id {
                cluster.post(chance(500) ? .peerUnreachable(b.id) : .peerDisconnected(b.id), to: a.id)
            }
        }
        if fullDisks, chance(200) {
            let isShort = chance(400)
            cluster.post(.storage(isShortOfSpace: isShort), to: anyNode().id)
        }
    }

    private mutating func crashOrRestart() {
        for node in cluster.nodes where !node.isUp {
            if chance(400) { cluster.restart(node.id) }
        }
        guard chance(250) else { return }
        let victim = chance(500) ? (cluster.leader ?? anyNode()) : anyNode()
        clients.lost(victim.id)
        cluster.crash(victim.id)
        guard chance(150) else { return }
        // The power fails.
        for node in cluster.nodes {
            clients.lost(node.id)
            cluster.crash(node.id)
        }
    }

    private mutating func cutOrHeal() {
        if chance(350) { cluster.heal() }
        guard chance(250) else { return }
        switch generator.next(below: 3) {
        case 0: cluster.isolate((cluster.leader ?? anyNode()).id)
        case 1: cluster.isolate(anyNode().id)
        default:
            // One direction of one link.
            let (a, b) = (anyNode(), anyNode())
            if a.id != b.id { cluster.block(a.id, b.id) }
        }
    }

    /// Everything is well again, and stays so.
    func end() {
        cluster.heal()
        cluster.faults = Cluster.Faults()
        for node in cluster.nodes {
            cluster.restart(node.id)
            cluster.post(.storage(isShortOfSpace: false), to: node.id)
        }
    }
}
