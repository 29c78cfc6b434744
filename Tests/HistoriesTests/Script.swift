import Histories
import Primitives

/// Writes a history by hand: each call is one operation, with times from a small clock.
struct Script {
    private(set) var operations: [HistoryOperation] = []
    var isExclusive = false

    var history: History { History(operations, isExclusive: isExclusive) }

    /// An operation that took from one time to another.
    @discardableResult
    mutating func add(
        _ client: Int, _ times: ClosedRange<Int64>, _ action: HistoryOperation.Action,
        _ outcome: HistoryOperation.Outcome
    ) -> Int {
        operations.append(
            HistoryOperation(
                id: operations.count, client: client, action: action, invoked: times.lowerBound,
                returned: times.upperBound, outcome: outcome))
        return operations.count - 1
    }

    @discardableResult
    mutating func put(
        _ client: Int, _ times: ClosedRange<Int64>, _ key: String, _ value: String, _ revision: UInt64? = nil,
        version: UInt64? = nil, if condition: HistoryOperation.Condition? = nil
    ) -> Int {
        add(
            client, times, .put(bytes(key), value: bytes(value), if: condition),
            .ok(.written(revision: revision.map { Revision($0) }, version: version)))
    }

    /// A read that found a value, or nothing if it is nil.
    @discardableResult
    mutating func get(
        _ client: Int, _ times: ClosedRange<Int64>, _ key: String, _ value: String?,
        _ revision: UInt64? = nil,
        at store: UInt64? = nil, _ freshness: HistoryOperation.Freshness = .linearizable
    ) -> Int {
        let sighting = value.map {
            HistoryOperation.Sighting(value: bytes($0), revision: revision.map { Revision($0) })
        }
        return add(
            client, times, .get(bytes(key), freshness),
            .ok(sighting.map { .found($0) } ?? .absent, at: store.map { Revision($0) }))
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
