// The simulated disk as a value. ``SimulatedDisk`` only gives it an identity: a call then costs one check for
// exclusive access instead of one for each property.

import Primitives
import WAL

/// Everything that a ``SimulatedDisk`` is.
struct DiskCore {
    var faults = DiskFaults.none { didSet { updateArmed() } }
    var latency = DiskLatency.none
    var capacity = Int.max
    var isReadOnly = false
    var garblesSectors = true
    var counters = DiskCounters()
    var changes = 0
    var isDead = false

    var state = DiskState()
    /// Files by handle, from `firstHandle` on; -1 for a handle that was given back. No number is used twice.
    var handles: [Int32] = []
    var firstHandle: Int32 = 3
    var openFiles = 0
    var locks: [(file: Int32, handle: Int32)] = []
    var deathAt = Int.max
    var oneShots: [OneShot] = []
    /// Whether a fault may happen at all.
    var isArmed = false
    /// Whether what is durable may go bad by itself.
    var isRotting = false
    var injuries: [DiskInjury] = []
    /// Where the last write to a segment begins; and of those that were synced since.
    var written: (file: Int, offset: Int)?
    var synced: (file: Int, offset: Int)?
    /// Decides what a dying operation has done, and in what order names are listed.
    var luck: SeededGenerator
    /// Decides about faults.
    var chance: SeededGenerator
    private var timing: SeededGenerator
    private(set) var consumed: Int64 = 0

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        luck = random.split()
        chance = random.split()
        timing = random.split()
    }

    var freeBytes: Int { max(0, capacity - state.used) }

    mutating func makeFolders(_ path: String) {
        var path = DiskState.absolute(path)[...]
        while path.utf8.last == 47 { path.removeLast() }
        guard !path.isEmpty, state.folder(path) == nil else { return }
        if let slash = path.utf8.lastIndex(of: 47) { makeFolders(String(path[..<slash])) }
        guard let place = state.place(of: String(path)) else { return }
        state.makeFolder(place, isDurable: true)
    }

    /// The process is gone; what its handles stand for is known to nobody.
    mutating func endLife() {
        firstHandle += Int32(handles.count)
        handles.removeAll(keepingCapacity: true)
        openFiles = 0
        locks.removeAll()
        isDead = false
        (written, synced) = (nil, nil)
        deathAt = .max
        consumed = 0
        counters.deaths += 1
    }

    // MARK: - Time

    mutating func takeConsumed() -> Instant.Span {
        defer { consumed = 0 }
        return Instant.Span(nanoseconds: consumed)
    }

    mutating func spend(_ span: Instant.Span, bytes: Int = 0) {
        let moving = (Int64(bytes) * latency.perMebibyte.nanoseconds) >> 20
        consumed &+= (span.nanoseconds &+ moving) &* Int64(latency.factor)
    }

    mutating func spendSync(bytes: Int) {
        let half = latency.sync.nanoseconds / 2
        guard half > 0 else { return spend(.zero, bytes: bytes) }
        let jitter = Int64(timing.next(below: UInt64(2 * half)))
        spend(Instant.Span(nanoseconds: half + jitter), bytes: bytes)
    }

    mutating func stallPerhaps() {
        guard latency.stallsPerMillion > 0 else { return }
        guard timing.next(below: 1_000_000) < UInt64(latency.stallsPerMillion) else { return }
        counters.stalls += 1
        consumed &+= timing.next(in: latency.stall).nanoseconds
    }
}
