import Primitives
import Testing

@testable import Store

extension TimedStore {
    @discardableResult fileprivate mutating func participant(_ command: ParticipantCommand) -> Outcome {
        apply(.participant(command))
    }

    fileprivate mutating func enter(
        _ name: String, at home: String = "n1", moves: Bool = false, for timeToLive: Int64 = 1_000
    ) -> (participant: Participant, lease: Lease, isNew: Bool)? {
        let outcome = participant(
            .register(name: name, home: home, moves: moves, timeToLive: timeToLive))
        guard case .coordinated(.participant(.registered(let participant, let lease, let isNew))) = outcome
        else { return nil }
        return (participant, lease, isNew)
    }
}

@Suite struct ParticipantTests {
    @Test func `a participant is known at its home until its lease ends`() throws {
        var store = TimedStore()
        let first = store.enter("a")
        let registered = try #require(first)
        #expect(registered.isNew && registered.participant.home == "n1")
        #expect(registered.lease.terms.timeToLive == 1_000)
        #expect(store.keyspace.lease(registered.participant.lease) == registered.lease)
        store.pass(900)
        let again = store.enter("a", at: "n2", for: 2_000)
        #expect(again?.isNew == false && again?.participant == registered.participant, "it stays at home")
        store.pass(1_900)
        #expect(store.keyspace.participant("a") != nil)
        store.changed = []
        store.pass(200)
        #expect(store.keyspace.participant("a") == nil)
        #expect(store.changed.compactMap(\.participant) == ["a"])
        #expect(store.keyspace.lease(registered.participant.lease) == nil)
    }

    @Test func `it moves when it is to, and goes with its lease`() {
        var store = TimedStore()
        let first = store.enter("a")
        store.changed = []
        let moved = store.enter("a", at: "n2", moves: true)
        #expect(moved?.participant.home == "n2" && moved?.isNew == false)
        #expect(moved?.participant.lease == first?.participant.lease)
        #expect(store.changed.compactMap(\.participant) == ["a"])
        store.changed = []
        #expect(store.participant(.remove(name: "a")) == .coordinated(.participant(.removed("a"))))
        #expect(store.keyspace.leases(limit: 9).isEmpty)
        #expect(store.changed.compactMap(\.participant) == ["a"])
        #expect(
            store.participant(.remove(name: "a"))
                == .refused(.coordination(.participant(.notFound("a")))))
        #expect(store.enter("a")?.isNew == true)
    }

    @Test func `participants are listed by name`() {
        var store = TimedStore()
        for name in ["c", "a", "b"] { _ = store.enter(name) }
        #expect(store.keyspace.participants(limit: 2).map(\.name) == ["a", "b"])
        #expect(store.keyspace.participants(after: "b", limit: 2).map(\.name) == ["c"])
        #expect(RowKey(.participant, "a").participant == "a" && RowKey(.worker, "a").participant == nil)
    }

    @Test func `what is not well formed is refused`() throws {
        for command in [
            ParticipantCommand.register(name: "", home: "n1", moves: false, timeToLive: 1),
            .register(name: "a", home: "", moves: false, timeToLive: 1),
            .register(name: "a", home: "n1", moves: true, timeToLive: 0), .remove(name: "a\u{0}"),
        ] {
            var writer = ByteWriter()
            command.encode(into: &writer)
            let bytes = writer.take()
            #expect(throws: ByteReaderError.self) {
                var reader = ByteReader(bytes)
                _ = try ParticipantCommand(reading: &reader)
            }
        }
    }
}
