import Consensus
import Primitives

extension SmallScope {
    /// One node with its owner and its disk.
    struct Member {
        var raft: Raft
        /// The node's own clock.
        var now = Instant.zero
        /// What a crash leaves.
        var disk: Platter
        /// What the owner has handed to the disk, durable or not.
        var written: Tape
        /// Handed to the disk and not yet durable, oldest first.
        var pending: [Persist] = []
        /// Said in a turn that goes on.
        var held: [Message] = []
        /// Whether a turn goes on.
        var isMidTurn = false
        /// How often the node has started.
        var starts: UInt64 = 0

        init(founding id: NodeID, _ bounds: Bounds) {
            let voters = (1...UInt64(bounds.nodes)).map { NodeID($0) }
            disk = Platter(
                snapshot: SnapshotReference(position: .origin, configuration: Configuration(voters: voters)))
            written = disk.tape
            raft = Member.start(disk, Member.options(id, bounds), seed: 0)
        }

        /// After so long a silence of its leader a node no longer refuses to vote.
        static let silence = Instant.Span.milliseconds(11)

        /// Fixed times, of which only the order matters: a leader steps down at the second heartbeat after
        /// the last answer.
        static func options(_ id: NodeID, _ bounds: Bounds) -> Raft.Options {
            let single = Instant.Span(nanoseconds: 1)
            var options = Raft.Options(id: id)
            options.heartbeatInterval = .milliseconds(10)
            options.electionTimeout = silence..<silence + single
            options.campaignTimeout = silence..<silence + single
            options.disconnectDelay = .milliseconds(1) ..< .milliseconds(1) + single
            options.maxEntriesPerAppend = bounds.entriesPerAppend
            return options
        }

        /// The seed only decides where a follower's request numbers begin.
        static func start(_ disk: Platter, _ options: Raft.Options, seed: UInt64) -> Raft {
            let restored = Raft.Restored(
                hardState: disk.hardState, snapshot: disk.snapshot, log: disk.tape.terms)
            return Raft(options: options, restored: restored, seed: seed, now: .zero)
        }

        /// Feeds all that decides what the node will do.
        func feed(_ hasher: inout StateHasher) {
            raft.feed(&hasher, relativeTo: now)
            disk.feed(&hasher)
            written.feed(&hasher)
            hasher.feed(UInt64(pending.count))
            for persist in pending { persist.feed(&hasher) }
            hasher.feed(isMidTurn)
            hasher.feed(UInt64(held.count))
            for message in held { message.feed(&hasher) }
        }
    }

    /// A log with its entries.
    struct Tape {
        /// The position before the first of the entries.
        var base = LogPosition.origin
        var entries: [Entry] = []

        var lastIndex: LogIndex { base.index + UInt64(entries.count) }

        /// Its terms, as a restart finds them.
        var terms: LogTerms {
            var terms = LogTerms(after: base)
            for entry in entries { terms.append(term: entry.term) }
            return terms
        }

        func term(at index: LogIndex) -> Term? {
            if index == base.index { return base.term }
            guard index > base.index, index <= lastIndex else { return nil }
            return entries[Int(index - base.index) - 1].term
        }

        /// The entries of a range that it holds.
        func entries(in range: Range<LogIndex>) -> [Entry] {
            guard !range.isEmpty, range.lowerBound > base.index, range.upperBound <= lastIndex.next else {
                return []
            }
            let first = Int(range.lowerBound - base.index) - 1
            return Array(entries[first..<first + Int(range.upperBound - range.lowerBound)])
        }

        /// Does what a persist says; false if that would leave a gap.
        mutating func write(_ persist: Persist) -> Bool {
            if let position = persist.resetTo {
                base = position
                entries = []
            }
            guard let first = persist.entries.first else { return true }
            guard first.index > base.index, first.index <= lastIndex.next else { return false }
            entries.removeLast(Int(lastIndex.next - first.index))
            entries += persist.entries
            return true
        }

        /// Drops the entries up to and including `index`.
        mutating func compact(upTo index: LogIndex) {
            guard index > base.index, let term = term(at: index) else { return }
            entries.removeFirst(Int(index - base.index))
            base = LogPosition(index: index, term: term)
        }

        func feed(_ hasher: inout StateHasher) {
            hasher.feed(base)
            hasher.feed(UInt64(entries.count))
            for entry in entries { entry.feed(&hasher) }
        }
    }

    /// What is durable on one node.
    struct Platter {
        var hardState = HardState()
        var snapshot: SnapshotReference
        var tape = Tape()

        /// As the rule in `Raft.Restored` says: a log that does not hold the snapshot's position does not
        /// count.
        mutating func recover() {
            if tape.term(at: snapshot.position.index) != snapshot.position.term {
                tape = Tape(base: snapshot.position)
            }
        }

        func feed(_ hasher: inout StateHasher) {
            hasher.feed(hardState.term.rawValue)
            hasher.feed(hardState.vote)
            hasher.feed(hardState.commit.rawValue)
            snapshot.feed(&hasher)
            tape.feed(&hasher)
        }
    }
}

extension Persist {
    /// Feeds what is to be written and said; the number is of no meaning.
    fileprivate func feed(_ hasher: inout StateHasher) {
        hasher.feed(hardState == nil)
        if let hardState {
            hasher.feed(hardState.term.rawValue)
            hasher.feed(hardState.vote)
            hasher.feed(hardState.commit.rawValue)
        }
        hasher.feed(resetTo == nil)
        if let resetTo { hasher.feed(resetTo) }
        hasher.feed(UInt64(entries.count))
        for entry in entries { entry.feed(&hasher) }
        hasher.feed(UInt64(thenSend.count))
        for message in thenSend { message.feed(&hasher) }
    }
}
