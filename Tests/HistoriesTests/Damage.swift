import Histories
import Primitives

/// Ways to make a good history bad so that nobody can doubt it. Each answers nil if the history has no place for
/// it. They rely on values that are written once.
enum Damage: String, CaseIterable {
    case dropped, swapped, stale, duplicate, lostCondition, splitTimeline, label

    func apply(_ history: History, _ random: inout SeededGenerator) -> History? {
        switch self {
        case .dropped: Damage.drop(history, &random)
        case .swapped: Damage.swap(history, &random)
        case .stale: Damage.makeStale(history, &random)
        case .duplicate: Damage.duplicate(history, &random)
        case .lostCondition: Damage.loseCondition(history, &random)
        case .splitTimeline: Damage.split(history)
        case .label: Damage.lie(history, &random)
        }
    }

    // MARK: Parts

    private struct Read {
        var index: Int
        var key: [UInt8]
        var sighting: HistoryOperation.Sighting
        var operation: HistoryOperation
        var value: [UInt8] { sighting.value! }
    }

    /// Linearizable gets that found something which a put with this value wrote.
    private static func reads(_ history: History) -> [Read] {
        history.operations.enumerated().compactMap { index, operation in
            guard case .get(let key, .linearizable) = operation.action,
                case .ok(.found(let sighting), _) = operation.outcome,
                writer(of: sighting.value!, key, history) != nil
            else { return nil }
            return Read(index: index, key: key, sighting: sighting, operation: operation)
        }
    }

    private static func writer(of value: [UInt8], _ key: [UInt8], _ history: History) -> Int? {
        history.operations.firstIndex { operation in
            if case .put(key, value, _) = operation.action { true } else { false }
        }
    }

    private static func replacing(
        _ history: History, _ change: (inout [HistoryOperation]) -> Void
    ) -> History {
        var operations = history.operations
        change(&operations)
        return History(
            operations, isExclusive: history.isExclusive, startRevision: history.startRevision)
    }

    private static func pick<Element>(_ list: [Element], _ random: inout SeededGenerator) -> Element? {
        list.isEmpty ? nil : list[Int(random.next(below: UInt64(list.count)))]
    }

    /// An operation after all others.
    private static func appended(
        _ history: History, _ action: HistoryOperation.Action, _ outcome: HistoryOperation.Outcome,
        step: Int64 = 1
    ) -> HistoryOperation {
        let last = history.operations.map { max($0.invoked, $0.returned ?? 0) }.max() ?? 0
        let id = (history.operations.map(\.id).max() ?? 0) + Int(step)
        return HistoryOperation(
            id: id, client: 900 + Int(step), action: action, invoked: last + 10 * step,
            returned: last + 10 * step + 5, outcome: outcome)
    }

    // MARK: Ways

    /// The write of a value that was read is missing.
    private static func drop(_ history: History, _ random: inout SeededGenerator) -> History? {
        guard let read = pick(reads(history), &random), let writer = writer(of: read.value, read.key, history)
        else { return nil }
        return replacing(history) { $0.remove(at: writer) }
    }

    /// Two reads of one key, one after the other, saw two values in the wrong order.
    private static func swap(_ history: History, _ random: inout SeededGenerator) -> History? {
        let reads = reads(history)
        var pairs: [(Read, Read)] = []
        for first in reads {
            for second in reads
            where first.key == second.key && first.value != second.value
                && (first.operation.returned ?? .max) < second.operation.invoked
            {
                pairs.append((first, second))
            }
        }
        guard let (first, second) = pick(pairs, &random) else { return nil }
        return replacing(history) { operations in
            operations[first.index].outcome = second.operation.outcome
            operations[second.index].outcome = first.operation.outcome
        }
    }

    /// A read long after the end of all sees a value that was overwritten before.
    private static func makeStale(_ history: History, _ random: inout SeededGenerator) -> History? {
        let reads = reads(history)
        let olds = reads.filter { read in
            reads.contains { later in
                later.key == read.key && later.value != read.value
                    && later.sighting.revision! > read.sighting.revision!
            }
        }
        guard let old = pick(olds, &random) else { return nil }
        return replacing(history) {
            $0.append(appended(history, .get(old.key), .ok(.found(old.sighting))))
        }
    }

    /// One value was written twice: it was seen again, at another revision, after another one.
    private static func duplicate(_ history: History, _ random: inout SeededGenerator) -> History? {
        guard let stale = makeStale(history, &random), var last = stale.operations.last,
            case .get(let key, _) = last.action, case .ok(.found(var sighting), _) = last.outcome
        else { return nil }
        let highest = history.operations.flatMap(\.allRevisions).max() ?? 1
        sighting.revision = Revision(highest + 1)
        sighting.createRevision = nil
        sighting.version = nil
        last.outcome = .ok(.found(sighting), at: Revision(highest + 1))
        last.action = .get(key)
        return replacing(stale) { $0[$0.count - 1] = last }
    }

    /// Two puts succeeded although only one can have found the revision that both named.
    private static func loseCondition(_ history: History, _ random: inout SeededGenerator) -> History? {
        let winners = history.operations.filter { operation in
            if case .put(_, _, .revision) = operation.action { operation.changes } else { false }
        }
        guard let winner = pick(winners, &random), case .put(let key, _, let condition) = winner.action else {
            return nil
        }
        let highest = history.operations.flatMap(\.allRevisions).max() ?? 1
        return replacing(history) {
            $0.append(
                appended(
                    history, .put(key, value: Array("lost".utf8), if: condition),
                    .ok(.written(revision: Revision(highest + 1)))))
        }
    }

    /// Two halves of a cluster go on by themselves, and clients see now one, now the other.
    private static func split(_ history: History) -> History? {
        let highest = history.operations.flatMap(\.allRevisions).max() ?? 1
        let key = Array("split".utf8)
        func value(_ text: String) -> [UInt8] { Array(text.utf8) }
        func seen(_ text: String, _ step: UInt64) -> HistoryOperation.Outcome {
            .ok(
                .found(HistoryOperation.Sighting(value: value(text), revision: Revision(highest + step))),
                at: Revision(highest + 2))
        }
        return replacing(history) { operations in
            operations += [
                appended(
                    history, .put(key, value: value("left")), .ok(.written(revision: Revision(highest + 1))),
                    step: 1),
                appended(
                    history, .put(key, value: value("right")), .ok(.written(revision: Revision(highest + 2))),
                    step: 2),
                appended(history, .get(key), seen("right", 2), step: 3),
                appended(history, .get(key), seen("left", 1), step: 4),
            ]
        }
    }

    /// A write that was seen is labelled as not applied.
    private static func lie(_ history: History, _ random: inout SeededGenerator) -> History? {
        guard let read = pick(reads(history), &random), let writer = writer(of: read.value, read.key, history)
        else { return nil }
        return replacing(history) { operations in
            operations[writer].outcome = .failed("no_leader")
            operations[writer].returned = operations[writer].returned ?? .max
        }
    }
}
