import Histories
import Testing

/// Histories that are good or bad by construction.
@Suite struct KnownHistoriesTests {
    @Test(arguments: smallHistories)
    func `a small history has the verdict that it was made for`(known: KnownHistory) {
        let history = known.history
        #expect(BruteForce.isLinearizable(history, .revisions) == known.isGood)
        expect(history, known.isGood, known.testDescription)
        if known.isExclusive { return }
        // What happens on another key, later or perhaps, changes nothing.
        for line in [
            known.line + "; put z=1 r1000", "put z=1 lost; " + known.line,
            "get z=-; " + known.line + "; put z=1 no; get z=-",
        ] { expect(HistoryLine.history(line), known.isGood, line) }
    }

    @Test(arguments: families.map(\.name))
    func `a family of histories has the verdicts that it was made for`(name: String) throws {
        let family = try #require(families.first { $0.name == name })
        for size in 1...8 {
            for isGood in [true, false] {
                let line = family.make(size, isGood)
                expect(HistoryLine.history(line), isGood, line)
            }
        }
    }

    @Test func `there are enough of them, good and bad`() {
        let good = smallHistories.count(where: \.isGood) + families.count * 8
        let bad = smallHistories.count { !$0.isGood } + families.count * 8
        #expect(good >= 150 && bad >= 150 && good + bad >= 320)
    }

    private func expect(_ history: History, _ isGood: Bool, _ name: String) {
        let judgement = judge(history, shortening: 0)
        #expect(judgement.agreement != .contradiction, "\(name)")
        if isGood {
            #expect(judgement.verdict == .linearizable, "\(name)")
            #expect(!judgement.search.isViolation, "\(name)")
        } else {
            #expect(judgement.verdict.isViolation, "\(name)")
        }
    }
}
