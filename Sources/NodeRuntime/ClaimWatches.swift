// Who watches how a lock or an election stands, and what each of them was told last. A turn looks only at
// those whose thing has changed, and a client that does not read costs no more than its connection.
import API
import HTTPServer
import Primitives
import Store
import Watches

/// The streams that tell how locks and elections stand.
///
/// Streams with equal views form an audience, for which a state is written once. Nothing is queued: who can't
/// take a line is passed over, and is given the state as it is then when it has room again. So states may be
/// skipped, and the latest always comes.
struct ClaimWatches {
    /// Bounds, in streams, bytes and time.
    struct Limits {
        /// Streams of one node.
        var watchers = 10_000
        /// Unsent bytes of one stream beyond which it is passed over.
        var unsent = 16 << 10
        /// After what silence a stream is told that it is alive.
        var heartbeat = Instant.Span.milliseconds(9_500)
        /// How often streams that were passed over are looked at.
        var patience = Instant.Span.milliseconds(100)
    }

    /// What was done so far.
    struct Counters: Equatable {
        /// States that were written.
        var written: UInt64 = 0
        /// States that were given to streams.
        var told: UInt64 = 0
        /// How often a stream was passed over.
        var passedOver: UInt64 = 0
    }

    /// The streams with one view.
    private struct Audience {
        /// How it stands; empty until it was written for the first time.
        var line: [UInt8] = []
        /// It may stand otherwise by now.
        var hasChanged = false
        var connections: [ConnectionID] = []
    }

    private struct Watcher {
        let view: ClaimView
        /// The place in the audience.
        var place: Int
        /// What it was told last.
        var told: [UInt8] = []
        /// How many states it may still be told.
        var left: Int
        let end: Instant
        var lastSent: Instant
        /// It stands in one of the lists of those that are to be told something.
        var isOwed = false
        /// The time of its valid entry in the agenda.
        var scheduled = Instant.never
    }

    /// A stream whose time has come.
    struct Due: Equatable {
        var connection: ConnectionID
        var format: WatchFormat
        /// The stream ends; else it is to have a sign of life.
        var isOver: Bool
    }

    let limits: Limits
    private(set) var counters = Counters()
    private var watchers: [ConnectionID: Watcher] = [:]
    private var audiences: [ClaimView: Audience] = [:]
    private var byRow: [RowKey: [ClaimView]] = [:]
    /// Views that may have to be written anew.
    private var changed: [ClaimView] = []
    /// Those that are to be told something.
    private var owed: [ConnectionID] = []
    /// Those that were passed over, and when they are looked at again.
    private var stuck: [ConnectionID] = []
    private var retryAt = Instant.never
    /// An entry counts only if its stream says so. Deadlines only move away: then it is put in again.
    private var agenda = Agenda<ConnectionID>()

    init(limits: Limits = Limits()) { self.limits = limits }

    var isEmpty: Bool { watchers.isEmpty }
    var isFull: Bool { watchers.count >= limits.watchers }
    var count: Int { watchers.count }
    /// How many entries stand for their deadlines, outdated ones included.
    var entryCount: Int { agenda.count }
    /// The connections, in a fixed order.
    var connections: [ConnectionID] { watchers.keys.sorted { $0.slot < $1.slot } }

    /// When something must be done; ``Instant/zero``: now.
    var deadline: Instant {
        if watchers.isEmpty { return .never }
        if !changed.isEmpty || !owed.isEmpty { return .zero }
        return min(retryAt, agenda.first?.at ?? .never)
    }

    // MARK: Streams come and go

    /// Begins a stream on a connection that has none. It is told how things stand before anything else.
    mutating func add(_ connection: ConnectionID, _ watch: ClaimWatch, at now: Instant) {
        precondition(!isFull && watchers[connection] == nil)
        let view = watch.view
        let place = audiences[view]?.connections.count ?? 0
        if place == 0 { byRow[view.claim.row, default: []].append(view) }
        audiences[view, default: Audience()].connections.append(connection)
        watchers[connection] = Watcher(
            view: view, place: place, left: watch.most ?? .max, end: watch.wait.map { now + $0 } ?? .never,
            lastSent: now)
        mark(view)
        owe(connection)
        schedule(connection)
    }

    /// The stream has ended, or its connection broke.
    mutating func remove(_ connection: ConnectionID) {
        guard let watcher = watchers.removeValue(forKey: connection) else { return }
        if watchers.isEmpty { return clear() }
        let view = watcher.view
        if let last = audiences[view]?.connections.popLast(), last != connection {
            audiences[view]?.connections[watcher.place] = last
            watchers[last]?.place = watcher.place
        }
        guard audiences[view]?.connections.isEmpty == true else { return }
        audiences[view] = nil
        let row = view.claim.row
        byRow[row]?.removeAll { $0 == view }
        if byRow[row]?.isEmpty == true { byRow[row] = nil }
    }

