// The catalogue of everything that can go wrong, in one table: it drives the answers, GET /problems and the
// OpenAPI document. A code, once published, keeps its meaning.

/// A stable name for one way in which a request can fail; clients switch on it.
public enum ProblemCode: UInt8, Sendable, CaseIterable {
    /// The request makes no sense, and no other code says why.
    case badRequest
    /// The body is not the JSON that was asked for.
    case badJSON
    /// A query parameter or JSON member that does not exist here.
    case unknownParameter
    /// A key of no bytes, of too many, or wrongly percent-encoded.
    case badKey
    /// A length of time that can't be read.
    case badDuration
    /// A revision that the store has not reached.
    case futureRevision
    /// A time of a logical clock that is further ahead of this machine's clock than is allowed.
    case clockAhead
    /// A state-changing request from a web page of another site.
    case originDenied
    /// The node was started without what is asked for.
    case featureDisabled
    /// There is no such key.
    case keyNotFound
    /// There is no such lease, or not any more.
    case leaseNotFound
    /// Nothing is known of a request with that idempotency key.
    case requestNotFound
    /// There is no such queue.
    case queueNotFound
    /// There is no such task.
    case taskNotFound
    /// There is no such worker.
    case workerNotFound
    /// There is no such participant.
    case participantNotFound
    /// There is no such barrier.
    case barrierNotFound
    /// Nobody holds a lock, nor waits for it.
    case lockNotFound
    /// There is no such semaphore.
    case semaphoreNotFound
    /// Nobody leads.
    case noLeaderElected
    /// There is no such member.
    case memberNotFound
    /// There is no such fault, or not any more.
    case faultNotFound
    /// There is no such event here, or not any more.
    case eventNotFound
    /// This node knows no such message.
    case messageNotFound
    /// No such path.
    case noSuchRoute
    /// The path exists, for other methods.
    case methodNotAllowed
    /// The request took too long to arrive.
    case requestTimeout
    /// Create-only, and the key is there.
    case alreadyExists
    /// Somebody else holds the lock, or is to get it first.
    case lockHeld
    /// Somebody else leads.
    case electionLost
    /// Too few permits of a semaphore are free.
    case noPermits
    /// It is not held with that token.
    case notHolder
    /// Leadership can't move to that member now.
    case transferRefused
    /// The receipt gives no right to a message any more.
    case receiptExpired
    /// What was asked for needs a queue without messages.
    case queueNotEmpty
    /// The task was finished before.
    case taskFinished
    /// Not all parties of a barrier will arrive.
    case barrierBroken
    /// The barrier is at another generation.
    case otherGeneration
    /// The party has not arrived at the barrier.
    case notArrived
    /// The request was cancelled before it came.
    case requestCancelled
    /// The revision asked for was compacted.
    case compacted
    /// A body of known length is needed.
    case lengthRequired
    /// The condition of the request does not hold.
    case preconditionFailed
    /// The guards of a transaction do not hold.
    case txnFailed
    /// A fencing token is not that of a holder any more.
    case fenceStale
    /// The body or value is over its limit.
    case contentTooLarge
    /// The request line is over its limit.
    case uriTooLong
    /// The body's type or encoding is not understood.
    case unsupportedMediaType
    /// `Expect` asks for something that is not known.
    case expectationFailed
    /// This node does not lead, and was told not to forward.
    case notLeader
    /// The request names a host that this node does not answer for.
    case misdirectedHost
    /// The idempotency key belongs to another request.
    case idempotencyKeyReused
    /// Well-formed but not acceptable: each field is named.
    case invalid
    /// Too many requests of this kind are under way.
    case rateLimited
    /// The recipient's queue is full.
    case queueFull
    /// The node has as many watches as it takes.
    case tooManyWatchers
    /// A stream's client reads too slowly for what it has to be given.
    case slowConsumer
    /// Too many wait for the same thing.
    case tooManyWaiters
    /// As many faults act as may.
    case tooManyFaults
    /// The header fields are over their limit.
    case fieldsTooLarge
    /// A defect of the server.
    case `internal`
    /// Described in the contract, not in this version.
    case notImplemented
    /// No leader is known.
    case noLeader
    /// A majority does not answer.
    case noQuorum
    /// The stale read is older than was allowed.
    case tooStale
    /// The node is stopping.
    case shuttingDown
    /// A bounded queue of the node is full.
    case overloaded
    /// The disk has too little room.
    case storageFull
    /// A forwarded request would have to be forwarded again.
    case forwardLoop
    /// Nobody knows whether the write happened.
    case outcomeUnknown
    /// The HTTP version is not spoken.
    case versionNotSupported
    /// There is no room for more of what is agreed upon besides keys.
    case quotaExceeded
}

/// Whether a failed write took effect.
public enum Applied: String, Sendable {
    /// It did not, and it never will.
    case no
    /// It may have, or may yet.
    case unknown
}

/// What a client may do after a failure.
public enum Retry: String, Sendable {
    /// Sending the same request again can't do harm.
    case safe
    /// Only under the condition that a repeat is recognised.
    case withIdempotencyKey = "with_idempotency_key"
    /// The same request will fail in the same way.
    case no
}

extension ProblemCode {
    /// What the catalogue says of one code.
    public struct Entry: Sendable {
        /// The code that the entry belongs to.
        public let code: ProblemCode
        /// The code as it appears in answers.
        public let name: String
        /// The HTTP status.
        public let status: Int
        /// A short name for people.
        public let title: String
        /// Whether the write took effect.
        public let applied: Applied
        /// What the client may do.
        public let retry: Retry
        /// What happened.
        public let cause: String
        /// What to do about it.
        public let remedy: String
        /// A request that gives this answer.
        public let example: String
    }

    /// What the catalogue says of this code.
    public var entry: Entry { Self.catalogue[Int(rawValue)] }

    /// The code as it appears in answers, as in `key_not_found`.
    public var name: String { entry.name }

    /// The HTTP status that goes with this code.
    public var status: Int { entry.status }

    /// The code with this name.
    public init?(name: some StringProtocol) {
        guard let entry = Self.catalogue.first(where: { $0.name == name }) else { return nil }
        self = entry.code
    }

    /// Every code with its explanation, in the order of the cases.
    public static let catalogue: [Entry] = ofTheRequest + ofTheState + ofTheServer
}
