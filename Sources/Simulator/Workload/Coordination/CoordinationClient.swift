import Primitives
import Store

/// What a client does with leases, locks, queues and idempotency keys, and what it remembers of them. It
/// draws from a stream of its own.
struct CoordinationClient: Sendable {
    /// A write, with the idempotency key under which it is asked for.
    struct Asked: Sendable {
        var operation: Store.Operation
        var once: OnceKey?
    }

    /// What a client does soon after what it was told.
    enum FollowUp: Sendable {
        /// It writes behind a fence.
        case write
        /// It leaves the barrier with this name.
        case leave(String)
        /// It comes to a barrier again, since it does not know whether it was heard.
        case arrive(BarrierCommand)
        /// It gives back what it has written with, though the write may still be on its way.
        case release(Fence)
    }

    /// Keys that this client uses begin with this; no other key does, so that histories can leave them out.
    static let keyStart = UInt8(ascii: "x")
    /// A number that they count with.
    static let counter = [keyStart] + Array("n".utf8)

    let client: Int
    private let plan: CoordinationPlan
    var random: SeededGenerator
    private var counter = 0
    /// What it was told to hold, the newest last.
    private(set) var held: [(claim: ClaimName, token: UInt64)] = []
    /// What it was ever told to hold, likewise, as fences: it writes with old ones, too.
    private(set) var fences: [Fence] = []
    /// What it has received, likewise.
    private var receipts: [(queue: String, receipt: Receipt)] = []
    /// What it has asked for under an idempotency key, likewise.
    private var sent: [Asked] = []
    /// What it is to ask for once more, since it does not know what came of it.
    private var again: Asked?
    /// What it has been let into something for.
    private var followUp: FollowUp?
    /// Requests of which it does not know what came of them.
    private var lost: [RequestID] = []
    /// Whether it is to cancel the last of them.
    private var isToCancel = false
    /// Whether it does not wait for what it has asked for.
    private var isHasty = false

    init(client: Int, plan: CoordinationPlan, seed: UInt64) {
        self.client = client
        self.plan = plan
        random = SeededGenerator(seed: seed)
    }

    /// Its next write, if that is one of these.
    mutating func next() -> Asked? {
        guard plan.share > 0 else { return nil }
        if let asked = nextAtOnce() { return asked }
        guard random.below(1000) < plan.share else { return nil }
        switch random.below(32) {
        case 0...3: return Asked(operation: lease())
        case 4...5: return Asked(operation: leasedPut())
        case 6...12: return Asked(operation: .coordinate(.claim(claim())))
        case 13...17: return Asked(operation: .coordinate(.queue(queue())))
        case 18...22: return once()
        case 23...25: return Asked(operation: fenced())
        case 26...29: return Asked(operation: .coordinate(.barrier(barrier())))
        default: return cancel().map { Asked(operation: .coordinate(.cancel($0))) } ?? once()
        }
    }

    /// Whether there is something that it does soon, and before anything else.
    var isInHurry: Bool { isToCancel || again != nil || followUp != nil }

    /// What it has to do before anything else, if that is so.
    mutating func nextAtOnce() -> Asked? {
        if isToCancel, let request = lost.last {
            isToCancel = false
            return Asked(operation: .coordinate(.cancel(.id(request))))
        }
        if let again, random.chance(600_000) {
            self.again = nil
            return again
        }
        guard let next = followUp, random.chance(700_000) else { return nil }
        followUp = nil
        switch next {
        case .write: return Asked(operation: fenced())
        case .leave(let barrier): return Asked(operation: .coordinate(.barrier(leave(barrier))))
        case .arrive(let command): return Asked(operation: .coordinate(.barrier(command)))
        case .release(let fence):
            return Asked(operation: .coordinate(.claim(.release(fence.claim, token: fence.token))))
        }
    }

    /// How long its node is to try, if this client turns away long before: what is asked for so is cancelled,
    /// and may come to the log long after that.
    mutating func haste(with action: ClientAction) -> (timeout: Instant.Span, givesUp: Instant.Span)? {
        isHasty = false
        guard plan.haste > 0, case .write(let operation, _) = action else { return nil }
        if case .coordinate(.cancel) = operation { return nil }
        // A late write behind a fence is what fences are for.
        let isFenced = if case .fenced = operation { true } else { false }
        isHasty = plan.share > 0 && random.below(1000) < plan.haste * (isFenced ? 4 : 1)
        guard isHasty else { return nil }
        return (
            random.span(.seconds(4), .seconds(12)), random.magnitude(.milliseconds(10), .milliseconds(400))
        )
    }

