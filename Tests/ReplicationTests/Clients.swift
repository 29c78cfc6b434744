// What clients ask of a cluster, and what must hold of the answers: reliability comes down to this file.
import Consensus
import Primitives
import Replication
import Store
import Testing

/// One request of a client, and what became of it.
struct ClientRequest {
    enum Kind: Equatable {
        /// Writes a key of its own.
        case put
        /// Adds one to a number that all share.
        case increment
        /// Adds one to a number of its own.
        case incrementOwn
        /// Deletes the key of an earlier put that was answered.
        case delete(of: UInt64)
        case read
    }
    enum End: Equatable {
        case answered(Revision)
        case refused
        case unknown
    }

    var kind: Kind
    var node: NodeID
    var deadline: Instant
    /// The greatest revision that any client had seen when it was made.
    var seen: Revision
    /// The shared number, as far as any client had seen it.
    var seenCount: Int64
    /// Snapshots that the node had installed.
    var installs: Int
    var end: End?
}

final class Clients {
    let cluster: Cluster
    private var generator: SeededGenerator
    private(set) var requests: [UInt64: ClientRequest] = [:]
    private var lastToken: UInt64 = 0
    /// The greatest revision that any client has seen, and since when.
    private var seen = Revision(1)
    private var seenAt: [(time: Instant, revision: Revision)] = []
    private var seenCount: Int64 = 0
    private var countsGiven: Set<Int64> = []
    private var deleted: Set<UInt64> = []
    /// For each node: its incarnation and the last revision that a stale read saw in it.
    private var stale: [NodeID: (incarnation: Int, revision: Revision)] = [:]
    var isActive = true
    /// By how much a node's state may be older than it says: an election timeout, for which a deposed leader may not
    /// know that it is one, and the time that messages take.
    private let currencyTolerance = Instant.Span.milliseconds(1_300)

    init(_ cluster: Cluster, seed: UInt64) {
        self.cluster = cluster
        generator = SeededGenerator(seed: seed)
        cluster.observe = { [unowned self] node, effect in observe(node, effect) }
    }

    /// Requests without an answer.
    private(set) var open = 0
    func count(_ condition: (ClientRequest) -> Bool) -> Int {
        requests.values.reduce(0) { $0 + (condition($1) ? 1 : 0) }
    }

    static func key(_ kind: ClientRequest.Kind, _ token: UInt64) -> [UInt8] {
        switch kind {
        case .put: Array("put/\(token)".utf8)
        case .increment: Array("shared".utf8)
        case .incrementOwn: Array("own/\(token)".utf8)
        case .delete(let other): Array("put/\(other)".utf8)
        case .read: []
        }
    }

    // MARK: Asking

    /// Keeps asking, about every `pause`, until inactive.
    func ask(every pause: Instant.Span) {
        guard isActive else { return }
        for _ in 0...generator.next(below: 3) { askSomething() }
        lookAround()
        cluster.call(after: generator.next(in: .zero..<(pause * 2))) { [unowned self] in ask(every: pause) }
    }

    private func askSomething() {
        let up = cluster.nodes.filter(\.isUp)
        guard !up.isEmpty else { return }
        let node = up[Int(generator.next(below: UInt64(up.count)))]
        let kind: ClientRequest.Kind
        switch generator.next(below: 10) {
        case 0, 1: kind = .put
        case 2, 3: kind = .increment
        case 4, 5: kind = .incrementOwn
        case 6:
            guard let victim = victim() else { return }
            deleted.insert(victim)
            kind = .delete(of: victim)
        default: kind = .read
        }
        let patience = generator.next(below: 8) == 0 ? 50..<300 : 1_500..<4_000
        ask(
            kind, of: node,
            patience: generator.next(
                in: .milliseconds(patience.lowerBound) ..< .milliseconds(patience.upperBound)))
    }

    /// A put that was answered and that nobody has tried to delete.
    private func victim() -> UInt64? {
        guard lastToken > 0 else { return nil }
        let token = 1 + generator.next(below: lastToken)
        guard let request = requests[token], request.kind == .put, case .answered = request.end,
            !deleted.contains(token)
        else { return nil }
        return token
    }

    @discardableResult
    func ask(_ kind: ClientRequest.Kind, of node: Node, patience: Instant.Span) -> UInt64 {
        lastToken += 1
        let token = lastToken
        let deadline = cluster.now + patience
        open += 1
        requests[token] = ClientRequest(
            kind: kind, node: node.id, deadline: deadline, seen: seen, seenCount: seenCount,
            installs: node.installs)
        let key = Self.key(kind, token)
        let operation: Store.Operation
        switch kind {
        case .read:
            cluster.post(.read(token: token, deadline: deadline), to: node.id)
            return token
        case .put:
            operation = .put(key: key, value: Array("\(token)".utf8), guard: nil, returnPrevious: false)
        case .increment, .incrementOwn: operation = .increment(key: key, by: 1)
        case .delete: operation = .delete(key: key, guard: nil, returnPrevious: false, mustExist: true)
        }
        let id = RequestID(high: node.id.rawValue, low: token)
        cluster.post(
            .write(Write(token: token, requestID: id, operation: operation, deadline: deadline)), to: node.id)
        return token
    }

    /// A node was stopped: its clients learn nothing more.
    func lost(_ node: NodeID) {
        for (token, request) in requests where request.node == node && request.end == nil {
            end(token, request.kind == .read ? .refused : .unknown)
        }
    }

