// The steps that this node's algorithms took.
import API
import Clocks
import Primitives
import Watches

/// The newest steps of each algorithm, and the streams that follow them.
///
/// An object of the node loop's, and of nobody else. Each algorithm has room of its own, so that a thousand
/// locks don't make anybody forget the last election of a leader.
final class TransitionTrail: FollowedLog {
    /// So many are kept of each algorithm.
    static let most = 1_000

    /// A step, without what the trail adds.
    struct Step {
        var algorithm: String
        var subject: String
        var from, to, cause, reason: String
        var details: [(name: String, value: TransitionRecord.Detail)] = []

        /// A step that is in the algorithm's specification, from types that are.
        init<Cause: SpecifiedCause>(
            _ algorithm: AlgorithmSpecification, of subject: String, from: Cause.State, to: Cause.State,
            _ cause: Cause, reason: String? = nil
        ) {
            (self.algorithm, self.subject) = (algorithm.name, subject)
            (self.from, self.to, self.cause) = (from.name, to.name, cause.name)
            self.reason = reason ?? cause.condition
        }

        /// The same with something that belongs to the algorithm.
        consuming func with(_ name: String, _ value: TransitionRecord.Detail) -> Step {
            details.append((name, value))
            return self
        }
    }

    /// The records of one algorithm, the oldest at `head` when the ring is full.
    private struct Ring {
        var records: [TransitionRecord] = []
        var head = 0
        var dropped: UInt64 = 0

        subscript(place: Int) -> TransitionRecord { records[(head + place) % records.count] }

        mutating func append(_ record: TransitionRecord) {
            guard records.count == TransitionTrail.most else { return records.append(record) }
            dropped = records[head].id.number
            records[head] = record
            head = (head + 1) % records.count
        }

        /// How many are not after this number: they come first.
        func count(upTo number: UInt64) -> Int {
            var (low, high) = (0, records.count)
            while low < high {
                let middle = (low + high) / 2
                if self[middle].id.number <= number { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// Another one for every process of the node.
    let process: UInt64
    let followers = Followers<TransitionQuery>()
    /// How many there ever were.
    private(set) var placed: UInt64 = 0
    private var rings: [String: Ring] = [:]

    init(process: UInt64) { self.process = process }

    /// Writes a step down.
    func note(_ step: Step, time: WallTime, hybrid: HybridTime, at now: Instant) {
        placed += 1
        rings[step.algorithm, default: Ring()].append(
            TransitionRecord(
                id: TransitionID(process: process, number: placed), algorithm: step.algorithm,
                subject: step.subject, from: step.from, to: step.to, cause: step.cause, reason: step.reason,
                details: step.details, time: time, hybrid: hybrid))
        followers.stir(at: now)
    }

    /// Where a stream begins that wants what came after this one, and whether that is known here.
    func place(after id: TransitionID?) -> (place: UInt64, isKnown: Bool) {
        guard let id else { return (0, true) }
        return id.process == process && id.number <= placed ? (id.number, true) : (0, false)
    }

    /// The number of an algorithm's last step; 0 if it took none.
    func last(of algorithm: AlgorithmSpecification) -> UInt64 {
        newest(1, of: algorithm).last?.id.number ?? 0
    }

    /// The newest records of an algorithm, the oldest first.
    func newest(_ count: Int, of algorithm: AlgorithmSpecification) -> [TransitionRecord] {
        guard let ring = rings[algorithm.name] else { return [] }
        return (max(0, ring.records.count - count)..<ring.records.count).map { ring[$0] }
    }

    func dropped(_ query: TransitionQuery) -> UInt64 {
        if let algorithm = query.algorithm { return rings[algorithm]?.dropped ?? 0 }
        return rings.values.reduce(0) { max($0, $1.dropped) }
    }

    func piece(
        _ query: TransitionQuery, after place: UInt64, most: Int, bytes: Int, _ format: WatchFormat,
        _ api: NativeAPI
    ) -> LogPiece {
        let found = records(query, after: place, most: most)
        var piece = LogPiece(place: placed, isBehind: false)
        for (count, record) in found.records.enumerated() {
            piece.lines += api.line(of: record, format)
            piece.count = count + 1
            if piece.lines.count > bytes, piece.count < found.records.count {
                (piece.place, piece.isBehind) = (record.id.number, true)
                return piece
            }
        }
        if found.isCut, let last = found.records.last {
            (piece.place, piece.isBehind) = (last.id.number, true)
        }
        return piece
    }

    /// The first `most` records after a place that a query asks for, in their order.
    func records(
        _ query: TransitionQuery, after place: UInt64, most: Int
    ) -> (records: [TransitionRecord], isCut: Bool) {
        var found: [TransitionRecord] = []
        for (algorithm, ring) in rings where query.algorithm == nil || query.algorithm == algorithm {
            var taken = 0
            // One more than asked for tells that there are more.
            for index in ring.count(upTo: place)..<ring.records.count where taken <= most {
                let record = ring[index]
                guard query.subject == nil || query.subject == record.subject else { continue }
                found.append(record)
                taken += 1
            }
        }
        found.sort { $0.id.number < $1.id.number }
        let isCut = found.count > most
        return (Array(found.prefix(most)), isCut)
    }
}
