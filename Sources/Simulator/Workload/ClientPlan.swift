public import Primitives

/// What a client of a run is like.
public struct ClientPlan: Sendable, CustomStringConvertible {
    /// Its number in the plan as it was drawn, whatever is left out.
    public internal(set) var number = 0
    /// The node that it talks to; nil if it takes another each time.
    public internal(set) var home: Int?
    /// Whether it turns to another node when its own refuses or does not answer.
    public internal(set) var failsOver = true
    /// Whether it turns to the node that leads, if it can know.
    public internal(set) var seeksLeader = false
    /// How long it thinks between two operations, on average.
    public internal(set) var think = Instant.Span.milliseconds(100)
    /// How long the node has to answer.
    public internal(set) var timeout = Instant.Span.seconds(2)
    /// How long it waits beyond that; it may also be impatient.
    public internal(set) var patience = Instant.Span.milliseconds(200)
    /// Of 100 operations, how many are reads.
    public internal(set) var reads = 50
    /// Of 100 reads, how many may be stale.
    public internal(set) var stale = 10
    /// Of 100 writes, how many want to be proposed by the node that takes them, or not at all.
    public internal(set) var unforwarded = 10

    /// A line for people.
    public var description: String {
        "c\(number): \(home.map { "n\($0 + 1)" } ?? "any node")\(failsOver ? "" : " only")"
            + "\(seeksLeader ? " or the leader" : ""), "
            + "\(reads) % reads, thinks \(think.milliseconds) ms, time-out \(timeout.milliseconds) ms"
            + "\(patience < .zero ? " (impatient)" : "")"
    }
}
