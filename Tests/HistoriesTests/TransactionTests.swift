import Foundation
import Histories
import Primitives
import Testing

/// Transactions in histories: by hand, and at random against brute force.
@Suite struct TransactionTests {
    private static let trials = ProcessInfo.processInfo.environment["PARLEY_TRIALS"].flatMap(UInt64.init)

    private static func options(_ seed: UInt64) -> Generator.Options {
        var options = Generator.Options()
        options.clients = 2 + Int(seed % 3)
        options.keys = 1 + Int(seed / 3 % 3)
        options.operations = 4 + Int(seed / 2 % 4)
        options.unknown = Int(seed % 4) * 20
        options.isExclusive = seed % 5 < 3
        options.idle = 30 + Int(seed / 5 % 3) * 15
        options.transactions = 30 + Int(seed % 3) * 25
        options.isRegister = seed % 7 == 6
        return options
    }

    @Test func `the pair says of transactions what brute force says`() {
        let count = Self.trials ?? 300
        var bad: UInt64 = 0
        for seed in 0..<count {
            var random = SeededGenerator(seed: seed)
            let history = Mutation.mutated(Generator.history(Self.options(seed), seed: seed), &random)
            let isGood = BruteForce.isLinearizable(history, .revisions)
            if !isGood { bad += 1 }
            let judgement = judge(history, shortening: 0)
            let isRight =
                isGood ? judgement.verdict == .linearizable : judgement.verdict.isViolation
            // Neither of the two convicts what is good.
            let isSound =
                !isGood
                || !judgement.revisions.isViolation && !judgement.search.isViolation
                    && !checkLinearizability(history, scope: .whole, shortening: 0).isViolation
            if isRight, isSound { continue }
            Issue.record(
                """
                seed \(seed): good is \(isGood), the verdict is \(judgement.verdict)
                \(String(decoding: history.encode(), as: UTF8.self))
                \(judgement.verdict.counterexample?.text ?? "")
                """)
        }
        print("transactions: \(bad) of \(count) are bad")
        #expect(bad > count / 10 && bad < count * 9 / 10)
    }

    @Test func `longer histories of a true store with transactions are good, and have a form`() throws {
        for seed in 0..<(Self.trials.map { $0 / 20 } ?? 20) {
            var options = Self.options(seed)
            options.operations = 60
            options.unknown = 8
            let history = Generator.history(options, seed: seed)
            #expect(!judge(history, shortening: 0).verdict.isViolation, "seed \(seed)")
            #expect(try History(parsing: history.encode()) == history)
        }
    }

    // MARK: By hand

    private typealias Transaction = HistoryOperation.Transaction
    private typealias Answer = HistoryOperation.Answer

    private static func written(_ revision: UInt64, _ version: UInt64? = nil) -> Answer {
        .written(revision: Revision(revision), version: version)
    }

    private static func done(
        _ results: [Answer], _ revision: UInt64? = nil, held succeeded: Bool = true
    ) -> HistoryOperation.Outcome {
        .ok(
            .transaction(
                HistoryOperation.TransactionAnswer(succeeded: succeeded, results: results),
                revision: revision.map { Revision($0) }))
    }

    /// a = 1 and b = 1 at revision 2, or both one more at revision 3.
    private static let swap = Transaction(
        conditions: [.value(bytes("a"), .equal, bytes("1"))],
        then: [.put(bytes("a"), value: bytes("2")), .put(bytes("b"), value: bytes("2"))],
        otherwise: [.get(bytes("a"))])

