// Histories know of keys, and whoever judges them must know where every revision comes from. Some are made by
// leases that end and by other things that they know nothing of: those are found in the nodes' own events.

import Histories
import Primitives
import Store

/// The revisions that were made by what is no part of the history.
struct OtherRevisions: Sendable {
    /// Each, and when the first node had applied it.
    private(set) var found: [(revision: Revision, at: Int64)] = []
    /// Whether all of them are known: a node may drop events in the very turn in which it makes them.
    private(set) var isComplete = true
    private var known = Revision(1)

    /// A node has come to this state.
    mutating func note(_ keyspace: borrowing Keyspace, at time: Int64) {
        guard keyspace.revision > known else { return }
        switch keyspace.changePlaces(from: known.next) {
        case .success(let places):
            for place in places {
                let revision = keyspace.changeRevision(at: place)
                guard keyspace.change(at: place).key.first == CoordinationClient.keyStart,
                    found.last?.revision != revision
                else { continue }
                found.append((revision, time))
            }
        case .failure: isComplete = false
        }
        known = keyspace.revision
    }

    /// As writes of keys that nobody reads.
    var recorded: [HistoryOperation] {
        found.map { revision, time in
            let number = 1_000_000 + Int(revision.rawValue)
            return HistoryOperation(
                id: number, client: number, node: "n0",
                action: .put([CoordinationClient.keyStart] + Array("\(revision)".utf8), value: [], if: nil),
                invoked: time - 1, returned: time + 1,
                outcome: .ok(.written(revision: revision, createRevision: revision, version: 1)))
        }
    }
}
