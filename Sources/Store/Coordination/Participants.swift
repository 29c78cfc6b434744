public import Primitives

// Client processes that made themselves known by a name, so that others can send them messages. What came for
// them, and the state that they show, is kept in memory by one node, their home; this is who finds it.

/// A client process that has made itself known.
public struct Participant: Sendable, Equatable {
    /// Its name, unique among those that are known at a time.
    public let name: String
    /// The lease with which it ends.
    public internal(set) var lease: String
    /// The name of the node that keeps its inbox and its state: the one where it made itself known, or moved.
    public internal(set) var home: String
    /// The log's time when it made itself known.
    public internal(set) var registeredAt: WallTime
}

/// What is done with participants.
public enum ParticipantCommand: Sendable, Equatable {
    /// Makes a participant known, with this node as its home, or begins its time anew, in milliseconds. One
    /// that is known moves only if it is to.
    case register(name: String, home: String, moves: Bool, timeToLive: Int64)
    /// A participant goes.
    case remove(name: String)
    /// A message is kept for those whom it is for.
    case send(LoggedLetter)
    /// These logged messages were taken out of an inbox.
    case take(inbox: String, [UInt64])

    /// No command takes more messages.
    public static let mostTaken = Limits.inboxMessages
}

/// What became of a participant.
public enum ParticipantOutcome: Sendable, Equatable {
    /// It is known, under this lease.
    case registered(Participant, Lease, isNew: Bool)
    /// It is gone.
    case removed(String)
    /// How a message stands with each of its recipients, in their order; one has it at least.
    case sent([LoggedDelivery])
    /// So many messages were taken.
    case taken(Int)
}

/// Why nothing was changed about participants.
public enum ParticipantRefusal: Sendable, Equatable {
    /// There is none with this name.
    case notFound(String)
    /// There are as many as may be.
    case tooMany(Int)
    /// The inbox of that name is full, and the message was for nobody else.
    case inboxFull(String)
}

extension Limits {
    /// So many participants may be known.
    public static let participants = 65_536
}

// MARK: - State machine

extension Keyspace {
    mutating func carryOut(_ command: ParticipantCommand, id: RequestID) -> Outcome {
        switch command {
        case .send(let letter): return send(letter, id: id)
        case .take(let inbox, let numbers):
            return .coordinated(.participant(.taken(coordination.take(numbers, from: inbox))))
        case .register(let name, let home, let moves, let timeToLive):
            return register(participant: name, home: home, moves: moves, timeToLive: timeToLive)
        case .remove(let name):
            guard let participant = participant(name) else {
                return .refused(.coordination(.participant(.notFound(name))))
            }
            let row = RowKey(.participant, name)
            coordination.endParticipant(row)
            coordination.letGo(row, of: participant.lease)
            endIfUnused(participant.lease)
            return .coordinated(.participant(.removed(name)))
        }
    }

    private mutating func register(
        participant name: String, home: String, moves: Bool, timeToLive: Int64
    ) -> Outcome {
        let row = RowKey(.participant, name)
        guard var participant = participant(name), var lease = lease(participant.lease) else {
            guard hasRoom else { return .refused(.coordination(.full)) }
            guard coordination.count(RowKey(.participant)) < Limits.participants else {
                return .refused(.coordination(.participant(.tooMany(Limits.participants))))
            }
            let lease = grantLease(LeaseTerms(timeToLive: timeToLive, name: name), isPrivate: true)
            coordination.hold(row, under: lease.id)
            let participant = Participant(name: name, lease: lease.id, home: home, registeredAt: lastTime)
            coordination.set(row, participant)
            coordination.news.append(.changed(row))
            return .coordinated(.participant(.registered(participant, lease, isNew: true)))
        }
        coordination.disarm(lease.timer)
        lease.terms.timeToLive = timeToLive
        lease.timer = coordination.arm(.lease(lease.id), milliseconds: timeToLive)
        coordination.set(RowKey(.lease, lease.id), lease)
        // Whoever holds it for a connection looks again.
        coordination.news.append(.changed(RowKey(.lease, lease.id)))
        if moves, participant.home != home {
            participant.home = home
            coordination.set(row, participant)
            coordination.news.append(.changed(row))
        }
        return .coordinated(.participant(.registered(participant, lease, isNew: false)))
    }

