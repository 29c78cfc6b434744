// Broadcast over perfect links, as a value that says what to send to whom and what to deliver.

public import Primitives

/// One node's part in all broadcasts.
///
/// Whoever owns it sends what it says over perfect links (``LinkRung/perfect``), each with its own kind, and
/// hands it what comes over them. The promises hold as far as the links': while a message is not given up by
/// them, and with a process that restarted counted as one that ended.
public struct Broadcast: Sendable {
    /// What is to be done.
    public enum Effect: Equatable, Sendable {
        /// Send this over the perfect link to that peer.
        case send(to: NodeID, bytes: [UInt8])
        /// Take a message.
        case deliver(BroadcastMessage)
    }

    /// A uniform message that not all are known to have.
    private struct Pending {
        var bytes: [UInt8]
        var holders: Set<NodeID>
        var isDelivered = false
    }

    /// The node, and its process.
    public let own: NodeID, process: UInt64
    /// How it goes about it.
    public let options: BroadcastOptions
    /// The other nodes, by number.
    public let peers: [NodeID]

    private var tally = BroadcastCounters()
    private var numbers = [UInt64](repeating: 0, count: BroadcastKind.allCases.count + 1)
    private var seen = SeenMessages()
    private var pending: [BroadcastID: Pending] = [:]
    /// Delivered messages of ``pending``, oldest first; those that are forgotten already are passed over.
    private var settled = FIFO<BroadcastID>()
    private var causal: CausalDelivery

    /// Begins with nothing sent and nothing seen.
    ///
    /// - Parameter process: Greater for every process that this node runs; not 0.
    public init(
        own: NodeID, process: UInt64, peers: [NodeID], options: BroadcastOptions = BroadcastOptions()
    ) {
        self.own = own
        self.process = process
        self.options = options
        self.peers = Set(peers).subtracting([own]).sorted()
        causal = CausalDelivery(
            own: own, process: process, most: options.mostHeld, patience: options.patience)
    }

    /// When ``wake(at:into:)`` must be called.
    public var deadline: Instant { causal.deadline }

    /// What happened so far.
    public var counters: BroadcastCounters {
        var counters = tally
        counters.late += causal.late
        counters.skipped = causal.skipped
        return counters
    }

    /// Uniform messages that are remembered, and causal ones that wait.
    public var load: (pending: Int, held: Int) { (pending.count, causal.heldCount) }

    /// Sends a message to all nodes, this one among them.
    ///
    /// - Throws: A refusal; nothing has changed then.
    public mutating func broadcast(
        _ bytes: [UInt8], _ kind: BroadcastKind, at now: Instant, into effects: inout [Effect]
    ) throws(BroadcastRefusal) -> BroadcastID {
        let number = numbers[Int(kind.rawValue)] + 1
        let id = BroadcastID(kind: kind, origin: own, process: process, number: number)
        let message = CausalDelivery.Message(
            id: id, vector: kind == .causal ? causal.dependencies : [], bytes: bytes)
        let payload = message.encode()
        guard payload.count <= Link.longestMessage else { throw .tooLong }
        if kind == .uniform, !makeRoom() { throw .full }
        numbers[Int(kind.rawValue)] = number
        tally.broadcast += 1
        _ = seen.note(id, most: options.mostNumbers)
        for peer in peers { effects.append(.send(to: peer, bytes: payload)) }
        switch kind {
        case .bestEffort, .reliable: deliver(message, into: &effects)
        case .causal:
            causal.noteOwn(id)
            deliver(message, into: &effects)
        case .uniform:
            pending[id] = Pending(bytes: bytes, holders: [own])
            settle(id, into: &effects)
        }
        return id
    }

