import Primitives
import Testing

@testable import Replication

struct TimerQueueTests {
    private let start = Instant(nanoseconds: 5_000_000_000)

    private func at(_ milliseconds: Int) -> Instant { start + .milliseconds(milliseconds) }

    /// A queue in which timer n runs out after so many milliseconds.
    private func queue(_ durations: [Int]) -> TimerQueue {
        var queue = TimerQueue()
        for (number, duration) in durations.enumerated() {
            queue.arm(UInt64(number), at: at(duration), duration: .milliseconds(duration), now: start)
        }
        return queue
    }

    @Test func `timers are due in the order of their deadlines, not before them`() {
        var queue = queue([300, 100, 200, 100])
        #expect(queue.nextDue() == at(100))
        let early = queue.takeDue(at: at(99), limit: 9, retryAt: at(1_099))
        #expect(early.isEmpty)
        let first = queue.takeDue(at: at(100), limit: 9, retryAt: at(1_100))
        #expect(Set(first) == [1, 3])
        let rest = queue.takeDue(at: at(400), limit: 9, retryAt: at(1_400))
        #expect(rest == [2, 0] && queue.nextDue() == at(1_100))
    }

    @Test func `no more are taken than asked for`() {
        var queue = queue((0..<100).map { $0 })
        let first = queue.takeDue(at: at(500), limit: 64, retryAt: at(1_500))
        #expect(first == (0..<64).map { UInt64($0) })
        #expect(queue.nextDue() == at(64))
        #expect(queue.takeDue(at: at(500), limit: 0, retryAt: at(1_500)).isEmpty)
    }

    @Test func `what was taken is due again later unless it was disarmed`() {
        var queue = queue([100, 100])
        #expect(queue.takeDue(at: at(100), limit: 9, retryAt: at(600)).count == 2)
        queue.disarm(0)
        #expect(queue.nextDue() == at(600) && queue.count == 1)
        #expect(queue.takeDue(at: at(600), limit: 9, retryAt: at(1_600)) == [1])
        queue.disarm(1)
        queue.disarm(1)
        #expect(queue.nextDue() == .never && queue.count == 0)
    }

    @Test func `shortening brings a deadline forward and never puts it off`() {
        var queue = queue([900])
        queue.shorten(0, to: at(1_000))
        #expect(queue.deadline(of: 0) == at(900))
        queue.shorten(0, to: at(500))
        #expect(queue.deadline(of: 0) == at(500) && queue.nextDue() == at(500))
        #expect(queue.takeDue(at: at(499), limit: 9, retryAt: .never).isEmpty)
        queue.shorten(7, to: at(400))
        #expect(queue.deadline(of: 7) == nil && queue.count == 1)
    }

    @Test
    func `what is left is told after a fifth of the time, at most once a second and once a minute at least`()
    {
        var queue = queue([900, 3_000, 30_000, 3_600_000])
        #expect(queue.nextNote() == at(1_000))
        let first = queue.takeNotes(at: at(1_000), limit: 9)
        #expect(first.map(\.number) == [1] && first.first?.left == .milliseconds(2_000))
        let second = queue.takeNotes(at: at(6_500), limit: 9)
        #expect(second.map(\.number) == [2] && second.first?.left == .milliseconds(23_500))
        #expect(queue.nextNote() == at(12_500))
        queue.disarm(2)
        #expect(queue.nextNote() == at(60_000))
        #expect(queue.takeNotes(at: at(60_000), limit: 9).map(\.number) == [3])
        #expect(queue.nextNote() == at(120_000))
    }

    @Test func `what was prolonged or disarmed leaves nothing behind for ever`() {
        var queue = TimerQueue()
        for number in 0..<20_000 as Range<UInt64> {
            queue.arm(number, at: at(10_000), duration: .seconds(10), now: start)
            if number >= 10 { queue.disarm(number - 10) }
        }
        #expect(queue.count == 10)
        #expect(queue.entryCount < 2_000)
        #expect(queue.nextDue() == at(10_000) && queue.nextNote() == at(2_000))
        #expect(Set(queue.takeDue(at: at(10_000), limit: 99, retryAt: .never)) == Set(19_990..<20_000))
    }

    @Test(arguments: 1...6) func `the queue agrees with a list`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = TimerQueue()
        var list: [UInt64: Instant] = [:]
        var (now, next) = (start, UInt64(0))
        for _ in 0..<3_000 {
            let some = list.keys.sorted()
            let chosen = some.isEmpty ? 0 : some[Int(random.next(below: UInt64(some.count)))]
            let later = now + .milliseconds(Int(random.next(below: 5_000)))
            switch random.next(below: 8) {
            case 0...2:
                queue.arm(next, at: later, duration: later - now, now: now)
                list[next] = later
                next += 1
            case 3:
                queue.disarm(chosen)
                list[chosen] = nil
            case 4:
                queue.shorten(chosen, to: later)
                if let old = list[chosen] { list[chosen] = min(old, later) }
            case 5:
                _ = queue.takeNotes(at: now, limit: 3)
            default:
                now = now + .milliseconds(Int(random.next(below: 400)))
                let taken = queue.takeDue(at: now, limit: 5, retryAt: now + .seconds(1))
                let due = list.filter { $0.value <= now }
                #expect(taken.count == min(5, due.count))
                let last = taken.compactMap { list[$0] }.max()
                for number in taken { list[number] = now + .seconds(1) }
                #expect(
                    last.map { last in due.filter { $0.value < last }.keys.allSatisfy(taken.contains) }
                        ?? true)
            }
            #expect(queue.nextDue() == list.values.min() ?? .never)
            #expect(queue.count == list.count)
        }
    }
}