    /// Whether another node may be asked to propose its next write.
    mutating func forwards(unforwarded: Int) -> Bool { random.below(100) >= unforwarded }

    /// Remembers what it was told of a write.
    mutating func learn(_ asked: Asked, _ outcome: ClientOutcome) {
        switch outcome {
        case .written(let outcome): learn(asked, outcome)
        case .unknown:
            if asked.once != nil { again = asked } else { wonder(about: asked.operation) }
        case .refused: if asked.once != nil, random.coin() { again = asked }
        case .item, .items, .evaluated: break
        }
    }

    /// Remembers a write, of whatever kind, of which it does not know what came of it.
    mutating func note(lost request: RequestID) {
        Self.note(request, in: &lost)
        isToCancel = isHasty || plan.share > 0 && random.chance(250_000)
    }

    /// It does not know what came of what it asked for without a key.
    private mutating func wonder(about operation: Store.Operation) {
        switch operation {
        case .coordinate(.barrier(.arrive(let name, let arrival))) where random.chance(600_000):
            followUp = .arrive(.arrive(name, arrival))
        case .fenced(let fences, _) where random.chance(600_000): followUp = .release(fences[0])
        default: return
        }
        isToCancel = false
    }

    private mutating func learn(_ asked: Asked, _ outcome: Outcome) {
        switch outcome {
        case .replayed(let outcome, _): learn(asked, outcome)
        case .coordinated(.claim(.granted(let grant))):
            Self.note((grant.claim, grant.token), in: &held)
            Self.note(Fence(grant.claim, token: grant.token), in: &fences)
            if random.chance(400_000) { followUp = .write }
        case .coordinated(.barrier(.released)):
            guard case .coordinate(.barrier(let command)) = asked.operation.unfenced else { return }
            if random.chance(700_000) { followUp = .leave(command.name) }
        case .coordinated(.queue(.received(let messages))):
            guard case .coordinate(.queue(.receive(let queue, _, _, _))) = asked.operation.unfenced else {
                return
            }
            for message in messages {
                if let receipt = message.receipt { Self.note((queue, receipt), in: &receipts) }
            }
        default: break
        }
    }

    private static func note<Element>(_ element: Element, in list: inout [Element]) {
        list.append(element)
        if list.count > 6 { list.removeFirst() }
    }

    // MARK: - What it asks

    mutating func span() -> Int64 {
        random.magnitude(.milliseconds(100), plan.longest).milliseconds
    }

    /// A span that is the longest as often as not.
    mutating func longSpan() -> Int64 { random.coin() ? plan.longest.milliseconds : span() }

    mutating func name() -> String {
        counter += 1
        return "c\(client).\(counter)"
    }

    mutating func leaseID() -> String { "L\(random.below(plan.leases))" }

    mutating func key() -> [UInt8] { [Self.keyStart] + Array("\(random.below(3))".utf8) }

    private mutating func lease() -> Store.Operation {
        let id = leaseID()
        switch random.below(10) {
        case 0...3:
            var terms = LeaseTerms(id: id, timeToLive: span(), end: random.coin() ? .delete : .release)
            if random.chance(300_000) { terms.lockDelay = span() }
            return .coordinate(.lease(.grant(terms)))
        case 4...8:
            return .coordinate(.lease(.renew(id: id, timeToLive: random.chance(200_000) ? span() : nil)))
        default: return .coordinate(.lease(.revoke(id: id)))
        }
    }

    mutating func leasedPut() -> Store.Operation {
        let choice: LeaseChoice =
            switch random.below(10) {
            case 0...6: .existing(leaseID())
            case 7: .kept
            default: .own(milliseconds: span())
            }
        return .leasedPut(
            key: key(), value: Array(name().utf8), guard: random.chance(100_000) ? .absent : nil,
            returnPrevious: false, lease: choice)
    }

    private mutating func claimName() -> ClaimName {
        switch random.below(10) {
        case 0...6: ClaimName(.lock, "k\(random.below(plan.locks))")
        case 7...8: ClaimName(.semaphore, "s")
        default: ClaimName(.election, "e")
        }
    }

