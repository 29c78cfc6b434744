import API
import HTTP
import HTTPServer
import Primitives
import Store
import Testing

@testable import NodeRuntime

@Suite struct RepeatedRequestsTests {
    private let api = NativeAPI(
        settings: NativeAPI.Settings(
            nodeName: "n1", advertisedURL: "http://n1:1", clusterName: "test", version: "0.1.0"))
    private let jobs = RowKey(.queue, "jobs")

    private func receive(_ queue: String = "jobs") throws -> WritePlan {
        let plan = api.plan(
            for: HTTP.Request(
                method: .post, target: "/queues/\(queue)/receive?wait=5s",
                fields: [(name: "Host", value: "n1:1")]
            ))
        guard case .write(let write) = plan else { throw Reports.Missing() }
        return write
    }

    @Test func `who has waited longest for a row is tried first`() throws {
        var repeats = RepeatedRequests()
        let mails = RowKey(.queue, "mails")
        for slot: UInt32 in 1...4 {
            repeats.insert(
                connection(slot), try receive(), at: slot == 2 ? mails : jobs, until: .milliseconds(50))
        }
        #expect(repeats.rows.count == 2)
        _ = repeats.remove(connection(1))
        #expect(repeats.takeOldest(at: jobs)?.connection == connection(3))
        #expect(repeats.takeOldest(at: jobs)?.connection == connection(4))
        #expect(repeats.takeOldest(at: jobs) == nil)
        #expect(repeats.takeOldest(at: mails)?.connection == connection(2))
        #expect(repeats.isEmpty && repeats.rows.isEmpty)
    }

    @Test func `who is tried again waits for no longer than at first`() throws {
        var repeats = RepeatedRequests()
        let plan = try receive()
        let wish = try #require(plan.repeats)
        repeats.insert(connection(1), plan, at: jobs, until: .milliseconds(50))
        _ = repeats.takeOldest(at: jobs)
        #expect(repeats.waitEnd(of: connection(1), wish, since: .milliseconds(40)) == .milliseconds(50))
        #expect(repeats.waitEnd(of: connection(1), wish, since: .milliseconds(40)) == .milliseconds(5_040))
    }

    @Test func `a try that was refused leaves nothing to the connection's next request`() throws {
        var repeats = RepeatedRequests()
        let plan = try receive()
        let wish = try #require(plan.repeats)
        repeats.insert(connection(1), plan, at: jobs, until: .milliseconds(50))
        _ = repeats.takeOldest(at: jobs)
        #expect(repeats.finish(connection(1)) == true)
        #expect(repeats.finish(connection(1)) == false)
        #expect(repeats.waitEnd(of: connection(1), wish, since: .milliseconds(40)) == .milliseconds(5_040))
    }

    @Test func `a turn that was put off comes at its time, if anybody waits`() throws {
        var repeats = RepeatedRequests()
        repeats.postpone(jobs, to: .milliseconds(10))
        #expect(repeats.deadline == .never)
        repeats.insert(connection(1), try receive(), at: jobs, until: .milliseconds(50))
        repeats.postpone(jobs, to: .milliseconds(10))
        #expect(repeats.deadline == .milliseconds(10))
        #expect(repeats.takePostponed(at: .milliseconds(9)).isEmpty)
        #expect(repeats.takePostponed(at: .milliseconds(10)) == [jobs])
        #expect(repeats.takePostponed(at: .milliseconds(10)).isEmpty)
        #expect(repeats.deadline == .milliseconds(50))
        #expect(repeats.takeExpired(at: .milliseconds(49)).isEmpty)
        #expect(repeats.takeExpired(at: .milliseconds(50)).map(\.0) == [connection(1)])
        #expect(repeats.deadline == .never)
    }

    @Test func `who was tried many times is answered once, at its time and in the order of coming`() throws {
        var repeats = RepeatedRequests()
        let plan = try receive()
        let ends: [Instant] = [.milliseconds(60), .milliseconds(50), .milliseconds(60), .milliseconds(70)]
        for (slot, end) in ends.enumerated() {
            repeats.insert(connection(UInt32(slot + 1)), plan, at: jobs, until: end)
        }
        for _ in 0..<1_000 {
            let taken = repeats.takeOldest(at: jobs)
            let (oldest, plan) = try #require(taken)
            let wish = try #require(plan.repeats)
            let end = repeats.waitEnd(of: oldest, wish, since: .zero)
            repeats.insert(oldest, plan, at: jobs, until: end)
        }
        #expect(repeats.takeExpired(at: .milliseconds(49)).isEmpty)
        #expect(repeats.takeExpired(at: .milliseconds(55)).map(\.0) == [connection(2)])
        #expect(repeats.deadline == .milliseconds(60))
        #expect(repeats.takeExpired(at: .milliseconds(60)).map(\.0) == [connection(1), connection(3)])
        #expect(repeats.takeExpired(at: .zero, all: true).map(\.0) == [connection(4)])
        #expect(repeats.isEmpty && repeats.deadline == .never)
    }
}
