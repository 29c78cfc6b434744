import Primitives
import Testing

@testable import Store

@Suite struct AnnouncementTests {
    private static func said(_ text: String) -> Announcement {
        Announcement(sender: "n1", channel: "news", body: Array(text.utf8))
    }

    @Test func `what is said to all is told once, in the order of the log, and changes nothing`() {
        var store = TimedStore()
        store.apply(.put(key: [1], value: [2], guard: nil, returnPrevious: false))
        let revision = store.keyspace.revision
        let first = store.apply(.announce(Self.said("a")))
        let second = store.apply(.announce(Self.said("b")))
        #expect(first == .coordinated(.announced(LogIndex(2))))
        #expect(second == .coordinated(.announced(LogIndex(3))))
        #expect(store.announced.map(\.said) == [Self.said("a"), Self.said("b")])
        #expect(store.announced.map(\.request.low) == [2, 3])
        #expect(store.keyspace.revision == revision)
    }

    @Test func `a repeat under its key says nothing`() {
        var store = TimedStore()
        func say(_ request: UInt64) -> Outcome {
            let id = RequestID(high: 1, low: request)
            let command = Command(
                requestID: id, time: WallTime(milliseconds: 1),
                operation: .coordinate(.announce(Self.said("a"))),
                once: OnceKey(key: "k", fingerprint: 7))
            return store.keyspace.apply(command, index: store.keyspace.appliedIndex.next, term: Term(1))
        }
        let outcome = say(1)
        #expect(outcome == .coordinated(.announced(LogIndex(1))))
        let repeated = say(2)
        #expect(repeated == .replayed(outcome, original: RequestID(high: 1, low: 1)))
        let told = store.keyspace.takeNews().count { if case .announced = $0 { true } else { false } }
        #expect(told == 1)
    }

    @Test func `what is too long is no command`() {
        for said in [
            Announcement(sender: String(repeating: "s", count: 257), channel: "c", body: []),
            Announcement(sender: "s", channel: String(repeating: "c", count: 257), body: []),
        ] {
            let payload = CommandTests.command(.coordinate(.announce(said))).encode()
            #expect(throws: CommandError.malformed) { try Command(decoding: payload) }
        }
    }
}
