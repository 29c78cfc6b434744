// Snapshots that a node pulls from another, in parts, as the transport of production does it.

import Consensus
import NodeCore
import Primitives

extension Simulation {
    /// The bit that tells a question for a part from a request of a peer.
    private static var fetchBit: UInt64 { 1 << 63 }
    private static var partTimeout: Int64 { 30_000_000_000 }

    func fetch(_ id: UInt64, _ reference: SnapshotReference, from source: NodeID, _ node: SimulatedNode) {
        let target = Int(source.rawValue) - 1
        guard nodes.indices.contains(target) else { return }
        var state = FetchState(
            node: node.index, life: node.life, id: id, source: target,
            index: reference.position.index.rawValue,
            term: reference.position.term.rawValue)
        state.isOpen = true
        var place = network.fetches.firstIndex { !$0.isOpen }
        if let place {
            state.generation = network.fetches[place].generation + 1
            network.fetches[place] = state
        } else {
            state.generation = 1
            place = network.fetches.count
            network.fetches.append(state)
        }
        ask(place ?? 0)
    }

    func cancelFetch(_ id: UInt64, of node: SimulatedNode) {
        for place in network.fetches.indices {
            let state = network.fetches[place]
            if state.isOpen, state.node == node.index, state.life == node.life, state.id == id {
                network.fetches[place].isOpen = false
            }
        }
    }

    /// Asks for the next part.
    private func ask(_ place: Int) {
        network.fetches[place].attempt += 1
        let state = network.fetches[place]
        let link = network.place(state.node, state.source)
        let source = nodes[state.source]
        func fail(after span: Int64) {
            queue.add(
                .fetchFailed(fetch: Int32(place), generation: state.generation, attempt: state.attempt),
                at: time + span)
        }
        fail(after: Self.partTimeout)
        if network.isCut(state.node, state.source) || (source.isDark && !source.isAlive) {
            return fail(after: 1_000_000_000)
        }
        guard source.isAlive else { return fail(after: 1_000_000) }
        let (loss, failures) = (network.loses(on: link), network.plan.fetchFailures)
        if loss || (failures > 0 && network.links[link].random.chance(failures)) {
            if isObserved {
                emit(.lost(Transit(from: state.node, to: state.source, number: state.id, kind: .part)))
            }
            return fail(after: network.links[link].random.span(.zero, .seconds(1)).nanoseconds)
        }
        travel(.ask(fetch: Int32(place), generation: state.generation), on: link)
    }

    private func travel(_ due: Due, on link: Int) {
        let arrival = network.arrival(on: link, at: time)
        if network.links[link].clogs > 0 {
            network.links[link].held.append(due)
        } else {
            queue.add(due, at: arrival)
        }
    }

    func arriveAsk(_ place: Int, _ generation: Int32) {
        let state = network.fetches[place]
        guard state.isOpen, state.generation == generation else { return }
        let source = nodes[state.source]
        guard source.isAlive, !network.isCut(state.node, state.source) else { return }
        let request = Self.fetchBit | UInt64(place) << 32 | UInt64(UInt32(bitPattern: generation))
        let position = LogPosition(index: LogIndex(state.index), term: Term(state.term))
        deliver(
            .serve(
                PeerRequestID(request), position, offset: state.offset, count: UInt64(plan.knobs.fetchChunk)),
            to: source)
    }

    /// The node has read the part.
    func answerPart(_ request: PeerRequestID, offset: UInt64, _ bytes: [UInt8]?, total: UInt64) {
        let place = Int((request.rawValue & ~Self.fetchBit) >> 32)
        let generation = Int32(truncatingIfNeeded: request.rawValue & 0xffff_ffff)
        guard network.fetches.indices.contains(place) else { return }
        let state = network.fetches[place]
        guard state.isOpen, state.generation == generation else { return }
        let link = network.place(state.source, state.node)
        let failures = network.plan.fetchFailures
        if network.loses(on: link) || (failures > 0 && network.links[link].random.chance(failures)) {
            if isObserved {
                emit(.lost(Transit(from: state.source, to: state.node, number: state.id, kind: .part)))
            }
            // Half of them are noticed soon.
            guard network.links[link].random.coin() else { return }
            return queue.add(
                .fetchFailed(fetch: Int32(place), generation: generation, attempt: state.attempt),
                at: network.arrival(on: link, at: time))
        }
        network.fetches[place].part = (bytes, offset, total)
        travel(.part(fetch: Int32(place), generation: generation), on: link)
    }

    func arrivePart(_ place: Int, _ generation: Int32) {
        let state = network.fetches[place]
        guard state.isOpen, state.generation == generation, let part = state.part else { return }
        network.fetches[place].part = nil
        guard !network.isCut(state.source, state.node) else { return }
        let node = nodes[state.node]
        guard node.isAlive, node.life == state.life else { return network.fetches[place].isOpen = false }
        // Not found, another part than was asked for, or the file is another one by now.
        guard let bytes = part.bytes, !bytes.isEmpty, part.offset == state.offset,
            state.total == nil || state.total == part.total
        else { return failFetch(place) }
        hash.add(bytes.count << 32 ^ place)
        network.fetches[place].total = part.total
        network.fetches[place].offset += UInt64(bytes.count)
        let isLast = network.fetches[place].offset >= part.total
        if isLast { network.fetches[place].isOpen = false } else { ask(place) }
        deliver(
            .event(.fetched(id: state.id, offset: state.offset, bytes: bytes, isLast: isLast)), to: node)
    }

    func failFetch(_ place: Int) {
        let state = network.fetches[place]
        network.fetches[place].isOpen = false
        let node = nodes[state.node]
        guard node.isAlive, node.life == state.life else { return }
        deliver(.event(.fetchFailed(id: state.id)), to: node)
    }

    /// The process of a node is gone: so are its fetches, and those that it served fail, if anybody can tell.
    func closeFetches(of node: SimulatedNode) {
        for place in network.fetches.indices where network.fetches[place].isOpen {
            let state = network.fetches[place]
            if state.node == node.index {
                network.fetches[place].isOpen = false
            } else if state.source == node.index, !node.isDark {
                queue.add(
                    .fetchFailed(fetch: Int32(place), generation: state.generation, attempt: state.attempt),
                    at: time + 1_000_000)
            }
        }
    }
}