    // MARK: Answers

    private func end(_ token: UInt64, _ end: ClientRequest.End) {
        if requests[token]?.end == nil { open -= 1 }
        requests[token]?.end = end
    }

    private func observe(_ node: Node, _ effect: ReplicaEffect) {
        switch effect {
        case .answered(let token, let id, let outcome):
            guard let request = take(token, node) else { return }
            #expect(id == RequestID(high: node.id.rawValue, low: token))
            answered(token, request, outcome)
        case .refused(let token, _, let refusal):
            guard let request = take(token, node) else { return }
            end(token, refusal.isDefinite ? .refused : .unknown)
            if refusal == .unknown {
                let isDue = cluster.now >= request.deadline || node.installs > request.installs
                #expect(isDue, "request \(token) is unknown before its deadline")
            }
        case .readable(let token):
            guard let request = take(token, node) else { return }
            let keyspace = node.replica.keyspace
            end(token, .answered(keyspace.revision))
            #expect(keyspace.revision >= request.seen, "read \(token) on node \(node.id) went back")
            #expect(
                sharedCount(keyspace) >= request.seenCount, "read \(token) on node \(node.id) missed a write")
            see(keyspace.revision)
        case .readRefused(let token, _):
            guard take(token, node) != nil else { return }
            end(token, .refused)
        case .persist, .send, .readLog, .checkpoint, .fetchSnapshot, .settled, .changed, .stepped, .replaced,
            .announced, .messageEnded, .deliver, .traced, .transferEnded, .transition:
            break
        }
    }

    /// The request that gets an answer, its only one.
    private func take(_ token: UInt64, _ node: Node) -> ClientRequest? {
        guard let request = requests[token] else {
            Issue.record("an answer to \(token), which was never asked")
            return nil
        }
        #expect(request.end == nil, "a second answer to \(token)")
        #expect(request.node == node.id)
        return request
    }

    private func answered(_ token: UInt64, _ request: ClientRequest, _ outcome: Outcome) {
        let revision: Revision
        switch (request.kind, outcome) {
        case (.put, .put(let put)):
            #expect(put.created)
            revision = put.revision
        case (.incrementOwn, .incremented(let value, let changed, let version)):
            #expect(value == 1 && version == 1)
            revision = changed
        case (.increment, .incremented(let value, let changed, _)):
            #expect(countsGiven.insert(value).inserted, "two increments got \(value)")
            #expect(value > request.seenCount)
            seenCount = max(seenCount, value)
            revision = changed
        case (.delete, .deleted(let count, let changed, _)):
            #expect(count == 1)
            revision = changed
        default:
            Issue.record("\(request.kind) was answered with \(outcome)")
            return
        }
        #expect(revision > request.seen, "write \(token) took effect before it was asked for")
        end(token, .answered(revision))
        see(revision)
    }

    private func see(_ revision: Revision) {
        guard revision > seen else { return }
        seen = revision
        seenAt.append((cluster.now, revision))
    }

    private func sharedCount(_ keyspace: Keyspace) -> Int64 {
        guard case .success(let item?) = keyspace.get(Self.key(.increment, 0)) else { return 0 }
        return Int64(String(decoding: item.value, as: UTF8.self)) ?? -1
    }

    // MARK: Looking

    /// Stale reads: what a node holds never goes back while it runs, and it is as new as the node says.
    private func lookAround() {
        for node in cluster.nodes where node.isUp {
            let revision = node.replica.keyspace.revision
            if let last = stale[node.id], last.incarnation == node.incarnation {
                if revision < last.revision { Issue.record("node \(node.id) went back") }
            }
            stale[node.id] = (node.incarnation, revision)
            let bound = node.replica.currentAsOf.nanoseconds - currencyTolerance.nanoseconds
            var place = seenAt.count - 1
            while place >= 0, seenAt[place].time.nanoseconds > bound { place -= 1 }
            if place >= 0, revision < seenAt[place].revision {
                Issue.record(
                    "node \(node.id) is older than it says: \(revision), not \(seenAt[place].revision)")
            }
        }
    }

    /// What must hold in the end, when all is healed and every request has its answer.
    func checkFinalState(_ keyspace: Keyspace) {
        var shared: (least: Int64, most: Int64) = (0, 0)
        for (token, request) in requests.sorted(by: { $0.key < $1.key }) {
            guard let end = request.end else {
                Issue.record("request \(token) was never answered")
                continue
            }
            let item = (try? keyspace.get(Self.key(request.kind, token)).get()) ?? nil
            switch request.kind {
            case .read: break
            case .increment:
                if end != .refused { shared.most += 1 }
                if case .answered = end { shared.least += 1 }
            case .put where deleted.contains(token): break
            case .put, .incrementOwn:
                let isOnce = item.map { $0.version == 1 } ?? true
                #expect(isOnce, "write \(token) took effect \(item?.version ?? 0) times")
                if case .answered(let revision) = end {
                    #expect(item?.modRevision == revision, "answered write \(token) is lost")
                }
                if end == .refused { #expect(item == nil, "refused write \(token) took effect") }
            case .delete:
                if case .answered = end { #expect(item == nil, "the delete \(token) is lost") }
                if end == .refused { #expect(item != nil, "the refused delete \(token) took effect") }
            }
        }
        let count = sharedCount(keyspace)
        #expect(
            shared.least <= count && count <= shared.most,
            "\(shared.least)...\(shared.most) increments: \(count)")
    }
}
