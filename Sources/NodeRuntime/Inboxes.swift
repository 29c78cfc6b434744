import API
import Clocks
import Primitives
import Replication

/// Messages that came for one participant and were not taken out yet.
struct Inbox {
    /// How many messages it holds.
    static let limit = 10_000
    /// How many bytes they have.
    static let byteLimit = 16 << 20
    /// What a message takes besides its body and its names, about.
    private static let overhead = 200

    struct Message: Sendable {
        var note: Note
        var arrived: WallTime
        /// Counts the messages that came to this inbox.
        var order: UInt64
        /// The times of its sending, as far as they are known.
        var stamp = Stamp()
        /// The node over whose link it came, which is told when it is taken; nil if it was sent to all, here,
        /// or with the peer requests.
        var origin: NodeID?

        var byteCount: Int { Inbox.byteCount(of: note) }
    }

    private(set) var messages: [Message] = []
    private(set) var byteCount = 0
    private(set) var received: UInt64 = 0

    static func byteCount(of note: Note) -> Int {
        note.body.count + note.sender.utf8.count + note.channel.utf8.count + overhead
    }

    func hasRoom(for note: Note) -> Bool {
        messages.count < Self.limit && byteCount + Self.byteCount(of: note) <= Self.byteLimit
    }

    mutating func put(_ note: Note, _ stamp: Stamp, from origin: NodeID?, at wall: WallTime) {
        received += 1
        messages.append(
            Message(note: note, arrived: wall, order: received, stamp: stamp, origin: origin))
        byteCount += Self.byteCount(of: note)
    }

    /// The oldest messages of a channel, or of all.
    func first(_ count: Int, channel: String?) -> [Message] {
        Array(messages.lazy.filter { channel == nil || $0.note.channel == channel }.prefix(count))
    }

    /// Where a message stands, by its identifier.
    func order(of id: String) -> UInt64? { messages.first { $0.note.id.description == id }?.order }

    /// Takes messages out, and answers them.
    mutating func remove(upTo order: UInt64, alone: Bool) -> [Message] {
        func goes(_ message: Message) -> Bool { alone ? message.order == order : message.order <= order }
        let taken = messages.filter(goes)
        messages.removeAll(where: goes)
        byteCount -= taken.reduce(0) { $0 + $1.byteCount }
        return taken
    }

    /// Takes these out, which are in their order, and answers them.
    mutating func remove(_ taken: [Message]) -> [Message] {
        var rest = taken[...]
        messages.removeAll { message in
            guard message.order == rest.first?.order else { return false }
            rest.removeFirst()
            return true
        }
        byteCount -= taken.reduce(0) { $0 + $1.byteCount }
        return taken
    }

    /// Takes the oldest out that was said to all, if there is one.
    mutating func removeAnnouncement() -> Message? {
        guard let place = messages.firstIndex(where: { $0.note.recipient.isEmpty }) else { return nil }
        let message = messages.remove(at: place)
        byteCount -= message.byteCount
        return message
    }
}

/// The inboxes of this node and of the participants whose home it is, and what these show of themselves. All
/// of it is kept in memory only, within ``byteLimit``: what finds no room is refused, and its sender told.
///
/// An object of the node loop's, and of nobody else.
final class Inboxes {
    /// What all inboxes and states hold together, in bytes.
    static let byteLimit = 256 << 20

    /// What became of a message that came.
    enum Verdict: UInt8 {
        /// It was taken out by the participant.
        case taken = 0
        /// The inbox was full.
        case full = 1
        /// There is no such participant here, or no more.
        case absent = 2
    }

    private let own: String
    private var inboxes: [String: Inbox] = [:]
    private var states: [String: ParticipantState] = [:]
    private var byteCount = 0
    /// The numbers of logged messages that are being taken out, by inbox.
    private var taken: [String: Set<UInt64>] = [:]
    /// Messages to all that gave way to others, or found no room.
    private(set) var dropped: UInt64 = 0

    /// `own` is the name of this node's inbox.
    init(own: String) { self.own = own }

    /// The names of those that have something here besides the node itself.
    var names: Set<String> { Set(inboxes.keys).union(states.keys).subtracting([own]) }

    subscript(name: String) -> Inbox { inboxes[name] ?? Inbox() }

    /// Puts a message into an inbox. Answers false if it has no room for it.
    ///
    /// What is said to all makes the oldest such message give way, since nobody could be told of a refusal.
    func put(
        _ note: Note, into name: String, _ stamp: Stamp = Stamp(), from origin: NodeID? = nil,
        at wall: WallTime
    ) -> Bool {
        if note.recipient.isEmpty, !hasRoom(for: note, in: name) {
            dropped += 1
            change(name) { _ = $0.removeAnnouncement() }
        }
        guard hasRoom(for: note, in: name) else { return false }
        change(name) { $0.put(note, stamp, from: origin, at: wall) }
        return true
    }

    private func hasRoom(for note: Note, in name: String) -> Bool {
        self[name].hasRoom(for: note) && byteCount + Inbox.byteCount(of: note) <= Self.byteLimit
    }

    /// Changes an inbox in place.
    func change<Result>(_ name: String, _ body: (inout Inbox) -> Result) -> Result {
        let before = inboxes[name]?.byteCount ?? 0
        let result = body(&inboxes[name, default: Inbox()])
        byteCount += (inboxes[name]?.byteCount ?? 0) - before
        return result
    }

    /// A participant is not known here any more. Answers what it had not taken out.
    func close(_ name: String) -> [Inbox.Message] {
        if let state = states.removeValue(forKey: name) { byteCount -= state.json.count }
        guard let inbox = inboxes.removeValue(forKey: name) else { return [] }
        byteCount -= inbox.byteCount
        return inbox.messages
    }

    // MARK: Logged messages

    func taking(from name: String) -> Set<UInt64> { taken[name] ?? [] }

    func beginTaking(_ numbers: [UInt64], from name: String) { taken[name, default: []].formUnion(numbers) }

    func endTaking(_ numbers: [UInt64], from name: String) {
        taken[name]?.subtract(numbers)
        if taken[name]?.isEmpty == true { taken[name] = nil }
    }

    // MARK: States

    func state(of name: String) -> ParticipantState? { states[name] }

    /// Shows another state. Answers false if there is no room for it.
    func show(_ state: ParticipantState, of name: String) -> Bool {
        let growth = state.json.count - (states[name]?.json.count ?? 0)
        guard byteCount + growth <= Self.byteLimit else { return false }
        byteCount += growth
        states[name] = state
        return true
    }
}
