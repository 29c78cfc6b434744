import Consensus
import NodeCore
import Primitives
import Replication
import Testing

@testable import Simulator

@Suite struct EngineTests {
    @Test(arguments: [Profile.lite, .std])
    func `a seed is the same run each time, whoever watches`(profile: Profile) {
        for seed in UInt64(1)...(profile == .lite ? 2 : 1) {
            let plan = Plan(seed: seed, profile: profile)
            let first = Simulation(plan: plan).run()
            var lines = 0
            let second = Simulation(plan: plan, observers: [TraceLines { _ in lines += 1 }]).run()
            #expect(first.hash == second.hash, "seed \(seed)")
            #expect(first.statistics.text.split(separator: ",").count > 10)
            #expect(lines > 100)
        }
        let other = Simulation(plan: Plan(seed: 4, profile: profile)).run()
        #expect(other.hash != Simulation(plan: Plan(seed: 5, profile: profile)).run().hash)
    }

    @Test func `eight lite seeds pass`() {
        for seed in UInt64(1000)..<1008 {
            let outcome = Simulation(plan: Plan(seed: seed, profile: .lite)).run()
            #expect(outcome.violation == nil, "seed \(seed)")
            #expect(outcome.statistics.answered > 0, "seed \(seed)")
        }
    }

    @Test func `two std seeds pass`() {
        for seed in UInt64(2000)..<2002 {
            let outcome = Simulation(plan: Plan(seed: seed, profile: .std)).run()
            #expect(outcome.violation == nil, "seed \(seed)")
        }
    }

    @Test func `a majority of any size is simulated, one node too`() {
        for count in [1, 2, 3, 4, 7] {
            let plan = Plan(seed: UInt64(count), profile: .lite, nodes: count)
            let outcome = Simulation(plan: plan).run()
            #expect(outcome.violation == nil, "\(count) nodes")
            #expect(outcome.statistics.answered > 0)
        }
    }

    @Test func `what an observer finds is made smaller`() {
        // Somebody takes it for a violation that a node dies by a power cut while a client waits.
        final class Alarm: Observer {
            func observe(_ step: borrowing Step, in simulation: Simulation) throws(Violation) {
                guard case .died(let node, .power) = step.what else { return }
                throw Violation(invariant: "test", details: "n\(node + 1)")
            }
        }
        var failing: (plan: Plan, at: Instant)?
        for seed in UInt64(1)...50 where failing == nil {
            let plan = Plan(seed: seed, profile: .lite)
            guard plan.faults.count > 5 else { continue }
            let outcome = Simulation(plan: plan, observers: [Alarm()]).run()
            if outcome.violation?.invariant == "test" { failing = (plan, outcome.at) }
        }
        guard let failing else {
            Issue.record("no seed cuts the power")
            return
        }
        func attempt(_ reduction: Reduction) -> (invariant: String, at: Instant)? {
            let plan = Plan(seed: failing.plan.seed, profile: .lite, reduction: reduction)
            let outcome = Simulation(plan: plan, observers: [Alarm()]).run()
            return outcome.violation.map { ($0.invariant, outcome.at) }
        }
        var minimizer = Minimizer(plan: failing.plan, invariant: "test", limit: 60, attempt: attempt)
        minimizer.run(failedAt: failing.at)
        let smallest = Plan(seed: failing.plan.seed, profile: .lite, reduction: minimizer.best)
        #expect(smallest.faults.count <= 2)
        #expect(smallest.clients.count <= 1)
        #expect(attempt(minimizer.best)?.invariant == "test")
        #expect(Reduction(minimizer.best.description) == minimizer.best)
    }

    @Test func `what is due comes in the order of time, then of arrival`() {
        var queue = EventQueue()
        var random = SeededGenerator(seed: 7)
        var expected: [(time: Int64, number: Int)] = []
        for number in 0..<2000 {
            let time = Int64(random.below(300))
            queue.add(.fault(Int32(number)), at: time)
            expected.append((time, number))
        }
        expected.sort { ($0.time, $0.number) < ($1.time, $1.number) }
        for (time, number) in expected {
            guard let (at, due) = queue.take(), case .fault(let found) = due else {
                Issue.record("the queue is empty too soon")
                return
            }
            #expect(at == time && Int(found) == number)
        }
        #expect(queue.take() == nil)
    }

    @Test func `draws stay within their bounds`() {
        var random = SeededGenerator(seed: 1)
        var small = 0
        for _ in 0..<20_000 {
            let number = random.magnitude(1...10_000)
            #expect((1...10_000).contains(number))
            if number < 100 { small += 1 }
            #expect((5...7).contains(random.number(in: 5...7)))
            let span = random.exponential(.milliseconds(1))
            #expect(span >= .zero && span < .milliseconds(64))
        }
        // As many below 100 as above.
        #expect((8_000...12_000).contains(small))
        var sum: Int64 = 0
        for _ in 0..<20_000 { sum += random.exponential(.milliseconds(1)).nanoseconds }
        #expect((900_000...1_100_000).contains(sum / 20_000))
        #expect(random.magnitude(3...3) == 3)
    }

    @Test func `a clock that drifts comes to an instant when it shows it`() {
        for millionths in [0, 1, -1, 50_000, -50_000] {
            var clock = NodeClock(origin: 123_456_789, millionths: millionths, wallOffset: 5)
            for moment in [Int64(0), 1, 999, 1_000_000_000, 86_400_000_000_000] {
                let shown = clock.now(moment)
                let time = clock.time(of: shown)
                #expect(time.map { clock.own($0) >= shown.nanoseconds } == true)
                #expect(time.map { $0 <= moment } == true)
            }
            clock.setRate(1000, at: 5_000_000)
            #expect(clock.time(of: .never) == nil)
        }
    }

    @Test func `a reduction can be written on a command line`() {
        var reduction = Reduction()
        #expect(reduction.description.isEmpty)
        reduction.faults = [1, 2, 3, 7, 9, 10]
        reduction.clients = [0]
        reduction.knobs = [.log, .raft]
        reduction.plainNetwork = true
        reduction.safety = .milliseconds(2500)
        #expect(
            reduction.description == "faults=1-3,7,9-10;clients=0;knobs=log,raft;network=plain;until=2500ms")
        #expect(Reduction(reduction.description) == reduction)
        for text in ["faults", "faults=x", "faults=3-1", "knobs=none", "until=5s", "what=1", "network=odd"] {
            #expect(Reduction(text) == nil, "\(text)")
        }
    }

    @Test func `statistics go through a line of text`() {
        let outcome = Simulation(plan: Plan(seed: 3, profile: .lite)).run()
        let read = Statistics(text: outcome.statistics.text)
        #expect(read?.text == outcome.statistics.text)
        #expect(read?.operations == outcome.statistics.operations)
        #expect(Statistics(text: "1,2|") == nil)
        #expect(TraceHash("\(outcome.hash)") == outcome.hash)
        #expect(TraceHash("x") == nil)
    }
}
