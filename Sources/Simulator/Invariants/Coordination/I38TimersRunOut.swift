import Consensus
import NodeCore
import Primitives
import Replication
import Store

/// What lasts for a while does end. Each node measures every timer of its state, so that whoever comes to
/// lead can end it; none is put off for longer than it lasts. And when a cluster is whole again, a timer runs
/// out soon: its duration, by a clock that may be slow by a twentieth, after it was armed or after the last
/// leader became ready (which may have to begin anew what nobody else has measured), a second for a firing
/// that was lost, and another one for all that takes its time. Bugs LK6, LK11.
final class TimersRunOut: Invariant {
    static let name = "I38"
    static let promise =
        "Every node measures every timer, and none runs for much longer than it should once all is well."
    let facts: FactKinds = [.grown, .committed, .phase, .tick, .ended]
    private var armed: [UInt64: (at: Instant, milliseconds: Int64)] = [:]
    private var ready: [Int: (term: Term, at: Instant)] = [:]
    private var healed: Instant?
    private var ticks = 0

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .grown(_, let from, let upTo):
            var index = from
            while index <= upTo {
                for news in chronicle.store.applied(at: index)?.coordination?.news ?? [] {
                    switch news {
                    case .armed(let number, let milliseconds): armed[number] = (chronicle.time, milliseconds)
                    case .disarmed(let number): armed[number] = nil
                    case .settled, .changed, .stepped, .announced, .messageEnded: break
                    }
                }
                index = index.next
            }
        case .committed(let place):
            let state = chronicle.nodes[place].now
            if state.role == .leader, state.isReady, ready[place]?.term != state.term {
                ready[place] = (state.term, chronicle.time)
            }
        case .phase(.liveness): healed = chronicle.time
        case .tick:
            ticks += 1
            guard ticks % 16 == 0 else { return }
            let node = chronicle.nodes[ticks / 16 % chronicle.nodes.count]
            if node.isAlive { try check(node, chronicle) }
        case .ended: try end(chronicle)
        default: break
        }
    }

    private func check(_ node: NodeGhost, _ chronicle: Chronicle) throws(Violation) {
        guard let keyspace = chronicle.source?.keyspace(of: node.index),
            let timers = chronicle.source?.timers(of: node.index)
        else { return }
        var missing: UInt64?
        var late: (number: UInt64, left: Instant.Span, duration: Int64)?
        keyspace.coordination.forEachTimer { number, duration, _ in
            guard let deadline = timers.deadline(of: number) else {
                missing = number
                return
            }
            // Before its first turn it is not known what time it is by its clock.
            let left = node.clockLife == node.life ? deadline - node.clock : .zero
            if left > .milliseconds(max(Int(duration), 1_000)) { late = (number, left, duration) }
        }
        if let missing { throw violation("\(node.name) does not measure timer \(missing)") }
        if let late {
            throw violation(
                "\(node.name) lets timer \(late.number) of \(late.duration) ms run for "
                    + "\(late.left.milliseconds) ms more")
        }
    }

    private func end(_ chronicle: Chronicle) throws(Violation) {
        for node in chronicle.nodes where node.isAlive { try check(node, chronicle) }
        guard let healed,
            let leader = chronicle.nodes.filter({ $0.isAlive && $0.now.role == .leader && $0.now.isReady })
                .max(by: { $0.now.term < $1.now.term }),
            let since = ready[leader.index], since.term == leader.now.term
        else { return }
        for (number, timer) in armed.sorted(by: { $0.key < $1.key }) {
            let from = max(healed, since.at, timer.at)
            let longest = Instant.Span.milliseconds(Int(timer.milliseconds) * 20 / 19 + 2_000)
            try demand(
                chronicle.time - from <= longest,
                "timer \(number) of \(timer.milliseconds) ms still runs "
                    + "\((chronicle.time - from).milliseconds) ms after all was well")
        }
    }
}
