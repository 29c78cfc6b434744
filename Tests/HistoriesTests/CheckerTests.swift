import Histories
import Primitives
import Testing

/// Histories small enough to be judged by eye.
@Suite struct CheckerTests {
    @Test func `an empty history is linearizable`() {
        #expect(judge(History([])).verdict == .linearizable)
    }

    @Test func `a read may see a write that overlaps it, or not`() {
        for value in ["1", nil] {
            var script = Script()
            script.put(0, 0...10, "a", "1", 2)
            script.get(1, 5...8, "a", value, value == nil ? nil : 2, at: value == nil ? 1 : 2)
            #expect(judge(script.history).verdict == .linearizable)
        }
    }

    @Test func `a read may not miss a write that was done before`() throws {
        var script = Script()
        script.put(0, 0...10, "a", "1", 2)
        let read = script.get(1, 11...12, "a", nil, at: 1)
        let judgement = judge(script.history)
        #expect(judgement.agreement == .agreed)
        #expect(judgement.revisions.counterexample?.kind == .order)
        let example = try #require(judgement.search.counterexample)
        #expect(example.kind == .answer && example.culprit == read)
        #expect(example.alternatives == ["\"1\""])
    }

    @Test func `two readers may not see two writes in two orders`() {
        var script = Script()
        script.put(0, 0...100, "a", "1")
        script.put(1, 0...100, "a", "2")
        script.get(2, 10...20, "a", "1")
        script.get(2, 30...40, "a", "2")
        #expect(checkLinearizability(script.history) == .linearizable)
        script.get(3, 50...60, "a", "1")
        #expect(checkLinearizability(script.history).isViolation)
    }

    @Test func `equal times say nothing of the order`() {
        var script = Script()
        script.put(0, 0...10, "a", "1", 2)
        script.get(1, 10...20, "a", nil, at: 1)
        #expect(judge(script.history).verdict == .linearizable)
    }

    @Test func `a write of unknown outcome may take effect at any later time, but once`() {
        var script = Script()
        script.add(0, 0...10, .put(bytes("a"), value: bytes("late")), .unknown("timeout"))
        script.get(1, 20...30, "a", nil, at: 1)
        script.put(1, 40...50, "a", "1", 2)
        script.get(1, 60...70, "a", "late", 3, at: 3)
        #expect(judge(script.history).verdict == .linearizable)
        script.put(1, 80...90, "a", "2", 4)
        script.get(1, 100...110, "a", "late", 5, at: 5)
        let judgement = judge(script.history)
        #expect(judgement.revisions.isViolation && judgement.search.isViolation)
    }

    @Test func `a write of unknown outcome does not take effect before it was sent`() {
        var script = Script()
        script.get(1, 0...10, "a", "early", 2, at: 2)
        script.add(0, 20...30, .put(bytes("a"), value: bytes("early")), .unknown("timeout"))
        let judgement = judge(script.history)
        #expect(judgement.revisions.isViolation && judgement.search.isViolation)
    }

    @Test func `a write that was labelled as not applied and shows up is the one to blame`() throws {
        var script = Script()
        let liar = script.add(0, 0...10, .put(bytes("a"), value: bytes("x")), .failed("no_leader"))
        script.put(1, 20...30, "a", "1", 2)
        script.get(1, 40...50, "a", "x", 3, at: 3)
        let judgement = judge(script.history)
        for verdict in [judgement.revisions, judgement.search] {
            let example = try #require(verdict.counterexample)
            #expect(example.kind == .label && example.culprit == liar)
        }
    }

    @Test func `a hidden write is noticed by the versions alone`() {
        var script = Script()
        script.put(0, 0...10, "a", "1", 2, version: 1)
        script.put(0, 20...30, "a", "2", 5, version: 3)
        let judgement = judge(script.history)
        #expect(judgement.revisions.isViolation && judgement.search.isViolation)
        script.add(1, 12...14, .put(bytes("a"), value: bytes("?")), .unknown(""))
        #expect(judge(script.history).verdict == .linearizable)
    }

    @Test func `there must be a free revision for a hidden write`() {
        var script = Script()
        script.put(0, 0...10, "a", "1", 2, version: 1)
        script.put(0, 20...30, "a", "2", 3, version: 3)
        script.add(1, 12...14, .put(bytes("a"), value: bytes("?")), .unknown(""))
        let judgement = judge(script.history)
        #expect(judgement.revisions.isViolation)
        #expect(judgement.search == .linearizable && judgement.agreement == .revisionsAlone)
    }

    @Test func `two writes of one revision are a violation`() {
        var script = Script()
        script.put(0, 0...10, "a", "1", 2)
        script.put(1, 0...10, "b", "2", 2)
        #expect(checkRevisions(script.history).counterexample?.kind == .duplicateRevision)
    }

    @Test func `a revision is told of one key, or of those that were written together`() {
        for isTogether in [false, true] {
            var script = Script()
            if isTogether {
                script.add(
                    0, 0...10,
                    .batch([
                        .init(key: bytes("a"), value: bytes("1")), .init(key: bytes("b"), value: bytes("2")),
                    ]),
                    .unknown(""))
            } else {
                script.add(0, 0...10, .put(bytes("a"), value: bytes("1")), .unknown(""))
                script.add(1, 0...10, .put(bytes("b"), value: bytes("2")), .unknown(""))
            }
            script.get(2, 20...30, "a", "1", 2, at: 2)
            script.get(2, 40...50, "b", "2", 2, at: 2)
            #expect(checkRevisions(script.history).isViolation != isTogether)
        }
    }

