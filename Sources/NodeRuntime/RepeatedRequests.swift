// Requests that came back with nothing and are tried again when there may be something: receivers of
// messages.
import API
import HTTPServer
import Primitives
import Store

/// The connections that wait for a row to change, oldest first for each row.
struct RepeatedRequests {
    private struct Waiting {
        var plan: WritePlan
        var row: RowKey
        var deadline: Instant
        var number: UInt64
    }

    /// Who wants to be answered at some instant. It does not count any more once it waits under another
    /// number.
    private struct End {
        var connection: ConnectionID
        var number: UInt64
    }

    /// How many may wait; more are answered at once.
    static let limit = 20_000

    private var byConnection: [ConnectionID: Waiting] = [:]
    /// By row, in the order in which they began to wait: by their numbers.
    private var byRow: [RowKey: [(number: UInt64, connection: ConnectionID)]] = [:]
    /// Until when those wait that are being tried just now.
    private var trying: [ConnectionID: Instant] = [:]
    /// Rows of which somebody could not be tried, and when the next one is.
    private var postponed: [RowKey: Instant] = [:]
    private var ends = Agenda<End>()
    private var lastNumber: UInt64 = 0
    private(set) var deadline = Instant.never

    var isEmpty: Bool { byConnection.isEmpty }
    var isFull: Bool { byConnection.count >= Self.limit }
    var rows: [RowKey] { byRow.keys.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) } }

    /// Until when a request that has just come back with nothing may wait, which began at `start`.
    mutating func waitEnd(of connection: ConnectionID, _ plan: RepeatPlan, since start: Instant) -> Instant {
        trying.removeValue(forKey: connection) ?? start + plan.wait
    }

    /// The request of this connection has come to an end; whether it was one that was tried again.
    @discardableResult mutating func finish(_ connection: ConnectionID) -> Bool {
        !trying.isEmpty && trying.removeValue(forKey: connection) != nil
    }

    mutating func insert(_ connection: ConnectionID, _ plan: WritePlan, at row: RowKey, until end: Instant) {
        lastNumber += 1
        byConnection[connection] = Waiting(plan: plan, row: row, deadline: end, number: lastNumber)
        byRow[row, default: []].append((lastNumber, connection))
        ends.insert(End(connection: connection, number: lastNumber), at: end)
        // Who is tried often leaves an entry behind each time.
        if ends.count > 64 + 2 * byConnection.count {
            ends = Agenda()
            for (connection, waiting) in byConnection {
                ends.insert(End(connection: connection, number: waiting.number), at: waiting.deadline)
            }
        }
        deadline = min(deadline, end)
    }

    mutating func remove(_ connection: ConnectionID) -> WritePlan? {
        guard let waiting = byConnection.removeValue(forKey: connection) else { return nil }
        if let place = byRow[waiting.row]?.firstIndex(where: { $0.number == waiting.number }) {
            byRow[waiting.row]?.remove(at: place)
        }
        if byRow[waiting.row]?.isEmpty == true { byRow[waiting.row] = nil }
        return waiting.plan
    }

    /// Takes out the one that has waited longest for a row, of those for whom there may be something now, to
    /// be tried again.
    mutating func takeOldest(
        at row: RowKey, where suits: (WritePlan) -> Bool = { _ in true }
    ) -> (connection: ConnectionID, plan: WritePlan)? {
        let oldest = byRow[row]?.first { byConnection[$0.connection].map { suits($0.plan) } ?? true }
        guard let connection = oldest?.connection, let end = byConnection[connection]?.deadline,
            let plan = remove(connection)
        else { return nil }
        trying[connection] = end
        return (connection, plan)
    }

    /// The next one for a row is tried at `instant`.
    mutating func postpone(_ row: RowKey, to instant: Instant) {
        guard byRow[row] != nil else { return }
        postponed[row] = instant
        deadline = min(deadline, instant)
    }

    /// The rows for which the next one is to be tried now, in a fixed order.
    mutating func takePostponed(at now: Instant) -> [RowKey] {
        guard !postponed.isEmpty, now >= deadline else { return [] }
        let due = postponed.filter { $0.value <= now }.map(\.key)
        for row in due { postponed[row] = nil }
        setDeadline()
        return due.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    }

    /// Takes out those whose time is over, in a fixed order; all of them with `all`.
    mutating func takeExpired(at now: Instant, all: Bool = false) -> [(ConnectionID, WritePlan)] {
        guard all || now >= deadline else { return [] }
        var expired: [End] = []
        while let first = ends.first, all || first.at <= now {
            ends.removeFirst()
            if isWaiting(first.id) { expired.append(first.id) }
        }
        expired.sort { $0.number < $1.number }
        let taken = expired.compactMap { end in remove(end.connection).map { (end.connection, $0) } }
        setDeadline()
        return taken
    }

    private func isWaiting(_ end: End) -> Bool { byConnection[end.connection]?.number == end.number }

    private mutating func setDeadline() {
        while let first = ends.first, !isWaiting(first.id) { ends.removeFirst() }
        deadline = min(ends.first?.at ?? .never, postponed.values.min() ?? .never)
    }
}
