import HTTPServer
import Primitives
import Store
import Testing

@testable import NodeRuntime

@Suite struct HoldsTests {
    private func connection(_ slot: Int) -> ConnectionID { ConnectionID(slot: UInt32(slot), generation: 1) }

    private func hold(_ lease: String, renewAt: Int, safeUntil: Int) -> Hold {
        Hold(
            lease: lease, timeToLive: .seconds(1), atEnd: nil, renewAt: at(renewAt),
            isSafeUntil: at(safeUntil))
    }

    private func at(_ milliseconds: Int) -> Instant { Instant.zero + .milliseconds(milliseconds) }

    @Test func `what is held is found by its connection, its lease and its time`() {
        var holds = Holds()
        holds[connection(2)] = hold("a", renewAt: 30, safeUntil: 90)
        holds[connection(1)] = hold("a", renewAt: 60, safeUntil: 20)
        holds[connection(3)] = hold("b", renewAt: 10, safeUntil: 90)
        #expect(holds.connections == [connection(1), connection(2), connection(3)])
        #expect(holds.connections(holding: RowKey(.lease, "a")) == [connection(2), connection(1)])
        #expect(holds.connections(holding: RowKey(.lease, "c")).isEmpty)
        #expect(holds.nextDue() == at(10))
        #expect(holds.takeDue(at: at(9)).isEmpty)
        #expect(holds.takeDue(at: at(20)) == [connection(3), connection(1)])
        holds[connection(3)] = nil
        #expect(holds.connections(holding: RowKey(.lease, "b")).isEmpty && holds.count == 2)
        holds[connection(2)]?.renewAt = at(70)
        #expect(holds.nextDue() == at(70))
        holds[connection(2)] = nil
        #expect(holds.nextDue() == .never)
    }

    @Test(arguments: 1...4) func `it agrees with a list`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var (holds, list): (Holds, [ConnectionID: Hold]) = (Holds(), [:])
        var now = 0
        for _ in 0..<3_000 {
            let id = connection(Int(random.next(below: 30)))
            let later = now + 1 + Int(random.next(below: 500))
            switch random.next(below: 6) {
            case 0...2:
                let new = hold("l\(random.next(below: 4))", renewAt: later, safeUntil: later + 50)
                holds[id] = new
                list[id] = new
            case 3:
                holds[id] = nil
                list[id] = nil
            default:
                now += Int(random.next(below: 40))
                let due = holds.takeDue(at: at(now))
                #expect(
                    Set(due) == Set(list.filter { $0.value.due <= at(now) }.keys)
                        && Set(due).count == due.count)
                // The next time is to come.
                let next = max(later, now + 1)
                for id in due {
                    holds[id]?.renewAt = at(next)
                    holds[id]?.isSafeUntil = at(next + 9)
                    list[id]?.renewAt = at(next)
                    list[id]?.isSafeUntil = at(next + 9)
                }
            }
            #expect(holds.nextDue() == list.values.map(\.due).min() ?? .never)
            #expect(holds.count == list.count)
            for lease in 0..<4 {
                let found = holds.connections(holding: RowKey(.lease, "l\(lease)"))
                #expect(Set(found) == Set(list.filter { $0.value.lease == "l\(lease)" }.keys))
            }
            #expect(holds.entryCount <= 4 * holds.count + 64)
        }
    }
}
