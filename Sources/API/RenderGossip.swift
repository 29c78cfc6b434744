// What a node thinks of the others: SWIM's view of them, and what a failure detector makes of each.

public import Gossip
import JSON
public import Primitives

/// A node's opinion of the others, and how it came by it.
public struct GossipStatus: Sendable {
    /// What went through the node's datagram socket.
    public struct Datagrams: Sendable {
        /// Those that the kernel took, that it did not take, and that came in and were taken.
        public var sent, unsent, received: UInt64
        /// Those that were dropped, by the reason.
        public var refused: [(reason: String, count: UInt64)]

        /// Makes them of numbers.
        public init(
            sent: UInt64, unsent: UInt64, received: UInt64, refused: [(reason: String, count: UInt64)]
        ) {
            self.sent = sent
            self.unsent = unsent
            self.received = received
            self.refused = refused
        }
    }

    /// The opinion.
    public var view: MembershipView
    /// What happened so far.
    public var counters: MembershipCounters
    /// What the nodes are called.
    public var names: [NodeID: String]
    /// What went through the socket.
    public var datagrams: Datagrams
    /// When all this was looked at, on the node's monotonic clock.
    public var at: Instant
    /// How the node goes about it.
    public var options: MembershipOptions

    /// Makes it of its parts.
    public init(
        view: MembershipView, counters: MembershipCounters, names: [NodeID: String], datagrams: Datagrams,
        at: Instant, options: MembershipOptions
    ) {
        self.view = view
        self.counters = counters
        self.names = names
        self.datagrams = datagrams
        self.at = at
        self.options = options
    }

    fileprivate func name(of node: NodeID) -> String { names[node] ?? "\(node)" }
}

extension NativeAPI {
    func write(gossip status: GossipStatus?, to json: inout JSONWriter) {
        guard let status else { preconditionFailure("nobody has asked the node what it thinks") }
        json.field("node", status.name(of: status.view.own))
        json.field("incarnation", text(of: status.view.incarnation))
        json.field("local_health", status.view.health)
        json.field("period_ms", status.options.period.milliseconds)
        json.field("probe_timeout_ms", status.options.probeTimeout.milliseconds)
        json.name("members")
        json.beginArray()
        for member in status.view.members {
            json.beginObject()
            json.field("name", status.name(of: member.id))
            json.field("state", "\(member.state)")
            json.field("incarnation", text(of: member.incarnation))
            json.field("since_ms", (status.at - member.since).milliseconds)
            json.name("suspected_by")
            json.beginArray()
            for node in member.suspectedBy { json.string(status.name(of: node)) }
            json.endArray()
            if let trip = member.roundTrip { json.field("rtt_ms", milliseconds(trip)) }
            if let trip = member.smoothedRoundTrip { json.field("smoothed_rtt_ms", milliseconds(trip)) }
            json.field("local_health", member.health)
            json.endObject()
        }
        json.endArray()
        json.name("counters")
        json.beginObject()
        for (name, count) in status.counters.named { json.field(name, count) }
        json.endObject()
        json.name("datagrams")
        json.beginObject()
        json.field("sent", status.datagrams.sent)
        json.field("unsent", status.datagrams.unsent)
        json.field("received", status.datagrams.received)
        json.name("refused")
        json.beginObject()
        for (reason, count) in status.datagrams.refused { json.field(reason, count) }
        json.endObject()
        json.endObject()
    }

    func write(detector status: GossipStatus?, to json: inout JSONWriter) {
        guard let status else { preconditionFailure("nobody has asked the node what it thinks") }
        json.field("node", status.name(of: status.view.own))
        json.name("members")
        json.beginArray()
        for member in status.view.members {
            json.beginObject()
            json.field("name", status.name(of: member.id))
            json.field("diagnosis", member.diagnosis.rawValue)
            json.field("reach", member.reach.rawValue)
            json.field("missed", member.missed)
            json.field("verdict", "\(member.verdict)")
            if let phi = member.phi { json.field("phi", (min(phi, 1_000) * 100).rounded() / 100) }
            if let heard = member.heard { json.field("heard_ms", (status.at - heard).milliseconds) }
            if let heard = member.heardThrough {
                json.field("heard_through_others_ms", (status.at - heard).milliseconds)
            }
            if let paused = member.paused { json.field("paused_ms", paused.milliseconds) }
            json.endObject()
        }
        json.endArray()
        if let pause = status.view.lastPause {
            json.name("own_pause")
            json.beginObject()
            json.field("length_ms", pause.length.milliseconds)
            json.field("ended_ms", (status.at - pause.ended).milliseconds)
            json.endObject()
        }
    }

    private func text(of incarnation: Incarnation) -> String {
        "\(incarnation.process).\(incarnation.refutation)"
    }

    private func milliseconds(_ span: Instant.Span) -> Double { Double(span.microseconds) / 1_000 }
}

extension MembershipCounters {
    /// All of them, by the names that answers and metrics use.
    public var named: [(name: String, count: UInt64)] {
        [
            ("probes", probes), ("acks", acks), ("indirect_probes", indirectProbes),
            ("indirect_acks", indirectAcks), ("nacks", nacks), ("late_acks", lateAcks),
            ("failed_probes", failedProbes), ("dead_probes", deadProbes), ("pings", pings), ("helps", helps),
            ("helps_refused", helpsRefused), ("suspicions", suspicions),
            ("suspicions_refuted", suspicionsRefuted), ("deaths", deaths), ("deaths_refuted", deathsRefuted),
            ("objections", objections), ("pauses", pauses), ("sent", sent), ("bytes_sent", bytesSent),
            ("bytes_received", bytesReceived), ("malformed", malformed),
            ("unknown_senders", unknownSenders), ("unknown_members", unknownMembers),
        ]
    }
}
