import Primitives
import Testing

@testable import Store

/// Random commands, against a model, with what must hold after each of them.
struct ClaimModelTests {
    private struct Run {
        var random: TestRandom
        var keyspace = Keyspace(limits: Limits(), leafCapacity: 4, innerCapacity: 4)
        var twin = Keyspace()
        var model = ClaimModel()
        var greatestToken: UInt64 = 0
        /// What was promised to those who wait: to be told.
        var waiting: Set<UInt64> = []

        init(seed: UInt64) { random = TestRandom(seed: seed) }

        static let names = [
            ClaimName(.lock, "a"), ClaimName(.lock, "ab"), ClaimName(.election, "a"),
            ClaimName(.semaphore, "a"),
        ]

        mutating func apply(_ operation: Operation) -> Outcome {
            let time = Int64(1000 + random.below(50))
            let outcome = keyspace.apply(operation, time: time)
            #expect(twin.apply(operation, time: time) == outcome)
            return outcome
        }

        /// The number of the request that comes next.
        var next: UInt64 { keyspace.appliedIndex.rawValue }

        mutating func request() -> ClaimRequest {
            let name = Self.names[random.below(Self.names.count)]
            var request = ClaimRequest(name, owner: "o\(random.below(3))")
            if name.kind == .lock { request.mode = random.below(2) == 0 ? .read : .write }
            if name.kind == .semaphore { request.permits = UInt64(1 + random.below(3)) }
            if name.kind == .election { request.priority = UInt64(random.below(3)) }
            if random.below(2) == 0 { request.lease = "l\(random.below(4))" }
            if random.below(4) > 0 { request.wait = 1000 }
            return request
        }

        mutating func step() {
            switch random.below(20) {
            case 0...8:
                let request = request()
                model.acquire(
                    request, next, leaseExists: request.lease.map { keyspace.lease($0) != nil } ?? true)
                let id = next
                let outcome = apply(.coordinate(.claim(.acquire(request))))
                if case .coordinated(.claim(.waiting)) = outcome { waiting.insert(id) }
            case 9...11: release()
            case 12:
                let permits = UInt64(1 + random.below(5))
                model.things[Self.names[3], default: .init()].permits = permits
                _ = apply(.coordinate(.claim(.configure("a", permits: permits))))
            case 13:
                let terms = LeaseTerms(
                    id: "l\(random.below(4))", timeToLive: 5000, lockDelay: random.below(2) == 0 ? 0 : 300)
                _ = apply(.coordinate(.lease(.grant(terms))))
            case 14:
                let lease = "l\(random.below(4))"
                model.end { $0.lease == lease }
                _ = apply(.coordinate(.lease(.revoke(id: lease))))
            case 15, 16: fire(1 + random.below(3))
            case 17: abandon()
            case 18 where random.below(4) == 0: clear(Self.names[random.below(Self.names.count)])
            default: check(afterRestoring: random.below(8) == 0)
            }
            model.settle()
            check()
        }

        mutating func release() {
            let name = Self.names[random.below(Self.names.count)]
            let holders = keyspace.holders(of: name, limit: 10)
            guard let grant = holders.isEmpty ? nil : holders[random.below(holders.count)] else { return }
            let request = keyspace.hold(name, grant.token)?.request.low
            model.end { $0.request == request }
            let first = apply(.coordinate(.claim(.release(name, token: grant.token))))
            #expect(first == .coordinated(.claim(.released(true))))
            model.settle()
            let again = apply(.coordinate(.claim(.release(name, token: grant.token))))
            #expect(again == .coordinated(.claim(.released(false))))
        }

        mutating func abandon() {
            let parties = model.things.values.flatMap { $0.holders + $0.queue }.map(\.request).sorted()
            guard !parties.isEmpty else { return }
            let request = parties[random.below(parties.count)]
            model.end { $0.request == request }
            waiting.remove(request)
            let outcome = apply(.coordinate(.abandon(RequestID(high: 1, low: request))))
            #expect(outcome == .coordinated(.abandoned(true)))
        }

        mutating func clear(_ name: ClaimName) {
            if name.kind == .semaphore {
                model.things[name] = nil
            } else {
                model.things[name]?.holders = []
                model.things[name]?.delay = nil
            }
            _ = apply(.coordinate(.claim(.clear(name))))
        }

        /// Lets some timers run out at once.
        mutating func fire(_ count: Int) {
            var timers: [(number: UInt64, target: TimerTarget)] = []
            keyspace.coordination.forEach(RowKey(.timer)) { key, value in
                let timer: TimerRow = Coordination.decode(value)
                timers.append((key.lastNumber, timer.target))
                return true
            }
            guard !timers.isEmpty else { return }
            var chosen: [Int] = []
            for _ in 0..<count { chosen.append(random.below(timers.count)) }
            let targets = chosen.map { timers[$0].target }
            for case .claimWait(let row) in targets {
                guard let waiter: ClaimWaiter = keyspace.coordination.value(row) else { continue }
                model.end { $0.request == waiter.request.low }
            }
            for case .claimDelay(let row) in targets { model.things[ClaimName(of: row)]?.delay = nil }
            for case .lease(let id) in targets {
                model.expire(id, delay: keyspace.lease(id)?.terms.lockDelay ?? 0)
            }
            _ = apply(.coordinate(.timers(.fire(term: Term(1), chosen.map { timers[$0].number }))))
        }

        /// Compares with the model and looks at what must always hold.
        mutating func check() {
            var told: [UInt64] = []
            for case .settled(let request, .claim) in keyspace.takeNews() { told.append(request.low) }
            _ = twin.takeNews()
            #expect(told.count == Set(told).count && waiting.isSuperset(of: told))
            waiting.subtract(told)
            var newest = greatestToken
            var queued: Set<UInt64> = []
            for name in Self.names {
                let (holders, queue) = keyspace.claimRequests(of: name)
                let wanted = model.things[name] ?? .init()
                #expect(holders == wanted.holders.map(\.request), "\(name)")
                #expect(queue == wanted.queue.map(\.request), "\(name)")
                queued.formUnion(queue)
                for (place, grant) in keyspace.holders(of: name, limit: 100).enumerated() {
                    newest = max(newest, grant.token)
                    guard model.things[name]?.holders.indices.contains(place) == true else { continue }
                    model.things[name]?.holders[place].lease = grant.lease.id
                }
                let holding = keyspace.holders(of: name, limit: 100)
                if name.kind != .semaphore {
                    #expect(holding.count <= 1 || holding.allSatisfy { $0.mode == .read })
                }
            }
            #expect(queued == waiting, "who waits and is in no queue is forgotten")
            #expect(newest <= keyspace.coordination.lastNumber)
            greatestToken = newest
            #expect(keyspace.flawOfClaims() == nil)
        }

        mutating func check(afterRestoring: Bool) {
            guard afterRestoring else { return }
            do {
                let restored = try keyspace.restored()
                #expect(restored.digest == keyspace.digest)
                keyspace = restored
            } catch {
                Issue.record("no checkpoint: \(error)")
            }
        }
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `Random commands come to what the model says and leave nothing behind`(seed: UInt64) {
        var run = Run(seed: seed)
        for _ in 0..<400 { run.step() }
        #expect(run.keyspace.digest == run.twin.digest)
        for _ in 0..<40 { run.fire(100) }
        for name in Run.names {
            run.clear(name)
            run.model.settle()
        }
        for _ in 0..<40 {
            run.fire(100)
            run.model.settle()
        }
        #expect(run.keyspace.coordination.count == 0)
        #expect(run.keyspace.digest == run.twin.digest)
    }
}
