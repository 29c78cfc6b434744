// What the node makes known of what it learns by datagrams.
import API
import Clocks
import Gossip
import Links
import Platform
import Primitives

extension NodeLoop {
    /// Tells whoever listens what has changed in the node's opinion of the others, of its links and of its
    /// clock.
    mutating func tellMembership() {
        for warning in clockWatch.takeWarnings() { report(.warning(warning)) }
        for step in clockWatch.takeSteps(of: configuration.name) { tell(step) }
        for (peer, cause, incarnation) in datagrams.links.takeConnected() {
            tell(
                TransitionTrail.Step(
                    .link, of: roster.name(of: peer), from: cause == .answered ? .unknown : .connected,
                    to: .connected, cause
                ).with("process", .text(String(incarnation, radix: 16))))
        }
        guard !datagrams.news.isEmpty else { return }
        for transition in datagrams.takeNews() {
            let name = roster.name(of: transition.member)
            let reason = roster.words(for: transition.cause)
            let process = String(transition.incarnation.process, radix: 16)
            tell(
                TransitionTrail.Step(
                    .membership, of: name, from: transition.from, to: transition.to, transition.cause.kind,
                    reason: reason
                ).with("incarnation", .text("\(process).\(transition.incarnation.refutation)")))
            report(.member("\(name): \(transition.from) -> \(transition.to), \(reason)"))
        }
    }
}

// Not on the loop: each function that borrows it takes the compiler seconds.
extension Datagrams {
    /// What this node thinks of the others.
    func status(_ roster: Roster, at now: Instant) -> GossipStatus {
        var refused: [(reason: String, count: UInt64)] = []
        for (reason, count) in counters.refused { refused.append((reason.rawValue, count)) }
        return GossipStatus(
            view: membership.view(at: now), counters: membership.counters,
            names: Dictionary(uniqueKeysWithValues: roster.members.map { ($0.id, $0.name) }),
            datagrams: .init(
                sent: counters.sent, unsent: counters.unsent,
                received: counters.received,
                refused: refused.sorted { $0.reason < $1.reason }),
            at: now, options: membership.options)
    }

    /// Adds what is known of the others' clocks.
    func addOffsets(to status: inout ClockStatus, _ roster: Roster) {
        let (now, clock) = (Clock.now(), Clock.wallMicroseconds())
        status.rows = [roster.row(of: roster.own, probes.row(at: now, clock: clock), age: .zero)]
        for (node, told) in probes.rows.sorted(by: { $0.key < $1.key }) {
            status.rows.append(roster.row(of: node, told.entries, age: now - told.heard))
        }
        status.agreement = probes.agreement(at: now, clock: clock)
    }
}

extension Roster {
    func name(of node: NodeID) -> String { member(node)?.name ?? "\(node)" }

    private func names(_ nodes: [NodeID]) -> String { nodes.map(name(of:)).joined(separator: ", ") }

    fileprivate func words(for cause: TransitionCause) -> String {
        switch cause {
        case .probeFailed(_, let helpers, let nacks):
            let asked = helpers.isEmpty ? "nobody else" : names(helpers)
            return "it did not answer; asked to try, too: \(asked), of whom \(nacks) had no answer either"
        case .rumour(let from, let source): return "\(name(of: from)) says so, after \(name(of: source))"
        case .refuted(let from): return "it objects, as \(name(of: from)) tells"
        case .ownWord: return "it says so"
        case .suspicionExpired(let by):
            return "it did not object in time; unreachable for \(names(by))"
        case .restarted(let from): return "a new process of it, as \(name(of: from)) tells"
        case .objected(let state, let source):
            return "\(name(of: source)) took it for \(state), to which it objects"
        case .told: return "it was told to stop"
        }
    }

    fileprivate func row(of node: NodeID, _ entries: [ClockProbes.Entry], age: Instant.Span)
        -> ClockStatus.Row
    {
        var row = ClockStatus.Row(name: name(of: node), offsets: [], age: age)
        for entry in entries { row.offsets.append((name(of: entry.node), entry.estimate, entry.error)) }
        return row
    }
}