    // MARK: What has changed

    /// The thing with this row may have changed.
    mutating func note(_ row: RowKey) {
        for view in byRow[row] ?? [] { mark(view) }
    }

    /// Everything may have changed.
    mutating func noteAll() {
        for connection in connections {
            if let view = watchers[connection]?.view { mark(view) }
        }
    }

    /// The views that are to be written anew.
    mutating func takeChanged() -> [ClaimView] {
        var views: [ClaimView] = []
        for view in changed where audiences[view]?.hasChanged == true {
            audiences[view]?.hasChanged = false
            views.append(view)
        }
        changed.removeAll(keepingCapacity: true)
        return views
    }

    /// This is how a view looks now. Whoever was told something else is to be told.
    mutating func show(_ line: [UInt8], to view: ClaimView) {
        counters.written += 1
        guard let audience = audiences[view], audience.line != line else { return }
        audiences[view]?.line = line
        for connection in audience.connections { owe(connection) }
    }

    // MARK: Telling

    /// Those that may have to be told something now.
    mutating func takeOwed(at now: Instant) -> [ConnectionID] {
        var connections = owed
        owed.removeAll(keepingCapacity: true)
        if retryAt <= now {
            connections += stuck
            stuck.removeAll(keepingCapacity: true)
            retryAt = .never
        }
        return connections
    }

    /// What a stream has to be told; nil if there is nothing that it does not know.
    mutating func news(for connection: ConnectionID) -> [UInt8]? {
        guard let watcher = watchers[connection], watcher.isOwed else { return nil }
        if let line = audiences[watcher.view]?.line, line != watcher.told { return line }
        watchers[connection]?.isOwed = false
        return nil
    }

    /// A stream took a line; false: it was the last one that it wanted.
    mutating func tell(_ line: [UInt8], to connection: ConnectionID, at now: Instant) -> Bool {
        guard var watcher = watchers[connection] else { return true }
        counters.told += 1
        watcher.told = line
        watcher.isOwed = false
        watcher.left -= 1
        watcher.lastSent = now
        watchers[connection] = watcher
        return watcher.left > 0
    }

    /// A stream could not take what it was to be told.
    mutating func passOver(_ connection: ConnectionID, at now: Instant) {
        counters.passedOver += 1
        stuck.append(connection)
        retryAt = min(retryAt, now + limits.patience)
    }

    // MARK: Time

    /// The streams that are at their end, or have been silent for too long.
    mutating func takeDue(at now: Instant) -> [Due] {
        var due: [Due] = []
        while let first = agenda.first, first.at <= now {
            agenda.removeFirst()
            guard let watcher = watchers[first.id], watcher.scheduled == first.at else { continue }
            let isOver = watcher.end <= now
            if isOver || watcher.lastSent + limits.heartbeat <= now {
                due.append(Due(connection: first.id, format: watcher.view.format, isOver: isOver))
                // Also where nothing can be said now: the next time comes an interval later.
                watchers[first.id]?.lastSent = now
            }
            if !isOver { schedule(first.id) }
        }
        return due
    }

    /// The form of a stream.
    func format(of connection: ConnectionID) -> WatchFormat? { watchers[connection]?.view.format }

    // MARK: Parts

    private mutating func mark(_ view: ClaimView) {
        guard audiences[view]?.hasChanged == false else { return }
        audiences[view]?.hasChanged = true
        changed.append(view)
    }

    private mutating func owe(_ connection: ConnectionID) {
        guard watchers[connection]?.isOwed == false else { return }
        watchers[connection]?.isOwed = true
        owed.append(connection)
    }

    private mutating func schedule(_ connection: ConnectionID) {
        guard let watcher = watchers[connection] else { return }
        let at = min(watcher.end, watcher.lastSent + limits.heartbeat)
        watchers[connection]?.scheduled = at
        agenda.insert(connection, at: at)
        if agenda.count > 2 * watchers.count + 64 { rebuild() }
    }

    private mutating func clear() {
        let (limits, counters) = (limits, counters)
        self = ClaimWatches(limits: limits)
        self.counters = counters
    }

    private mutating func rebuild() {
        agenda = Agenda()
        for (connection, watcher) in watchers { agenda.insert(connection, at: watcher.scheduled) }
    }
}
