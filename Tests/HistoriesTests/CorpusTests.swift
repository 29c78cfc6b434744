import Histories
import Testing

/// Histories of etcd that Jepsen recorded, with the verdicts that porcupine gives them.
@Suite struct CorpusTests {
    @Test(.enabled(if: !JepsenLog.verdicts.isEmpty, "the corpus is not beside the repository"))
    func `every history of the corpus has its verdict`() throws {
        #expect(JepsenLog.verdicts.count == 52)
        let start = ContinuousClock.now
        for (file, isLinearizable) in JepsenLog.verdicts {
            let verdict = checkLinearizability(try JepsenLog.history(file))
            if isLinearizable {
                #expect(verdict == .linearizable, "\(file)")
            } else {
                #expect(verdict.isViolation, "\(file)")
            }
        }
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    @Test(.enabled(if: !JepsenLog.verdicts.isEmpty, "the corpus is not beside the repository"))
    func `the evidence is short and wrong by itself`() throws {
        for (file, isLinearizable) in JepsenLog.verdicts where !isLinearizable {
            let example = try #require(checkLinearizability(try JepsenLog.history(file)).counterexample)
            #expect(example.operations.count <= 20, "\(file)")
            #expect(example.culprit.map { id in example.operations.contains { $0.id == id } } == true)
            #expect(checkLinearizability(History(example.operations)).isViolation, "\(file)")
        }
    }

    @Test(.enabled(if: !JepsenLog.verdicts.isEmpty, "the corpus is not beside the repository"))
    func `without revisions the replay says that it cannot tell`() throws {
        guard case .undecided(.noRevisions) = checkRevisions(try JepsenLog.history("etcd_002.log")) else {
            Issue.record("decided")
            return
        }
    }
}
