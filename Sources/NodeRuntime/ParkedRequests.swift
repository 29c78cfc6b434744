// Requests whose commands were applied and wait in the replicated state: for a lock, at a barrier. The state
// knows their place; the node only knows which connection wants to hear of it.
import API
import HTTPServer
import Primitives
import Store

/// The connections that wait for something in the replicated state, by their requests.
struct ParkedRequests {
    private var byRequest: [RequestID: (connection: ConnectionID, plan: WritePlan)] = [:]
    private var byConnection: [ConnectionID: RequestID] = [:]

    var isEmpty: Bool { byRequest.isEmpty }
    var count: Int { byRequest.count }
    /// The requests, in a fixed order.
    var requests: [RequestID] {
        byRequest.keys.sorted { ($0.high, $0.low) < ($1.high, $1.low) }
    }

    mutating func insert(_ request: RequestID, _ connection: ConnectionID, _ plan: WritePlan) {
        byRequest[request] = (connection, plan)
        byConnection[connection] = request
    }

    mutating func remove(_ request: RequestID) -> (connection: ConnectionID, plan: WritePlan)? {
        guard let parked = byRequest.removeValue(forKey: request) else { return nil }
        byConnection[parked.connection] = nil
        return parked
    }

    /// Takes out the request of a connection that is gone.
    mutating func remove(_ connection: ConnectionID) -> RequestID? {
        guard let request = byConnection.removeValue(forKey: connection) else { return nil }
        byRequest[request] = nil
        return request
    }
}
