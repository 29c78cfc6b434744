import Histories
import Primitives
import Testing

/// The evidence against a history: short, wrong by itself, and made with bounded work.
@Suite struct EvidenceTests {
    private static func history(_ seed: UInt64, operations: Int = 40) -> History {
        var options = Generator.Options()
        options.clients = 4
        options.keys = 1
        options.operations = operations
        options.unknown = 4
        options.usesIncrements = false
        options.usesRanges = false
        options.usesBatches = false
        return Generator.history(options, seed: seed)
    }

    @Test(arguments: [Damage.dropped, .stale, .swapped, .lostCondition])
    func `no operation of the evidence can be left out`(damage: Damage) throws {
        var count = 0
        for seed in 0..<40 as Range<UInt64> where count < 3 {
            var random = SeededGenerator(seed: seed)
            guard let history = damage.apply(Self.history(seed), &random),
                let example = checkLinearizability(history).counterexample, example.kind == .answer
            else { continue }
            count += 1
            #expect(example.isMinimal)
            #expect(checkLinearizability(History(example.operations), shortening: 0).isViolation)
            let kept = Set(example.operations.map(\.id))
            #expect(checkLinearizability(history.keeping(kept), shortening: 0).isViolation)
            for id in kept {
                let smaller = history.keeping(kept.subtracting([id]))
                #expect(checkLinearizability(smaller) == .linearizable, "seed \(seed): \(id)")
            }
        }
        #expect(count == 3)
    }

    @Test func `the work on the evidence has a limit, which the evidence tells`() throws {
        var random = SeededGenerator(seed: 5)
        let history = try #require(Damage.stale.apply(Self.history(5, operations: 150), &random))
        let whole = try #require(checkLinearizability(history, shortening: 0).counterexample)
        let part = try #require(checkLinearizability(history, shortening: 200).counterexample)
        let short = try #require(checkLinearizability(history).counterexample)
        #expect(!whole.isMinimal && !part.isMinimal && short.isMinimal)
        #expect(whole.operations.count >= part.operations.count)
        #expect(part.operations.count > short.operations.count && short.operations.count <= 4)
        let note = "not minimal: the limit of the work on the evidence was reached\n"
        #expect(part.text.hasSuffix(note) && !short.text.contains("not minimal"))
        #expect(checkLinearizability(History(part.operations), shortening: 0).isViolation)
    }

    @Test func `evidence of the replay of all keys is short, too`() throws {
        let noise = (1...6).map { "put c=\($0) r\(3 * $0 + 10)" }.joined(separator: "; ")
        let line =
            "_ put a=1 r2; _ put b=1 r3; put b=2 if:absent refused; put a=2 if:exists refused; " + noise
        let example = try #require(checkRevisions(HistoryLine.history(line)).counterexample)
        #expect(example.operations.map(\.id) == [0, 2, 3] && example.isMinimal, "\(example.text)")
    }
}

extension History {
    /// What is left if only some answers must be explained: other reads are nothing, other writes are in doubt.
    fileprivate func keeping(_ ids: Set<Int>) -> History {
        History(
            operations.compactMap { operation in
                if ids.contains(operation.id) { return operation }
                if !operation.isUnknown && !operation.changes { return nil }
                var doubtful = operation
                doubtful.outcome = .unknown("")
                return operation.action.isRead ? nil : doubtful
            }, isExclusive: isExclusive)
    }
}