    private static func isGood(
        _ transaction: Transaction, _ outcome: HistoryOperation.Outcome, dry isDry: Bool = false,
        then: (inout Script) -> Void = { _ in }
    ) -> Bool {
        var script = Script()
        script.isExclusive = true
        script.put(0, 0...5, "a", "1", 2)
        script.add(1, 10...20, .transaction(transaction, dry: isDry), outcome)
        then(&script)
        let isGood = BruteForce.isLinearizable(script.history, .revisions)
        let verdict = judge(script.history).verdict
        #expect(isGood ? verdict == .linearizable : verdict.isViolation)
        if let example = verdict.counterexample { #expect(!example.text.isEmpty) }
        return isGood
    }

    @Test func `the branch is that of the conditions`() {
        #expect(Self.isGood(Self.swap, Self.done([Self.written(3, 2), Self.written(3, 1)], 3)))
        let old = HistoryOperation.Sighting(value: bytes("1"))
        #expect(!Self.isGood(Self.swap, Self.done([.found(old)], held: false)))
        var other = Self.swap
        other.conditions = [.value(bytes("a"), .equal, bytes("7"))]
        #expect(Self.isGood(other, Self.done([.found(old)], held: false)))
        #expect(!Self.isGood(other, Self.done([Self.written(3, 2), Self.written(3, 1)], 3)))
        other.otherwise = nil
        let failed = HistoryOperation.FailedCondition(index: 0, revision: 2)
        #expect(Self.isGood(other, .ok(.refused(.conditions([failed])))))
        #expect(!Self.isGood(other, .ok(.refused(.conditions([.init(index: 0, revision: 0)])))))
        #expect(!Self.isGood(Self.swap, .ok(.refused(.conditions([failed])))))
    }

    @Test func `one transaction has one revision, and is done as a whole`() {
        #expect(!Self.isGood(Self.swap, Self.done([Self.written(3), Self.written(4)])))
        let outcome = Self.done([Self.written(3, 2), Self.written(3, 1)], 3)
        #expect(Self.isGood(Self.swap, outcome) { $0.get(0, 30...35, "b", "2", 3, at: 3) })
        #expect(!Self.isGood(Self.swap, outcome) { $0.get(0, 30...35, "b", nil, at: 3) })
        #expect(!Self.isGood(Self.swap, outcome) { $0.get(0, 30...35, "b", "2", 4, at: 4) })
        #expect(!Self.isGood(Self.swap, outcome) { $0.get(0, 30...35, "a", "1", 2, at: 3) })
    }

    @Test func `of unknown outcome it is done as a whole, or not at all`() {
        let lost = HistoryOperation.Outcome.unknown("")
        #expect(Self.isGood(Self.swap, lost) { $0.get(0, 30...35, "b", nil, at: 2) })
        #expect(
            Self.isGood(Self.swap, lost) {
                $0.get(0, 30...35, "b", "2", 3, at: 3)
                $0.get(0, 40...45, "a", "2", 3, at: 3)
            })
        #expect(
            !Self.isGood(Self.swap, lost) {
                $0.get(0, 30...35, "b", "2", 3, at: 3)
                $0.get(0, 40...45, "a", "1", 2, at: 3)
            })
        // Its condition does not hold any more.
        #expect(
            !Self.isGood(Self.swap, lost) {
                $0.put(0, 30...35, "a", "5", 3)
                $0.get(0, 40...45, "b", "2", 4, at: 4)
            })
    }

    @Test func `a failed condition alone may tell when a key was made`() {
        let renewal = Transaction(
            conditions: [.number(bytes("a"), .createRevision, .equal, 0)], then: [.get(bytes("a"))],
            otherwise: [.delete(bytes("a"))])
        func isGood(made: UInt64, changed: UInt64) -> Bool {
            var script = Script()
            script.isExclusive = true
            script.put(0, 0...5, "a", "1", 2)
            script.add(1, 6...9, .delete(bytes("a"), if: nil, mustExist: false), .unknown(""))
            script.add(1, 10...15, .put(bytes("a"), value: bytes("2"), if: nil), .unknown(""))
            script.add(1, 16...19, .put(bytes("a"), value: bytes("3"), if: nil), .unknown(""))
            let failed = HistoryOperation.FailedCondition(index: 0, found: made, revision: changed)
            let answer = HistoryOperation.TransactionAnswer(
                succeeded: false, results: [.deleted(1, revision: Revision(changed + 1))],
                failed: [failed])
            script.add(
                0, 20...25, .transaction(renewal, dry: false),
                .ok(.transaction(answer, revision: Revision(changed + 1))))
            let isGood = BruteForce.isLinearizable(script.history, .revisions)
            let verdict = judge(script.history).verdict
            #expect(isGood ? verdict == .linearizable : verdict.isViolation)
            return isGood
        }
        #expect(isGood(made: 4, changed: 5))
        #expect(isGood(made: 4, changed: 4))
        #expect(isGood(made: 2, changed: 3))
        #expect(isGood(made: 5, changed: 5))
        #expect(!isGood(made: 3, changed: 4))
        #expect(!isGood(made: 4, changed: 6))
    }

    @Test func `a nested condition is about the state before, a read about the steps before it`() {
        let nested = Transaction(
            then: [
                .put(bytes("a"), value: bytes("2")), .get(bytes("a")),
                .transaction(
                    Transaction(
                        conditions: [.value(bytes("a"), .equal, bytes("1"))],
                        then: [.put(bytes("c"), value: bytes("x"))])),
            ])
        func outcome(_ seen: String, _ seenRevision: UInt64, _ held: Bool) -> HistoryOperation.Outcome {
            let sighting = HistoryOperation.Sighting(value: bytes(seen), revision: Revision(seenRevision))
            let inner = HistoryOperation.TransactionAnswer(
                succeeded: held, results: held ? [Self.written(3)] : [])
            return Self.done([Self.written(3, 2), .found(sighting), .transaction(inner)], 3)
        }
        #expect(Self.isGood(nested, outcome("2", 3, true)))
        #expect(!Self.isGood(nested, outcome("1", 2, true)))
        #expect(!Self.isGood(nested, outcome("2", 3, false)))
    }

    @Test func `a dry one says what it would do, and does not do it`() {
        let dry = Self.done([.written(version: 2), .written(version: 1)])
        #expect(Self.isGood(Self.swap, dry, dry: true) { $0.get(0, 30...35, "a", "1", 2, at: 2) })
        #expect(!Self.isGood(Self.swap, dry, dry: true) { $0.get(0, 30...35, "a", "2", 3, at: 3) })
        #expect(!Self.isGood(Self.swap, Self.done([.written(version: 3), .written(version: 1)]), dry: true))
        #expect(!Self.isGood(Self.swap, Self.done([Self.written(3), .written()]), dry: true))
    }

    @Test func `counts, numbers and increments are those of the state`() {
        var counts = Transaction(
            conditions: [
                .count(.prefix([]), .atLeast, 1), .number(bytes("a"), .version, .equal, 1),
                .number(bytes("b"), .version, .equal, 0), .number(bytes("a"), .revision, .atMost, 2),
                .number(bytes("a"), .createRevision, .greater, 1),
            ], then: [.increment(bytes("a"), by: 4), .list(.prefix([]), limit: 1)])
        let item = HistoryOperation.Item(
            key: bytes("a"), .init(value: bytes("5"), revision: Revision(3), version: 2))
        let answers: [Answer] = [.incremented(5, revision: Revision(3), version: 2), .items([item])]
        #expect(Self.isGood(counts, Self.done(answers, 3)))
        #expect(!Self.isGood(counts, Self.done([answers[0], .items([])], 3)))
        #expect(!Self.isGood(counts, .ok(.refused(.step(at: [0], .notAnInteger)))))
        counts.then[0] = .increment(bytes("a"), by: .max)
        #expect(Self.isGood(counts, .ok(.refused(.step(at: [0], .overflow)))))
        #expect(!Self.isGood(counts, .ok(.refused(.step(at: [1], .overflow)))))
        for place in counts.conditions.indices {
            var wrong = counts
            switch wrong.conditions[place] {
            case .count(let selection, _, let number):
                wrong.conditions[place] = .count(selection, .less, number)
            case .number(let key, let property, _, let number):
                wrong.conditions[place] = .number(key, property, .notEqual, number)
            case .value: break
            }
            if place == 4 { wrong.conditions[4] = .number(bytes("a"), .createRevision, .less, 2) }
            if place == 3 { wrong.conditions[3] = .number(bytes("a"), .revision, .less, 2) }
            let found: [UInt64] = [1, 1, 0, 2, 2]
            let failed = HistoryOperation.FailedCondition(index: place, found: found[place])
            #expect(Self.isGood(wrong, .ok(.refused(.conditions([failed])))), "\(place)")
            #expect(!Self.isGood(wrong, Self.done(answers, 3)), "\(place)")
        }
    }

    @Test func `an answer of the wrong form is a violation`() {
        #expect(!Self.isGood(Self.swap, Self.done([Self.written(3)], 3)))
        #expect(!Self.isGood(Self.swap, Self.done([.absent, .absent])))
        #expect(!Self.isGood(Self.swap, .ok(.deleted(0))))
        #expect(!Self.isGood(Self.swap, .ok(.refused(.notFound))))
    }

    @Test func `the evidence of a bad history is short and names the transaction`() {
        var script = Script()
        script.isExclusive = true
        for number in 0..<30 as Range<UInt64> {
            script.put(0, Int64(number) * 10...Int64(number) * 10 + 5, "z", "\(number)", 2 + number)
        }
        script.put(0, 1000...1005, "a", "1", 32)
        let wrong = Self.done([.found(HistoryOperation.Sighting(value: bytes("1")))], held: false)
        let culprit = script.add(1, 1010...1020, .transaction(Self.swap), wrong)
        let example = judge(script.history).verdict.counterexample
        #expect(example?.culprit == culprit && (example?.operations.count ?? 99) <= 3)
        #expect(
            example?.text.contains("if a = \"1\" then [put a = \"2\"; put b = \"2\"] else [get a]") == true)
    }

    @Test(arguments: [
        (#""if":[{"key":"a","of":"value","is":"~","value":""}],"then":[]"#, "there is no relation \"~\""),
        (#""if":[{"key":"a","of":"size","is":"=","number":1}],"then":[]"#, "a key has no \"size\""),
        (#""if":[{"key":"a","of":"value","is":"="}],"then":[]"#, "there is no member \"value\""),
        (
            #""if":[{"of":"count","is":"=","number":1}],"then":[]"#,
            "there must be either \"prefix\" or \"start\""
        ),
        (#""if":[]"#, "there is no member \"then\""),
        (#""then":[{"op":"list","prefix":""}]"#, "there is no member \"limit\""),
        (#""then":[{"op":"list","prefix":"","limit":0}]"#, "\"limit\" must be at least 1"),
        (#""then":[{"op":"get","key":"a","limit":1}]"#, "the member \"limit\" has no place here"),
        (
            #""then":[{"op":"put","key":"a","value":"","if_absent":true}]"#,
            "this can not be a step of a transaction"
        ),
        (#""then":[{"op":"get","key":"a"}]"#, "there are 0 results for 1 steps"),
        (#""then":[],"else":[{"op":"get","key":"a","x":1}]"#, "the member \"x\" has no place here"),
    ])
    func `a transaction that makes no sense ends the reading with a reason`(members: String, reason: String) {
        let text = """
            {"parley_history":1}
            {"id":1,"client":1,"invoked":1,"op":"transaction",\(members),"returned":2,"outcome":"ok",\
            "answer":{"succeeded":true,"results":[]}}
            """
        #expect {
            try History(parsing: bytes(text))
        } throws: { error in
            "\(error)" == "line 2: \(reason)"
        }
    }

    @Test func `transactions nested too deep end the reading`() throws {
        func text(_ depth: Int) -> String {
            let open = String(repeating: #"{"op":"transaction","then":["#, count: depth - 1)
            let close = String(repeating: "]}", count: depth - 1)
            return """
                {"parley_history":1}
                {"id":1,"client":1,"invoked":1,"op":"transaction","then":[\(open)\(close)],\
                "outcome":"unknown"}
                """
        }
        #expect(try History(parsing: bytes(text(8))).operations.count == 1)
        #expect(throws: HistoryError.self) { try History(parsing: bytes(text(9))) }
    }
}
