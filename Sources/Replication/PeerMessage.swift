public import Consensus
public import Primitives
import Store

/// What one node tells another: consensus, client writes on their way to the leader, and notes for an inbox.
public enum PeerMessage: Sendable, Equatable {
    /// A message of the consensus protocol.
    case consensus(Message)
    /// Client writes that a follower passes on to the leader.
    case forward(Forward)
    /// The leader did not take forwarded writes: they are not in any log.
    case forwardRefused(ForwardRefusal)
    /// A request to the leader to hand leadership to that node, or to the most advanced one.
    case transfer(to: NodeID?)
    /// A message from one participant to another's inbox.
    case note(Note)
}

/// Client writes on their way from the node that took them to the leader.
///
/// They name the term in which they may be proposed. Once an entry of a later term was applied, a write
/// that was not applied before it never will be: so the sender knows for certain, and may send it again.
public struct Forward: Sendable, Equatable {
    /// The term of the leader they are meant for; the leader of any other term refuses them.
    public var term: Term
    /// Encoded commands, to be proposed in this order.
    public var commands: [[UInt8]]
    /// The traces of those commands that have one, in the order of the commands.
    public var traces: [Traced]

    /// Which trace a command belongs to. It goes with the command to the leader, but not into the log.
    public struct Traced: Sendable, Equatable {
        /// The command's place among the commands.
        public var place: Int
        /// Its trace, with the span of the node that passes it on.
        public var trace: TraceContext

        /// Makes the pair.
        public init(place: Int, trace: TraceContext) {
            self.place = place
            self.trace = trace
        }
    }

    /// Makes a message of these parts.
    public init(term: Term, commands: [[UInt8]], traces: [Traced] = []) {
        self.term = term
        self.commands = commands
        self.traces = traces
    }

    /// The requests that the commands belong to.
    public var requests: [RequestID] { commands.compactMap(Command.requestID) }
}

/// The answer to writes that were not proposed.
public struct ForwardRefusal: Sendable, Equatable {
    /// Why they were not.
    public enum Reason: UInt8, Sendable {
        /// The receiver does not lead in that term.
        case notLeader = 1
        /// Too much is waiting to be committed.
        case overloaded = 2
        /// The leader's disk is full.
        case storageFull = 3
    }

    /// The term that the writes named.
    public var term: Term
    /// Why they were not proposed.
    public var reason: Reason
    /// The writes.
    public var requests: [RequestID]

    /// Makes a message of these parts.
    public init(term: Term, reason: Reason, requests: [RequestID]) {
        self.term = term
        self.reason = reason
        self.requests = requests
    }
}

/// A message for the inbox of a participant, delivered at most once and not kept on disk.
public struct Note: Sendable, Equatable {
    /// Who sent it, as the sender said.
    public var sender: String
    /// The node whose inbox it is for.
    public var recipient: String
    /// What it is about.
    public var channel: String
    /// The identifier that the sender was given.
    public var id: RequestID
    /// The content.
    public var body: [UInt8]
    /// The trace that it belongs to, if any.
    public var trace: TraceContext?

    /// Makes a message of these parts.
    public init(
        sender: String, recipient: String, channel: String, id: RequestID, body: [UInt8],
        trace: TraceContext? = nil
    ) {
        self.sender = sender
        self.recipient = recipient
        self.channel = channel
        self.id = id
        self.body = body
        self.trace = trace
    }
}
