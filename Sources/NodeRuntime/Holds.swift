// What is held for connected clients, found by connection, by lease and by when it must be seen to: there may
// be as many as connections, and each turn is to look only at those that it is about.
import HTTPServer
import Primitives
import Store

/// Something that is held under a lease for as long as a client stays connected, and renewed meanwhile.
struct Hold {
    var lease: String
    /// The request by which a lock or the like is held under the lease, if that is what is held.
    var claim: RequestID?
    var timeToLive: Instant.Span
    /// What is done when the client is gone; nil: the lease's time runs out.
    var atEnd: CoordinationCommand?
    /// When it is renewed next.
    var renewAt: Instant
    /// Until when it is certain that the lease has not expired: counted from when the last renewal that was
    /// applied had been asked for.
    var isSafeUntil: Instant

    /// When it must be seen to.
    var due: Instant { min(renewAt, isSafeUntil) }
}

/// Everything that is held.
struct Holds {
    private var byConnection: [ConnectionID: Hold] = [:]
    private var byLease: [RowKey: [ConnectionID]] = [:]
    /// An entry counts only if it tells when its hold is due.
    private var agenda = Agenda<ConnectionID>()

    var isEmpty: Bool { byConnection.isEmpty }
    var count: Int { byConnection.count }
    /// How many entries stand for them, outdated ones included.
    var entryCount: Int { agenda.count }
    /// The connections, in a fixed order.
    var connections: [ConnectionID] { byConnection.keys.sorted { $0.slot < $1.slot } }

    /// The connections for which a lease is held, by the lease's row.
    func connections(holding row: RowKey) -> [ConnectionID] { byLease[row] ?? [] }

    subscript(_ connection: ConnectionID) -> Hold? {
        get { byConnection[connection] }
        set {
            let old = byConnection[connection]
            byConnection[connection] = newValue
            if old?.lease != newValue?.lease {
                if let old { leave(old.lease, connection) }
                if let newValue { byLease[RowKey(.lease, newValue.lease), default: []].append(connection) }
            }
            if let newValue, old?.due != newValue.due { agenda.insert(connection, at: newValue.due) }
            if agenda.count > 4 * byConnection.count + 64 { rebuild() }
        }
    }

    /// When the first must be seen to.
    mutating func nextDue() -> Instant {
        while let first = agenda.first, byConnection[first.id]?.due != first.at { agenda.removeFirst() }
        return agenda.first?.at ?? .never
    }

    /// The connections whose holds must be seen to. Each must be given its next time, or end.
    mutating func takeDue(at now: Instant) -> [ConnectionID] {
        var (connections, taken): ([ConnectionID], Set<ConnectionID>) = ([], [])
        while nextDue() <= now, let first = agenda.first {
            agenda.removeFirst()
            if taken.insert(first.id).inserted { connections.append(first.id) }
        }
        return connections
    }

    private mutating func leave(_ lease: String, _ connection: ConnectionID) {
        let row = RowKey(.lease, lease)
        byLease[row]?.removeAll { $0 == connection }
        if byLease[row]?.isEmpty == true { byLease[row] = nil }
    }

    private mutating func rebuild() {
        agenda = Agenda()
        for (connection, hold) in byConnection { agenda.insert(connection, at: hold.due) }
    }
}
