internal import Primitives

/// Probing: one member in each period, directly and then through others (SWIM, sections 3.1 and 4.3).
extension Membership {
    /// Turns the present probe and, when its period is over, begins the next one.
    mutating func turnProbe(at now: Instant, into effects: inout [Effect]) {
        if let probe, !probe.hasAskedHelpers, !probe.isAnswered, probe.timeout <= now, now < nextPeriod,
            !isPlanted(.noHelpers)
        {
            askHelpers(at: now, into: &effects)
        }
        guard nextPeriod <= now else { return }
        conclude(at: now, into: &effects)
        begin(at: now, into: &effects)
    }

    private mutating func begin(at now: Instant, into effects: inout [Effect]) {
        periods += 1
        nextPeriod = now + options.period * health.multiplier
        concludeDeadProbe()
        if options.deadProbeEvery > 0, periods % UInt64(options.deadProbeEvery) == 0 {
            probeDead(at: now, into: &effects)
        }
        guard let target = nextTarget() else { return }
        let number = nextSequence()
        probe = Probe(
            target: target, sequence: number, sent: now,
            timeout: now + min(options.probeTimeout, options.period) * health.multiplier, end: nextPeriod)
        counters.probes += 1
        send(.ping(number), to: target, at: now, into: &effects)
    }

    /// A member that is taken for dead may have come back, or the way to it may have healed. The ping says
    /// that it is taken for dead; it objects if it lives.
    private mutating func probeDead(at now: Instant, into effects: inout [Effect]) {
        let dead = members.filter { $0.state == .dead }.map(\.id)
        guard !dead.isEmpty else { return }
        let target = dead[Int(random.next(below: UInt64(dead.count)))]
        let number = nextSequence()
        deadProbe = (number, target)
        counters.deadProbes += 1
        send(.ping(number), to: target, at: now, into: &effects)
    }

    /// A dead probe that was not answered changes nothing but what is known of the way.
    private mutating func concludeDeadProbe() {
        guard let target = deadProbe?.target, let place = place(of: target) else { return }
        deadProbe = nil
        members[place].missed = (members[place].missed ?? 0) + 1
        members[place].reachedThrough = false
    }

    /// The next member of this round, each of which goes through all of them in an order of its own.
    private mutating func nextTarget() -> NodeID? {
        if let target = again {
            again = nil
            if let place = place(of: target), members[place].state <= .suspect { return target }
        }
        for _ in 0..<2 {
            while let target = round.popLast() {
                if let place = place(of: target), members[place].state <= .suspect { return target }
            }
            round = members.filter { $0.state <= .suspect }.map(\.id)
            for last in stride(from: round.count - 1, to: 0, by: -1) {
                round.swapAt(last, Int(random.next(below: UInt64(last + 1))))
            }
        }
        return nil
    }

    private mutating func nextSequence() -> UInt32 {
        sequence &+= 1
        return sequence
    }

    private mutating func askHelpers(at now: Instant, into effects: inout [Effect]) {
        guard let target = probe?.target, let number = probe?.sequence else { return }
        let helpers = choose(options.helpers, except: target)
        probe?.hasAskedHelpers = true
        probe?.helpers = helpers
        counters.indirectProbes += UInt64(helpers.count)
        for helper in helpers { send(.pingRequest(number, target), to: helper, at: now, into: &effects) }
    }

