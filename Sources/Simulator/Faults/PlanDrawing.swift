import Primitives

/// Draws a plan. Each concern has a generator of its own, and each kind of fault too, so that a change in how
/// one is drawn leaves the others as they were.
struct PlanDrawing {
    var swarm: SeededGenerator
    var network: SeededGenerator
    var machines: SeededGenerator
    var clients: SeededGenerator
    var faults: SeededGenerator
    var knobs: SeededGenerator
    var coordination: SeededGenerator

    mutating func fill(_ plan: inout Plan) {
        let possible = FaultFamily.all(in: plan.profile)
        // Now and then nothing goes wrong at all.
        let isCalm = swarm.chance(10_000)
        let drawn = FaultFamily.allCases.map { family in
            let often = family == .scenes || family == .snapshotPressure
            return (family: family, isOn: swarm.chance(often ? 700_000 : 500_000) && !isCalm)
        }
        plan.families = drawn.filter { $0.isOn && possible.contains($0.family) }.map(\.family)
        fillMachines(&plan)
        fillNetwork(&plan)
        fillClients(&plan)
        fillCoordination(&plan)
        plan.knobs.draw(
            using: &knobs, pressure: plan.families.contains(.snapshotPressure),
            everything: plan.families.contains(.smallLimits))
        fillCore(&plan)
        var schedule = FaultDrawing(plan: plan, random: faults)
        plan.faults = schedule.draw()
    }

    private mutating func fillMachines(_ plan: inout Plan) {
        // In some runs some nodes write checkpoints as rarely as in production, so that logs reach back
        // differently far.
        let lazy = machines.chance(400_000) ? 500_000 : 0
        for _ in 0..<plan.nodeCount {
            var machine = MachinePlan()
            machine.turn = machines.span(.microseconds(5), .microseconds(40))
            machine.event = machines.span(.microseconds(1), .microseconds(10))
            machine.sync = machines.magnitude(.microseconds(80), .milliseconds(4))
            machine.start = machines.magnitude(.milliseconds(2), .milliseconds(200))
            let (offset, drift) = (
                machines.number(in: -50...50), machines.magnitude(1...50_000) * (machines.coin() ? 1 : -1)
            )
            machine.wallOffset = offset
            if plan.families.contains(.drift) { machine.drift = drift }
            machine.isLazy = plan.families.contains(.snapshotPressure) && machines.chance(lazy)
            plan.machines.append(machine)
        }
    }

    private mutating func fillNetwork(_ plan: inout Plan) {
        var links = NetworkPlan()
        let families = plan.families
        let (least, mean) = (
            network.magnitude(.microseconds(20), .milliseconds(30)),
            network.magnitude(.microseconds(20), .milliseconds(100))
        )
        let rates = (
            tail: network.magnitude(100...20_000), loss: network.magnitude(100...200_000),
            breaks: network.magnitude(100...50_000), duplicates: network.magnitude(100...300_000),
            corruption: network.magnitude(10...1_000), fetches: network.magnitude(1_000...500_000)
        )
        if families.contains(.slowLinks) {
            (links.least, links.mean, links.heavyTail) = (least, mean, rates.tail)
        }
        if families.contains(.loss) {
            (links.loss, links.breaks, links.fetchFailures) = (rates.loss, rates.breaks, rates.fetches)
        }
        if families.contains(.duplicates) { links.duplicates = rates.duplicates }
        if families.contains(.corruption) { links.corruption = rates.corruption }
        links.reorders = families.contains(.reordering)
        plan.network = links
    }

    private mutating func fillClients(_ plan: inout Plan) {
        let wide = plan.profile == .long ? 3...8 : clients.chance(100_000) ? 8...20 : 2...8
        let count = clients.number(in: wide)
        let operations = clients.magnitude(plan.profile.operations)
        let think = Instant.Span(
            nanoseconds: plan.profile.safety.nanoseconds / Int64(operations) * Int64(count))
        plan.keys.plain = clients.magnitude(1...12)
        plan.keys.counters = clients.number(in: 0...2)
        for number in 0..<count {
            var client = ClientPlan()
            client.number = number
            let (isPinned, home) = (clients.chance(600_000), clients.below(plan.nodeCount))
            client.home = isPinned ? home : nil
            client.failsOver = clients.chance(700_000)
            client.think = Instant.Span(
                nanoseconds: think.nanoseconds * Int64(clients.number(in: 50...150)) / 100)
            client.timeout = clients.magnitude(.milliseconds(200), .seconds(5))
            client.patience =
                clients.chance(200_000)
                ? Instant.Span(nanoseconds: -client.timeout.nanoseconds / 2) : .milliseconds(200)
            client.reads = clients.number(in: 10...80)
            client.stale = clients.coin() ? clients.number(in: 0...60) : 0
            client.unforwarded = clients.coin() ? clients.number(in: 0...50) : 0
            client.seeksLeader = clients.chance(250_000)
            plan.clients.append(client)
        }
    }

    /// Who is fragile, and who is healed.
    private mutating func fillCore(_ plan: inout Plan) {
        let order = shuffled(plan.nodeCount)
        let minority = (plan.nodeCount - 1) / 2
        let (fragile, healsAll, left) = (
            swarm.number(in: 0...max(0, minority)), swarm.coin(),
            // A bare majority is the hardest to please.
            swarm.coin() ? max(0, minority) : swarm.number(in: 0...max(0, minority))
        )
        (plan.endsWithTransfer, plan.endsWithCut) = (swarm.coin(), swarm.coin())
        if plan.families.contains(.damage) { plan.fragile = order.prefix(max(1, fragile)).sorted() }
        if minority == 0 { plan.fragile = [] }
        // The fragile ones come first, since they may be lost for good.
        plan.core = healsAll ? Array(0..<plan.nodeCount) : order.dropFirst(left).sorted()
    }

    private mutating func shuffled(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for place in stride(from: count - 1, to: 0, by: -1) { order.swapAt(place, swarm.below(place + 1)) }
        return order
    }
}
