// The routes as data: one table drives the router, OPTIONS and 405, the parameter check, the metrics' route
// label, and the comparison with the OpenAPI document.

public import HTTP

/// Names one route of the table; the raw value is its place there.
public enum RouteID: UInt8, Sendable, CaseIterable {
    case getKey, putKey, deleteKey, incrementKey
    case listKeys, importKeys, deleteKeys, compact, transact
    case compareKeys, compaction, changeCompaction
    case watch, watchMany
    case listLeases, grantLease, getLease, revokeLease, renewLease, holdLease
    case getRequest, cancelRequest
    case listQueues, putQueue, enqueue, getQueue, deleteQueue, receiveMessages, acknowledgeMessage
    case returnMessage, extendMessage, peekQueue, purgeQueue
    case listBarriers, putBarrier, getBarrier, deleteBarrier, arriveAtBarrier, leaveBarrier, resetBarrier
    case listTasks, addTask, claimTasks, getTask, cancelTask, heartbeatTask, progressTask, completeTask
    case failTask, releaseTask, listWorkers, registerWorker, removeWorker
    case listParticipants, registerParticipant, getParticipant, removeParticipant, readParticipantState
    case writeParticipantState
    case listLocks, getLock, breakLock, acquireLock, renewLock, releaseLock, checkLock, watchLock
    case listElections, getElection, campaign, proclaim, renewLeadership, resign, watchElection
    case listSemaphores, getSemaphore, putSemaphore, deleteSemaphore, acquireSemaphore, renewSemaphore
    case releaseSemaphore
    case state, sendMessage, sendMessageTo, showMessage, broadcast, readInbox, acknowledgeInbox
    case publishEvent, listEvents, showEvent, specifications, specification, transitions
    case gossip, detector
    case clock, clockNow, clockSkew, tickClock, observeClock, compareClocks
    case listFaults, setLinkFault, partition, pauseNode, healFaults, healFault
    case cluster, members, member, leader, transferLeadership, raft, raftLog, raftTransitions
    case livez, livezCheck, readyz, readyzCheck, startupz, startupzCheck, health, metrics
    case root, help, helpTopic, problems, problem, openAPI, version, info
}

/// One line of the route table.
public struct RouteEntry: Sendable {
    /// Which route it is.
    public let id: RouteID
    /// The method; GET answers HEAD too.
    public let method: HTTP.Method
    /// The path with `{name}` for one segment and `{name...}` for the rest, as metrics and documents show it.
    public let pattern: String
    /// The query parameters that it takes; all others are refused.
    public let parameters: [Parameter]
    /// Whether the pattern has a capture. None has more than two.
    let hasCapture: Bool
}

extension RouteID {
    /// The route's line of the table.
    public var entry: RouteEntry { RouteEntry.all[Int(rawValue)] }
}

extension RouteEntry {
    private static func route(
        _ id: RouteID, _ method: HTTP.Method, _ pattern: String, _ parameters: [Parameter] = []
    ) -> RouteEntry {
        RouteEntry(
            id: id, method: method, pattern: pattern, parameters: parameters + Parameter.presentation,
            hasCapture: pattern.contains("{"))
    }

    /// The whole table, in the order of ``RouteID``.
    public static let all: [RouteEntry] =
        keyValue + watching + leases + queues + barriers + tasks + participants + claims + nodes + probes
        + meta

