import Foundation
import Histories
import Primitives
import Testing

/// Small histories, good ones and ones with something changed at random, judged by trying every order.
///
/// `PARLEY_TRIALS` in the environment is how many there are of each kind; a release build does 20,000 in
/// minutes.
@Suite struct BruteForceTests {
    private static let trials = ProcessInfo.processInfo.environment["PARLEY_TRIALS"].flatMap(UInt64.init)

    private static func options(_ seed: UInt64) -> Generator.Options {
        var options = Generator.Options()
        options.clients = 2 + Int(seed % 3)
        options.keys = 1 + Int(seed / 3 % 3)
        options.operations = 5 + Int(seed / 2 % 4)
        options.unknown = Int(seed % 4) * 20
        options.isExclusive = seed % 5 < 2
        options.idle = 30 + Int(seed / 5 % 3) * 15
        return options
    }

    private static func history(_ options: Generator.Options, _ seed: UInt64) -> History {
        var random = SeededGenerator(seed: seed)
        return Mutation.mutated(Generator.history(options, seed: seed), &random)
    }

    /// A history that tells no revisions.
    private static func register(_ options: Generator.Options, _ seed: UInt64) -> History {
        var options = options
        options.isRegister = true
        return history(options, seed).withoutRevisions
    }

    @Test func `the pair says what brute force says`() {
        let count = Self.trials ?? 250
        var figures = Figures()
        for seed in 0..<count {
            var options = Self.options(seed)
            options.isRegister = seed % 7 == 6
            options.past = 10
            let history = Self.history(options, seed)
            let isGood = BruteForce.isLinearizable(history, .revisions)
            let judgement = judge(history, shortening: 0)
            figures.add(isGood, judgement)
            expect(judgement.verdict, isGood, history, seed)
            // Neither of the two convicts what is good, nor do they contradict each other.
            if isGood {
                #expect(!judgement.revisions.isViolation && !judgement.search.isViolation, "seed \(seed)")
                #expect(!checkLinearizability(history, scope: .whole, shortening: 0).isViolation)
            }
            #expect(judgement.agreement != .contradiction, "seed \(seed)")
            // The replay is exact by itself wherever it can tell.
            if case .undecided(.budget) = judgement.revisions {
                Issue.record("seed \(seed): the replay is in doubt")
            }
        }
        print(figures.text)
        #expect(figures.bad > count / 10 && figures.bad < count * 9 / 10)
    }

    @Test func `the search agrees with brute force on registers`() {
        let count = Self.trials ?? 150
        var bad: UInt64 = 0
        for seed in 0..<count {
            var options = Self.options(seed)
            options.isUnique = seed % 2 == 0
            options.usesRanges = false
            options.usesBatches = false
            let history = Self.register(options, seed)
            let isGood = BruteForce.isLinearizable(history, .values)
            if !isGood { bad += 1 }
            expect(checkLinearizability(history, shortening: 0), isGood, history, seed)
            expect(checkLinearizability(history, scope: .whole, shortening: 0), isGood, history, seed)
        }
        print("registers: \(bad) of \(count) are bad")
        #expect(bad > count / 10 && bad < count * 9 / 10)
    }

    @Test func `the search of all keys together agrees with brute force`() {
        let count = Self.trials ?? 150
        var bad: UInt64 = 0
        for seed in 0..<count {
            var options = Self.options(seed)
            options.keys = 2
            let history = Self.register(options, seed)
            let isGood = BruteForce.isLinearizable(history, .values)
            if !isGood { bad += 1 }
            expect(checkLinearizability(history, scope: .whole, shortening: 0), isGood, history, seed)
            // Key by key less is seen, but nothing that is not there.
            if isGood { expect(checkLinearizability(history, shortening: 0), true, history, seed) }
        }
        print("several keys: \(bad) of \(count) are bad")
        #expect(bad > count / 10 && bad < count * 9 / 10)
    }

    @Test func `the search never convicts when revisions can be renamed`() {
        let count = Self.trials ?? 150
        var convicted: UInt64 = 0
        for seed in 0..<count {
            var options = Self.options(seed)
            options.stale = 0
            let history = Self.history(options, seed)
            guard checkLinearizability(history, scope: .whole, shortening: 0).isViolation else { continue }
            convicted += 1
            #expect(!BruteForce.isLinearizable(history, .names), "seed \(seed)")
        }
        print("renamed: \(convicted) of \(count) are convicted")
        #expect(convicted > count / 10)
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

/// Who convicted how many.
private struct Figures {
    private(set) var all: UInt64 = 0
    private(set) var bad: UInt64 = 0
    private var byReplay = 0
    private var bySearch = 0
    private var byBoth = 0
    private var byRemainder = 0

    mutating func add(_ isGood: Bool, _ judgement: Judgement) {
        all += 1
        if !isGood { bad += 1 }
        switch (judgement.revisions.isViolation, judgement.search.isViolation) {
        case (true, true): byBoth += 1
        case (true, false): byReplay += 1
        case (false, true): bySearch += 1
        case (false, false): if judgement.verdict.isViolation { byRemainder += 1 }
        }
    }

    var text: String {
        "pair: \(bad) of \(all) are bad; convicted by both \(byBoth), by the replay alone \(byReplay), "
            + "by the search alone \(bySearch), by what remains \(byRemainder)"
    }
}
