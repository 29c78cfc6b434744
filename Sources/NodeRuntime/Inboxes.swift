import Clocks
import Primitives
import Replication

/// Messages that came for this node's participants and were not taken out yet. They are kept in memory only.
struct Inboxes {
    /// How many messages an inbox holds; the oldest give way, and are counted.
    static let limit = 10_000

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
    }

    private(set) var messages: [Message] = []
    private(set) var received: UInt64 = 0
    private(set) var dropped: UInt64 = 0

    mutating func put(_ note: Note, _ stamp: Stamp = Stamp(), from origin: NodeID? = nil, at wall: WallTime) {
        received += 1
        messages.append(
            Message(note: note, arrived: wall, order: received, stamp: stamp, origin: origin))
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

    /// Takes messages out, and answers them.
    mutating func remove(upTo order: UInt64, alone: Bool) -> [Message] {
        func goes(_ message: Message) -> Bool { alone ? message.order == order : message.order <= order }
        let taken = messages.filter(goes)
        messages.removeAll(where: goes)
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
        return taken
    }
}
