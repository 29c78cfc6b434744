import Histories
import Primitives
import Testing

@Suite struct TimelineTests {
    @Test func `the evidence is a timeline that a person can read`() throws {
        var recorder = HistoryRecorder(isExclusive: false)
        func step(
            _ client: Int, _ from: Int64, _ to: Int64, _ action: HistoryOperation.Action,
            _ outcome: HistoryOperation.Outcome
        ) {
            let id = recorder.invoke(action, client: client, node: "n\(client + 1)", at: from * 1_000_000)
            recorder.finish(id, outcome, at: to * 1_000_000)
        }
        step(0, 0, 2, .put(bytes("other"), value: bytes("0")), .ok(.written(revision: Revision(2))))
        step(0, 3, 5, .put(bytes("a"), value: bytes("1")), .ok(.written(revision: Revision(3))))
        step(1, 6, 8, .put(bytes("a"), value: bytes("2")), .ok(.written(revision: Revision(4))))
        step(
            2, 9, 12, .get(bytes("a")),
            .ok(.found(.init(value: bytes("1"), revision: Revision(3))), at: Revision(4)))
        let example = try #require(checkRevisions(recorder.history).counterexample)
        #expect(
            example.text == """
                violation (answer): operation 3 (get a) was answered "1" (revision 3) [store at 4], which together with the other no order of the operations explains
                it could have been answered: "2"

                     time/ms  client 1             client 2
                       0.000  2 put a = "2" @n2
                       2.000  └ done (revision 4)
                       3.000                       3 get a @n3
                       6.000                       └ "1" (revision 3) [store at 4]  <== cannot be

                2 of 4 operations; the others do not explain it either

                """)
    }

    @Test func `evidence for a false label names the write that was not to happen`() throws {
        let line = "put a=1 r2; put a=9 no; put a=2 lost; get a=9 r3 @3; get b=- @3"
        let example = try #require(checkRevisions(HistoryLine.history(line)).counterexample)
        #expect(
            example.text == """
                violation (label): operation 1 (put a = "9") was labelled as not applied, but without it what operation 3 was told has no explanation
                it could have been answered: "2" or "1" or no such key

                     time/ns  client 1                                 client 3
                           0  1 put a = "9"
                           5  └ not applied: no_leader  <== cannot be
                          20                                           3 get a
                          25                                           └ "9" (revision 3) [store at 3]

                2 of 5 operations; the others do not explain it either

                """)
    }

    @Test func `evidence that is not the shortest says so`() throws {
        let line = "put a=1 r2; put a=2 r3; get a=9 @3"
        let example = try #require(
            checkRevisions(HistoryLine.history(line), shortening: 0).counterexample)
        #expect(
            example.text == """
                violation (answer): operation 2 (get a) was answered "9" [store at 3], which together with the others no order of the operations explains

                     time/ns  client 0             client 1             client 2
                           0  0 put a = "1"
                           5  └ done (revision 2)
                          10                       1 put a = "2"
                          15                       └ done (revision 3)
                          20                                            2 get a
                          25                                            └ "9" [store at 3]  <== cannot be

                3 of 3 operations; the others do not explain it either
                not minimal: the limit of the work on the evidence was reached

                """)
    }
}