    private mutating func claim() -> ClaimCommand {
        if let mine = held.last, random.chance(450_000) {
            let chosen = random.chance(200_000) ? random.pick(held) : mine
            switch random.below(10) {
            case 0...5:
                if !random.chance(100_000) { held.removeAll { $0.token == chosen.token } }
                return .release(chosen.claim, token: chosen.token)
            case 6...8: return .renew(chosen.claim, token: chosen.token)
            case _ where chosen.claim.kind != .election: return .renew(chosen.claim, token: chosen.token)
            default: return .proclaim(chosen.claim, token: chosen.token, value: name())
            }
        }
        let claim = claimName()
        if claim.kind == .semaphore, random.chance(200_000) {
            return .configure(claim.name, permits: UInt64(random.number(in: 1...3)))
        }
        if random.chance(20_000) { return .clear(claim) }
        return .acquire(claimRequest(claim))
    }

    private mutating func claimRequest(_ claim: ClaimName) -> ClaimRequest {
        var request = ClaimRequest(claim, owner: name(), timeToLive: longSpan())
        switch claim.kind {
        case .lock: if random.coin() { request.mode = .read }
        case .semaphore: request.permits = UInt64(random.number(in: 1...2))
        case .election: if random.chance(200_000) { request.priority = UInt64(random.below(3)) }
        }
        if random.chance(400_000) { request.lease = leaseID() }
        if random.chance(650_000) { request.wait = span() }
        return request
    }

    mutating func queue() -> QueueCommand {
        let queue = "q\(random.below(plan.queues))"
        if let mine = receipts.last, random.chance(400_000) {
            let chosen = random.chance(200_000) ? random.pick(receipts) : mine
            switch random.below(10) {
            case 0...6:
                if !random.chance(200_000) { receipts.removeAll { $0.receipt == chosen.receipt } }
                return .acknowledge(chosen.queue, chosen.receipt)
            case 7: return .giveBack(chosen.queue, chosen.receipt, delay: random.coin() ? 0 : span())
            default: return .extend(chosen.queue, chosen.receipt, visibility: span())
            }
        }
        switch random.below(20) {
        case 0...1:
            return .configure(
                queue,
                QueueSettings(
                    visibility: span(), maximumAttempts: UInt32(random.number(in: 0...3)),
                    deadLetter: random.chance(700_000) ? "dead" : nil))
        case 2...10: return .enqueue(queue, message())
        default:
            return .receive(
                random.chance(100_000) ? "dead" : queue, maximum: random.number(in: 1...3),
                visibility: random.coin() ? span() : nil, consumer: "c\(client)")
        }
    }

    private mutating func message() -> NewMessage {
        var message = NewMessage(body: Array(name().utf8))
        if random.chance(150_000) { message.delay = span() }
        if random.chance(150_000) { message.dedupe = "d\(random.below(3))" }
        return message
    }

    private mutating func once() -> Asked {
        if let last = sent.last, random.chance(400_000) {
            var asked = random.chance(300_000) ? random.pick(sent) : last
            // Another request under the same key must be refused.
            if random.chance(100_000) { asked.once?.fingerprint ^= 1 }
            return asked
        }
        var operation: Store.Operation =
            switch random.below(10) {
            case 0...1: .increment(key: Self.counter, by: 1)
            case 2:
                .put(
                    key: key(), value: Array(name().utf8), guard: random.coin() ? .absent : nil,
                    returnPrevious: false)
            case 3: .coordinate(.queue(.enqueue("q0", message())))
            case 4...6: .coordinate(.claim(.acquire(claimRequest(claimName()))))
            case 7: .coordinate(.barrier(arrival()))
            default: .coordinate(.queue(.receive("q0", maximum: 1, visibility: span(), consumer: "")))
            }
        if random.chance(200_000), let fence = fence() { operation = .fenced([fence], operation) }
        let asked = Asked(operation: operation, once: OnceKey(key: name(), fingerprint: random.next()))
        Self.note(asked, in: &sent)
        return asked
    }

    private mutating func cancel() -> RequestName? {
        if let request = lost.last, random.chance(600_000) {
            return .id(random.chance(800_000) ? request : random.pick(lost))
        }
        // Under a key that is used soon, has been used, or never will be.
        guard let key = (random.chance(300_000) ? again : sent.last)?.once?.key else { return nil }
        return .key(key, principal: "")
    }
}

extension OperationRecord {
    /// Whether it is about what histories know nothing of.
    var isApart: Bool {
        guard case .write(let operation, _) = action else { return false }
        switch operation {
        case .coordinate, .leasedPut, .fenced: return true
        default: return once != nil
        }
    }
}

extension Store.Operation {
    /// The operation without its fences.
    var unfenced: Store.Operation {
        if case .fenced(_, let operation) = self { operation } else { self }
    }
}
