import Primitives

/// Draws the schedule of faults.
struct FaultDrawing {
    let plan: Plan
    var random: SeededGenerator
    private var faults: [PlannedFault] = []
    /// Of the kind that is being drawn.
    var own = SeededGenerator(seed: 0)

    init(plan: Plan, random: SeededGenerator) {
        self.plan = plan
        self.random = random
    }

    mutating func draw() -> [PlannedFault] {
        for family in FaultFamily.allCases {
            own = random.split()
            guard plan.families.contains(family) else { continue }
            let isLong = family == .snapshotPressure || family == .scenes
            let most = isLong ? 3 : plan.profile.faultsOfAKind
            let count = family == .scenes ? own.number(in: 1...most) : own.magnitude(1...most)
            for _ in 0..<count { draw(family) }
        }
        // By time; those of the same moment in the order drawn.
        let order = faults.indices.sorted { a, b in
            faults[a].at != faults[b].at ? faults[a].at < faults[b].at : a < b
        }
        return order.enumerated().map { number, place in
            var fault = faults[place]
            fault.number = number
            return fault
        }
    }

    mutating func add(_ action: FaultAction, lasts: Instant.Span = .zero, at: Instant? = nil) {
        // The first second is for the first leader.
        let latest = Int(plan.safety.nanoseconds)
        let drawn = Instant(nanoseconds: Int64(own.below(latest)))
        faults.append(PlannedFault(number: 0, at: at ?? drawn, lasts: lasts, action: action))
    }

    private mutating func duration(from least: Instant.Span = .milliseconds(10)) -> Instant.Span {
        own.magnitude(least, plan.profile.longest)
    }

    mutating func target() -> Target {
        let index = own.below(plan.nodeCount)
        switch own.below(4) {
        case 0, 1: return .leader(otherwise: index)
        case 2: return .follower(own.number(in: 1...max(1, plan.nodeCount - 1)))
        default: return .node(index)
        }
    }

    private mutating func mask() -> UInt64 {
        let count = UInt64(plan.nodeCount)
        guard count > 1 else { return 1 }
        let all = count == 64 ? UInt64.max : 1 << count - 1
        while true {
            let mask = own.next() & all
            if mask != 0 && mask != all { return mask }
        }
    }

    mutating func otherThan(_ index: Int) -> Int {
        guard plan.nodeCount > 1 else { return index }
        let other = own.below(plan.nodeCount - 1)
        return other >= index ? other + 1 : other
    }

    private mutating func partition() -> Partition {
        let node = own.below(plan.nodeCount)
        switch own.below(9) {
        case 0, 1: return .isolate(target(), sends: true, hears: true)
        case 2: return .isolate(target(), sends: own.coin(), hears: false)
        case 3: return .isolate(target(), sends: true, hears: false)
        case 4: return .halves(mask(), oneWay: own.chance(300_000))
        case 5: return .bridge(node, mask() & ~(1 << UInt64(node)))
        case 6: return .pair(node, otherThan(node), oneWay: own.coin())
        case 7: return .duo(target(), own.number(in: 1...max(1, plan.nodeCount - 1)))
        default: return plan.nodeCount > 4 ? .ring : .halves(mask(), oneWay: false)
        }
    }

