import Consensus
import Primitives

extension SmallScope {
    /// Up to sixteen entries in one number, a byte each, the first entry lowest: five bits of term, and the
    /// kind above them.
    struct Packed: Equatable {
        var bits: UInt128 = 0

        init() {}

        init(_ tape: Tape) {
            for entry in tape.entries { set(Packed.byte(entry), at: Int(entry.index.rawValue)) }
        }

        static func byte(_ entry: Entry) -> UInt8 {
            UInt8(truncatingIfNeeded: entry.term.rawValue & 31 | UInt64(entry.kind.rawValue) << 5)
        }

        /// The byte of the entry at `index`.
        subscript(index: Int) -> UInt8 {
            guard index > 0 else { return 0 }
            return UInt8(truncatingIfNeeded: bits >> UInt128(8 * (index - 1)))
        }

        /// The term of the entry at `index`; zero if there is none.
        func term(at index: Int) -> Int { Int(self[index] & 31) }

        mutating func set(_ byte: UInt8, at index: Int) {
            let shift = UInt128(8 * (index - 1))
            bits = bits & ~(0xff << shift) | UInt128(byte) << shift
        }

        /// Whether both hold the same entries after `first` and up to `last`.
        func agrees(with other: Packed, after first: Int, upTo last: Int) -> Bool {
            guard last > first else { return true }
            let mask = Packed.ones(last) & ~Packed.ones(first)
            return (bits ^ other.bits) & mask == 0
        }

        private static func ones(_ count: Int) -> UInt128 {
            count >= 16 ? .max : (1 << UInt128(8 * count)) - 1
        }
    }

    /// What the checks and the search need to know of a node, at hand without its `Raft`.
    struct Summary {
        let role: Role
        let term: Int
        let durableTerm: Int
        let durableVote: Int
        let commit: Int
        /// The last index that is only in the checkpoint, and the last of the log.
        let base: Int
        let last: Int
        let baseTerm: Int
        let log: Packed
        let durableBase: Int
        let durableLast: Int
        let durableLog: Packed
        let snapshot: Int
        let snapshotTerm: Int
        let isPending: Bool
        let isMidTurn: Bool
        let isFetching: Bool
        let knowsLeader: Bool
        let hearsLeader: Bool
        /// For each node, counted from zero, a byte: the index that this leader takes for durable there.
        private let matches: UInt64

        init(_ member: Member) {
            role = member.raft.role
            term = Int(member.raft.term.rawValue)
            durableTerm = Int(member.disk.hardState.term.rawValue)
            durableVote = Int(member.disk.hardState.vote?.rawValue ?? 0)
            commit = Int(member.raft.commit.rawValue)
            base = Int(member.written.base.index.rawValue)
            baseTerm = Int(member.written.base.term.rawValue)
            last = Int(member.written.lastIndex.rawValue)
            log = Packed(member.written)
            // A checkpoint whose log is not there yet counts when the node starts again.
            var recovered = member.disk
            recovered.recover()
            durableBase = Int(max(recovered.tape.base.index, recovered.snapshot.position.index).rawValue)
            durableLast = Int(recovered.tape.lastIndex.rawValue)
            durableLog = Packed(recovered.tape)
            snapshot = Int(member.disk.snapshot.position.index.rawValue)
            snapshotTerm = Int(member.disk.snapshot.position.term.rawValue)
            isPending = !member.pending.isEmpty
            isMidTurn = member.isMidTurn
            isFetching = member.raft.fetchedSnapshot != nil
            knowsLeader = member.raft.leader != nil
            hearsLeader = member.hearsLeader
            var matches: UInt64 = 0
            for peer in member.raft.peers {
                matches |= (peer.match.rawValue & 0xff) << (8 * (peer.id.rawValue - 1))
            }
            self.matches = matches
        }

        /// Up to where this leader takes the log of `node`, counted from zero, to be the same and durable.
        func match(_ node: Int) -> Int { Int(matches >> UInt64(8 * node) & 0xff) }

        /// Whether all of the ledger up to `count` is durable here.
        func holdsDurably(_ ledger: Packed, upTo count: Int) -> Bool {
            durableLast >= count && durableLog.agrees(with: ledger, after: durableBase, upTo: count)
        }
    }
}
