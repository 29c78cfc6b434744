internal import Primitives

/// The claims that still have to be passed on: for each member the newest, the least often sent first
/// (SWIM, section 4.1; memberlist's TransmitLimitedQueue).
struct Rumours: Sendable {
    private struct Entry: Sendable {
        var claim: Claim
        var sent: Int
        /// Newer rumours first among those that were sent as often.
        var number: UInt64
    }

    private var entries: [Entry] = []
    private var number: UInt64 = 0

    var count: Int { entries.count }

    /// Replaces what was still to be said of the member.
    mutating func add(_ claim: Claim) {
        remove(about: claim.member)
        number += 1
        entries.append(Entry(claim: claim, sent: 0, number: number))
    }

    mutating func remove(about member: NodeID) { entries.removeAll { $0.claim.member == member } }

    /// Appends as many rumours as there is room for, first of all `urgent`, which does not count as sent.
    /// Those that were sent `limit` times are forgotten.
    mutating func encode(into writer: inout ByteWriter, room: Int, limit: Int, urgent: Claim?) {
        entries.sort { ($0.sent, $1.number) < ($1.sent, $0.number) }
        let start = writer.count
        if let urgent { urgent.encode(into: &writer) }
        for place in entries.indices where entries[place].claim != urgent {
            var one = ByteWriter(capacity: 40)
            entries[place].claim.encode(into: &one)
            guard writer.count - start + one.count <= room else { break }
            writer.raw(one.bytes)
            entries[place].sent += 1
        }
        entries.removeAll { $0.sent >= limit }
    }
}
