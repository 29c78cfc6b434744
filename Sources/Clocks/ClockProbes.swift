// Who asks whom for the time, and what is asked and answered: datagrams that may be lost.

public import Primitives

/// Asks one peer after the other for the time of its clock. What is asked in a second does not grow with the
/// number of peers.
///
/// A question is the byte 1 and a number (8 bytes); an answer is the byte 2, the number, the clock in
/// microseconds since 1970 (8 bytes, signed), and the row of what the answering node knows of the others'
/// clocks: how many, and for each the node, its offset and how far that can be wrong, as varints.
public struct ClockProbes: Sendable {
    /// How long after one question the next one leaves.
    public static let interval = Instant.Span.milliseconds(500)
    /// How many peers a row names.
    static let longestRow = 64
    /// Questions whose answers are awaited.
    static let mostAsked = 32

    /// One node's view of another one's clock: the other one's less its own, in microseconds.
    public struct Entry: Sendable, Equatable {
        /// The other node.
        public var node: NodeID
        /// How far its clock is ahead, and by how much that may be wrong.
        public var estimate, error: Int64
    }

    /// What was found so far.
    public private(set) var offsets = PeerOffsets()
    /// What the peers have found, and when they said so.
    public private(set) var rows: [NodeID: (entries: [Entry], heard: Instant)] = [:]
    /// Questions sent, answers taken over, and what was neither a question nor an answer to one of ours.
    public private(set) var asked: UInt64 = 0, answered: UInt64 = 0, refused: UInt64 = 0
    /// When the next question is due.
    public private(set) var deadline: Instant

    private let peers: [NodeID]
    private var turn = 0
    private var random: SeededGenerator
    private var waiting: [(number: UInt64, peer: NodeID, asked: Instant)] = []

    /// Will ask these peers, the first one at once.
    public init(peers: [NodeID], seed: UInt64, at now: Instant) {
        self.peers = peers
        random = SeededGenerator(seed: seed)
        deadline = peers.isEmpty ? .never : now
    }

    /// The next question if one is due, and whom to ask. The numbers can't be guessed by who does not hear
    /// the questions.
    public mutating func wake(at now: Instant) -> (peer: NodeID, payload: [UInt8])? {
        guard deadline <= now, !peers.isEmpty else { return nil }
        deadline = now + Self.interval
        let peer = peers[turn % peers.count]
        turn += 1
        if waiting.count == Self.mostAsked { waiting.removeFirst() }
        let number = random.next()
        waiting.append((number, peer, now))
        asked += 1
        var writer = ByteWriter(capacity: 9)
        writer.byte(ClockMessage.question.rawValue)
        writer.fixed(number)
        return (peer, writer.take())
    }

    /// Takes a question, which it answers, or an answer. `clock` is this machine's, in microseconds since
    /// 1970.
    public mutating func receive(
        _ payload: ArraySlice<UInt8>, from peer: NodeID, at now: Instant, clock: Int64
    ) -> [UInt8]? {
        var reader = ByteReader(payload)
        do throws(ByteReaderError) {
            switch ClockMessage(rawValue: try reader.byte()) {
            case .question:
                let number = try reader.fixed(UInt64.self)
                try reader.expectEnd()
                return answer(to: number, at: now, clock: clock)
            case .answer: try take(&reader, from: peer, at: now)
            case nil: refused += 1
            }
        } catch {
            refused += 1
        }
        return nil
    }

    private func answer(to number: UInt64, at now: Instant, clock: Int64) -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.byte(ClockMessage.answer.rawValue)
        writer.fixed(number)
        writer.fixed(clock)
        let row = row(at: now, clock: clock)
        writer.varint(UInt64(row.count))
        for entry in row {
            writer.counter(entry.node)
            writer.signed(entry.estimate)
            writer.varint(UInt64(entry.error))
        }
        return writer.take()
    }

    private mutating func take(
        _ reader: inout ByteReader, from peer: NodeID, at now: Instant
    ) throws(ByteReaderError) {
        let number = try reader.fixed(UInt64.self)
        let clock = try reader.fixed(Int64.self)
        let count = try reader.count()
        guard count <= Self.longestRow else { throw .malformed }
        var entries: [Entry] = []
        for _ in 0..<count {
            let node = try reader.counter(NodeID.self)
            let estimate = try reader.signed()
            guard let error = Int64(exactly: try reader.varint()) else { throw .malformed }
            entries.append(Entry(node: node, estimate: estimate, error: error))
        }
        try reader.expectEnd()
        // Two thousand years on either side: nothing overflows from here on.
        guard abs(clock / 1_000_000) < 63_000_000_000,
            let place = waiting.firstIndex(where: { $0.number == number && $0.peer == peer })
        else {
            refused += 1
            return
        }
        let question = waiting.remove(at: place)
        offsets.note(ClockExchange(asked: question.asked, answered: now, peerClock: clock), with: peer)
        rows[peer] = (entries, now)
        answered += 1
    }

    /// What this node knows of the others' clocks, its own showing `clock`.
    public func row(at now: Instant, clock: Int64) -> [Entry] {
        var row: [Entry] = []
        for peer in peers.prefix(Self.longestRow) {
            guard let offset = offsets.offset(of: peer, at: now, wall: clock) else { continue }
            row.append(Entry(node: peer, estimate: offset.estimate, error: offset.error))
        }
        return row
    }

    /// What most of the clocks agree on, this machine's among them.
    public func agreement(at now: Instant, clock: Int64) -> ClockAgreement? {
        let known = peers.compactMap { offsets.offset(of: $0, at: now, wall: clock) }
        return ClockAgreement(of: known, clocks: peers.count + 1)
    }
}
