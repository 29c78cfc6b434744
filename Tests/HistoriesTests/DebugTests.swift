import Histories
import Primitives
import Testing
@Suite struct DebugTests {
    @Test func `debug`() {
        for (damage, seed) in [(Damage.stale, 1003 as UInt64), (.dropped, 1003), (.stale, 1007)] {
            var random = SeededGenerator(seed: seed)
            var options = Generator.Options()
            options.clients = 2 + Int(seed % 9)
            options.keys = 1 + Int(seed % 5)
            options.unknown = Int(seed % 4) * 12
            options.isExclusive = seed % 2 == 0
            options.usesIncrements = false
            let history = damage.apply(Generator.history(options, seed: seed), &random)!
            print(checkRevisions(history).counterexample!.text)
            print(checkLinearizability(history).counterexample!.text)
        }
    }
}
