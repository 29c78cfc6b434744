// From an HTTP request to a plan. The general way asks the router; the two requests that make up nearly all
// of a node's work, PUT and GET of one key, take a shorter one that leads to the same functions.

public import HTTP
public import Primitives

/// The native HTTP interface: requests to plans, outcomes to responses, without sockets or threads.
public struct NativeAPI: Sendable {
    /// What the node's owner decided.
    public struct Settings: Sendable {
        /// This node's name.
        public var nodeName: String
        /// The URL that clients and peers reach this node at.
        public var advertisedURL: String
        /// The cluster's name.
        public var clusterName: String
        /// The program's version.
        public var version: String
        /// Origins of web pages that may use the API, as in `https://ops.example`; `*` allows all.
        public var corsOrigins: [String] = []
        /// Host names (without port) that requests may name; empty: any. IP addresses, `localhost` and the
        /// advertised host are always allowed.
        public var allowedHosts: [String] = []
        /// The names of the nodes, which no participant may have.
        public var memberNames: [String] = []
        /// What the node runs, for `GET /spec`.
        public var algorithms: [AlgorithmSpecification] = []
        /// Sizes and times.
        public var limits = Limits()

        /// Makes settings with the defaults.
        public init(nodeName: String, advertisedURL: String, clusterName: String, version: String) {
            self.nodeName = nodeName
            self.advertisedURL = advertisedURL
            self.clusterName = clusterName
            self.version = version
        }
    }

    /// Sizes and times that the interface holds requests to. The defaults are those of the contract.
    public struct Limits: Sendable {
        /// The longest key, in bytes.
        public var keyBytes = 4096
        /// The longest value, in bytes.
        public var valueBytes = 3 << 19
        /// How many puts one command of an import has.
        public var batchCount = 128
        /// How many bytes of keys and values one command of an import has, unless a single put has more.
        public var batchBytes = 1 << 20
        /// How long a client waits for an answer unless it says otherwise.
        public var timeout = Instant.Span.seconds(5)
        /// The longest that a client may wait for an answer.
        public var maximumTimeout = Instant.Span.seconds(60)
        /// The longest that an answer may be held back until something changes.
        public var maximumWait = Instant.Span.seconds(600)
        /// The longest that a stream goes on that is to end after a time.
        public var maximumStream = Instant.Span.seconds(86_400)
        /// The longest that a lock stays closed after its holder's lease has expired.
        public var maximumLockDelay = Instant.Span.seconds(60)
        /// The longest that a request may wait for a lock, an office or permits.
        public var maximumClaimWait = Instant.Span.seconds(86_400)
        /// The entries of a page unless the client says otherwise.
        public var pageCount = 100
        /// The most entries of a page.
        public var maximumPageCount = 10_000
        /// The most keys that a list may be sorted over in another order than that of the keys.
        public var sortedCount = 100_000
        /// The longest body of a message between nodes, in bytes.
        public var messageBytes = 64 << 10
        /// The contract's limits.
        public init() {}
    }

    /// What the node's owner decided.
    public let settings: Settings
    let hosts: HostRules
    private let router: Router<RouteID>

    /// Prepares the interface.
    public init(settings: Settings) {
        self.settings = settings
        hosts = HostRules(settings)
        router = Router(RouteEntry.all.map { HTTP.Route($0.method, $0.pattern, $0.id) })
    }

    /// What to do about a request. The body is taken over, not looked at again.
    public func plan(for request: HTTP.Request) -> Plan { planAndRoute(for: request).plan }

    /// As ``plan(for:)``, with the route for the metrics; nil if the request leads nowhere.
    public func planAndRoute(for request: HTTP.Request) -> (plan: Plan, route: RouteID?) {
        var traits = RequestTraits()
        var route: RouteID?
        do {
            return (try plan(for: request, traits: &traits, route: &route), route)
        } catch {
            return (.answer(early(error, traits: traits)), route)
        }
    }

