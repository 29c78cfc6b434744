import Consensus
import Primitives

// What one step changes in a world.

extension SmallScope.Explorer {
    /// The number of a node's state.
    mutating func number(of member: SmallScope.Member) -> Int {
        let (number, isNew) = members.number(of: member) { $0.feed(&$1) }
        if isNew { summaries.append(SmallScope.Summary(member)) }
        return number
    }

    /// The place in the network of a message.
    private mutating func flight(of message: Message) -> SmallScope.Flight {
        let (number, isNew) = messages.number(of: message) { $0.feed(&$1) }
        if isNew {
            precondition(number < SmallScope.Action.operandMask, "too many different messages")
            headers.append(SmallScope.Header(message))
        }
        return SmallScope.Flight(
            message: number, from: Int(message.from.rawValue) - 1, to: Int(message.to.rawValue) - 1)
    }

    /// Lets the core take the step, and remembers what comes of it.
    private mutating func run(_ member: UInt32, _ action: SmallScope.Action) -> Int {
        beforeRun?(expanded, action.code)
        let message = action.kind == .deliver ? messages[Int(action.operand)] : nil
        let before = members[Int(member)]
        let turn = SmallScope.Turn(before, action, message, bounds)
        let next = UInt32(number(of: turn.member))
        var sends: [SmallScope.Flight] = []
        for message in turn.sends { sends.append(flight(of: message)) }
        let raft = turn.member.raft
        let isElected =
            raft.role == .leader && (before.raft.role != .leader || before.raft.term != raft.term)
        let answers = turn.answers.map { (Int($0.token), $0.index.map { Int($0.rawValue) }) }
        let isOutOfBounds = raft.term.rawValue > UInt64(bounds.terms)
        return outcomes.add(
            member, action.event, sends: sends, answers: answers, breach: turn.breach
        ) { firstSend, answers, breach in
            SmallScope.Outcome(
                member: next, firstSend: firstSend, sendCount: UInt16(sends.count),
                isOutOfBounds: isOutOfBounds, hasWritten: turn.hasWritten, isElected: isElected,
                answers: answers, breach: breach)
        }
    }

    /// What comes of a step of the node state `member`.
    mutating func outcome(_ member: UInt32, _ action: SmallScope.Action) -> SmallScope.Outcome {
        let place = outcomes.find(member, action.event) ?? run(member, action)
        return outcomes.outcomes[place]
    }

    /// Works out what `action` changes in `world`, as `change`. Returns false if that is nothing, or beyond
    /// the bounds.
    mutating func evaluate(_ world: SmallScope.World, _ action: SmallScope.Action) -> Bool {
        let node = action.node
        let old = world.members[node]
        change.node = node
        change.ghost = world.ghost
        change.added.removeAll(keepingCapacity: true)
        change.removed.removeAll(keepingCapacity: true)
        change.breach = nil
        if action.isOfNetwork { return evaluateOnWay(world, action) }
        let outcome = outcome(old, action)
        if outcome.isOutOfBounds { return false }
        change.member = outcome.member
        if outcome.breach >= 0 {
            change.breach = outcomes.breaches[Int(outcome.breach)]
            return true
        }
        let isKept = action.manner.contains(.kept)
        let place = action.kind == .deliver ? world.network.place(of: Int(action.operand)) : nil
        let arriving = place.map { world.network.flights[$0] }
        collectSends(world, arriving, isKept: isKept, outcome)
        if outcome.member == old && change.added.isEmpty && outcome.answers < 0 {
            // A message that changes nothing makes way for what waits for it. Else it may as well never
            // arrive.
            guard let place, place < world.network.queued, !change.removed.isEmpty,
                bounds.haste != nil || world.network.isAwaited(place)
            else { return false }
        }
        if outcome.member != old && !collectOver(world, arriving, isKept: isKept) { return false }
        change.network.become(world.network)
        for flight in change.removed { change.network.remove(flight) }
        for flight in change.added { change.network.add(flight) }
        // The copy of a message comes when it likes.
        if isKept, let arriving, bounds.order != .any { change.network.delay(arriving) }
        count(action, summaries[Int(old)], isHasty: world.network.queued > 0 && action.kind.isAct)
        remember(action, outcome)
        change.isGhostChanged = change.ghost != world.ghost
        return true
    }

