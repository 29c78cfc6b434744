// One node without threads, sockets and clocks: the replica, what it has to tell its peers, and what it asks
// of its disks. The threads of NodeRuntime drive it in production, the simulator in virtual time.
import Consensus
public import Primitives
public import Replication
import Store
import Wire

/// One node of a cluster, as a value.
///
/// The owner steps it with every event of a turn, then calls ``endTurn(at:wall:into:)`` once and carries out
/// what that asks for. A turn's writes share one disk write, its messages one request per peer.
public struct Node: Sendable {
    /// The cluster that it belongs to.
    public let cluster: ClusterID
    /// Its number.
    public let own: NodeID
    /// Differs each time the process starts.
    public let incarnation: UInt64
    /// The replicated half.
    public private(set) var replica: Replica
    /// Dealings with the peers, in the order of their numbers.
    public internal(set) var links: [PeerLink]
    /// The last ``Persist`` that is on disk.
    public private(set) var durable: UInt64 = 0

    /// The last persist of this turn whose messages go to each peer, by link.
    private var persistFor: [UInt64]
    var replicaEffects: [ReplicaEffect] = []
    var pending: [NodeEffect] = []
    var fetching: SnapshotFetch?
    var fetchPatience = FetchPatience()
    /// The number of the last fetch: none is used twice, so that late news of one is not taken for another's.
    var lastFetch: UInt64 = 0

    /// Makes a node of a replica that was restored.
    ///
    /// - Parameters:
    ///   - peers: the other members.
    ///   - incarnation: differs each time the process starts.
    public init(cluster: ClusterID, peers: [NodeID], replica: Replica, incarnation: UInt64) {
        self.cluster = cluster
        self.incarnation = incarnation
        self.replica = replica
        own = replica.raft.id
        links = peers.sorted().map { PeerLink($0) }
        persistFor = [UInt64](repeating: 0, count: peers.count)
    }

    /// When ``NodeEvent/timeout`` is due.
    public var deadline: Instant {
        guard pending.isEmpty && replicaEffects.isEmpty else { return .zero }
        var deadline = min(replica.deadline, fetching?.deadline ?? .never)
        // By place: to iterate would copy each link.
        for place in links.indices { deadline = min(deadline, links[place].deadline) }
        return deadline
    }

    /// Advances by one event; what follows is asked for at the end of the turn.
    public mutating func step(_ event: NodeEvent, at now: Instant, wall: WallTime) {
        switch event {
        case .timeout:
            giveUpLateFetch(now, wall)
            if replica.deadline <= now { step(.timeout, now, wall) }
        case .write(let write): step(.write(write), now, wall)
        case .read(let token, let deadline): step(.read(token: token, deadline: deadline), now, wall)
        case .transferLeadership(let target): step(.transferLeadership(to: target), now, wall)
        case .peerRequest(let id, let envelope, let wantsJSON):
            take(request: id, envelope, wantsJSON: wantsJSON, now, wall)
        case .peerRequestGone(let id):
            for place in links.indices { links[place].forget(id) }
        case .peerAnswered(let peer, let batch, let envelope):
            guard let place = linkPlace(peer) else { return }
            links[place].answered(batch, at: now)
            if let envelope { take(envelope, link: place, now, wall) }
        case .peerFailed(let peer, let batch, let reached):
            guard let place = linkPlace(peer) else { return }
            let undelivered = links[place].failed(batch, reached: reached)
            if !undelivered.isEmpty { step(.undelivered(undelivered), now, wall) }
            step(.peerUnreachable(peer), now, wall)
        case .peerDisconnected(let peer): step(.peerDisconnected(peer), now, wall)
        case .log(let report): take(report, now, wall)
        case .checkpoint(let report): take(report, now, wall)
        case .fetched(let id, let offset, let bytes, let isLast):
            takePart(id, offset: offset, bytes, isLast: isLast, now)
        case .fetchFailed(let id):
            guard let fetching, fetching.id == id else { return }
            self.fetching = nil
            step(.snapshotFailed(fetching.reference), now, wall)
        }
    }

    /// Ends a turn: the replica's, and then the batches for the peers are made up.
    public mutating func endTurn(at now: Instant, wall: WallTime, into effects: inout [NodeEffect]) {
        replica.endTurn(at: now, wall: wall, into: &replicaEffects)
        var place = 0
        // Carrying one out may add to the list.
        while place < replicaEffects.count {
            carryOut(replicaEffects[place], now, wall)
            place += 1
        }
        replicaEffects.removeAll(keepingCapacity: true)
        // The held requests of this turn wait for what the turn is about to write.
        for place in links.indices {
            links[place].scheduleHeld(after: persistFor[place])
            persistFor[place] = 0
        }
        exchange(at: now)
        if effects.isEmpty {
            swap(&effects, &pending)
        } else {
            effects += pending
        }
        pending.removeAll(keepingCapacity: true)
    }

    /// Puts a message in line for a peer; it goes out at the end of the turn. Nothing happens if there is no
    /// such peer.
    public mutating func send(_ message: PeerMessage, to peer: NodeID, at now: Instant, wall: WallTime) {
        guard let place = linkPlace(peer) else { return }
        let givenUp = links[place].enqueue(message)
        if !givenUp.isEmpty { step(.undelivered(givenUp), now, wall) }
    }

    /// Where the link to a peer stands in ``links``, or nil.
    public func linkPlace(_ peer: NodeID) -> Int? { links.firstIndex { $0.id == peer } }

    /// Steps the replica; its effects are carried out at the end of the turn.
    mutating func step(_ event: ReplicaEvent, _ now: Instant, _ wall: WallTime) {
        replica.step(event, at: now, wall: wall, into: &replicaEffects)
    }

    private mutating func carryOut(_ effect: ReplicaEffect, _ now: Instant, _ wall: WallTime) {
        switch effect {
        case .persist(let persist):
            for message in persist.thenSend {
                if let place = linkPlace(message.to) { persistFor[place] = persist.sequence }
            }
            pending.append(.log(.persist(persist)))
        case .send(let message, let peer): send(message, to: peer, at: now, wall: wall)
        case .readLog(let replicate): pending.append(.log(.read(replicate)))
        case .checkpoint(let keyspace, let reference):
            pending.append(.checkpoint(.write(keyspace, reference)))
            if isPlanted(.cutsBeforeCheckpoint) {
                pending.append(.log(.cut(below: reference.position.index.next, reference)))
            }
        case .fetchSnapshot(let reference, let source): fetch(reference, from: source, now, wall)
        case .answered, .refused, .settled, .changed, .stepped, .replaced, .readable, .readRefused,
            .announced, .messageEnded,
            .deliver, .traced, .transferEnded, .transition:
            pending.append(.client(effect))
        }
    }

    private mutating func take(_ report: LogReport, _ now: Instant, _ wall: WallTime) {
        switch report {
        case .persisted(let sequence, let messages):
            durable = max(durable, sequence)
            for message in messages { send(.consensus(message), to: message.to, at: now, wall: wall) }
            step(.persisted(sequence: sequence), now, wall)
        case .read(let replicate, let entries):
            guard !entries.isEmpty else { return step(.peerUnreachable(replicate.to), now, wall) }
            let message = replicate.message(from: own, carrying: entries)
            send(.consensus(message), to: replicate.to, at: now, wall: wall)
        case .cut(let reference, let firstIndex):
            step(.checkpointWritten(reference, firstIndex: firstIndex), now, wall)
        case .storage(let isShort): step(.storage(isShortOfSpace: isShort), now, wall)
        case .shown, .size: break  // For people; the owner tells them.
        }
    }
}
