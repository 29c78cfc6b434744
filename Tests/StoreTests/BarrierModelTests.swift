import Primitives
import Testing

@testable import Store

/// A barrier as anyone would write it: sets of names.
private struct NaiveBarrier {
    var parties: Int
    var generation: UInt64 = 1
    /// Who has arrived, in order.
    var arrived: [String] = []
    /// The leases of those.
    var leases: [String: String] = [:]
    var released: [String] = []
    var releasedGeneration: UInt64 = 0
    var releasedLeases: [String: String] = [:]
    var told: Set<String> = []
    var left: Set<String> = []
    var isBroken = false
}

/// Random commands at one barrier, with what must hold after each.
private struct BarrierTrial {
    var store = TimedStore()
    var random: TestRandom
    var model: NaiveBarrier?
    /// Who waits: by request the member, the generation and whether it is to leave.
    var waiting: [RequestID: (member: String, generation: UInt64, leaves: Bool)] = [:]
    var releases = 0
    var breaks = 0

    static let members = (1...6).map { "w\($0)" }

    init(seed: UInt64) { random = TestRandom(seed: seed) }

    mutating func step() {
        let member = Self.members[random.below(Self.members.count)]
        store.settled = [:]
        switch random.below(100) {
        case 0..<55: arrive(member)
        case 55..<72: leave(member)
        case 72..<75: endLease("l\(random.below(3))")
        case 75..<78: reset()
        case 78 where random.below(3) == 0: delete()
        case 79..<84: abandon()
        case 84..<92: store.apply(.lease(.grant(LeaseTerms(id: "l\(random.below(3))", timeToLive: 1 << 40))))
        default: store.pass(Int64(random.below(80)))
        }
        checkSettled()
    }

    /// Every request that waits has its place, and those that were settled were to be.
    private mutating func checkSettled() {
        for (request, outcome) in store.settled {
            guard let wait = waiting.removeValue(forKey: request) else {
                Issue.record("\(request) did not wait")
                continue
            }
            switch outcome {
            case .barrier(.released(let generation, let index, _)):
                #expect(generation == wait.generation && generation == model?.releasedGeneration)
                #expect(!wait.leaves && index.map { model?.released[$0 - 1] } == wait.member)
                model?.told.insert(wait.member)
            case .barrier(.left(let generation, let left, let parties)):
                #expect(wait.leaves && generation == wait.generation)
                if generation == model?.releasedGeneration {
                    #expect(left == model?.left.count && parties == model?.released.count)
                } else {
                    // The arrival that made the last one leave has released the next generation too.
                    #expect(left == parties)
                }
            case .barrier(.arrived(let generation, let count, _)):
                #expect(!wait.leaves && generation == model?.generation && count == model?.arrived.count)
            case .barrier(.withdrawn(let generation, _, _)):
                #expect(!wait.leaves && generation == model?.generation)
            case .barrier(.broken(let broken)): #expect(broken.generation == wait.generation)
            default: Issue.record("\(outcome)")
            }
        }
        for (request, wait) in waiting {
            #expect(store.keyspace.coordination.row(of: request) != nil, "\(wait)")
            if wait.leaves {
                #expect(wait.generation == model?.releasedGeneration)
                #expect(model.map { $0.left.count < $0.released.count } ?? false)
            } else {
                #expect(wait.generation == model?.generation && model?.arrived.contains(wait.member) == true)
            }
        }
        #expect(store.deadlines.count == waiting.count + leaseCount)
        let requests = store.keyspace.coordination.count(RowKey(.request))
        #expect(requests == waiting.count)
    }

    private var leaseCount: Int { store.keyspace.leases(limit: 10).count }