    @Test func `half of a batch is noticed by the replay, and by a search of the whole`() {
        var script = Script()
        script.add(
            0, 0...10,
            .batch([.init(key: bytes("a"), value: bytes("1")), .init(key: bytes("b"), value: bytes("2"))]),
            .ok(.batch([.written(Revision(2)), .written(Revision(2))])))
        script.add(
            1, 5...8, .list(.prefix([])),
            .ok(
                .items([.init(key: bytes("a"), .init(value: bytes("1"), revision: Revision(2)))]),
                at: Revision(2)))
        #expect(checkRevisions(script.history).isViolation)
        #expect(checkLinearizability(script.history) == .linearizable)
        #expect(checkLinearizability(script.history, scope: .whole).isViolation)
    }

    @Test func `a stale read may be old, but not made up`() {
        for (value, revision, isGood) in [("1", 2, true), ("2", 3, true), ("2", 2, false), ("3", 3, false)] {
            var script = Script()
            script.put(0, 0...10, "a", "1", 2)
            script.put(0, 20...30, "a", "2", 3)
            let seen = UInt64(revision)
            script.get(1, 40...50, "a", value, seen, at: seen, .stale)
            let judgement = judge(script.history)
            #expect(judgement.verdict.isViolation != isGood, "\(value) at \(revision)")
            #expect(judgement.search == .linearizable)
        }
    }

    @Test func `a stale read may not see the future`() {
        var script = Script()
        script.get(1, 0...10, "a", nil, at: 5, .stale)
        script.put(0, 20...30, "a", "1", 5)
        #expect(checkRevisions(script.history).counterexample?.kind == .order)
    }

    @Test func `if nobody else writes, each revision is somebody's`() {
        var script = Script()
        script.isExclusive = true
        script.put(0, 0...10, "a", "1", 2)
        script.put(0, 20...30, "b", "2", 4)
        #expect(checkRevisions(script.history).counterexample?.kind == .gap)
        #expect(checkLinearizability(script.history) == .linearizable)
        script.add(1, 0...10, .delete(bytes("a")), .unknown(""))
        #expect(checkRevisions(script.history) == .linearizable)
    }

    @Test func `counters add up`() {
        var script = Script()
        for step in 0..<5 as Range<Int64> {
            let time = step * 20
            script.add(
                Int(step), time...time + 15, .increment(bytes("n"), by: 2),
                .ok(.incremented(2 * step + 2, revision: Revision(UInt64(step) + 2))))
        }
        #expect(judge(script.history).verdict == .linearizable)
        script.add(9, 200...210, .increment(bytes("n"), by: 2), .ok(.incremented(10, revision: Revision(9))))
        let judgement = judge(script.history)
        #expect(judgement.revisions.isViolation && judgement.search.isViolation)
    }

    @Test func `an answer of the wrong form is a violation`() {
        let answers: [(HistoryOperation.Action, HistoryOperation.Answer)] = [
            (.get(bytes("a")), .deleted(1)),
            (.delete(bytes("a")), .deleted(2)),
            (.list(.prefix(bytes("a"))), .items([.init(key: bytes("b"), .init())])),
            (
                .list(.prefix(bytes("a"))),
                .items([.init(key: bytes("ab"), .init()), .init(key: bytes("aa"), .init())])
            ),
            (.batch([.init(key: bytes("a"), value: [])]), .batch([])),
            (.batch([.init(key: bytes("a"), value: [])]), .batch([.exists])),
            (.put(bytes("a"), value: []), .written(revision: Revision(1 << 60))),
        ]
        for (action, answer) in answers {
            var script = Script()
            script.add(0, 0...1, action, .ok(answer))
            #expect(checkRevisions(script.history).counterexample?.kind == .malformedAnswer, "\(action)")
            #expect(
                checkLinearizability(script.history).counterexample?.kind == .malformedAnswer, "\(action)")
        }
    }

    @Test func `too small a budget leaves it undecided`() {
        var script = Script()
        for client in 0..<8 { script.put(client, 0...100, "a", "\(client)") }
        script.get(9, 200...210, "a", "nobody's")
        #expect(checkLinearizability(script.history).isViolation)
        guard case .undecided(.budget) = checkLinearizability(script.history, budget: 2) else {
            Issue.record("decided")
            return
        }
    }

    @Test func `the recorder keeps the order in which it was told`() {
        var recorder = HistoryRecorder(isExclusive: true)
        let put = recorder.invoke(.put(bytes("a"), value: bytes("1")), client: 0, at: 5)
        recorder.finish(put, .ok(.written(revision: Revision(2))), at: 5)
        let get = recorder.invoke(.get(bytes("a")), client: 0, at: 5)
        recorder.finish(get, .ok(.absent, at: Revision(1)), at: 5)
        #expect(judge(recorder.history).verdict.isViolation)
    }
}