    /// Judges the probe whose period is over.
    private mutating func conclude(at now: Instant, into effects: inout [Effect]) {
        guard let probe else { return }
        self.probe = nil
        guard let place = place(of: probe.target) else { return }
        if probe.isAnswered {
            health.note(-1)
            return
        }
        let missed = (members[place].missed ?? 0) + 1
        members[place].missed = missed
        members[place].reachedThrough = probe.isAnsweredThrough
        if probe.isAnsweredThrough {
            health.note(-1)
            // Once may be a lost datagram: look again at once. Twice is a broken way.
            if missed == 1 { again = probe.target }
            return
        }
        counters.failedProbes += 1
        // Helpers that did not even say that they had no answer: perhaps it is this node that does not hear.
        health.note(probe.helpers.isEmpty ? 1 : probe.helpers.count - probe.nacks.count)
        guard members[place].state <= .suspect else { return }
        let claim = Claim(
            member: probe.target, state: .suspect, incarnation: members[place].incarnation, source: own)
        suspect(
            claim,
            cause: .probeFailed(sequence: probe.sequence, helpers: probe.helpers, nacks: probe.nacks.count),
            at: now, into: &effects)
    }

    // MARK: Messages

    mutating func act(
        on message: MembershipMessage, from peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        switch message.body {
        case .tell: return
        case .ping(let number):
            counters.pings += 1
            send(.ack(number, own), to: peer, at: now, into: &effects)
        case .pingRequest(let number, let target):
            help(peer, number, target, at: now, into: &effects)
        case .ack(let number, let target):
            acknowledge(number, target, from: peer, at: now, into: &effects)
        case .nack(let number, let target):
            counters.nacks += 1
            if probe?.sequence == number, probe?.target == target, probe?.helpers.contains(peer) == true {
                probe?.nacks.insert(peer)
            }
        }
    }

    private mutating func acknowledge(
        _ number: UInt32, _ target: NodeID, from peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        if let place = helps.firstIndex(where: { $0.sequence == number && $0.target == peer }), target == peer
        {
            let help = helps.remove(at: place)
            send(.ack(help.askersSequence, help.target), to: help.asker, at: now, into: &effects)
            return
        }
        if let deadProbe, deadProbe.sequence == number, deadProbe.target == peer {
            self.deadProbe = nil
            if let place = place(of: target) { members[place].missed = 0 }
            return
        }
        guard let probe, probe.sequence == number, probe.target == target, let place = place(of: target)
        else {
            counters.lateAcks += 1
            return
        }
        if peer == target {
            guard !probe.isAnswered else { return }
            self.probe?.isAnswered = true
            counters.acks += 1
            let roundTrip = now - probe.sent
            members[place].roundTrip = roundTrip
            let smoothed = members[place].smoothed ?? roundTrip
            members[place].smoothed = smoothed + (roundTrip - smoothed) * 0.125
            members[place].missed = 0
        } else if probe.helpers.contains(peer) {
            if !probe.isAnsweredThrough { counters.indirectAcks += 1 }
            self.probe?.isAnsweredThrough = true
            members[place].heardThrough = now
        } else {
            counters.lateAcks += 1
        }
    }

    // MARK: Helping others

    private mutating func help(
        _ asker: NodeID, _ number: UInt32, _ target: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard target != own else {
            send(.ack(number, own), to: asker, at: now, into: &effects)
            return
        }
        guard place(of: target) != nil else {
            counters.unknownMembers += 1
            return
        }
        guard helps.count < MembershipOptions.mostHelped else {
            counters.helpsRefused += 1
            return
        }
        counters.helps += 1
        let mine = nextSequence()
        // The asker's period has about this much left: the nack must be there before it ends.
        let left = options.period - min(options.probeTimeout, options.period)
        helps.append(
            Help(
                sequence: mine, target: target, asker: asker, askersSequence: number,
                nackAt: now + left * 0.8,
                end: now + options.period * 2))
        send(.ping(mine), to: target, at: now, into: &effects)
    }

    /// Tells askers that there is no answer yet, and forgets what is over.
    mutating func turnHelps(at now: Instant, into effects: inout [Effect]) {
        for place in helps.indices where !helps[place].hasNacked && helps[place].nackAt <= now {
            helps[place].hasNacked = true
            let help = helps[place]
            send(.nack(help.askersSequence, help.target), to: help.asker, at: now, into: &effects)
        }
        helps.removeAll { $0.end <= now }
    }
}
