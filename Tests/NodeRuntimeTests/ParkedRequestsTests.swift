import API
import HTTP
import HTTPServer
import Primitives
import Testing

@testable import NodeRuntime

@Suite struct ParkedRequestsTests {
    private let api = NativeAPI(
        settings: NativeAPI.Settings(
            nodeName: "n1", advertisedURL: "http://n1:1", clusterName: "test", version: "0.1.0"))

    private func client(_ slot: UInt32, isRepeat: Bool = false) throws -> ParkedRequests.Client {
        let plan = api.plan(
            for: HTTP.Request(
                method: .post, target: "/locks/a/acquire?wait=5s", fields: [(name: "Host", value: "n1:1")]))
        guard case .write(let write) = plan else { throw Reports.Missing() }
        return .init(connection: connection(slot), plan: write, isRepeat: isRepeat)
    }

    private func request(_ number: UInt64) -> RequestID { RequestID(high: 1, low: number) }

    @Test func `everybody who waits for a request hears of its end, in the order of coming`() throws {
        var parked = ParkedRequests()
        parked.insert(request(2), try client(1))
        parked.insert(request(1), try client(2))
        parked.insert(request(2), try client(3, isRepeat: true))
        #expect(parked.count == 3 && parked.requests == [request(1), request(2)])
        let told = parked.remove(request(2))
        #expect(told.map(\.connection) == [connection(1), connection(3)])
        #expect(told.map(\.isRepeat) == [false, true])
        #expect(parked.remove(request(2)).isEmpty == true)
        #expect(parked.count == 1 && !parked.isEmpty)
    }

    @Test func `who is gone waits no more, and the others still do`() throws {
        var parked = ParkedRequests()
        parked.insert(request(2), try client(1))
        parked.insert(request(2), try client(3, isRepeat: true))
        let gone = parked.remove(connection(1))
        #expect(gone?.request == request(2))
        #expect(parked.remove(connection(1)) == nil)
        #expect(parked.requests == [request(2)])
        #expect(parked.remove(connection(3))?.request == request(2))
        #expect(parked.isEmpty && parked.requests.isEmpty)
    }
}
