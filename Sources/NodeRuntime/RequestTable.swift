// Requests that the node has taken and not answered yet.
import API
import HTTPServer
import Primitives
import Store

/// A request that waits for the replica.
enum PendingRequest {
    /// A write of one command.
    case write(ConnectionID, WritePlan)
    /// An import; its commands are committed one after the other.
    case importing(Importing)
    /// A read that waits until it may be answered.
    case read(ConnectionID, ReadPlan, since: Instant)
    /// A question about the node that must be current.
    case local(ConnectionID, LocalPlan)
    /// A message to somebody whom this node does not know yet.
    case message(ConnectionID, MessagePlan)
    /// Entries of the log are being read from disk.
    case log(ConnectionID, LocalPlan)
    /// What is held for a connection is being renewed.
    case renewal(ConnectionID, since: Instant)
    /// Logged messages are being taken out of an inbox.
    case taking(Taking)
    /// A command that nobody waits for.
    case unattended

    struct Taking {
        var inbox: String
        var numbers: [UInt64]
        /// Who acknowledged them; nil if they were shown to somebody who takes what is shown.
        var client: (connection: ConnectionID, plan: LocalPlan)?
    }

    struct Importing {
        var connection: ConnectionID
        var plan: ImportPlan
        var outcomes: [BatchOutcome] = []
        var deadline: Instant
        var requestID: RequestID
    }
}

/// The requests that wait for the replica, by the token that it knows them by.
struct RequestTable {
    private var byToken: [UInt64: PendingRequest] = [:]
    private var lastToken: UInt64 = 0

    var isEmpty: Bool { byToken.isEmpty }
    var count: Int { byToken.count }

    mutating func insert(_ request: PendingRequest) -> UInt64 {
        lastToken += 1
        byToken[lastToken] = request
        return lastToken
    }

    mutating func remove(_ token: UInt64) -> PendingRequest? { byToken.removeValue(forKey: token) }
}

/// Makes request ids: the time, then bits of this process and a counter.
struct RequestIDs {
    private let process: UInt64
    private var counter: UInt64

    init(seed: UInt64) {
        process = seed
        counter = seed &* 0x9e37_79b9_7f4a_7c15
    }

    mutating func next(at wall: WallTime) -> RequestID {
        counter &+= 1
        return RequestID(high: UInt64(bitPattern: wall.milliseconds) << 16 | process & 0xffff, low: counter)
    }
}
