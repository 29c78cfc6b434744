import Primitives

extension Simulation {
    /// Does what is due.
    func handle(_ due: Due) {
        switch due {
        case .wake(let node, let life): wake(nodes[Int(node)], life)
        case .log, .logDone, .logWake, .checkpoint, .checkpointDone, .checkpointWake: handleThread(due)
        case .start(let node, let life):
            let node = nodes[Int(node)]
            guard node.life == Int(life), !node.isRetired, !node.isLost else { break }
            if node.state == .down || node.hasRefused { start(node) }
        case .started(let node, let life):
            if isRunning(node, life, due, orStarting: true) { finishStart(nodes[Int(node)]) }
        case .resume(let node, let life):
            if nodes[Int(node)].life == Int(life) { resume(nodes[Int(node)]) }
        case .request, .answer, .broken, .gone, .sweep, .disconnected: handleNetwork(due)
        case .ask(let fetch, let generation): arriveAsk(Int(fetch), generation)
        case .part(let fetch, let generation): arrivePart(Int(fetch), generation)
        case .fetchFailed(let fetch, let generation, let attempt):
            let state = network.fetches[Int(fetch)]
            if state.isOpen, state.generation == generation, state.attempt == attempt {
                failFetch(Int(fetch))
            }
        case .client(let client): think(Int(client))
        case .call(let operation): arriveCall(Int(operation))
        case .reply(let operation): arriveReply(Int(operation))
        case .giveUp(let operation): giveUp(Int(operation))
        case .fault(let place): beginFault(Int(place))
        case .faultEnds(let place): endFault(Int(place))
        case .flap(let place): flap(Int(place))
        case .heal: heal()
        case .look: look()
        }
    }

    private func handleThread(_ due: Due) {
        switch due {
        case .log(let node, let life): if isRunning(node, life, due) { carryOutLog(nodes[Int(node)]) }
        case .logDone(let node, let life): if isRunning(node, life, due) { finishLog(nodes[Int(node)]) }
        case .logWake(let node, let life): if isRunning(node, life, due) { wakeLog(nodes[Int(node)]) }
        case .checkpoint(let node, let life):
            if isRunning(node, life, due) { carryOutCheckpoint(nodes[Int(node)]) }
        case .checkpointDone(let node, let life):
            if isRunning(node, life, due) { finishCheckpoint(nodes[Int(node)]) }
        case .checkpointWake(let node, let life):
            if isRunning(node, life, due) { wakeCheckpoint(nodes[Int(node)]) }
        default: break
        }
    }

    private func handleNetwork(_ due: Due) {
        switch due {
        case .request(let post, let generation, let copy):
            arriveRequest(PostID(place: post, generation: generation), copy: Int(copy))
        case .answer(let post, let generation):
            arriveAnswer(PostID(place: post, generation: generation))
        case .broken(let post, let generation):
            hearBroken(PostID(place: post, generation: generation))
        case .gone(let post, let generation, let copy):
            hearGone(PostID(place: post, generation: generation), copy: Int(copy))
        case .sweep(let link): sweep(Int(link))
        case .disconnected(let node, let life, let peer):
            hearDisconnected(Int(node), Int(life), of: Int(peer))
        default: break
        }
    }

    /// Whether the process that something is due in is still there and goes on; if it stands still, it is put
    /// off until it goes on.
    private func isRunning(_ index: Int32, _ life: Int32, _ due: Due, orStarting: Bool = false) -> Bool {
        let node = nodes[Int(index)]
        guard node.life == Int(life) else { return false }
        switch node.state {
        case .running: return true
        case .starting: return orStarting
        case .paused:
            node.deferred.append(due)
            return false
        case .down, .refused: return false
        }
    }
}

extension SimulatedNode {
    var hasRefused: Bool { if case .refused = state { true } else { false } }
}