    private static let keyValue: [RouteEntry] = [
        route(
            .getKey, .get, "/kv/{key...}",
            Parameter.freshness + [.rev, .at, .meta, .wait, .after, .history, .limit, .cursor, .explain]),
        route(
            .putKey, .put, "/kv/{key...}",
            [.ifRevision, .ifAbsent, .prev, .ttl, .lease, .keepLease] + Parameter.fenced),
        route(.deleteKey, .delete, "/kv/{key...}", [.ifRevision, .prev, .mustExist] + Parameter.fenced),
        route(.incrementKey, .post, "/kv/{key...}", [.op, .by] + Parameter.fenced),
        route(
            .listKeys, .get, "/kv",
            Parameter.range + Parameter.freshness + [
                .rev, .at, .keys, .count, .delimiter, .limit, .cursor, .sort, .order, .since, .wait, .after,
                .explain,
            ]),
        route(.importKeys, .post, "/kv", [.mode] + Parameter.fenced),
        route(.deleteKeys, .delete, "/kv", Parameter.range + [.all] + Parameter.fenced),
        route(.compact, .post, "/compact", [.revision, .keep] + Parameter.routing),
        route(
            .transact, .post, "/txn",
            [.dryRun, .consistency, .maxLag, .or, .minRevision] + Parameter.fenced),
        route(
            .compareKeys, .get, "/diff",
            Parameter.range + Parameter.freshness + [.from, .to, .keys, .limit, .cursor, .explain]),
        route(.compaction, .get, "/compaction", Parameter.freshness),
        route(
            .changeCompaction, .patch, "/compaction",
            [.maxAge, .minRevisions, .maxRevisions, .maxBytes] + Parameter.routing),
    ]

    private static let leases: [RouteEntry] = [
        route(.listLeases, .get, "/leases", Parameter.freshness + [.limit, .cursor]),
        route(
            .grantLease, .post, "/leases",
            [.ttl, .id, .name, .meta, .onExpire, .lockDelay, .hold, .onDisconnect] + Parameter.routing),
        route(.getLease, .get, "/leases/{id}", Parameter.freshness + [.keys]),
        route(.revokeLease, .delete, "/leases/{id}", Parameter.routing),
        route(.renewLease, .post, "/leases/{id}/renew", [.ttl] + Parameter.routing),
        route(.holdLease, .get, "/leases/{id}/hold", [.onDisconnect] + Parameter.routing),
        route(.getRequest, .get, "/requests/{id}", Parameter.freshness),
        route(.cancelRequest, .post, "/requests/{id}/cancel", Parameter.routing),
    ]

    private static let queues: [RouteEntry] = [
        route(.listQueues, .get, "/queues", Parameter.freshness + [.limit, .cursor]),
        route(.putQueue, .put, "/queues/{queue}", Parameter.fenced),
        route(
            .enqueue, .post, "/queues/{queue}", [.priority, .delay, .dedupe, .ttl] + Parameter.fenced),
        route(.getQueue, .get, "/queues/{queue}", Parameter.freshness),
        route(.deleteQueue, .delete, "/queues/{queue}", Parameter.fenced),
        route(
            .receiveMessages, .post, "/queues/{queue}/receive",
            [.max, .visibility, .wait, .consumer] + Parameter.fenced),
        route(.acknowledgeMessage, .post, "/queues/{queue}/ack", [.receipt] + Parameter.fenced),
        route(.returnMessage, .post, "/queues/{queue}/nack", [.receipt, .delay] + Parameter.fenced),
        route(
            .extendMessage, .post, "/queues/{queue}/extend", [.receipt, .visibility] + Parameter.fenced),
        route(.peekQueue, .get, "/queues/{queue}/peek", Parameter.freshness + [.limit]),
        route(.purgeQueue, .delete, "/queues/{queue}/messages", Parameter.fenced),
    ]

    private static let barriers: [RouteEntry] = [
        route(.listBarriers, .get, "/barriers", Parameter.freshness + [.limit, .cursor]),
        route(
            .putBarrier, .put, "/barriers/{barrier}", [.parties, .ttl, .generations] + Parameter.routing),
        route(.getBarrier, .get, "/barriers/{barrier}", Parameter.freshness),
        route(.deleteBarrier, .delete, "/barriers/{barrier}", Parameter.routing),
        route(
            .arriveAtBarrier, .post, "/barriers/{barrier}/arrive",
            [.member, .wait, .lease, .generation, .parties] + Parameter.routing),
        route(.leaveBarrier, .post, "/barriers/{barrier}/leave", [.member, .wait] + Parameter.routing),
        route(.resetBarrier, .post, "/barriers/{barrier}/reset", Parameter.routing),
    ]