    private mutating func draw(_ family: FaultFamily) {
        switch family {
        case .kills: add(.kill(target()), lasts: duration())
        case .powerCuts: add(.powerCut(target()), lasts: duration())
        case .diskDeaths:
            // Some while the first folders and files are made.
            let isFirst = own.chance(150_000)
            let who = isFirst ? .node(own.below(plan.nodeCount)) : target()
            add(
                .dieAtOperation(who, operations: own.magnitude(1...60) - 1, power: own.coin()),
                lasts: duration(), at: isFirst ? .zero : nil)
        case .massCrashes:
            let majority = plan.nodeCount / 2 + 1
            let who: Target =
                own.coin() ? .all : .several(from: own.below(plan.nodeCount), count: majority)
            add(
                own.coin() ? .kill(who) : .powerCut(who), lasts: own.magnitude(.milliseconds(10), .seconds(5))
            )
        case .pauses: add(.pause(target()), lasts: duration(from: .milliseconds(1)))
        case .stalls:
            add(
                own.coin() ? .stallDisk(target()) : .stallLoop(target()),
                lasts: duration(from: .milliseconds(1)))
        case .slowDisks:
            add(
                .slowDisk(target(), factor: own.magnitude(2...2000)),
                lasts: duration(from: .milliseconds(100))
            )
        case .fullDisks:
            add(.diskFull(target(), left: own.below(2) * own.magnitude(1...65_536)), lasts: duration())
        case .diskErrors: drawDiskError()
        case .damage: drawDamage()
        case .clogs, .partitions, .flapping, .resets, .loss, .slowLinks, .clientCuts: drawNetwork(family)
        case .wallSteps:
            let amount = own.magnitude(1_000...3_600_000_000)
            add(.stepWall(target(), milliseconds: own.coin() ? amount : -amount))
        case .drift:
            add(
                .drift(target(), millionths: own.number(in: -50_000...50_000)),
                lasts: duration(from: .seconds(1)))
        case .transfers:
            let asked: Target =
                own.chance(200_000) ? .follower(own.number(in: 1...3)) : .leader(otherwise: 0)
            add(.transfer(to: own.coin() ? own.below(plan.nodeCount) : nil, asking: asked))
        case .snapshotPressure: drawAbsence()
        case .scenes: drawScene()
        case .duplicates, .reordering, .corruption, .smallLimits: break
        }
    }

    private mutating func drawNetwork(_ family: FaultFamily) {
        let node = own.below(plan.nodeCount)
        switch family {
        case .clogs:
            add(
                .clog(from: node, to: otherThan(node)), lasts: own.magnitude(.milliseconds(10), .seconds(5)))
        case .partitions: add(.partition(partition()), lasts: duration(from: .milliseconds(100)))
        case .flapping:
            add(
                .flapping(partition(), period: own.magnitude(.milliseconds(50), .seconds(5))),
                lasts: duration(from: .milliseconds(500)))
        case .resets: add(.reset(node, otherThan(node)))
        case .loss:
            add(.loss(perMillion: own.magnitude(10_000...500_000)), lasts: duration(from: .milliseconds(100)))
        case .slowLinks:
            add(
                .delay(own.magnitude(.milliseconds(1), .milliseconds(500))),
                lasts: duration(from: .milliseconds(100)))
        default: add(.cutClients(target()), lasts: duration(from: .milliseconds(100)))
        }
    }

    /// Somebody is away for long, so that the log goes on without it and is cut.
    private mutating func drawAbsence() {
        let node = own.below(plan.nodeCount)
        let away: FaultAction =
            switch own.below(4) {
            case 0: .partition(.isolate(.node(node), sends: true, hears: true))
            case 1: .pause(.node(node))
            case 2: .powerCut(.node(node))
            default: .kill(.node(node))
            }
        let (from, upTo) = (plan.profile.longest.nanoseconds / 4, plan.profile.longest.nanoseconds)
        let span = own.span(Instant.Span(nanoseconds: from), Instant.Span(nanoseconds: upTo))
        // It is back before the end, so that there is something to see.
        let latest = max(1, Int(plan.safety.nanoseconds - span.nanoseconds))
        let at = Instant(nanoseconds: Int64(own.below(latest)))
        add(away, lasts: span, at: at)
        guard plan.profile == .std, own.coin() else { return }
        add(.rush(factor: own.magnitude(4...40), impatient: false, nil), lasts: .seconds(3), at: at)
    }

    private mutating func drawDiskError() {
        let kinds: [DiskFault] = [
            .syncErrorKept, .syncErrorKept, .syncErrorReverted, .syncNoSpace, .folderSyncError, .writeError,
            .noSpace, .noSpace, .readError, .nameError,
        ]
        add(
            .diskError(target(), own.pick(kinds), skipping: own.magnitude(1...20) - 1),
            lasts: duration(from: .milliseconds(10)))
    }

    private mutating func drawDamage() {
        guard !plan.fragile.isEmpty else { return }
        let kinds: [FaultAction.Damage] = [
            .rotOldSegment, .rotNewestSegment, .rotCheckpoint, .rotNewestCheckpoint, .misdirectedWrite,
            .lostWrite, .unreadableCheckpoint, .flippedRead,
        ]
        if own.chance(50_000) { return add(.loseDisk(.node(own.pick(plan.fragile)))) }
        add(.damage(.node(own.pick(plan.fragile)), own.pick(kinds)))
    }
}