    /// The participant with this name, nil if none has made itself known.
    public func participant(_ name: String) -> Participant? { coordination.value(RowKey(.participant, name)) }

    /// Participants in the order of their names, from the one after `cursor` on.
    public func participants(after cursor: String? = nil, limit: Int) -> [Participant] {
        var participants: [Participant] = []
        let last = cursor.map { RowKey(.participant, $0) }
        coordination.forEach(RowKey(.participant), after: last) { _, value in
            guard participants.count < limit else { return false }
            participants.append(Coordination.decode(value))
            return true
        }
        return participants
    }
}

extension Coordination {
    /// A participant goes, or its lease has ended.
    mutating func endParticipant(_ row: RowKey) {
        if remove(row) { news.append(.changed(row)) }
    }
}

extension RowKey {
    /// The name of the participant whose row it is; nil for other rows.
    public var participant: String? {
        guard kind == .participant else { return nil }
        return String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
    }
}

// MARK: - Binary form

extension Participant: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        name = try reader.string()
        lease = try reader.string()
        home = try reader.string()
        registeredAt = WallTime(milliseconds: try reader.signed())
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(name)
        writer.string(lease)
        writer.string(home)
        writer.signed(registeredAt.milliseconds)
    }
}

extension ParticipantCommand {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .register(let name, let home, let moves, let timeToLive):
            writer.byte(1)
            writer.string(name)
            writer.string(home)
            writer.bool(moves)
            writer.signed(timeToLive)
        case .remove(let name):
            writer.byte(2)
            writer.string(name)
        case .send(let letter):
            writer.byte(3)
            letter.encode(into: &writer)
        case .take(let inbox, let numbers):
            writer.byte(4)
            writer.string(inbox)
            writer.varint(UInt64(numbers.count))
            for number in numbers { writer.varint(number) }
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            let (name, home) = (try reader.name(), try reader.string())
            let (moves, timeToLive) = (try reader.bool(), try reader.signed())
            guard timeToLive > 0, !home.isEmpty else { throw .malformed }
            self = .register(name: name, home: home, moves: moves, timeToLive: timeToLive)
        case 2: self = .remove(name: try reader.name())
        case 3: self = .send(try LoggedLetter(reading: &reader))
        case 4:
            let inbox = try reader.name()
            let count = try reader.count()
            guard 1...Self.mostTaken ~= count else { throw .malformed }
            var numbers: [UInt64] = []
            for _ in 0..<count { numbers.append(try reader.varint()) }
            self = .take(inbox: inbox, numbers)
        default: throw .malformed
        }
    }
}

extension ParticipantOutcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .registered(let participant, let lease, let isNew):
            writer.byte(1)
            participant.encode(into: &writer)
            lease.encode(into: &writer)
            writer.bool(isNew)
        case .removed(let name):
            writer.byte(2)
            writer.string(name)
        case .sent(let deliveries):
            writer.byte(3)
            writer.varint(UInt64(deliveries.count))
            for delivery in deliveries { delivery.encode(into: &writer) }
        case .taken(let count):
            writer.byte(4)
            writer.varint(UInt64(count))
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1:
            self = .registered(
                try Participant(reading: &reader), try Lease(reading: &reader), isNew: try reader.bool())
        case 2: self = .removed(try reader.string())
        case 3:
            var deliveries: [LoggedDelivery] = []
            for _ in 0..<(try reader.count()) { deliveries.append(try LoggedDelivery(reading: &reader)) }
            self = .sent(deliveries)
        case 4: self = .taken(try reader.count())
        default: throw .malformed
        }
    }
}

extension ParticipantRefusal {
    /// How the command ended, in a word.
    var verdict: Verdict {
        switch self {
        case .notFound: .notFound
        case .tooMany, .inboxFull: .full
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .notFound(let name):
            writer.byte(1)
            writer.string(name)
        case .tooMany(let count):
            writer.byte(2)
            writer.varint(UInt64(count))
        case .inboxFull(let name):
            writer.byte(3)
            writer.string(name)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .notFound(try reader.string())
        case 3: self = .inboxFull(try reader.string())
        case 2: self = .tooMany(try reader.count())
        default: throw .malformed
        }
    }
}