    /// What happens to messages on their way.
    private mutating func evaluateOnWay(_ world: SmallScope.World, _ action: SmallScope.Action) -> Bool {
        change.member = world.members[action.node]
        change.network.become(world.network)
        change.isGhostChanged = true
        switch action.kind {
        case .delay, .shorten:
            guard let place = world.network.place(of: Int(action.operand)) else { return false }
            let flight = world.network.flights[place]
            if action.kind == .delay {
                change.network.delay(flight)
                change.ghost.spend(.delays)
                return true
            }
            change.ghost.spend(.shortened)
            return shorten(flight)
        case .isolate:
            change.ghost.isolate(action.node)
            change.ghost.spend(.partitions)
            dropCut(world)
        case .rejoin:
            change.ghost.rejoin(action.node)
            dropCut(world)
        default: return false
        }
        return true
    }

    /// The messages that would have to cross the partition are lost, unless they were delayed.
    private mutating func dropCut(_ world: SmallScope.World) {
        for flight in world.network.flights.prefix(world.network.queued) where isCut(flight, change.ghost) {
            change.removed.append(flight)
            change.network.remove(flight)
        }
    }

    /// An append loses its last entry.
    private mutating func shorten(_ flight: SmallScope.Flight) -> Bool {
        var message = messages[flight.message]
        guard case .append(var append) = message.body, !append.entries.isEmpty else { return false }
        append.entries.removeLast()
        message.body = .append(append)
        let shorter = self.flight(of: message)
        guard !change.network.carries(shorter) else { return false }
        change.network.replace(flight, by: shorter)
        change.removed.append(flight)
        change.added.append(shorter)
        return true
    }

    /// What is put in flight, and the message that is taken out because it arrives.
    private mutating func collectSends(
        _ world: SmallScope.World, _ arriving: SmallScope.Flight?, isKept: Bool, _ outcome: SmallScope.Outcome
    ) {
        var leaving = isKept ? nil : arriving
        let first = Int(outcome.firstSend)
        for place in first..<first + Int(outcome.sendCount) {
            let flight = outcomes.sends[place]
            if isCut(flight, world.ghost) { continue }
            if let leaves = leaving, leaves.isSame(as: flight) {
                leaving = nil
            } else if !world.network.carries(flight) && !change.added.contains(flight) {
                let receiver = world.members[flight.receiver]
                if headers[flight.message].isOver(for: summaries[Int(receiver)]) {
                    checkSilence(of: receiver, at: flight)
                } else {
                    change.added.append(flight)
                }
            }
        }
        if let leaving { change.removed.append(leaving) }
    }

    /// Whether sender and receiver are on different sides of a partition.
    private func isCut(_ flight: SmallScope.Flight, _ ghost: SmallScope.Ghost) -> Bool {
        ghost.isIsolated(flight.sender) != ghost.isIsolated(flight.receiver)
    }

    /// Takes out of flight what can't matter to the node any more. Returns false if the step kept such a
    /// message in flight.
    private mutating func collectOver(
        _ world: SmallScope.World, _ arriving: SmallScope.Flight?, isKept: Bool
    ) -> Bool {
        let summary = summaries[Int(change.member)]
        for flight in world.network.flights where flight.receiver == change.node {
            guard headers[flight.message].isOver(for: summary) else { continue }
            if flight == arriving {
                if isKept { return false }
                continue
            }
            change.removed.append(flight)
            checkSilence(of: change.member, at: flight)
        }
        return true
    }

    /// A message that is over must change nothing, nor be answered.
    private mutating func checkSilence(of member: UInt32, at flight: SmallScope.Flight) {
        guard !summaries[Int(member)].isMidTurn else { return }
        let outcome = outcome(member, SmallScope.Action(delivering: flight))
        guard outcome.member != member || outcome.sendCount > 0 || outcome.answers >= 0 else { return }
        change.breach = SmallScope.Breach(
            invariant: "late answers",
            text: "\(members[Int(member)].raft) heeds \(messages[flight.message]), which is over")
    }

    /// Brings the memory up to date.
    private mutating func remember(_ action: SmallScope.Action, _ outcome: SmallScope.Outcome) {
        let node = action.node
        if action.kind == .crash { change.ghost.closeReads(of: node) }
        if action.kind == .read { change.ghost.openRead(Int(action.operand), at: node) }
        let summary = summaries[Int(outcome.member)]
        if outcome.isElected { note(change.ghost.elected(node, in: summary.term)) }
        if summary.commit > change.ghost.ledgerCount && !summary.isMidTurn {
            note(change.ghost.committed(node, summary))
        }
        guard outcome.answers >= 0 else { return }
        for answer in outcomes.answers[Int(outcome.answers)] {
            note(change.ghost.answered(answer.token, answer.index))
        }
    }

    private mutating func note(_ breach: SmallScope.Breach?) {
        if change.breach == nil { change.breach = breach }
    }

