// Scenes: a few faults in an order and at a distance of time in which known bugs of other systems show. Drawn
// by themselves they would hardly ever meet so. Each is a fault of its own in the plan, and can be left out.

import Primitives

extension FaultDrawing {
    mutating func drawScene() {
        guard plan.nodeCount > 2 else { return }
        switch own.below(16) {
        case 0, 1: drawDuo()
        case 2, 3, 4, 5, 6: drawLeftBehind()
        case 7, 8: drawTwoLogs()
        case 9: drawLastMinute()
        case 10, 11: plan.fragile.isEmpty ? drawPowerCuts() : drawDamageAndStart()
        case 12: drawTransfer()
        case 13: drawThereAndBack()
        case 14: drawVoteAgain()
        default: drawPartialCut()
        }
    }

    /// A moment that leaves so much time before the faults end.
    private mutating func moment(leaving rest: Instant.Span) -> Instant {
        let latest = plan.safety.nanoseconds - rest.nanoseconds
        return Instant(nanoseconds: Int64(own.below(max(1, Int(latest)))))
    }

    private mutating func span(_ least: Int, _ most: Int) -> Instant.Span {
        own.magnitude(.milliseconds(least), .milliseconds(most))
    }

    private mutating func rush(
        at moment: Instant, lasts: Instant.Span, impatient: Bool = false, of target: Target? = nil
    ) {
        let factor = own.magnitude(target == nil ? 6...60 : 20...60)
        add(.rush(factor: factor, impatient: impatient, target), lasts: lasts, at: moment)
    }

    private mutating func follower() -> Int { own.number(in: 1...(plan.nodeCount - 1)) }

    /// The leader keeps one follower and loses the others: what is asked on this side while they go on must
    /// not be answered from what these two have. The follower's disk may be slow meanwhile, so that what it
    /// has under way is replaced before it is there.
    private mutating func drawDuo() {
        let (offset, lasts, at) = (follower(), span(800, 3000), moment(leaving: .seconds(5)))
        rush(at: at, lasts: lasts + .milliseconds(500), impatient: own.coin())
        let cut = at + own.span(.zero, .milliseconds(300))
        if own.coin() {
            add(
                .slowDisk(.follower(offset), factor: own.magnitude(300...4000)), lasts: lasts + .seconds(2),
                at: cut)
        }
        add(.partition(.duo(.leader(otherwise: 0), offset)), lasts: lasts, at: cut + .milliseconds(1))
    }

    /// A node is away while clients write much, so that it needs a snapshot when it is back; and then
    /// something happens again.
    private mutating func drawLeftBehind() {
        let node = own.below(plan.nodeCount)
        let (lasts, at) = (span(1200, 8000), moment(leaving: .seconds(12)))
        let back = at + lasts
        rush(at: at, lasts: own.coin() ? lasts : lasts + .seconds(1), impatient: own.chance(200_000))
        if own.chance(350_000) {
            add(.slowDisk(.node(node), factor: own.magnitude(20...1000)), lasts: lasts + .seconds(3), at: at)
        }
        let away: FaultAction =
            switch own.below(7) {
            case 0: .pause(.node(node))
            case 1: .powerCut(.node(node))
            case 2: .kill(.node(node))
            // It hears all and can't say so: the leader, which cuts its log, does not know what it has.
            case 3: .partition(.isolate(.node(node), sends: true, hears: false))
            default: .partition(.isolate(.node(node), sends: true, hears: true))
            }
        add(away, lasts: lasts, at: at)
        if own.chance(400_000) {
            // The snapshot takes long.
            add(.delay(span(5, 60)), lasts: .seconds(3), at: back)
        }
        for _ in 0..<own.number(in: 0...2) { drawReturn(of: node, at: back + span(1, 1500)) }
    }

    /// Something that happens when a node has come back.
    private mutating func drawReturn(of node: Int, at moment: Instant) {
        switch own.below(9) {
        case 0, 1:
            add(
                .dieAtOperation(.node(node), operations: own.magnitude(1...40) - 1, power: own.coin()),
                lasts: span(10, 1000), at: moment)
        case 2: add(.powerCut(.node(node)), lasts: span(10, 1000), at: moment)
        case 3, 4: add(.transfer(to: nil, asking: .leader(otherwise: 0)), at: moment)
        case 5: add(.kill(.leader(otherwise: 0)), lasts: span(50, 2000), at: moment)
        case 6:
            add(
                .partition(.isolate(.leader(otherwise: 0), sends: true, hears: true)),
                lasts: span(500, 3000), at: moment)
        case 7: add(.clog(from: otherThan(node), to: node), lasts: span(50, 2000), at: moment)
        default:
            add(
                .partition(.isolate(.node(node), sends: true, hears: true)), lasts: span(200, 4000),
                at: moment)
        }
    }

    /// A leader alone fills its log with what nobody else will have, while the others go on.
    private mutating func drawTwoLogs() {
        let at = moment(leaving: .seconds(6))
        let (first, second) = (span(600, 1300), span(200, 2000))
        let lasts = first + second
        rush(at: at, lasts: first, impatient: true, of: .leader(otherwise: 0))
        rush(at: at + first, lasts: second + .milliseconds(300))
        add(
            .partition(.isolate(.leader(otherwise: 0), sends: true, hears: true)), lasts: lasts,
            at: at + .milliseconds(20))
        guard own.coin() else { return }
        let who: Target =
            own.coin() ? .all : .several(from: own.below(plan.nodeCount), count: plan.nodeCount / 2 + 1)
        add(.kill(who), lasts: span(10, 300), at: at + lasts + span(1, 300))
    }