    /// Takes what came over the perfect link of a peer's. What is malformed is counted and changes nothing.
    public mutating func receive(
        _ payload: ArraySlice<UInt8>, from peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        guard peers.contains(peer), let message = try? CausalDelivery.Message(from: payload),
            message.id.origin == own || peers.contains(message.id.origin),
            message.id.kind != .bestEffort || message.id.origin == peer
        else {
            tally.malformed += 1
            return
        }
        // Its own, come back: news only as a sign that the peer has it.
        if message.id.origin == own {
            return message.id.kind == .uniform ? confirm(message.id, by: peer, into: &effects) : ()
        }
        switch seen.note(message.id, most: options.mostNumbers) {
        case .late: tally.late += 1
        case .duplicate:
            tally.duplicates += 1
            if message.id.kind == .uniform { confirm(message.id, by: peer, into: &effects) }
        case .new: take(message, payload, from: peer, at: now, into: &effects)
        }
    }

    /// Does what is due.
    public mutating func wake(at now: Instant, into effects: inout [Effect]) {
        var ready: [CausalDelivery.Message] = []
        causal.wake(at: now, into: &ready)
        for message in ready { deliver(message, into: &effects) }
    }

    // MARK: Parts

    private mutating func take(
        _ message: CausalDelivery.Message, _ payload: ArraySlice<UInt8>, from peer: NodeID, at now: Instant,
        into effects: inout [Effect]
    ) {
        let id = message.id
        switch id.kind {
        case .bestEffort: deliver(message, into: &effects)
        case .reliable:
            relay(payload, except: [id.origin, peer], into: &effects)
            deliver(message, into: &effects)
        case .causal:
            relay(payload, except: [id.origin, peer], into: &effects)
            var (message, ready) = (message, [CausalDelivery.Message]())
            // Whoever is no member here is not waited for, and takes no memory.
            message.vector.removeAll { $0.node != own && !peers.contains($0.node) }
            causal.receive(message, at: now, into: &ready)
            for message in ready { deliver(message, into: &effects) }
        case .uniform:
            guard makeRoom() else {
                tally.overflows += 1
                return
            }
            // Who relays it says with that that it has it: so to all, also to who sent it.
            relay(payload, except: [], into: &effects)
            pending[id] = Pending(bytes: message.bytes, holders: [own, peer])
            settle(id, into: &effects)
        }
    }

    private mutating func relay(
        _ payload: ArraySlice<UInt8>, except: [NodeID], into effects: inout [Effect]
    ) {
        tally.relayed += 1
        let bytes = Array(payload)
        if isPlanted(.nobodyRelays) { return }
        for peer in peers where !except.contains(peer) { effects.append(.send(to: peer, bytes: bytes)) }
    }

    private mutating func deliver(_ message: CausalDelivery.Message, into effects: inout [Effect]) {
        tally.delivered += 1
        effects.append(.deliver(BroadcastMessage(id: message.id, bytes: message.bytes)))
    }

    /// A peer has a uniform message.
    private mutating func confirm(_ id: BroadcastID, by peer: NodeID, into effects: inout [Effect]) {
        guard pending[id]?.holders.insert(peer).inserted == true else { return }
        settle(id, into: &effects)
    }

    /// Delivers a uniform message that a majority has, and forgets one that all have.
    private mutating func settle(_ id: BroadcastID, into effects: inout [Effect]) {
        guard let entry = pending[id] else { return }
        let everyone = peers.count + 1
        if !entry.isDelivered, entry.holders.count * 2 > everyone || isPlanted(.uniformDoesNotWait) {
            pending[id]?.isDelivered = true
            settled.append(id)
            tally.delivered += 1
            effects.append(.deliver(BroadcastMessage(id: id, bytes: entry.bytes)))
        }
        if entry.holders.count == everyone { pending[id] = nil }
    }

    /// Forgets the oldest delivered message if there is no room; false if none is delivered.
    private mutating func makeRoom() -> Bool {
        while pending.count >= options.mostPending || settled.count > 2 * options.mostPending {
            guard let oldest = settled.next() else { return false }
            if pending.removeValue(forKey: oldest) != nil { tally.forgotten += 1 }
        }
        return true
    }
}