    private mutating func arrive(_ member: String) {
        let request = store.nextRequest()
        let wait = random.below(2) == 0 ? 0 : Int64(1 + random.below(100))
        let lease = random.below(3) == 0 ? "l\(random.below(3))" : nil
        let parties = model?.parties ?? 2 + random.below(3)
        let outcome = store.barrier(
            .arrive("b", Arrival(member: member, wait: wait, lease: lease, parties: parties)), id: request)
        if let lease, store.keyspace.lease(lease) == nil {
            #expect(outcome == .refused(.coordination(.leaseNotFound(lease))))
            return
        }
        var model = model ?? NaiveBarrier(parties: parties)
        defer { self.model = model }
        if let place = model.released.firstIndex(of: member), !model.told.contains(member) {
            #expect(
                outcome
                    == .barrier(
                        .released(
                            generation: model.releasedGeneration, index: place + 1,
                            parties: model.released.count)))
            model.told.insert(member)
            return
        }
        if model.isBroken {
            guard case .refused(.coordination(.barrier(.broken))) = outcome else {
                Issue.record("a broken barrier let \(member) arrive: \(outcome)")
                return
            }
            return
        }
        if model.released.contains(member) { model.left.insert(member) }
        if !model.arrived.contains(member) { model.arrived.append(member) }
        model.leases[member] = lease
        let count = model.arrived.count
        guard count == model.parties else {
            let expected: BarrierOutcome =
                wait > 0
                ? .waiting(generation: model.generation, arrived: count, parties: model.parties)
                : .arrived(generation: model.generation, arrived: count, parties: model.parties)
            #expect(outcome == .barrier(expected))
            if wait > 0 { waiting[request] = (member, model.generation, false) }
            return
        }
        #expect(
            outcome == .barrier(.released(generation: model.generation, index: count, parties: count)))
        (model.released, model.releasedGeneration) = (model.arrived, model.generation)
        (model.told, model.left) = ([member], [])
        (model.releasedLeases, model.leases) = (model.leases, [:])
        model.arrived = []
        model.generation += 1
        releases += 1
    }

    private mutating func leave(_ member: String) {
        let request = store.nextRequest()
        let wait = random.below(2) == 0 ? 0 : Int64(1 + random.below(100))
        let outcome = store.barrier(.leave("b", member: member, wait: wait), id: request)
        guard var model else {
            #expect(outcome == .refused(.barrier(.notFound("b"))))
            return
        }
        defer { self.model = model }
        if let place = model.arrived.firstIndex(of: member) {
            model.arrived.remove(at: place)
            model.leases[member] = nil
            #expect(
                outcome
                    == .barrier(
                        .withdrawn(
                            generation: model.generation, arrived: model.arrived.count,
                            parties: model.parties)))
        } else if model.released.contains(member) {
            model.left.insert(member)
            model.told.insert(member)
            let (left, parties) = (model.left.count, model.released.count)
            let waits = wait > 0 && left < parties
            let expected: BarrierOutcome =
                waits
                ? .leaving(generation: model.releasedGeneration, left: left, parties: parties)
                : .left(generation: model.releasedGeneration, left: left, parties: parties)
            #expect(outcome == .barrier(expected))
            if waits { waiting[request] = (member, model.releasedGeneration, true) }
        } else if case .refused = outcome {
        } else {
            Issue.record("\(member) left without having arrived: \(outcome)")
        }
    }

    private mutating func endLease(_ id: String) {
        guard store.keyspace.lease(id) != nil else { return }
        store.apply(.lease(.revoke(id: id)))
        guard var model else { return }
        for member in model.released
        where model.releasedLeases[member] == id && !model.left.contains(member) {
            model.left.insert(member)
            model.told.insert(member)
        }
        if model.arrived.contains(where: { model.leases[$0] == id }) {
            model.isBroken = true
            for member in model.arrived { model.leases[member] = nil }
            model.arrived = []
            breaks += 1
        }
        self.model = model
    }

    private mutating func reset() {
        store.barrier(.reset("b"))
        guard let old = model else { return }
        model = NaiveBarrier(parties: old.parties, generation: old.generation + 1)
    }

    private mutating func delete() {
        store.barrier(.delete("b"))
        model = nil
    }

    private mutating func abandon() {
        let all = waiting.keys.sorted { $0.low < $1.low }
        guard !all.isEmpty else { return }
        let request = all[random.below(all.count)]
        guard let wait = waiting.removeValue(forKey: request) else { return }
        #expect(store.apply(.abandon(request)) == .coordinated(.abandoned(true)))
        if !wait.leaves {
            model?.arrived.removeAll { $0 == wait.member }
            model?.leases[wait.member] = nil
        }
    }

    func compare() {
        let barrier = store.keyspace.barrier("b")
        #expect((barrier == nil) == (model == nil))
        guard let barrier, let model else { return }
        #expect(barrier.generation == model.generation)
        #expect(barrier.arrived == model.arrived.count && barrier.arrived < model.parties)
        #expect((barrier.broken != nil) == model.isBroken)
        #expect(barrier.left == model.left.count)
        let arrived = store.keyspace.members(of: barrier, generation: barrier.generation)
        #expect(arrived.map(\.name) == model.arrived)
        let released = store.keyspace.members(of: barrier, generation: barrier.released)
        #expect(released.map(\.name) == model.released)
    }
}

@Suite struct BarrierModelTests {
    @Test(arguments: 1...5) func `a barrier agrees with sets of names`(seed: UInt64) throws {
        var trial = BarrierTrial(seed: seed)
        for step in 0..<2000 {
            trial.step()
            trial.compare()
            if step % 50 == 0 {
                let isSame = try trial.store.restore()
                #expect(isSame)
            }
        }
        #expect(trial.releases > 50 && trial.breaks > 1)
        trial.store.barrier(.delete("b"))
        for id in ["l0", "l1", "l2"] { trial.store.apply(.lease(.revoke(id: id))) }
        #expect(trial.store.keyspace.coordination.count == 0, "something is left over")
        #expect(trial.store.deadlines.isEmpty)
    }
}