    /// The same just before the faults end, and then all start again, or a bare majority of them: it must
    /// agree on a leader, although one log is longer and another one later.
    private mutating func drawLastMinute() {
        let lasts = span(600, 1600)
        let at = Instant(nanoseconds: plan.safety.nanoseconds - lasts.nanoseconds)
        rush(at: at, lasts: lasts, impatient: true, of: .leader(otherwise: 0))
        add(
            .partition(.isolate(.leader(otherwise: 0), sends: true, hears: true)), lasts: lasts,
            at: at + .milliseconds(50))
        add(
            .kill(.all), lasts: .milliseconds(1),
            at: Instant(nanoseconds: plan.safety.nanoseconds - span(1, 300).nanoseconds))
    }

    /// What is durable goes bad, and soon after that the node starts again.
    private mutating func drawDamageAndStart() {
        let node = Target.node(own.pick(plan.fragile))
        let at = moment(leaving: .seconds(4))
        rush(at: at, lasts: .seconds(1))
        let kinds: [FaultAction.Damage] = [
            .rotNewestCheckpoint, .rotNewestCheckpoint, .rotCheckpoint, .rotNewestSegment, .rotNewestSegment,
            .rotOldSegment, .lostWrite, .lostWrite, .misdirectedWrite,
        ]
        let kind = own.pick(kinds)
        add(.damage(node, kind), at: at + .milliseconds(900))
        let death = at + .milliseconds(900) + span(1, kind.isSilent ? 60 : 500)
        add(own.coin() ? .kill(node) : .powerCut(node), lasts: span(10, 1000), at: death)
    }

    /// The power fails again and again while the log grows and is cut.
    private mutating func drawPowerCuts() {
        let at = moment(leaving: .seconds(5))
        rush(at: at, lasts: .seconds(3))
        let node = target()
        for _ in 0..<own.number(in: 1...4) {
            let moment = at + own.span(.milliseconds(200), .seconds(3))
            if own.coin() {
                add(.powerCut(node), lasts: span(10, 400), at: moment)
            } else {
                add(
                    .dieAtOperation(node, operations: own.magnitude(1...60) - 1, power: true),
                    lasts: span(10, 400), at: moment)
            }
        }
    }

    /// Leadership is to go to a node that can't take it at once.
    private mutating func drawTransfer() {
        let (node, at, lasts) = (own.below(plan.nodeCount), moment(leaving: .seconds(4)), span(300, 2000))
        rush(at: at, lasts: lasts + .milliseconds(200))
        let trouble: FaultAction =
            switch own.below(5) {
            case 0: .pause(.node(node))
            case 4: .kill(.node(node))
            case 1: .stallDisk(.node(node))
            case 2: .slowDisk(.node(node), factor: own.magnitude(50...2000))
            default: .partition(.isolate(.node(node), sends: true, hears: true))
            }
        let asked = at + span(1, 300)
        add(.transfer(to: node, asking: .leader(otherwise: 0)), at: asked)
        add(trouble, lasts: lasts, at: own.chance(300_000) ? asked + span(1, 50) : at)
    }

    /// Leadership goes away and comes back, while what was sent before is still on its way.
    private mutating func drawThereAndBack() {
        let at = moment(leaving: .seconds(6))
        let first = own.below(plan.nodeCount)
        let (second, from) = (otherThan(first), otherThan(first))
        rush(at: at, lasts: .seconds(3))
        add(.transfer(to: first, asking: .leader(otherwise: first)), at: at)
        let clogged = at + span(150, 400)
        add(.clog(from: from, to: first), lasts: span(300, 2000), at: clogged)
        let away = clogged + span(20, 300)
        add(.transfer(to: second, asking: .leader(otherwise: first)), at: away)
        add(.transfer(to: first, asking: .leader(otherwise: second)), at: away + span(50, 600))
    }

    /// Somebody is asked for its vote once more, with another life in between.
    private mutating func drawVoteAgain() {
        let (at, after) = (moment(leaving: .seconds(4)), span(30, 800))
        add(.repeats(after: after), lasts: .milliseconds(200), at: at)
        add(.transfer(to: nil, asking: .leader(otherwise: 0)), at: at + .milliseconds(10))
        let death = at + .milliseconds(10) + span(2, 60)
        add(.kill(.follower(follower())), lasts: .milliseconds(1), at: death)
        if own.coin() { add(.powerCut(.follower(follower())), lasts: .milliseconds(1), at: death) }
    }

    /// The leader and one follower lose each other for long, and all others hear both.
    private mutating func drawPartialCut() {
        let at = moment(leaving: .seconds(12))
        let first = own.below(plan.nodeCount)
        add(.transfer(to: first, asking: .leader(otherwise: first)), at: at)
        add(
            .partition(.pair(first, otherThan(first), oneWay: own.coin())), lasts: span(2000, 10_000),
            at: at + span(200, 600))
    }
}
