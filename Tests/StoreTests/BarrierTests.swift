import Primitives
import Testing

@testable import Store

@Suite struct BarrierTests {
    private func refusal(_ outcome: Outcome) -> BarrierRefusal? {
        guard case .refused(.coordination(.barrier(let refusal))) = outcome else { return nil }
        return refusal
    }

    private func broken(_ generation: UInt64, _ cause: BarrierBreak.Cause) -> BarrierBreak {
        BarrierBreak(barrier: "b", generation: generation, cause: cause)
    }

    /// A store with a barrier `b`.
    private func store(_ parties: Int, timeToLive: Int64 = 0, isOnce: Bool = false) -> TimedStore {
        var store = TimedStore()
        let terms = BarrierTerms(parties: parties, timeToLive: timeToLive, isOnce: isOnce)
        store.barrier(.configure("b", terms))
        return store
    }

    @Test func `all are released when the last one arrives, in the order of arrival`() {
        var store = store(3)
        let (first, second) = (store.nextRequest(), store.nextRequest())
        let wait = Arrival(member: "w1", wait: 1000)
        #expect(
            store.barrier(.arrive("b", wait), id: first)
                == .barrier(.waiting(generation: 1, arrived: 1, parties: 3)))
        store.barrier(.arrive("b", Arrival(member: "w2", wait: 1000)), id: second)
        #expect(store.settled.isEmpty && store.deadlines.count == 2)
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w3", wait: 1000)))
                == .barrier(.released(generation: 1, index: 3, parties: 3)))
        #expect(
            store.settled == [
                first: .barrier(.released(generation: 1, index: 1, parties: 3)),
                second: .barrier(.released(generation: 1, index: 2, parties: 3)),
            ])
        #expect(store.deadlines.isEmpty && store.keyspace.barrier("b")?.generation == 2)
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w1")))
                == .barrier(.arrived(generation: 2, arrived: 1, parties: 3)))
    }

    @Test func `an arrival stays when its wait is over, is counted once, and hears of the release later`() {
        var store = store(2)
        let request = store.nextRequest()
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 500)), id: request)
        store.pass(499)
        #expect(store.settled.isEmpty)
        store.pass(1)
        #expect(store.settled[request] == .barrier(.arrived(generation: 1, arrived: 1, parties: 2)))
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w1")))
                == .barrier(.arrived(generation: 1, arrived: 1, parties: 2)))
        store.barrier(.arrive("b", Arrival(member: "w2")))
        let released = Outcome.barrier(.released(generation: 1, index: 1, parties: 2))
        #expect(store.barrier(.arrive("b", Arrival(member: "w1", wait: 9))) == released)
        #expect(store.barrier(.arrive("b", Arrival(member: "w1", generation: 1))) == released)
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w1")))
                == .barrier(.arrived(generation: 2, arrived: 1, parties: 2)))
        for generation: UInt64 in [0, 3] {
            let arrival = Arrival(member: "w1", generation: generation)
            #expect(refusal(store.barrier(.arrive("b", arrival))) == .otherGeneration("b", current: 2))
        }
    }

    @Test func `who comes again instead of waiting takes its own place`() {
        var store = store(2)
        let (first, second) = (store.nextRequest(), store.nextRequest())
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 500)), id: first)
        store.pass(300)
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 500)), id: second)
        #expect(store.settled[first] == .barrier(.arrived(generation: 1, arrived: 1, parties: 2)))
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 500)), id: second)
        store.pass(499)
        #expect(store.settled[second] == nil)
        store.barrier(.arrive("b", Arrival(member: "w2")))
        #expect(store.settled[second] == .barrier(.released(generation: 1, index: 1, parties: 2)))
    }

    @Test func `the end of a lease breaks it for all who wait, until it is reset`() {
        var store = store(3)
        store.apply(.lease(.grant(LeaseTerms(id: "l", timeToLive: 1000))))
        let request = store.nextRequest()
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 5000)), id: request)
        store.barrier(.arrive("b", Arrival(member: "w2", lease: "l")))
        store.pass(1000)
        let cause = BarrierBreak.Cause.leaseEnded(member: "w2")
        #expect(store.settled[request] == .barrier(.broken(broken(1, cause))))
        #expect(store.keyspace.barrier("b")?.broken == cause && store.keyspace.barrier("b")?.arrived == 0)
        for command in [
            BarrierCommand.arrive("b", Arrival(member: "w1")), .leave("b", member: "w1", wait: 0),
        ] {
            #expect(refusal(store.barrier(command)) == .broken(broken(1, cause)))
        }
        store.barrier(.reset("b"))
        #expect(store.keyspace.barrier("b")?.generation == 2 && store.keyspace.barrier("b")?.broken == nil)
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w1")))
                == .barrier(.arrived(generation: 2, arrived: 1, parties: 3)))
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w2", lease: "l")))
                == .refused(.coordination(.leaseNotFound("l"))))
    }

    @Test func `the end of a lease after the release breaks nothing and counts as leaving`() {
        var store = store(2)
        store.apply(.lease(.grant(LeaseTerms(id: "l", timeToLive: 1000))))
        store.barrier(.arrive("b", Arrival(member: "w1", lease: "l")))
        store.barrier(.arrive("b", Arrival(member: "w2")))
        let request = store.nextRequest()
        #expect(
            store.barrier(.leave("b", member: "w2", wait: 5000), id: request)
                == .barrier(.leaving(generation: 1, left: 1, parties: 2)))
        store.pass(1000)
        #expect(store.settled[request] == .barrier(.left(generation: 1, left: 2, parties: 2)))
        #expect(store.keyspace.barrier("b")?.broken == nil && store.deadlines.isEmpty)
    }

    @Test func `resetting, deleting and the end of its time tell those who wait`() {
        for (command, cause) in [
            (BarrierCommand.reset("b"), BarrierBreak.Cause.reset), (.delete("b"), .deleted),
        ] {
            var store = store(2)
            let request = store.nextRequest()
            store.barrier(.arrive("b", Arrival(member: "w1", wait: 500)), id: request)
            store.barrier(command)
            #expect(store.settled[request] == .barrier(.broken(broken(1, cause))))
            #expect(store.deadlines.isEmpty)
        }
        var store = store(2, timeToLive: 1000)
        let request = store.nextRequest()
        store.pass(999)
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 5000)), id: request)
        store.pass(999)
        #expect(store.settled.isEmpty)
        store.pass(1)
        #expect(store.settled[request] == .barrier(.broken(broken(1, .deleted))))
        #expect(store.keyspace.barrier("b") == nil && store.keyspace.coordination.count == 0)
        #expect(store.deadlines.isEmpty)
    }

    @Test func `a double barrier holds those who leave until all have left`() {
        var store = store(2)
        for member in ["w1", "w2"] { store.barrier(.arrive("b", Arrival(member: member))) }
        let (first, second) = (store.nextRequest(), store.nextRequest())
        store.barrier(.leave("b", member: "w1", wait: 100), id: first)
        store.pass(100)
        #expect(store.settled[first] == .barrier(.left(generation: 1, left: 1, parties: 2)))
        store.barrier(.leave("b", member: "w1", wait: 100), id: second)
        #expect(
            store.barrier(.leave("b", member: "w2", wait: 100))
                == .barrier(.left(generation: 1, left: 2, parties: 2)))
        #expect(store.settled[second] == .barrier(.left(generation: 1, left: 2, parties: 2)))
        #expect(
            refusal(store.barrier(.leave("b", member: "w3", wait: 0))) == .notArrived("b", member: "w3"))
        #expect(store.deadlines.isEmpty)
    }

    @Test func `who arrives again has left, and the next release ends the waits of the one before`() {
        var store = store(2)
        for member in ["w1", "w2"] { store.barrier(.arrive("b", Arrival(member: member))) }
        let request = store.nextRequest()
        store.barrier(.leave("b", member: "w1", wait: 1000), id: request)
        store.barrier(.arrive("b", Arrival(member: "w2", generation: 2)))
        #expect(store.settled[request] == .barrier(.left(generation: 1, left: 2, parties: 2)))
        store.barrier(.arrive("b", Arrival(member: "w3")))
        let late = store.nextRequest()
        store.barrier(.leave("b", member: "w2", wait: 1000), id: late)
        for member in ["w4", "w5"] { store.barrier(.arrive("b", Arrival(member: member))) }
        #expect(store.settled[late] == .barrier(.broken(broken(2, .overtaken))))
        #expect(store.keyspace.members(of: store.keyspace.barrier("b")!, generation: 2).isEmpty)
    }

    @Test func `leaving before the release takes the arrival back, and so does a client that is gone`() {
        var store = store(2)
        let request = store.nextRequest()
        store.barrier(.arrive("b", Arrival(member: "w1", wait: 1000)), id: request)
        #expect(
            store.barrier(.leave("b", member: "w1", wait: 0))
                == .barrier(.withdrawn(generation: 1, arrived: 0, parties: 2)))
        #expect(store.settled[request] == .barrier(.withdrawn(generation: 1, arrived: 0, parties: 2)))
        let next = store.nextRequest()
        store.barrier(.arrive("b", Arrival(member: "w2", wait: 1000)), id: next)
        #expect(store.apply(.abandon(next)) == .coordinated(.abandoned(true)))
        #expect(store.apply(.abandon(next)) == .coordinated(.abandoned(false)))
        #expect(store.keyspace.barrier("b")?.arrived == 0 && store.deadlines.isEmpty)
        #expect(store.keyspace.coordination.count == 1)
    }

    @Test func `one that opens once stays open`() {
        var store = store(2, isOnce: true)
        store.barrier(.arrive("b", Arrival(member: "w1")))
        store.barrier(.arrive("b", Arrival(member: "w2")))
        #expect(store.keyspace.barrier("b")?.isOpen == true)
        for (member, index) in [("w1", 1), ("w2", 2), ("w1", 1), ("w3", nil)] {
            #expect(
                store.barrier(.arrive("b", Arrival(member: member, wait: 100, generation: nil)))
                    == .barrier(.released(generation: 1, index: index, parties: 2)))
        }
        #expect(store.deadlines.isEmpty)
        store.barrier(.reset("b"))
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w1", generation: 2)))
                == .barrier(.arrived(generation: 2, arrived: 1, parties: 2)))
    }

    @Test func `parties make the barrier in passing, and are not changed under those who have arrived`() {
        var store = TimedStore()
        #expect(refusal(store.barrier(.arrive("b", Arrival(member: "w1")))) == .notFound("b"))
        for command in [BarrierCommand.leave("b", member: "w", wait: 0), .reset("b"), .delete("b")] {
            #expect(refusal(store.barrier(command)) == .notFound("b"))
        }
        #expect(
            store.barrier(.arrive("b", Arrival(member: "w1", parties: 1)))
                == .barrier(.released(generation: 1, index: 1, parties: 1)))
        store.barrier(.configure("b", BarrierTerms(parties: 3)))
        store.barrier(.arrive("b", Arrival(member: "w1", parties: 3)))
        #expect(
            refusal(store.barrier(.arrive("b", Arrival(member: "w2", parties: 2))))
                == .otherParties("b", parties: 3))
        #expect(
            refusal(store.barrier(.configure("b", BarrierTerms(parties: 2))))
                == .otherParties("b", parties: 3))
        store.barrier(.configure("b", BarrierTerms(parties: 3, timeToLive: 10)))
        #expect(store.deadlines.count == 1)
    }
}
