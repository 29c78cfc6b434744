// Spreading news without a leader and without a quorum: epidemic push, and comparison with random others that
// repairs what was lost (Demers et al., "Epidemic Algorithms for Replicated Database Maintenance", 1987).

public import Primitives

/// One node's part in spreading events. Every process of a node delivers each event at most once.
///
/// Whoever owns it sends what it says as datagrams, which may be lost, and calls ``wake(at:into:)`` when
/// ``deadline`` has come.
public struct Events: Sendable {
    /// What is to be done.
    public enum Effect: Equatable, Sendable {
        /// Send a datagram of at most ``MembershipOptions/longestPayload`` bytes.
        case send(to: NodeID, payload: [UInt8])
        /// This node has an event now, its own or another node's.
        case deliver(Event)
    }

    /// An event that is kept.
    struct Kept: Sendable {
        var event: Event
        /// In how many rounds it still has to be pushed.
        var pushesLeft: Int
        /// When to tell the origin again that it is here, and how long to wait after that; nil once it is
        /// known.
        var receipt: (at: Instant, wait: Instant.Span)?
        /// At the origin: who has it.
        var reached: [NodeID: EventCoverage.Entry] = [:]
    }

    /// An event of which some parts have come.
    struct Partial: Sendable {
        var first: EventPart
        var received: Instant
        var parts: [ArraySlice<UInt8>?]
    }

    /// The node itself.
    public let own: NodeID
    /// Its process.
    public let process: UInt64
    /// How it goes about it.
    public let options: EventOptions
    /// What happened so far.
    public internal(set) var counters = EventCounters()
    /// When ``wake(at:into:)`` must be called.
    public private(set) var deadline: Instant

    /// In the order in which they came.
    var kept: [Kept] = []
    var keptBytes = 0
    var seen: [(stream: EventStream, counters: SeenCounters)] = []
    var partial: [Partial] = []
    var peers: [NodeID]
    var origins: Set<NodeID>
    var random: SeededGenerator
    var rounds: UInt64 = 0
    /// Where the next digest begins if not all streams fit into one.
    var cursor = EventStream.first
    private var published: UInt64 = 0
    /// The place of the newest event that came, and of the newest that went: who has seen less than that has
    /// missed some.
    public private(set) var placed: UInt64 = 0, dropped: UInt64 = 0

    /// Has no events. These peers may publish, and are sent to.
    ///
    /// - Parameters:
    ///   - process: Greater for every process that this node runs.
    ///   - peers: The cluster's other nodes; at most ``EventOptions/mostPeers``, the rest is left out.
    ///   - options: The round must be above zero.
    public init(
        own: NodeID, process: UInt64, peers: [NodeID], options: EventOptions = EventOptions(), seed: UInt64,
        at now: Instant
    ) {
        precondition(options.round > .zero)
        self.own = own
        self.process = process
        self.options = options
        self.peers = Array(Set(peers).subtracting([own]).sorted().prefix(EventOptions.mostPeers))
        origins = Set(self.peers).union([own])
        random = SeededGenerator(seed: seed)
        deadline = now + random.next(in: .zero..<options.round)
    }

    /// Publishes an event. It is delivered here at once, and sent on in the next round.
    ///
    /// - Parameters:
    ///   - topic: At most ``EventOptions/longestTopic`` bytes.
    ///   - body: At most ``EventOptions/longestBody`` bytes.
    ///   - ttl: How long it is kept and handed to those who were away.
    public mutating func publish(
        topic: String, body: [UInt8], ttl: Instant.Span, at now: Instant, into effects: inout [Effect]
    ) throws(EventRefusal) -> EventID {
        guard !topic.isEmpty, topic.utf8.count <= EventOptions.longestTopic else { throw .badTopic }
        guard body.count <= EventOptions.longestBody else { throw .bodyTooLong }
        guard ttl.milliseconds > 0, ttl <= EventOptions.longestTTL else { throw .badTTL }
        expire(at: now)
        let mine = kept.filter { $0.event.id.stream == ownStream }.map(\.event)
        let bytes = mine.reduce(topic.utf8.count + body.count) { $0 + $1.topic.utf8.count + $1.body.count }
        guard mine.count < options.mostEvents / 2, bytes <= options.mostBytes / 2 else { throw .tooMany }
        published += 1
        counters.published += 1
        let id = EventID(origin: own, process: process, counter: published)
        keep(
            Event(
                id: id, topic: topic, body: body, ttl: ttl, hops: 0, age: .zero, received: now, place: 0),
            into: &effects)
        return id
    }

    /// Takes a datagram that `peer` sent. What is malformed, or from an unknown node, is counted and changes
    /// nothing.
    public mutating func receive(
        _ payload: ArraySlice<UInt8>, from peer: NodeID, at now: Instant, into effects: inout [Effect]
    ) {
        counters.bytesReceived += UInt64(payload.count)
        guard peer != own, origins.contains(peer) else {
            counters.unknownSenders += 1
            return
        }
        do throws(ByteReaderError) {
            switch try EventMessage(payload) {
            case .part(let part): take(part, at: now, into: &effects)
            case .digest(let digest): compare(digest, from: peer, at: now, into: &effects)
            case .receipts(let receipts): note(receipts, from: peer, into: &effects)
            case .noted(let receipts): forget(receipts, notedBy: peer)
            }
        } catch {
            counters.malformed += 1
        }
    }

