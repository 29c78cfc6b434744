public import HTTP

/// A client's connection, for as long as it is open: a slot that was used again has another generation.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// The place in the server's table.
    public let slot: UInt32
    /// How often the place had been used before.
    public let generation: UInt32

    /// Makes the identifier with these numbers.
    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// As in `17.2`: slot and generation.
    public var description: String { "\(slot).\(generation)" }
}

/// What a server hands to its owner.
public enum Inbound: Sendable {
    /// A whole request. The connection waits for exactly one answer; pipelined requests come after it.
    case request(ConnectionID, Request)
    /// The connection is gone, together with the request or the stream that was under way on it. Reported for
    /// those, and for every connection that is watched; the identifier is dead.
    case closed(ConnectionID)
    /// Everything that waited to be written to the connection was written, as
    /// ``HTTPServer/reportDrain(of:)`` asked to be told, once.
    case drained(ConnectionID)
}
