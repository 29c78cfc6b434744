import Consensus
import NodeCore
import Primitives
import Replication
import WAL

/// A start finds all that was durable, and of what was on its way to the disk at the crash a part from the
/// beginning: whole persists first, then entries of the next one. A torn tail is cut, and nothing before it.
/// Nodes whose disk has lied are left out: what they may have lost, others must have.
///
/// Besides, while a node runs, now and then its disk is looked at as a power failure would leave it: the log
/// that the product itself reads from it must hold what the node was told to be durable. Bugs D1 to D10, D16,
/// E3, L20, S15.
final class NothingDurableIsLost: Invariant {
    static let name = "I44"
    static let promise =
        "What a node was told to be durable is there after a crash; what is there beyond was on its way, in "
        + "order."
    let facts: FactKinds = [.started, .durable, .disk]
    private var random: SeededGenerator
    private var untilNext: UInt64

    /// How many syncs lie between two that are tried, on average.
    static let spacing: UInt64 = 256

    init(seed: UInt64 = 0) {
        random = SeededGenerator(seed: seed ^ 0x44)
        untilNext = random.next(below: Self.spacing)
    }

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .started(let place):
            let node = chronicle.nodes[place]
            guard !node.isInjured, !node.isForeign else { return }
            try checkHardState(node, term: node.now.term, vote: node.now.vote)
            try demand(
                Self.explains(node.memory, node),
                "\(node.name) starts with a log up to \(node.memory.last); durable was one up to "
                    + "\(node.disk.log.last), and \(node.pending.count) persists were on their way")
        case .disk(let place, let turn):
            // The log has lost its beginning: what a power failure leaves then is most in danger.
            guard turn.reports.contains(where: { if case .cut = $0 { true } else { false } }) else { return }
            untilNext /= 4
            if random.next(below: 8) == 0 { try tryPowerFailure(of: chronicle.nodes[place], chronicle) }
        case .durable(let place):
            guard untilNext == 0 else {
                untilNext -= 1
                return
            }
            untilNext = random.next(below: 2 * Self.spacing)
            try tryPowerFailure(of: chronicle.nodes[place], chronicle)
        default: break
        }
    }

    private func checkHardState(_ node: NodeGhost, term: Term, vote: NodeID?) throws(Violation) {
        let (durable, durableVote) = (node.disk.term, node.disk.vote)
        let isKept = term > durable || (term == durable && (durableVote == nil || vote == durableVote))
        try demand(
            isKept,
            "\(node.name) is in term \(term) with a vote for \(vote?.description ?? "nobody"); durable was "
                + "\(durable) and \(durableVote?.description ?? "nobody")")
    }

    /// Whether a log is what was durable, and some of what was on its way.
    static func explains(_ log: LogGhost, _ node: NodeGhost) -> Bool {
        func isEnd(_ other: LogGhost) -> Bool {
            other.last == log.last && other.chain(at: log.lastIndex) == log.chain(at: log.lastIndex)
        }
        var disk = node.disk.log
        if isEnd(disk) { return true }
        for persist in node.pending {
            for count in 0...persist.marks.count {
                var partly = disk
                persist.apply(to: &partly, upTo: count)
                if isEnd(partly) { return true }
            }
            persist.apply(to: &disk)
        }
        // A snapshot of the leader was durable, and the log is begun anew after it.
        guard log.lastIndex == log.base.index else { return false }
        return log.base.index > node.disk.log.lastIndex
            || node.disk.log.chain(at: log.base.index) != log.baseChain
    }

    /// Reads the disk as a power failure at this moment would leave it.
    private func tryPowerFailure(of node: NodeGhost, _ chronicle: Chronicle) throws(Violation) {
        guard !node.isInjured, let machine = chronicle.source?.machine(of: node.index) else { return }
        let fork = machine.disk.fork(using: &random)
        let reason: String
        do {
            let raft = try restore(machine.settings, disk: fork, seed: 1, now: .zero).replica.raft
            try checkHardState(node, term: raft.term, vote: raft.vote)
            let last = node.disk.log.last
            let isKept =
                raft.term(at: last.index) == last.term || raft.firstIndex > last.index
                || raft.lastPosition.index == raft.snapshot.position.index
            if isKept { return }
            reason = "\(raft.firstIndex)...\(raft.lastPosition) is left"
        } catch let error as Violation {
            throw error
        } catch {
            reason = "\(error)"
        }
        throw violation(
            "\(node.name) was told that its log is durable up to \(node.disk.log.last); after a power "
                + "failure now: \(reason)")
    }
}