    private func plan(
        for request: HTTP.Request, traits: inout RequestTraits, route: inout RouteID?
    ) throws(Problem) -> Plan {
        traits.read(from: request)
        try hosts.check(request, traits: &traits)
        if let shortcut = keyRoute(of: request) {
            route = shortcut
            guard let key = Percent.decode(request.path[4...]) else {
                throw Problem(.badKey, "the path is wrongly percent-encoded")
            }
            return try plan(shortcut, capture: key, request: request, traits: &traits)
        }
        switch router.match(request.method, request.path) {
        case .found(let match, let captures):
            route = match.handler
            let hasCapture = match.handler.entry.hasCapture
            return try plan(
                match.handler, capture: hasCapture ? captures.first : [],
                second: hasCapture ? captures.second : nil, request: request, traits: &traits)
        case .options(let allow): return .answer(options(allow, request: request, traits: traits))
        case .methodNotAllowed(let allow):
            let path = readable(request.path)
            var problem = Problem(
                .methodNotAllowed, "\(path) takes \(allow), not \(request.method.name)")
            problem.allow = allow
            throw problem
        case .notFound:
            throw Problem(.noSuchRoute, "nothing is served at \(readable(request.path)); see / for what is")
        case .malformed: throw Problem(.badRequest, "the path is wrongly percent-encoded")
        }
    }

    /// The route of a request for one key, found without the router; nil for all others.
    private func keyRoute(of request: HTTP.Request) -> RouteID? {
        let path = request.path
        guard path.count >= 4, path[0] == UInt8(ascii: "/"), path[1] == UInt8(ascii: "k"),
            path[2] == UInt8(ascii: "v"), path[3] == UInt8(ascii: "/")
        else { return nil }
        switch request.method {
        case .get, .head: return .getKey
        case .put: return .putKey
        case .delete: return .deleteKey
        case .post: return .incrementKey
        case .patch, .options, .trace, .connect: return nil
        }
    }

