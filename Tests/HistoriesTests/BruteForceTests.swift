import Histories
import Primitives
import Testing

/// Small histories, good ones and ones with something changed at random, judged by trying every order.
@Suite struct BruteForceTests {
    private static func options(_ seed: UInt64) -> Generator.Options {
        var options = Generator.Options()
        options.clients = 2 + Int(seed % 3)
        options.keys = 1 + Int(seed / 3 % 2)
        options.operations = 5 + Int(seed % 3)
        options.unknown = Int(seed % 4) * 20
        options.isExclusive = seed % 5 < 2
        options.idle = 45
        return options
    }

    @Test func `the search agrees with brute force on registers`() {
        var bad = 0
        for seed in 0..<3000 as Range<UInt64> {
            var options = Self.options(seed)
            options.isRegister = true
            options.isUnique = seed % 2 == 0
            options.usesRanges = false
            options.usesBatches = false
            var random = SeededGenerator(seed: seed)
            let history = Mutation.mutated(Generator.history(options, seed: seed), &random)
            let isGood = BruteForce.isLinearizable(history, .values)
            if !isGood { bad += 1 }
            expect(checkLinearizability(history), isGood, history, seed)
            expect(checkLinearizability(history, scope: .whole), isGood, history, seed)
        }
        #expect(bad > 300 && bad < 2700, "\(bad) of 3000 are bad")
    }

    @Test func `the search of all keys together agrees with brute force`() {
        var bad = 0
        for seed in 0..<3000 as Range<UInt64> {
            var options = Self.options(seed)
            options.isRegister = true
            options.keys = 2
            var random = SeededGenerator(seed: seed)
            let history = Mutation.mutated(Generator.history(options, seed: seed), &random)
            let isGood = BruteForce.isLinearizable(history, .values)
            if !isGood { bad += 1 }
            expect(checkLinearizability(history, scope: .whole), isGood, history, seed)
            // Key by key less is seen, but nothing that is not there.
            if isGood { expect(checkLinearizability(history), true, history, seed) }
        }
        #expect(bad > 300 && bad < 2700, "\(bad) of 3000 are bad")
    }

    @Test func `the replay agrees with brute force`() {
        var bad = 0
        for seed in 0..<6000 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let history = Mutation.mutated(Generator.history(Self.options(seed), seed: seed), &random)
            let isGood = BruteForce.isLinearizable(history, .revisions)
            if !isGood { bad += 1 }
            let verdict = checkRevisions(history)
            // It misses about one bad history in a hundred of this kind; it must never convict a good one.
            withKnownIssue("the replay explains what can't be", isIntermittent: true) {
                expect(verdict, isGood, history, seed)
            } when: {
                !isGood
            }
            // Whatever the replay explains is explained without revisions, too.
            if case .linearizable = verdict {
                expect(checkLinearizability(history), true, history, seed)
                expect(checkLinearizability(history, scope: .whole), true, history, seed)
            }
        }
        #expect(bad > 600 && bad < 5400, "\(bad) of 6000 are bad")
    }

    @Test func `the search never convicts when revisions can be renamed`() {
        var convicted = 0
        for seed in 0..<3000 as Range<UInt64> {
            var options = Self.options(seed)
            options.stale = 0
            var random = SeededGenerator(seed: seed)
            let history = Mutation.mutated(Generator.history(options, seed: seed), &random)
            guard case .violation = checkLinearizability(history, scope: .whole) else { continue }
            convicted += 1
            #expect(!BruteForce.isLinearizable(history, .names), "seed \(seed)")
        }
        #expect(convicted > 300)
    }

    private func expect(_ verdict: Verdict, _ isGood: Bool, _ history: History, _ seed: UInt64) {
        let isRight = isGood ? verdict == .linearizable : verdict.isViolation
        if isRight { return }
        Issue.record(
            """
            seed \(seed): good is \(isGood), the verdict is \(verdict)
            \(String(decoding: history.encode(), as: UTF8.self))
            \(verdict.counterexample?.text ?? "")
            """)
    }
}

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
        switch random.next(below: 6) {
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
            if random.next(below: 3) == 0 { return .deleted(1 - min(count, 1), revision: revision) }
            return .deleted(count, revision: mutated(revision, &random))
        case .incremented(let sum, let revision, let version):
            return .incremented(
                sum + Int64(random.next(below: 3)) - 1, revision: mutated(revision, &random), version: version
            )
        case .batch(let results): return .batch(results.reversed())
        case .refused(.condition):
            return random.next(below: 2) == 0 ? .refused(.condition(.untold)) : .refused(.condition(.absent))
        case .refused: return answer
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
        }
    }
}
