import Primitives

/// What is said to all nodes in the order of the log, and changes nothing in the store: the content of a
/// total order broadcast (Cachin, Guerraoui and Rodrigues, section 6.1), by consensus on a log.
///
/// Every node delivers it as it applies the entry. So all nodes deliver the same announcements in the same
/// order, and one that any node has delivered is delivered by each that goes on applying the log. A process
/// does not deliver what was applied before it began, nor what stood in a part of the log that it got a
/// snapshot in place of.
public struct Announcement: Sendable, Equatable {
    /// Who says it.
    public var sender: String
    /// A name that keeps streams of announcements apart.
    public var channel: String
    /// What is said.
    public var body: [UInt8]

    /// Makes an announcement; a log entry has room for ``Limits/valueBytes`` of body.
    public init(sender: String, channel: String, body: [UInt8]) {
        self.sender = sender
        self.channel = channel
        self.body = body
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(sender)
        writer.string(channel)
        writer.sized(body)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        sender = try reader.string()
        channel = try reader.string()
        body = [UInt8](try reader.sized())
        guard sender.utf8.count <= 256, channel.utf8.count <= 256, body.count <= Limits.valueBytes else {
            throw .malformed
        }
    }
}

extension Keyspace {
    mutating func announce(_ announcement: Announcement, id: RequestID) -> Outcome {
        coordination.news.append(.announced(id, announcement))
        return .coordinated(.announced(appliedIndex))
    }
}
