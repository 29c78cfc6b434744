// Requests whose commands were applied and wait in the replicated state: for a lock, at a barrier. The state
// knows their place; the node only knows which connection wants to hear of it.
import API
import HTTPServer
import Primitives
import Store

/// The connections that wait for something in the replicated state, by their requests.
struct ParkedRequests {
    struct Client {
        var connection: ConnectionID
        var plan: WritePlan
        /// Whether it repeats a request that was sent before, with its idempotency key.
        var isRepeat = false
    }

    private var byRequest: [RequestID: [Client]] = [:]
    private var byConnection: [ConnectionID: RequestID] = [:]

    var isEmpty: Bool { byRequest.isEmpty }
    var count: Int { byConnection.count }
    /// The requests, in a fixed order.
    var requests: [RequestID] {
        byRequest.keys.sorted { ($0.high, $0.low) < ($1.high, $1.low) }
    }

    mutating func insert(_ request: RequestID, _ client: Client) {
        byRequest[request, default: []].append(client)
        byConnection[client.connection] = request
    }

    /// Takes out everybody who waits for the end of a request, in the order in which they came.
    mutating func remove(_ request: RequestID) -> [Client] {
        let clients = byRequest.removeValue(forKey: request) ?? []
        for client in clients { byConnection[client.connection] = nil }
        return clients
    }

    /// Takes out a connection that is gone, with the request whose end it waited for.
    mutating func remove(_ connection: ConnectionID) -> (request: RequestID, plan: WritePlan)? {
        guard let request = byConnection.removeValue(forKey: connection),
            let place = byRequest[request]?.firstIndex(where: { $0.connection == connection }),
            let client = byRequest[request]?.remove(at: place)
        else { return nil }
        if byRequest[request]?.isEmpty == true { byRequest[request] = nil }
        return (request, client.plan)
    }
}
