import Primitives

@testable import Links

/// Nodes that broadcast over the links of a ``LinkWorld``.
struct BroadcastWorld {
    var net: LinkWorld
    var nodes: [Broadcast] = []
    /// What each process of a node delivered, in order.
    var delivered: [[[BroadcastID]]]
    /// What its origin had delivered before it sent a message.
    var causes: [BroadcastID: Set<BroadcastID>] = [:]
    let options: BroadcastOptions
    /// After so many more effects of a node's that node ends.
    var fuses: [Int?]
    private var heard = 0

    init(
        nodes count: Int, network: LinkWorld.Network = LinkWorld.Network(),
        options: BroadcastOptions = BroadcastOptions(), seed: UInt64
    ) {
        net = LinkWorld(nodes: count, network: network, seed: seed)
        self.options = options
        delivered = Array(repeating: [[]], count: count)
        fuses = Array(repeating: nil, count: count)
        nodes = (0..<count).map { makeNode($0) }
    }

    private func makeNode(_ node: Int) -> Broadcast {
        Broadcast(
            own: id(node), process: net.processes[node], peers: net.processes.indices.map { id($0) },
            options: options)
    }

    private func id(_ node: Int) -> NodeID { NodeID(UInt64(node + 1)) }

    mutating func restart(_ node: Int) {
        net.restart(node)
        nodes[node] = makeNode(node)
        delivered[node].append([])
    }

    mutating func broadcast(_ bytes: [UInt8], _ kind: BroadcastKind, from node: Int) throws -> BroadcastID {
        let before = Set(delivered[node].last ?? [])
        var effects: [Broadcast.Effect] = []
        let id = try nodes[node].broadcast(bytes, kind, at: net.now, into: &effects)
        causes[id] = before
        carryOut(effects, node)
        return id
    }

    private mutating func carryOut(_ effects: [Broadcast.Effect], _ node: Int) {
        for effect in effects {
            if let fuse = fuses[node] {
                fuses[node] = fuse - 1
                if fuse <= 0 { net.isUp[node] = false }
            }
            guard net.isUp[node] else { return }
            switch effect {
            case .deliver(let message): delivered[node][delivered[node].count - 1].append(message.id)
            case .send(let peer, let bytes):
                let peer = Int(peer.rawValue) - 1
                _ = try? net.send(bytes, from: node, to: peer)
                net.flush(node, peer)
            }
        }
    }

    mutating func run(for span: Instant.Span) {
        let end = net.now + span
        while true {
            let due = nodes.indices.filter { net.isUp[$0] }.min { nodes[$0].deadline < nodes[$1].deadline }
            let deadline = due.map { nodes[$0].deadline } ?? .never
            let isDone = !net.step(until: min(end, deadline))
            while heard < net.heard.count {
                let entry = net.heard[heard]
                heard += 1
                guard case .deliver(let message) = entry.effect else { continue }
                var effects: [Broadcast.Effect] = []
                nodes[entry.node].receive(message.bytes, from: id(entry.peer), at: net.now, into: &effects)
                carryOut(effects, entry.node)
            }
            if isDone, let due, deadline <= net.now {
                var effects: [Broadcast.Effect] = []
                nodes[due].wake(at: net.now, into: &effects)
                carryOut(effects, due)
            } else if isDone {
                return
            }
        }
    }
}
