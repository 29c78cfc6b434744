import Histories
import Primitives

/// Changes one thing of a history, if anything.
enum Mutation {
    static func mutated(_ history: History, _ random: inout SeededGenerator) -> History {
        var operations = history.operations
        guard !operations.isEmpty, random.next(below: 4) > 0 else { return history }
        for _ in 0...random.next(below: 2) {
            let place = Int(random.next(below: UInt64(operations.count)))
            mutate(&operations, place, &random)
        }
        return History(
            operations, isExclusive: history.isExclusive, startRevision: history.startRevision)
    }

    private static func mutate(
        _ operations: inout [HistoryOperation], _ place: Int, _ random: inout SeededGenerator
    ) {
        var operation = operations[place]
        switch random.next(below: 8) {
        case 0:
            // Another one's answer.
            let other = operations[Int(random.next(below: UInt64(operations.count)))]
            if other.action.name == operation.action.name, case .ok = operation.outcome,
                case .ok = other.outcome
            {
                operation.outcome = other.outcome
            }
        case 1:
            // A label.
            operation.outcome = random.next(below: 2) == 0 ? .failed("") : .unknown("")
        case 2:
            // Another time.
            let length = (operation.returned ?? operation.invoked) - operation.invoked
            operation.invoked = Int64(random.next(below: 300))
            operation.returned = operation.returned.map { _ in operation.invoked + length }
        case 3:
            // What was told of revisions is kept to itself.
            guard case .ok(let answer, let seen) = operation.outcome else { break }
            operation.outcome = .ok(answer.withoutRevisions, at: random.next(below: 2) == 0 ? seen : nil)
        case 4:
            // Another time, a little.
            let shift = Int64(random.next(below: 60)) - 30
            operation.invoked += shift
            operation.returned = operation.returned.map { $0 + shift }
        default:
            guard case .ok(let answer, let seen) = operation.outcome else { break }
            operation.outcome = .ok(mutated(answer, &random), at: mutated(seen, &random))
        }
        operations[place] = operation
    }

    private static func mutated(_ revision: Revision?, _ random: inout SeededGenerator) -> Revision? {
        guard let revision, random.next(below: 4) == 0 else { return revision }
        switch random.next(below: 3) {
        case 0: return Revision(revision.rawValue + 1)
        case 1: return Revision(max(2, revision.rawValue) - 1)
        default: return Revision(2 + random.next(below: 6))
        }
    }

    private static func mutated(
        _ answer: HistoryOperation.Answer, _ random: inout SeededGenerator
    ) -> HistoryOperation.Answer {
        switch answer {
        case .absent:
            return .found(HistoryOperation.Sighting(value: Array("\(1 + random.next(below: 4))".utf8)))
        case .found(var sighting):
            if random.next(below: 5) == 0 { return .absent }
            if random.next(below: 3) == 0 { sighting.value = Array("\(1 + random.next(below: 4))".utf8) }
            sighting.revision = mutated(sighting.revision, &random)
            if random.next(below: 4) == 0 { sighting.version = nil }
            if random.next(below: 4) == 0 { sighting.createRevision = nil }
            if random.next(below: 6) == 0 { sighting.version = sighting.version.map { $0 + 1 } }
            return .found(sighting)
        case .items(var items):
            if !items.isEmpty, random.next(below: 2) == 0 {
                items.remove(at: Int(random.next(below: UInt64(items.count))))
            } else if !items.isEmpty {
                items[0].sighting.value = Array("\(1 + random.next(below: 4))".utf8)
            }
            return .items(items)
        case .written(let revision, let created, let version):
            if random.next(below: 5) == 0, revision != nil { return .refused(.condition(.absent)) }
            return .written(
                revision: mutated(revision, &random),
                createRevision: random.next(below: 3) == 0 ? nil : created,
                version: random.next(below: 3) == 0 ? nil : version)
        case .deleted(let count, let revision):
            if random.next(below: 3) == 0 {
                return count > 0 ? .deleted(0) : .deleted(1, revision: Revision(2 + random.next(below: 6)))
            }
            return .deleted(count, revision: mutated(revision, &random))
        case .incremented(let sum, let revision, let version):
            return .incremented(
                sum + Int64(random.next(below: 3)) - 1, revision: mutated(revision, &random), version: version
            )
        case .batch(let results): return .batch(results.reversed())
        case .transaction(let answer, let revision): return mutated(answer, revision, &random)
        case .refused(.conditions(var failed)):
            guard !failed.isEmpty else { return answer }
            let place = Int(random.next(below: UInt64(failed.count)))
            mutate(&failed[place], &random)
            return .refused(.conditions(failed))
        case .refused(.condition):
            return random.next(below: 2) == 0 ? .refused(.condition(.untold)) : .refused(.condition(.absent))
        case .refused: return answer
        }
    }
}

extension Mutation {
    private static func mutated(
        _ answer: HistoryOperation.TransactionAnswer, _ revision: Revision?, _ random: inout SeededGenerator
    ) -> HistoryOperation.Answer {
        var answer = answer
        switch random.next(below: 8) {
        case 0: answer.succeeded.toggle()
        case 1: return .transaction(answer, revision: mutated(revision, &random))
        case 2 where !answer.failed.isEmpty:
            mutate(&answer.failed[Int(random.next(below: UInt64(answer.failed.count)))], &random)
        case 3: answer.results.reverse()
        case 4:
            answer.failed = []
            return .transaction(answer, revision: nil)
        default:
            guard !answer.results.isEmpty else { break }
            let place = Int(random.next(below: UInt64(answer.results.count)))
            answer.results[place] = mutated(answer.results[place], &random)
        }
        return .transaction(answer, revision: revision)
    }

    private static func mutate(
        _ failed: inout HistoryOperation.FailedCondition, _ random: inout SeededGenerator
    ) {
        switch random.next(below: 4) {
        case 0: failed.found = failed.found.map { $0 + 1 }
        case 1: failed.revision = failed.revision.map { $0 == 0 ? 2 : $0 - 1 }
        case 2: failed.found = nil
        default: failed.revision = nil
        }
    }
}

extension HistoryOperation.Action {
    fileprivate var name: String {
        switch self {
        case .get: "get"
        case .list: "list"
        case .put: "put"
        case .delete: "delete"
        case .deleteRange: "delete range"
        case .increment: "increment"
        case .batch: "batch"
        case .transaction: "transaction"
        }
    }
}