    /// Counts the step against the bounds.
    private mutating func count(
        _ action: SmallScope.Action, _ before: SmallScope.Summary, isHasty: Bool
    ) {
        switch action.kind {
        case .deliver, .persisted, .fetched, .delay, .shorten, .isolate, .rejoin: break
        case .timeout: change.ghost.spend(before.role == .leader ? .heartbeats : .timeouts)
        case .propose: change.ghost.spend(.entries)
        case .read: change.ghost.spend(.reads)
        case .transfer: change.ghost.spend(.transfers)
        case .crash: change.ghost.spend(.crashes)
        case .checkpoint: change.ghost.spend(.checkpoints)
        case .unreachable: change.ghost.spend(.unreachables)
        }
        let manner = action.manner
        if isHasty && bounds.haste != nil { change.ghost.spend(.haste) }
        if manner.contains(.kept) { change.ghost.spend(.duplicates) }
        if manner.contains(.slow) { change.ghost.spend(.slowPersists) }
        if manner.contains(.open) { change.ghost.spend(.sharedTurns) }
    }
}

// MARK: Worlds

extension SmallScope.Explorer {
    /// Makes `change` true.
    mutating func apply(to world: inout SmallScope.World) {
        addUp(world) { half, sum in world.sums[half] = sum }
        world.members[change.node] = change.member
        world.network.become(change.network)
        guard change.isGhostChanged else { return }
        world.ghost = change.ghost
        change.ghost.digests(bounds.nodes, under: names, into: &world.ghostSums)
    }

    /// A message is lost.
    mutating func drop(_ flight: SmallScope.Flight, from world: inout SmallScope.World) {
        let stride = messages.stride
        for half in 0..<stride { world.sums[half] &-= messages.digests[flight.message * stride + half] }
        world.network.remove(flight)
    }

    /// The digest of a world: the least of those under all names.
    mutating func digest(of world: SmallScope.World) -> StateDigest {
        prepareOrder(of: world.network)
        var least = StateDigest(high: .max, low: .max)
        for place in names.indices {
            let digest = StateDigest(
                high: world.sums[2 * place] &+ world.ghostSums[2 * place] &+ order[2 * place],
                low: world.sums[2 * place + 1] &+ world.ghostSums[2 * place + 1] &+ order[2 * place + 1])
            if (digest.high, digest.low) < (least.high, least.low) { least = digest }
        }
        return least
    }

    /// The digest of the world that `change` makes of `world`.
    mutating func changedDigest(of world: SmallScope.World) -> StateDigest {
        prepareOrder(of: change.network)
        if change.isGhostChanged {
            change.ghost.digests(bounds.nodes, under: names, into: &newGhostSums)
        }
        var least = StateDigest(high: .max, low: .max)
        var high: UInt64 = 0
        addUp(world) { half, sum in
            let ghost = change.isGhostChanged ? newGhostSums[half] : world.ghostSums[half]
            let value = sum &+ ghost &+ order[half]
            guard half & 1 == 1 else {
                high = value
                return
            }
            if (high, value) < (least.high, least.low) { least = StateDigest(high: high, low: value) }
        }
        return least
    }

    /// The sums of the world that `change` makes of `world`, half by half.
    private func addUp(_ world: SmallScope.World, _ take: (Int, UInt64) -> Void) {
        let stride = members.stride
        let old = Int(world.members[change.node]) * stride
        let new = Int(change.member) * stride
        for half in 0..<stride {
            var sum = world.sums[half] &- members.digests[old + half] &+ members.digests[new + half]
            for flight in change.added { sum &+= messages.digests[flight.message * stride + half] }
            for flight in change.removed { sum &-= messages.digests[flight.message * stride + half] }
            take(half, sum)
        }
    }

    /// What the order of messages adds to the digests: something for each that follows another in its line,
    /// and for each that was delayed.
    private mutating func prepareOrder(of network: SmallScope.Network) {
        guard bounds.order != .any else { return }
        for half in order.indices { order[half] = 0 }
        let stride = messages.stride
        for place in network.flights.indices {
            let own = network.flights[place].message * stride
            if place >= network.queued {
                for half in 0..<stride {
                    order[half] &+= mixed(messages.digests[own + half], 0x9e37_79b9_7f4a_7c15)
                }
            } else if network.follows(place) {
                let before = network.flights[place - 1].message * stride
                for half in 0..<stride {
                    let other = messages.digests[before + half] &* 0xd6e8_feb8_6659_fd93
                    order[half] &+= mixed(messages.digests[own + half], other)
                }
            }
        }
    }

    private func mixed(_ number: UInt64, _ other: UInt64) -> UInt64 {
        let product = (number ^ other).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
        return product.high ^ product.low
    }
}
