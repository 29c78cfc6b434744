import API
import Primitives
import Replication

/// Messages that came for this node's participants and were not taken out yet. They are kept in memory only:
/// this is the lowest rung of delivery.
struct Inboxes {
    /// How many messages an inbox holds; the oldest give way, and are counted.
    static let limit = 10_000

    struct Message: Sendable {
        var note: Note
        var arrived: WallTime
        /// Counts the messages that came to this inbox.
        var order: UInt64
    }

    private(set) var messages: [Message] = []
    private(set) var received: UInt64 = 0
    private(set) var dropped: UInt64 = 0

    mutating func put(_ note: Note, at wall: WallTime) {
        received += 1
        messages.append(Message(note: note, arrived: wall, order: received))
        guard messages.count > Self.limit else { return }
        dropped += 1
        messages.removeFirst()
    }

    /// The oldest messages of a channel, or of all.
    func first(_ count: Int, channel: String?) -> [Message] {
        Array(messages.lazy.filter { channel == nil || $0.note.channel == channel }.prefix(count))
    }

    /// Where a message stands, by its identifier.
    func order(of id: String) -> UInt64? { messages.first { $0.note.id.description == id }?.order }

    /// Takes messages out; answers how many there were.
    mutating func remove(upTo order: UInt64, alone: Bool) -> Int {
        let before = messages.count
        messages.removeAll { alone ? $0.order == order : $0.order <= order }
        return before - messages.count
    }
}
