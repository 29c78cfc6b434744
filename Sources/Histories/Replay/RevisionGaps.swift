import Primitives

/// Looks, in a history of all who changed the store, for a revision that nobody can have made.
///
/// Each revision that no answer claims must be that of a write of unknown outcome, and each of these has made
/// one at most: a matching in a bipartite graph. A write can have made a revision if it is higher than those
/// told before the write was invoked, and if its key was not seen to be unchanged then.
struct RevisionGaps {
    /// The first revision that no answer claims, nil if there is none below those that were told.
    let first: UInt64?

    private let history: History
    private let order: RevisionOrder
    /// The highest revision that was told, and by whom.
    private let last: (revision: UInt64, id: Int)?
    private let slots: Slots
    /// By key: spans of revisions in which it was seen to be unchanged, ascending by start; and for each the
    /// highest end so far.
    private var still: [[UInt8]: [(start: UInt64, end: UInt64)]] = [:]

    init(_ history: History, _ order: RevisionOrder) {
        self.history = history
        self.order = order
        slots = Slots(taken: order.writes.map(\.revision))
        last = history.operations.compactMap { operation in
            operation.toldRevisions.map { (revision: $0.rawValue, id: operation.id) }.max { $0 < $1 }
        }.max { $0 < $1 }
        let lowest = slots.free(above: history.startRevision.rawValue)
        first = last.flatMap { lowest <= $0.revision ? lowest : nil }
        for operation in history.operations {
            guard case .ok(_, let seen?) = operation.outcome else { continue }
            for (key, revision) in operation.sightedRevisions where revision < seen.rawValue {
                still[key, default: []].append((revision + 1, seen.rawValue))
            }
        }
        for key in still.keys {
            var highest: UInt64 = 0
            still[key]?.sort { $0 < $1 }
            still[key] = still[key]?.map { span in
                highest = max(highest, span.end)
                return (span.start, highest)
            }
        }
    }

    /// What nobody can have made, taking one write by itself.
    func finding() -> Finding? {
        guard let last else { return nil }
        let openWrites = history.operations.indices.filter { history.operations[$0].isOpenWrite }
        // One more than can be explained is enough to know.
        let gaps = slots.free(
            above: history.startRevision.rawValue, through: last.revision, limit: openWrites.count + 1)
        var matching = Matching(left: gaps.count, right: openWrites.count) { gap, write in
            canHaveMade(gaps[gap], openWrites[write])
        }
        return matching.unmatched().map { finding(gaps[$0]) }
    }

    private func canHaveMade(_ revision: UInt64, _ index: Int) -> Bool {
        guard revision > order.floors[index] else { return false }
        let write = history.operations[index]
        if case .deleteRange = write.action { return true }
        if case .transaction(let transaction, _) = write.action, !transaction.selections.isEmpty {
            return true
        }
        return write.namedKeys.contains { key in !isStill(key, revision) }
    }

    private func isStill(_ key: [UInt8], _ revision: UInt64) -> Bool {
        guard let spans = still[key] else { return false }
        var low = 0
        var high = spans.count
        while low < high {
            let middle = (low + high) / 2
            if spans[middle].start <= revision { low = middle + 1 } else { high = middle }
        }
        return low > 0 && spans[low - 1].end >= revision
    }

    /// What to say of a revision that cannot be explained.
    func finding(_ revision: UInt64) -> Finding {
        var proof = last.map { [$0.id] } ?? []
        let neighbours = [
            order.writes.last { $0.revision < revision }, order.writes.first { $0.revision > revision },
        ]
        for write in neighbours {
            if let write { proof.append(history.operations[write.operation].id) }
        }
        let open = history.operations.contains { $0.isOpenWrite }
        let labelled = history.operations.filter(\.isFailedWrite).prefix(5).map { "operation \($0.id)" }
        let reason =
            "none of the operations can have made revision \(revision)"
            + (open ? ", nor can the writes of unknown outcome account for all that nobody claims" : "")
            + (labelled.isEmpty ? "" : "; labelled as not applied: \(labelled.joined(separator: ", "))")
        return Finding(kind: .gap, proof: Array(Set(proof)).sorted(), reason: reason)
    }
}

/// A greatest matching between two sides, by augmenting paths, searched breadth first.
private struct Matching {
    private let left: Int
    private let right: Int
    private let isEdge: (Int, Int) -> Bool
    /// By right vertex: its partner.
    private var partner: [Int?]

    init(left: Int, right: Int, isEdge: @escaping (Int, Int) -> Bool) {
        self.left = left
        self.right = right
        self.isEdge = isEdge
        partner = [Int?](repeating: nil, count: right)
    }

    /// The first left vertex that cannot be matched together with those before; nil if all can.
    mutating func unmatched() -> Int? {
        for vertex in 0..<left where !augment(from: vertex) { return vertex }
        return nil
    }

    private mutating func augment(from start: Int) -> Bool {
        var reachedFrom = [Int?](repeating: nil, count: right)
        var queue = [start]
        var head = 0
        while head < queue.count {
            let vertex = queue[head]
            head += 1
            for other in 0..<right where reachedFrom[other] == nil && isEdge(vertex, other) {
                reachedFrom[other] = vertex
                guard let next = partner[other] else {
                    flip(other, reachedFrom, start)
                    return true
                }
                queue.append(next)
            }
        }
        return false
    }

    /// Changes partners along the path that ends in `end`.
    private mutating func flip(_ end: Int, _ reachedFrom: [Int?], _ start: Int) {
        var other = end
        while let vertex = reachedFrom[other] {
            let previous = partner.firstIndex { $0 == vertex }
            partner[other] = vertex
            guard vertex != start, let previous else { return }
            other = previous
        }
    }
}
