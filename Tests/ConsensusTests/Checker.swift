import Consensus
import Primitives
import Testing

/// Watches a whole cluster and records every breach of what Raft promises (thesis, figure 3.2).
struct Checker {
    private(set) var breaches: [String] = []
    /// What was committed, from index 1 on.
    private(set) var ledger: [(term: Term, hash: UInt64)] = []
    private var leaders: [Term: NodeID] = [:]
    private var votes: [[Term: NodeID]] = Array(repeating: [:], count: 16)
    private var seen: [LogPosition: (previous: Term, hash: UInt64)] = [:]
    private var commits = [LogIndex](repeating: .zero, count: 16)
    private var terms = [Term](repeating: .zero, count: 16)
    private var reads: [UInt64: Int] = [:]
    private(set) var readsAnswered = 0

    private mutating func breach(_ text: String) { if breaches.count < 10 { breaches.append(text) } }

    private func hash(_ entry: Entry) -> UInt64 { fnv1a(entry.payload, seed: UInt64(entry.kind.rawValue)) }

    private func slot(_ node: NodeID) -> Int { Int(node.rawValue) }

    /// After one step: at most one leader per term; a leader has all that is committed.
    mutating func check(_ event: Event, _ node: Node, _ effects: [Effect], _ cluster: Cluster) {
        if case .read(let token) = event { reads[token] = ledger.count }
        for case .transition(let transition) in effects
        where transition.to == .leader && transition.from != .leader {
            if let other = leaders[node.raft.term], other != node.id {
                breach("election safety: \(other) and \(node.id) lead in term \(node.raft.term)")
            }
            leaders[node.raft.term] = node.id
            if !node.raft.configuration.isVoter(node.id) { breach("\(node.id) leads but is no voter") }
            let last = LogIndex(UInt64(ledger.count))
            if let committed = ledger.last, last >= node.raft.firstIndex,
                node.raft.term(at: last) != committed.term
            {
                breach("leader completeness: \(node.raft) has not \(last)@\(committed.term)")
            }
        }
    }

    /// After a turn: terms and commit indexes never go back, and a leader never believes more of a peer than
    /// is durable there.
    mutating func check(_ node: Node, _ cluster: Cluster) {
        let place = slot(node.id)
        if node.raft.term < terms[place] { breach("term of \(node.id) went back to \(node.raft.term)") }
        terms[place] = node.raft.term
        if node.raft.commit < commits[place] {
            breach("commit of \(node.id) went back to \(node.raft.commit)")
        }
        commits[place] = node.raft.commit
        for peer in node.raft.peers where peer.match > .zero {
            let disk = cluster[peer.id].disk
            let isCurrent = cluster[peer.id].raft.term == node.raft.term
            guard isCurrent, peer.match > node.raft.firstIndex else { continue }
            if let term = node.raft.term(at: peer.match),
                !disk.holds(LogPosition(index: peer.match, term: term))
            {
                breach(
                    "match: \(node.id) takes \(peer.match) for durable on \(peer.id), which has \(disk.lastIndex)"
                )
            }
        }
    }

    /// A restart may forget what was not durable, but nothing that others were told.
    mutating func restarted(_ node: Node) {
        terms[slot(node.id)] = node.raft.term
        commits[slot(node.id)] = node.raft.commit
    }

    /// Nothing leaves a node before the term it speaks in, or the vote it gives, is durable; one vote per
    /// term.
    mutating func sent(_ message: Message, _ node: Node) {
        switch message.body {
        case .voteRequest(let request):
            if request.isPreVote { return }
            recordVote(node, message.term, for: node.id)
        case .voteResponse(let response):
            if response.isPreVote { return }
            if response.granted { recordVote(node, message.term, for: message.to) }
        default: break
        }
        if node.disk.hardState.term < message.term {
            breach("\(node.id) sends \(message) before its term is durable")
        }
    }

    private mutating func recordVote(_ node: Node, _ term: Term, for candidate: NodeID) {
        if node.disk.hardState.term == term && node.disk.hardState.vote != candidate {
            breach("vote of \(node.id) in \(term) for \(candidate) is not durable")
        }
        if let other = votes[slot(node.id)][term], other != candidate {
            breach("\(node.id) votes for \(other) and \(candidate) in \(term)")
        }
        votes[slot(node.id)][term] = candidate
    }

    /// Log matching, by induction: the same position always has the same content and the same position before
    /// it.
    mutating func appended(_ entries: [Entry], _ node: Node) {
        for entry in entries {
            let position = LogPosition(index: entry.index, term: entry.term)
            let previous = node.memory.term(at: entry.index.previous) ?? .zero
            let hash = hash(entry)
            if let known = seen[position], known != (previous, hash) {
                breach("log matching: \(position) on \(node.id) differs")
            }
            seen[position] = (previous, hash)
        }
    }

    /// State machine safety: nobody ever applies another entry at the same index; and what is committed is
    /// durable on a quorum.
    mutating func committed(upTo index: LogIndex, _ node: Node, _ cluster: Cluster) {
        while node.applied < index {
            let next = node.applied.next
            guard next > node.memory.base.index, next <= node.memory.lastIndex else {
                return breach("\(node.id) is to apply \(next), which it does not have")
            }
            let entry = node.memory.entries[Int(next - node.memory.base.index) - 1]
            let place = Int(next.rawValue) - 1
            if place < ledger.count {
                if ledger[place] != (entry.term, hash(entry)) {
                    breach("state machine safety: \(node.id) applies another entry at \(next)")
                }
            } else {
                ledger.append((entry.term, hash(entry)))
                let position = LogPosition(index: next, term: entry.term)
                let isHeld = node.raft.configuration.quorum.isReached { cluster[$0].disk.holds(position) }
                if !isHeld { breach("\(position) is committed by \(node.id) but not durable on a quorum") }
            }
            node.applied = next
        }
    }

    /// A checkpoint only covers what is committed.
    mutating func installed(_ reference: SnapshotReference, _ node: Node) {
        let place = Int(reference.position.index.rawValue) - 1
        if place >= ledger.count || ledger[place].term != reference.position.term {
            breach("\(node.id) installs a checkpoint at \(reference.position), which is not committed")
        }
    }

    /// Linearizability: a read sees all that was committed when it began.
    mutating func readReady(_ token: UInt64, _ index: LogIndex, _ node: Node) {
        readsAnswered += 1
        guard let begun = reads.removeValue(forKey: token) else {
            return breach("read \(token) answered twice")
        }
        if index.rawValue < UInt64(begun) {
            breach("stale read on \(node.id): \(index) after \(begun) was committed")
        }
    }
}
