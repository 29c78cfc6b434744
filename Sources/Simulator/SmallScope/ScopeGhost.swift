import Consensus

extension SmallScope {
    /// What a world remembers of its past: what it takes to judge later steps, and how much of the bounds has
    /// been used. Part of the state.
    struct Ghost: Equatable {
        /// What is counted against the bounds.
        enum Budget: UInt64, CaseIterable {
            case entries, timeouts, heartbeats, reads, transfers, checkpoints
            case crashes, duplicates, delays, shortened, partitions, haste, slowPersists, sharedTurns
            case unreachables

            /// What counts as something going wrong.
            static let faults: [Budget] = [
                .crashes, .duplicates, .delays, .shortened, .partitions, .haste, .slowPersists, .sharedTurns,
                .unreachables,
            ]
        }

        /// Every entry that was ever committed.
        private(set) var ledger = Packed()
        private(set) var ledgerCount = 0
        /// For each entry of the ledger, the term of the leader that committed it.
        private(set) var commitTerms = Packed()
        /// Four bits for each term: who was elected in it.
        private var leaders: UInt64 = 0
        /// Four bits for each budget.
        private var spent: UInt64 = 0
        /// Eight bits for each read that is open: where it was asked (3, from 1) and how long the ledger was
        /// then (5).
        private var reads: UInt64 = 0

        /// A bit for each node: whether it is on the other side of a partition.
        private var isolated: UInt64 = 0

        func isIsolated(_ node: Int) -> Bool { isolated >> UInt64(node) & 1 == 1 }
        mutating func isolate(_ node: Int) { isolated |= 1 << UInt64(node) }
        mutating func rejoin(_ node: Int) { isolated &= ~(1 << UInt64(node)) }

        func spent(_ budget: Budget) -> Int { Int(spent >> (4 * budget.rawValue) & 15) }
        mutating func spend(_ budget: Budget) { spent += 1 << (4 * budget.rawValue) }

        /// How many things have gone wrong.
        var faults: Int {
            var sum = 0
            for budget in Budget.faults {
                sum += spent(budget)
            }
            return sum
        }

        /// Forgets what was used, at the end of a start that is given.
        mutating func forgetSpending() { spent = 0 }
    }
}

// MARK: What happened

extension SmallScope.Ghost {
    /// The node that was elected in `term`, counted from 1; zero if none was.
    func leader(of term: Int) -> Int { Int(leaders >> UInt64(4 * term) & 15) }

    mutating func noteLeader(_ node: Int, of term: Int) { leaders |= UInt64(node) << UInt64(4 * term) }

    mutating func append(_ entry: UInt8, committedIn term: Int) {
        ledgerCount += 1
        ledger.set(entry, at: ledgerCount)
        commitTerms.set(UInt8(truncatingIfNeeded: term), at: ledgerCount)
    }

    /// A read begins at `node`, counted from zero.
    mutating func openRead(_ token: Int, at node: Int) {
        reads |= UInt64(node + 1 | ledgerCount << 3) << UInt64(8 * token)
    }

    func isOpen(_ token: Int) -> Bool { reads >> UInt64(8 * token) & 7 != 0 }

    /// How long the ledger was when the read began.
    func ledgerCount(atStartOf token: Int) -> Int { Int(reads >> UInt64(8 * token + 3) & 31) }

    mutating func closeRead(_ token: Int) { reads &= ~(0xff << UInt64(8 * token)) }

    /// The reads asked of a node go with it.
    mutating func closeReads(of node: Int) {
        for token in 0..<8 where Int(reads >> UInt64(8 * token) & 7) == node + 1 { closeRead(token) }
    }
}

// MARK: Digest

extension SmallScope.Ghost {
    /// The digests under all `names`, in order, put into `digests` half by half.
    func digests(_ nodes: Int, under names: [UInt64], into digests: inout [UInt64]) {
        var common = StateHasher()
        common.feed(UInt64(truncatingIfNeeded: ledger.bits))
        common.feed(UInt64(truncatingIfNeeded: ledger.bits >> 64))
        common.feed(UInt64(truncatingIfNeeded: commitTerms.bits))
        common.feed(UInt64(truncatingIfNeeded: commitTerms.bits >> 64))
        common.feed(UInt64(ledgerCount))
        common.feed(spent)
        let shared = common.digest
        digests.removeAll(keepingCapacity: true)
        for _ in names {
            digests.append(shared.high)
            digests.append(shared.low)
        }
        // What belongs to a node, under each name that it may be given.
        for node in 0..<nodes {
            let (history, open) = words(of: node)
            if history == 0 && open == 0 { continue }
            for name in 1...UInt64(nodes) {
                var hasher = StateHasher()
                hasher.feed(name)
                hasher.feed(history)
                hasher.feed(open)
                let own = hasher.digest
                for (place, names) in names.enumerated()
                where names >> UInt64(8 * (node + 1)) & 0xff == name {
                    digests[2 * place] &+= own.high
                    digests[2 * place + 1] &+= own.low
                }
            }
        }
    }

    /// A node's share: the terms it led and its side of a partition; and its open reads.
    private func words(of node: Int) -> (UInt64, UInt64) {
        var history: UInt64 = isIsolated(node) ? 1 : 0
        for term in 1..<16 where leader(of: term) == node + 1 { history |= 1 << UInt64(term) }
        var open: UInt64 = 0
        for token in 0..<8 where Int(reads >> UInt64(8 * token) & 7) == node + 1 {
            open |= (reads >> UInt64(8 * token + 3) & 31 | 32) << UInt64(8 * token)
        }
        return (history, open)
    }
}