    private static let tasks: [RouteEntry] = [
        route(.listTasks, .get, "/tasks", Parameter.freshness + [.state, .kind, .limit, .cursor]),
        route(.addTask, .post, "/tasks", Parameter.fenced),
        route(.claimTasks, .post, "/tasks/claim", [.worker, .kinds, .max, .wait] + Parameter.fenced),
        route(.getTask, .get, "/tasks/{task}", Parameter.freshness + [.wait]),
        route(.cancelTask, .delete, "/tasks/{task}", Parameter.fenced),
        route(.heartbeatTask, .post, "/tasks/{task}/heartbeat", [.token] + Parameter.fenced),
        route(.progressTask, .post, "/tasks/{task}/progress", [.token] + Parameter.fenced),
        route(.completeTask, .post, "/tasks/{task}/complete", [.token] + Parameter.fenced),
        route(.failTask, .post, "/tasks/{task}/fail", [.token, .final] + Parameter.fenced),
        route(.releaseTask, .post, "/tasks/{task}/release", [.token] + Parameter.fenced),
        route(.listWorkers, .get, "/workers", Parameter.freshness + [.limit, .cursor]),
        route(
            .registerWorker, .put, "/workers/{worker}",
            [.ttl, .capacity, .labels, .hold, .onDisconnect]
                + Parameter.fenced),
        route(.removeWorker, .delete, "/workers/{worker}", Parameter.fenced),
    ]

    private static let participants: [RouteEntry] = [
        route(.listParticipants, .get, "/participants", Parameter.freshness + [.limit, .cursor]),
        route(
            .registerParticipant, .put, "/participants/{participant}",
            [.ttl, .move, .hold, .onDisconnect] + Parameter.routing),
        route(.getParticipant, .get, "/participants/{participant}", Parameter.freshness),
        route(.removeParticipant, .delete, "/participants/{participant}", Parameter.routing),
        route(.readParticipantState, .get, "/participants/{participant}/state"),
        route(.writeParticipantState, .put, "/participants/{participant}/state", [.timeout]),
    ]

    private static let watching: [RouteEntry] = [
        route(
            .watch, .get, "/watch",
            [.key] + Parameter.range + Parameter.watching + Parameter.freshness),
        route(.watchMany, .post, "/watch", Parameter.watching + Parameter.freshness),
    ]

    private static let claims: [RouteEntry] = [
        route(.listLocks, .get, "/locks", Parameter.freshness + [.prefix, .limit, .cursor]),
        route(.getLock, .get, "/locks/{name}", Parameter.freshness + [.limit]),
        route(.breakLock, .delete, "/locks/{name}", Parameter.routing),
        route(
            .acquireLock, .post, "/locks/{name}/acquire",
            [.owner, .ttl, .lease, .wait, .mode, .hold] + Parameter.routing),
        route(.renewLock, .post, "/locks/{name}/renew", [.token] + Parameter.routing),
        route(.releaseLock, .post, "/locks/{name}/release", [.token] + Parameter.routing),
        route(.checkLock, .get, "/locks/{name}/check", Parameter.freshness + [.token]),
        route(.watchLock, .get, "/locks/{name}/watch", Parameter.freshness + [.limit, .max, .wait]),
        route(.listElections, .get, "/elections", Parameter.freshness + [.prefix, .limit, .cursor]),
        route(.getElection, .get, "/elections/{name}", Parameter.freshness + [.limit]),
        route(
            .campaign, .post, "/elections/{name}/campaign",
            [.candidate, .value, .ttl, .lease, .wait, .priority, .hold] + Parameter.routing),
        route(.proclaim, .post, "/elections/{name}/proclaim", [.token, .value] + Parameter.routing),
        route(.renewLeadership, .post, "/elections/{name}/renew", [.token] + Parameter.routing),
        route(.resign, .post, "/elections/{name}/resign", [.token] + Parameter.routing),
        route(.watchElection, .get, "/elections/{name}/watch", Parameter.freshness + [.limit, .max, .wait]),
        route(.listSemaphores, .get, "/semaphores", Parameter.freshness + [.prefix, .limit, .cursor]),
        route(.getSemaphore, .get, "/semaphores/{name}", Parameter.freshness + [.limit]),
        route(.putSemaphore, .put, "/semaphores/{name}", [.permits] + Parameter.routing),
        route(.deleteSemaphore, .delete, "/semaphores/{name}", Parameter.routing),
        route(
            .acquireSemaphore, .post, "/semaphores/{name}/acquire",
            [.permits, .owner, .ttl, .lease, .wait, .hold] + Parameter.routing),
        route(.renewSemaphore, .post, "/semaphores/{name}/renew", [.token] + Parameter.routing),
        route(.releaseSemaphore, .post, "/semaphores/{name}/release", [.token] + Parameter.routing),
    ]

