// Membership messages by byte. The layout is in this target's documentation.

internal import Primitives

/// What one node tells another, before rumours are added.
struct MembershipMessage: Equatable, Sendable {
    enum Body: Equatable, Sendable {
        /// Are you there?
        case ping(UInt32)
        /// Ask that one whether it is there, on my behalf.
        case pingRequest(UInt32, NodeID)
        /// This node is there: the one that answers, or the one that it was asked to probe.
        case ack(UInt32, NodeID)
        /// This node is here, but has no answer yet from the one that it was asked to probe.
        case nack(UInt32, NodeID)
        /// Rumours only; not answered.
        case tell
    }

    var body: Body
    /// What the sender says of itself.
    var incarnation: Incarnation
    var isLeaving: Bool
    /// The sender's local health score.
    var health: UInt8
    /// How long its last pause was, in milliseconds; zero for none of late.
    var paused: UInt64

    func encode(into writer: inout ByteWriter) {
        let (kind, sequence, target): (MembershipMessageKind, UInt32?, NodeID?) =
            switch body {
            case .ping(let sequence): (.ping, sequence, nil)
            case .pingRequest(let sequence, let target): (.pingRequest, sequence, target)
            case .ack(let sequence, let target): (.ack, sequence, target)
            case .nack(let sequence, let target): (.nack, sequence, target)
            case .tell: (.tell, nil, nil)
            }
        writer.byte(kind.rawValue)
        writer.varint(incarnation.process)
        writer.varint(UInt64(incarnation.refutation))
        writer.bool(isLeaving)
        writer.byte(health)
        writer.varint(paused)
        if let sequence { writer.fixed(sequence) }
        if let target { writer.counter(target) }
    }

    init(body: Body, incarnation: Incarnation, isLeaving: Bool, health: UInt8, paused: UInt64) {
        self.body = body
        self.incarnation = incarnation
        self.isLeaving = isLeaving
        self.health = health
        self.paused = paused
    }

    init(from reader: inout ByteReader) throws(ByteReaderError) {
        guard let kind = MembershipMessageKind(rawValue: try reader.byte()) else { throw .malformed }
        incarnation = try Incarnation(from: &reader)
        isLeaving = try reader.bool()
        health = try reader.byte()
        paused = try reader.varint()
        switch kind {
        case .ping: body = .ping(try reader.fixed())
        case .pingRequest: body = .pingRequest(try reader.fixed(), try reader.counter())
        case .ack: body = .ack(try reader.fixed(), try reader.counter())
        case .nack: body = .nack(try reader.fixed(), try reader.counter())
        case .tell: body = .tell
        }
    }
}

extension Incarnation {
    /// Refuses the last refutation there is: its owner could not answer it with a greater one.
    init(from reader: inout ByteReader) throws(ByteReaderError) {
        let process = try reader.varint()
        guard let refutation = UInt32(exactly: try reader.varint()), refutation < .max else {
            throw .malformed
        }
        self.init(process: process, refutation: refutation)
    }
}

extension Claim {
    func encode(into writer: inout ByteWriter) {
        writer.counter(member)
        writer.byte(state.rawValue)
        writer.varint(incarnation.process)
        writer.varint(UInt64(incarnation.refutation))
        writer.counter(source)
    }

    init(from reader: inout ByteReader) throws(ByteReaderError) {
        member = try reader.counter()
        guard let state = MemberState(rawValue: try reader.byte()) else { throw .malformed }
        self.state = state
        incarnation = try Incarnation(from: &reader)
        source = try reader.counter()
    }
}