    /// Does what is due. Calling it too early does nothing.
    public mutating func wake(at now: Instant, into effects: inout [Effect]) {
        guard deadline <= now else { return }
        deadline = now + options.round
        rounds += 1
        expire(at: now)
        push(at: now, into: &effects)
        tellOrigins(at: now, into: &effects)
        if options.compareEvery > 0, rounds % UInt64(options.compareEvery) == 0, !peers.isEmpty {
            let peer = peers[Int(random.next(below: UInt64(peers.count)))]
            counters.comparisons += 1
            sendDigest(to: peer, wantsAnswer: true, into: &effects)
        }
    }

    /// Sends to these of the known nodes from now on: to those that are not taken for dead, for example. From
    /// all known nodes events are still taken.
    public mutating func send(to peers: [NodeID]) {
        self.peers = Set(peers).intersection(origins).subtracting([own]).sorted()
    }

    /// Makes a node known that was not at the beginning, and sends to it; false if there are too many.
    public mutating func add(_ peer: NodeID) -> Bool {
        guard peer != own, !origins.contains(peer), origins.count <= EventOptions.mostPeers else {
            return false
        }
        origins.insert(peer)
        peers.insert(peer, at: peers.firstIndex { $0 > peer } ?? peers.count)
        return true
    }

    /// Takes nothing from this node any more, and sends nothing to it; false if it was not known. Its events
    /// stay until they are too old. If it were added again, they could be delivered again.
    public mutating func remove(_ peer: NodeID) -> Bool {
        guard peer != own, origins.remove(peer) != nil else { return false }
        peers.removeAll { $0 == peer }
        seen.removeAll { $0.stream.origin == peer }
        return true
    }

    // MARK: Looking

    /// Whether nothing is kept.
    public var isEmpty: Bool { kept.isEmpty }

    /// What is kept here, in the order in which it came.
    public var stored: [Event] { kept.map(\.event) }

    /// Those after a place in the order in which they came, the first ones first.
    ///
    /// - Parameters:
    ///   - topic: Only of this topic, or of all if nil.
    ///   - place: See ``Event/place``; zero for the first.
    ///   - limit: So many at most.
    public func stored(topic: String?, after place: UInt64, limit: Int) -> [Event] {
        var found: [Event] = []
        for kept in kept where kept.event.place > place && (topic == nil || kept.event.topic == topic) {
            guard found.count < limit else { break }
            found.append(kept.event)
        }
        return found
    }

    /// One event; nil if it is not here (any more).
    public func event(_ id: EventID) -> Event? { kept.first { $0.event.id == id }?.event }

    /// How an event stands here.
    public func state(of id: EventID) -> EventState {
        if let kept = kept.first(where: { $0.event.id == id }) {
            return kept.pushesLeft > 0 ? .spreading : .kept
        }
        if partial.contains(where: { $0.first.id == id }) { return .gathering }
        return hasSeen(id) ? .forgotten : .unknown
    }

    /// Who has an event, as this node knows: all who told so if it is the origin, and else only itself. Nil
    /// if the event is not here (any more).
    public func coverage(of id: EventID) -> EventCoverage? {
        guard let kept = kept.first(where: { $0.event.id == id }) else { return nil }
        let here = EventCoverage.Entry(node: own, hops: kept.event.hops, age: kept.event.age)
        return EventCoverage(reached: (kept.reached.values + [here]).sorted { $0.node < $1.node })
    }

    // MARK: Keeping

    var ownStream: EventStream { EventStream(origin: own, process: process) }

    func hasSeen(_ id: EventID) -> Bool {
        seen.first { $0.stream == id.stream }?.counters.contains(id.counter) ?? false
    }

    /// Keeps an event that was not seen before, and delivers it.
    mutating func keep(_ event: Event, into effects: inout [Effect]) {
        var event = event
        placed += 1
        event.place = placed
        markSeen(event.id)
        let isOwn = event.id.origin == own
        kept.append(
            Kept(
                event: event, pushesLeft: options.pushes,
                receipt: isOwn ? nil : (event.received, options.round * 2)))
        keptBytes += event.body.count + event.topic.utf8.count
        while kept.count > options.mostEvents || keptBytes > options.mostBytes {
            counters.evicted += 1
            drop(at: 0)
        }
        effects.append(.deliver(event))
    }

    private mutating func markSeen(_ id: EventID) {
        if let place = seen.firstIndex(where: { $0.stream == id.stream }) {
            counters.givenUp += seen[place].counters.insert(id.counter)
            return
        }
        var counters = SeenCounters()
        _ = counters.insert(id.counter)
        let place = seen.firstIndex { $0.stream > id.stream } ?? seen.count
        seen.insert((id.stream, counters), at: place)
        // Two processes of a node are remembered: its present one, and the one before.
        let processes = seen.filter { $0.stream.origin == id.origin }
        if processes.count > 2 { seen.removeAll { $0.stream == processes[0].stream } }
    }

    /// Whether a process is older than the two of its node that are remembered.
    func isStale(_ stream: EventStream) -> Bool {
        let processes = seen.filter { $0.stream.origin == stream.origin }
        return processes.count >= 2 && stream.process < processes[0].stream.process
    }

    private mutating func drop(at place: Int) {
        let event = kept.remove(at: place).event
        dropped = max(dropped, event.place)
        keptBytes -= event.body.count + event.topic.utf8.count
    }

    private mutating func expire(at now: Instant) {
        for place in kept.indices.reversed() where kept[place].event.expires <= now {
            counters.expired += 1
            drop(at: place)
        }
        partial.removeAll { now - $0.received > .seconds(10) }
    }
}
