public import Primitives

/// Identifies an event: who published it, in which process, as its how many-eth.
public struct EventID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The node that published it.
    public var origin: NodeID
    /// That node's process.
    public var process: UInt64
    /// One for that process's first event.
    public var counter: UInt64

    /// Makes an identifier.
    public init(origin: NodeID, process: UInt64, counter: UInt64) {
        self.origin = origin
        self.process = process
        self.counter = counter
    }

    /// Reads what ``description`` wrote; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let origin = UInt64(parts[0]), let process = UInt64(parts[1], radix: 16),
            let counter = UInt64(parts[2])
        else { return nil }
        self.init(origin: NodeID(origin), process: process, counter: counter)
        guard description == text else { return nil }
    }

    /// Origin, process in hexadecimal, and counter: `3-18f2a-7`.
    public var description: String { "\(origin)-\(String(process, radix: 16))-\(counter)" }

    /// Orders by origin, process and counter.
    public static func < (a: EventID, b: EventID) -> Bool {
        (a.origin, a.process, a.counter) < (b.origin, b.process, b.counter)
    }

    var stream: EventStream { EventStream(origin: origin, process: process) }
}

/// What was published, as one node has it.
public struct Event: Equatable, Sendable {
    /// Which one it is.
    public var id: EventID
    /// What it is about.
    public var topic: String
    /// What was published.
    public var body: [UInt8]
    /// How long after being published it is forgotten.
    public var ttl: Instant.Span
    /// Over how many datagrams it came here; zero at its origin.
    public var hops: Int
    /// How old it was when it came: the time it was kept by the nodes on its way, without the time on the
    /// wire.
    public var age: Instant.Span
    /// When it came.
    public var received: Instant
    /// Its place in the order in which this node had its events, from 1.
    public var place: UInt64

    /// When it is forgotten here.
    public var expires: Instant { received + (ttl - age) }
}

/// Why an event can't be published.
public enum EventRefusal: Error, Equatable, Sendable {
    /// Empty, or longer than ``EventOptions/longestTopic`` bytes.
    case badTopic
    /// Longer than ``EventOptions/longestBody`` bytes.
    case bodyTooLong
    /// Not above zero, or beyond ``EventOptions/longestTTL``.
    case badTTL
    /// This node has published half as many as a node keeps, or half the bytes, and they are not forgotten
    /// yet.
    case tooMany
}

/// How ``Events`` goes about it. The defaults and their reasons are in this target's documentation.
public struct EventOptions: Sendable, Equatable {
    /// News are sent on once in each round.
    public var round = Instant.Span.milliseconds(200)
    /// To so many others.
    public var fanout = 3
    /// In so many rounds.
    public var pushes = 4
    /// In every so many rounds a node compares what it has with another one.
    public var compareEvery = 5
    /// Events that are kept at most, and the bytes of their topics and bodies.
    public var mostEvents = 1_024, mostBytes = 1 << 20

    /// The defaults.
    public init() {}

    /// Bytes of a topic and of a body: 4 KiB, and the times of its publication before them.
    public static let longestTopic = 128, longestBody = 4_096 + 18
    /// The longest that an event is kept.
    public static let longestTTL = Instant.Span.seconds(86_400)
    /// Bytes of a body in one datagram.
    static let partSize = 960
    /// Datagrams with events that leave in one round, and in answer to one comparison.
    static let mostInRound = 48, mostInRepair = 32
    /// Events of which only some parts have come.
    static let mostPartial = 32
    /// Other nodes.
    public static let mostPeers = 1_024
}

/// Who has an event, as its origin knows.
public struct EventCoverage: Sendable {
    /// One node that has it.
    public struct Entry: Equatable, Sendable {
        /// The node.
        public var node: NodeID
        /// Over how many datagrams it came there.
        public var hops: Int
        /// How old it was then; see ``Event/age``.
        public var age: Instant.Span
    }

    /// The nodes that have it, by number.
    public var reached: [Entry]
}

/// What happened since the node started.
public struct EventCounters: Equatable, Sendable {
    /// Own events, those that came from others, and copies of what was here already.
    public var published: UInt64 = 0, delivered: UInt64 = 0, duplicates: UInt64 = 0
    /// Events that went because they were too old, and because there were too many.
    public var expired: UInt64 = 0, evicted: UInt64 = 0
    /// Events that were never seen and will not be taken any more, because too many gaps were open.
    public var givenUp: UInt64 = 0
    /// Comparisons with others, and datagrams sent to repair what those lacked.
    public var comparisons: UInt64 = 0, repairs: UInt64 = 0
    /// Datagrams sent, and bytes of payload.
    public var sent: UInt64 = 0, bytesSent: UInt64 = 0, bytesReceived: UInt64 = 0
    /// Datagrams that made no sense, those of unknown nodes, and events that unknown nodes have published.
    public var malformed: UInt64 = 0, unknownSenders: UInt64 = 0, unknownOrigins: UInt64 = 0
    /// Events of processes before the last but one of their node.
    public var stale: UInt64 = 0
}
