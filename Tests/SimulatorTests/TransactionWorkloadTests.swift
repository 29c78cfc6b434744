import Histories
import Primitives
import Store
import Testing

@testable import Simulator

/// Transactions among what simulated clients ask.
@Suite struct TransactionWorkloadTests {
    private static func drawn(_ count: Int) -> [Transaction] {
        var random = SeededGenerator(seed: 7)
        var values = ValueMaker(client: 3)
        var keys = KeyPlan()
        keys.counters = 2
        let known = [
            KnownKey(key: SimulatedClient.plainKey(0), revision: Revision(4), value: [0x63, 0x31]),
            KnownKey(key: SimulatedClient.plainKey(1)),
        ]
        return (0..<count).map { _ in
            var drawing = TransactionDrawing(
                keys: keys, known: known, latest: Revision(9), random: random, values: values)
            defer { (random, values) = (drawing.random, drawing.values) }
            return drawing.draw()
        }
    }

    @Test func `clients draw transactions of all kinds, and few that overlap`() {
        let all = Self.drawn(2_000)
        #expect(all.allSatisfy { $0.isEncodable })
        let overlapping = all.count { $0.overlap != nil }
        #expect(overlapping > 10 && overlapping < 100)
        #expect(all.contains { $0.isReadOnly })
        let steps = all.flatMap { $0.then + ($0.otherwise ?? []) }
        func has(_ isSo: (Transaction.Step) -> Bool) -> Bool { steps.contains(where: isSo) }
        #expect(has { if case .transaction = $0 { true } else { false } })
        #expect(has { if case .deleteRange = $0 { true } else { false } })
        #expect(has { if case .increment = $0 { true } else { false } })
        #expect(has { if case .list = $0 { true } else { false } })
        let conditions = all.flatMap(\.conditions)
        #expect(conditions.contains { if case .count = $0 { true } else { false } })
        #expect(conditions.contains { if case .value(_, .equal, _) = $0 { true } else { false } })
        #expect(conditions.contains { if case .revision(_, .equal, 4) = $0 { true } else { false } })
    }

    @Test func `what the store does with them is what the judges of histories expect`() {
        // One client after the other on one store: each answer is the only one possible.
        var keyspace = Keyspace()
        var operations: [HistoryOperation] = []
        for (number, transaction) in Self.drawn(400).enumerated() {
            let isDry = number % 10 == 9
            let command = Command(
                requestID: RequestID(high: 1, low: UInt64(number)), time: WallTime(milliseconds: 5),
                operation: .transaction(transaction))
            let before = keyspace.revision
            let outcome =
                isDry
                ? keyspace.evaluate(transaction)
                : keyspace.apply(
                    encoded: command.encode(), index: keyspace.appliedIndex.next, term: Term(1))
            var record = OperationRecord(
                number: number, client: 0, node: 0,
                action: isDry ? .evaluate(transaction) : .write(.transaction(transaction), forwards: true),
                invoked: .zero + .milliseconds(2 * number))
            record.returned = .zero + .milliseconds(2 * number + 1)
            record.outcome = isDry ? .evaluated(outcome, at: before) : .written(outcome)
            operations.append(record.recorded)
        }
        let history = History(operations, isExclusive: true)
        #expect(judge(history, shortening: 0).verdict == .linearizable)
        #expect(keyspace.revision > Revision(50))
        // One that is left out is missed.
        guard
            let place = operations.firstIndex(where: {
                if case .ok(.transaction(_, revision: .some), _) = $0.outcome { true } else { false }
            })
        else {
            Issue.record("nothing was changed")
            return
        }
        operations.remove(at: place)
        #expect(judge(History(operations, isExclusive: true), shortening: 0).verdict.isViolation)
    }
}