    private func plan(
        _ route: RouteID, capture: [UInt8], second: [UInt8]? = nil, request: HTTP.Request,
        traits: inout RequestTraits
    ) throws(Problem) -> Plan {
        let parameters = try accept(request, on: route.entry, traits: &traits)
        let asked = Asked(
            request: request, capture: capture, second: second, parameters: parameters, traits: traits)
        switch route {
        case .getKey: return try planGet(asked)
        case .putKey: return try planPut(asked)
        case .deleteKey: return try planDelete(asked)
        case .incrementKey: return try planIncrement(asked)
        case .listKeys: return try planList(asked)
        case .importKeys: return try planImport(asked)
        case .deleteKeys: return try planDeleteRange(asked)
        case .compact: return try planCompact(asked)
        case .transact: return try planTransaction(asked)
        case .compareKeys: return try planDifference(asked)
        case .compaction: return try planCompaction(asked)
        case .changeCompaction: return try planChangeCompaction(asked)
        case .listLeases, .getLease: return try planLeases(asked)
        case .grantLease: return try planGrantLease(asked)
        case .renewLease: return try planRenewLease(asked)
        case .holdLease: return try planHoldLease(asked)
        case .revokeLease: return try planRevokeLease(asked)
        case .getRequest: return try planRequest(asked)
        case .cancelRequest: return try planCancelRequest(asked)
        case .watch: return try planWatch(asked)
        case .watchMany: return try planWatches(asked)
        case .listQueues, .getQueue, .peekQueue: return try planQueues(route, asked)
        case .putQueue: return try planConfigureQueue(asked)
        case .enqueue: return try planEnqueue(asked)
        case .receiveMessages: return try planReceive(asked)
        case .acknowledgeMessage, .returnMessage, .extendMessage: return try planReceipt(route, asked)
        case .purgeQueue: return try planPurgeQueue(asked)
        case .deleteQueue: return try planDeleteQueue(asked)
        case .listBarriers, .getBarrier: return try planBarriers(asked)
        case .putBarrier: return try planConfigureBarrier(asked)
        case .arriveAtBarrier: return try planArrive(asked)
        case .leaveBarrier: return try planLeave(asked)
        case .resetBarrier: return try planResetBarrier(asked)
        case .deleteBarrier: return try planDeleteBarrier(asked)
        case .listTasks, .getTask, .listWorkers: return try planTasks(route, asked)
        case .addTask: return try planAddTask(asked)
        case .claimTasks: return try planClaimTasks(asked)
        case .cancelTask: return try planCancelTask(asked)
        case .heartbeatTask, .progressTask, .completeTask, .failTask, .releaseTask:
            return try planTaskReport(route, asked)
        case .registerWorker: return try planRegisterWorker(asked)
        case .removeWorker: return try planRemoveWorker(asked)
        case .listParticipants, .getParticipant: return try planParticipants(asked)
        case .registerParticipant: return try planRegisterParticipant(asked)
        case .removeParticipant: return try planRemoveParticipant(asked)
        case .listLocks, .getLock, .breakLock, .acquireLock, .renewLock, .releaseLock, .checkLock,
            .watchLock, .listElections, .getElection, .campaign, .proclaim, .renewLeadership, .resign,
            .watchElection, .listSemaphores, .getSemaphore, .putSemaphore, .deleteSemaphore,
            .acquireSemaphore, .renewSemaphore, .releaseSemaphore:
            return try planClaim(route, asked)
        case .sendMessage: return try planMessage(asked)
        case .sendMessageTo: return try planMessageTo(asked)
        case .showMessage: return .messageRecord(try messageName(asked), asked.traits)
        case .broadcast: return try planBroadcast(asked)
        case .publishEvent, .listEvents, .showEvent: return try planEvents(route, asked)
        case .specifications, .specification: return .answer(try specification(route, asked))
        case .transitions: return try planTransitions(asked)
        case .transferLeadership: return try planTransfer(asked)
        case .root, .help, .helpTopic, .problems, .problem, .openAPI, .version, .info:
            return .answer(try meta(route, asked))
        case .compareClocks: return .answer(try compareClocks(asked))
        case .listFaults, .setLinkFault, .partition, .pauseNode, .healFaults, .healFault:
            return .fault(try planFault(route, asked))
        case .state, .gossip, .detector, .clock, .clockNow, .clockSkew, .tickClock, .observeClock, .readInbox,
            .acknowledgeInbox, .readParticipantState, .writeParticipantState, .cluster, .members, .member,
            .leader, .raft, .raftLog,
            .raftTransitions, .livez, .livezCheck, .readyz, .readyzCheck, .startupz, .startupzCheck, .health,
            .metrics:
            return .local(try planLocal(route, asked))
        }
    }
}

/// A request that was found acceptable, and what its route needs to know of it.
struct Asked {
    let request: HTTP.Request
    /// What the first capture of the route's pattern stands for; empty if it has none.
    let capture: [UInt8]
    /// What the second one stands for, if there is one.
    let second: [UInt8]?
    let parameters: Parameters
    let traits: RequestTraits

    /// The capture as a name; other text than UTF-8 without control characters is refused.
    func name(_ what: String) throws(Problem) -> String { try name(what, capture) }

    /// The second capture as a name.
    func secondName(_ what: String) throws(Problem) -> String { try name(what, second ?? []) }

    private func name(_ what: String, _ bytes: [UInt8]) throws(Problem) -> String {
        guard let name = String(validating: bytes, as: UTF8.self),
            name.utf8.allSatisfy({ $0 >= 32 && $0 != 127 })
        else { throw Problem(.badRequest, "the \(what) has to be UTF-8 without control characters") }
        return name
    }

    /// Path and query as they were sent.
    var target: [UInt8] {
        request.query.isEmpty ? request.path : request.path + [UInt8(ascii: "?")] + request.query
    }
}
