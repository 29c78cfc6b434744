import Foundation
import Histories
import Primitives
import Testing

@Suite struct GeneratedTests {
    /// As in `BruteForceTests`.
    private static let trials = ProcessInfo.processInfo.environment["PARLEY_TRIALS"].flatMap(UInt64.init)

    private static func options(_ seed: UInt64) -> Generator.Options {
        var options = Generator.Options()
        options.clients = 2 + Int(seed % 9)
        options.keys = 1 + Int(seed % 5)
        options.unknown = Int(seed % 4) * 12
        options.isExclusive = seed % 2 == 0
        return options
    }

    @Test func `histories of a true store are linearizable`() {
        for seed in 0..<(Self.trials.map { min($0, 4000) } ?? 40) {
            var options = Self.options(seed)
            options.operations = 20 + Int(seed / 3 % 8) * (Self.trials == nil ? 6 : 25)
            options.past = 5
            options.usesRanges = seed % 3 != 0
            let judgement = judge(Generator.history(options, seed: seed), shortening: 0)
            #expect(judgement.agreement == .agreed || judgement.agreement == .oneUndecided, "seed \(seed)")
            #expect(judgement.verdict == .linearizable, "seed \(seed)")
            if let example = judgement.verdict.counterexample { Issue.record("\(example.reason)") }
        }
    }

    @Test func `they are linearizable when keys are searched together, too`() {
        for seed in 0..<20 as Range<UInt64> {
            var options = Self.options(seed)
            options.operations = 40
            let verdict = checkLinearizability(
                Generator.history(options, seed: seed), scope: .whole, shortening: 0)
            #expect(verdict == .linearizable, "seed \(seed)")
        }
    }

    @Test func `histories of registers are linearizable, however often values repeat`() {
        for seed in 0..<30 as Range<UInt64> {
            var options = Self.options(seed)
            options.isRegister = true
            options.isUnique = false
            options.unknown = 10
            let history = Generator.history(options, seed: seed)
            #expect(checkLinearizability(history, shortening: 0) == .linearizable, "seed \(seed)")
        }
    }

    @Test(arguments: Damage.allCases)
    func `damage is found by both checkers`(damage: Damage) throws {
        var count = 0
        for seed in 1000..<1200 as Range<UInt64> where count < 3 {
            var random = SeededGenerator(seed: seed)
            var options = Self.options(seed)
            options.operations = 40
            // An unknown increment or delete could explain what is made up here.
            options.usesIncrements = false
            if damage == .lostCondition { options.unknown = 0 }
            guard let history = damage.apply(Generator.history(options, seed: seed), &random) else {
                continue
            }
            count += 1
            let judgement = judge(history)
            #expect(judgement.agreement == .agreed, "seed \(seed)")
            let example = try #require(judgement.revisions.counterexample, "seed \(seed)")
            let searched = try #require(judgement.search.counterexample, "seed \(seed)")
            #expect(example.operations.count <= 12 && searched.operations.count <= 12, "seed \(seed)")
            if damage == .label { #expect(example.kind == .label && searched.kind == .label, "seed \(seed)") }
            let evidence = History(searched.operations, isExclusive: false)
            #expect(checkLinearizability(evidence).isViolation, "seed \(seed): \(searched.text)")
        }
        #expect(count == 3)
    }
}