    private static let nodes: [RouteEntry] = [
        route(.state, .get, "/state", Parameter.freshness),
        route(.sendMessage, .post, "/messages", Parameter.sending),
        route(.sendMessageTo, .post, "/messages/{name}", Parameter.sending),
        route(.showMessage, .get, "/messages/{name}"),
        route(.broadcast, .post, "/broadcast", [.abstraction, .channel, .from] + Parameter.routing),
        route(.readInbox, .get, "/inbox/{participant}", [.wait, .max, .channel, .ack]),
        route(.acknowledgeInbox, .post, "/inbox/{participant}/ack", [.id, .upto]),
        route(.publishEvent, .post, "/events/{name}", [.ttl, .scope, .timeout]),
        route(.listEvents, .get, "/events", [.topic, .after, .max, .wait]),
        route(.showEvent, .get, "/events/{name}"),
        route(.specifications, .get, "/spec"),
        route(.specification, .get, "/spec/{algorithm}"),
        route(.transitions, .get, "/transitions", [.algorithm, .subject, .after, .max, .wait]),
        route(.gossip, .get, "/gossip"),
        route(.detector, .get, "/detector"),
        route(.clock, .get, "/clock"),
        route(.clockNow, .get, "/clock/now", [.uncertainty]),
        route(.clockSkew, .get, "/clock/skew"),
        route(.tickClock, .post, "/clock/tick", [.timeout]),
        route(.observeClock, .post, "/clock/observe", [.timeout]),
        route(.compareClocks, .post, "/clock/compare", [.timeout]),
        route(.listFaults, .get, "/faults"),
        route(.setLinkFault, .put, "/faults/links/{from}/{to}", [.ttl, .timeout]),
        route(.partition, .post, "/faults/partition", [.ttl, .timeout]),
        route(.pauseNode, .post, "/faults/nodes/{node}/pause", [.for, .timeout]),
        route(.healFaults, .delete, "/faults", [.timeout]),
        route(.healFault, .delete, "/faults/{id}", [.timeout]),
        route(.cluster, .get, "/cluster", Parameter.freshness),
        route(.members, .get, "/members", Parameter.freshness),
        route(.member, .get, "/members/{name}", Parameter.freshness),
        route(.leader, .get, "/leader", Parameter.freshness),
        route(.transferLeadership, .post, "/leader/transfer", [.to, .wait] + Parameter.routing),
        route(.raft, .get, "/raft", Parameter.freshness),
        route(.raftLog, .get, "/raft/log", [.from, .limit]),
        route(.raftTransitions, .get, "/raft/transitions", [.limit, .wait]),
    ]

    private static let probes: [RouteEntry] = [
        route(.livez, .get, "/livez", [.verbose, .exclude]),
        route(.livezCheck, .get, "/livez/{check}"),
        route(.readyz, .get, "/readyz", [.verbose, .exclude]),
        route(.readyzCheck, .get, "/readyz/{check}"),
        route(.startupz, .get, "/startupz", [.verbose, .exclude]),
        route(.startupzCheck, .get, "/startupz/{check}"),
        route(.health, .get, "/health", [.full]),
        route(.metrics, .get, "/metrics"),
    ]

    private static let meta: [RouteEntry] = [
        route(.root, .get, "/"),
        route(.help, .get, "/help"),
        route(.helpTopic, .get, "/help/{topic}"),
        route(.problems, .get, "/problems"),
        route(.problem, .get, "/problems/{code}"),
        route(.openAPI, .get, "/openapi.json"),
        route(.version, .get, "/version"),
        route(.info, .get, "/info"),
    ]
}
