import Foundation
import Histories
import Primitives
import Testing

/// Large histories. A debug build takes small ones; with `PARLEY_LARGE` in the environment, for a release
/// build, they have the size that is promised.
@Suite struct SpeedTests {
    private static let isLarge = ProcessInfo.processInfo.environment["PARLEY_LARGE"] != nil

    private static func register(unknown: Int) -> Generator.Options {
        var options = Generator.Options()
        options.clients = 20
        options.keys = 1
        options.operations = isLarge ? 5000 : 300
        options.usesRanges = false
        options.usesBatches = false
        options.usesIncrements = false
        options.unknown = unknown
        return options
    }

    @Test(arguments: [0, 2, 5, 10])
    func `many operations on one key are searched in seconds`(unknown: Int) {
        let history = Generator.history(Self.register(unknown: unknown), seed: 1)
        timed("search of \(history.operations.count) operations, \(unknown) % unknown") {
            #expect(checkLinearizability(history) == .linearizable)
        }
        timed("the same without revisions") {
            #expect(checkLinearizability(history.withoutRevisions) == .linearizable)
        }
    }

    @Test func `a violation among many operations is found and explained in seconds`() throws {
        var random = SeededGenerator(seed: 2)
        var options = Self.register(unknown: 2)
        if !Self.isLarge {
            options.clients = 4
            options.operations = 60
        }
        let good = Generator.history(options, seed: 2)
        let history = try #require(Damage.stale.apply(good, &random))
        var verdicts = [timed("violation, search") { checkLinearizability(history) }]
        if Self.isLarge { verdicts.append(timed("violation, replay") { checkRevisions(history) }) }
        for verdict in verdicts {
            let example = try #require(verdict.counterexample)
            print("  evidence: \(example.operations.count) operations, minimal: \(example.isMinimal)")
            // Of very long histories the shortest evidence is not always found within the limit.
            #expect(Self.isLarge ? !example.operations.isEmpty : example.operations.count < 20)
        }
    }

    @Test(arguments: [0, 1, 5])
    func `many operations are replayed in seconds`(unknown: Int) {
        var options = Generator.Options()
        options.clients = 50
        options.keys = Self.isLarge ? 100 : 10
        options.operations = Self.isLarge ? 100_000 : 1000
        options.usesRanges = false
        options.unknown = unknown
        for isExclusive in [true, false] {
            options.isExclusive = isExclusive
            let history = Generator.history(options, seed: 3)
            timed("replay of \(options.operations), \(unknown) % unknown, exclusive \(isExclusive)") {
                let verdict = checkRevisions(history, shortening: 0)
                print("  \(verdict)".prefix(100))
                #expect(!verdict.isViolation)
                if unknown == 0 || !Self.isLarge { #expect(verdict == .linearizable) }
            }
        }
    }

    @discardableResult
    private func timed<Result>(_ what: String, _ work: () -> Result) -> Result {
        let start = ContinuousClock.now
        let result = work()
        let elapsed = ContinuousClock.now - start
        print("\(what): \(elapsed)")
        #expect(elapsed < .seconds(60), "\(what)")
        return result
    }
}
