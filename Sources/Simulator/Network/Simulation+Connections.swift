// What the others notice when a process is gone, and when connections break.

import NodeCore
import Primitives

extension Simulation {
    /// The process of a node is gone: the kernel closes its connections, unless the power is gone too.
    func closeConnections(of node: SimulatedNode) {
        for other in nodes.indices where other != node.index {
            let (out, back) = (network.place(node.index, other), network.place(other, node.index))
            // Its own requests: nobody waits for them any more, but they may still arrive.
            for id in openPosts(on: out) {
                network.posts[id].isClosed = true
                network.posts.release(id)
            }
            network.links[out].open = []
            network.links[out].isEstablished = false
            network.links[out].restsUntil = 0
            if !node.isDark {
                if network.links[out].isSeen, network.links[out].cuts == 0, nodes[other].isAlive {
                    let arrival = network.arrival(on: out, at: time)
                    queue.add(
                        .disconnected(
                            node: Int32(other), life: Int32(nodes[other].life), peer: Int32(node.index)),
                        at: arrival)
                }
                // The requests it has not answered.
                for id in openPosts(on: back) where network.posts[id].taken.first > 0 {
                    guard network.links[out].cuts == 0 else { continue }
                    network.posts[id].reached = true
                    network.posts[id].underWay += 1
                    queue.add(
                        .broken(post: id.place, generation: id.generation),
                        at: network.arrival(on: out, at: time))
                }
            }
            network.links[out].isSeen = false
            network.links[back].isSeen = false
        }
        closeFetches(of: node)
    }

    private func openPosts(on link: Int) -> [PostID] {
        network.links[link].open.filter { network.posts.contains($0) && !network.posts[$0].isClosed }
    }

    func hearDisconnected(_ index: Int, _ life: Int, of peer: Int) {
        let node = nodes[index]
        guard node.isAlive, node.life == life else { return }
        // It may have come back meanwhile.
        guard !network.links[network.place(peer, index)].isSeen else { return }
        deliver(.event(.peerDisconnected(nodes[peer].id)), to: node)
    }

    /// All connections between two nodes break, and both know.
    func reset(_ a: Int, _ b: Int) {
        for (from, to) in [(a, b), (b, a)] where from != to {
            let link = network.place(from, to)
            for id in openPosts(on: link) {
                network.posts[id].reached = true
                network.posts[id].underWay += 1
                queue.add(.broken(post: id.place, generation: id.generation), at: time + 1_000)
            }
            network.links[link].isEstablished = false
            guard network.links[link].isSeen, nodes[to].isAlive else { continue }
            network.links[link].isSeen = false
            queue.add(
                .disconnected(node: Int32(to), life: Int32(nodes[to].life), peer: Int32(from)),
                at: time + 2_000)
        }
    }

    /// What was held up on a link arrives, one after the other.
    func unclog(_ link: Int) {
        let held = network.links[link].held
        network.links[link].held = []
        for due in held { queue.add(due, at: network.arrival(on: link, at: time)) }
    }
}
