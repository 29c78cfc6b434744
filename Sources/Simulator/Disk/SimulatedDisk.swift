public import Primitives
public import WAL

/// The disk of one simulated node over its whole life, crashes and restarts included.
///
/// A write is durable after ``sync(_:)`` of its file, a name after ``syncDirectory(_:)`` of its folder; until
/// then both are in the cache alone. What becomes of that when the power fails is drawn, sector by sector and
/// name by name. All that happens depends on nothing but the seed, the generators that are handed in, and the
/// calls. Interrupted calls and short reads and writes are not simulated: they don't reach beyond the real
/// disk's own code.
public final class SimulatedDisk {
    /// The code of errors that mean that the process is dead: no operating system has it.
    public static let crashed: Int32 = 999

    private var core: DiskCore

    /// An empty disk, apart from these folders (and those they are in), which are durable.
    public init(seed: UInt64, folders: [String] = []) {
        core = DiskCore(seed: seed)
        for folder in folders { core.makeFolders(folder) }
    }

    /// A disk with what the image holds.
    public convenience init(image: DiskImage, seed: UInt64) {
        self.init(seed: seed)
        core.state = image.state
    }

    // MARK: - Knobs

    /// What goes wrong by chance.
    public var faults: DiskFaults {
        get { core.faults }
        set { core.faults = newValue }
    }
    /// How long operations take.
    public var latency: DiskLatency {
        get { core.latency }
        set { core.latency = newValue }
    }
    /// How many bytes files may take, in blocks of 4 KiB; may be changed at any time. Calls that need more
    /// throw ENOSPC, and when nothing is left creating and renaming do so now and then.
    public var capacity: Int {
        get { core.capacity }
        set { core.capacity = newValue }
    }
    /// Whether everything that changes something throws EROFS, apart from syncs.
    public var isReadOnly: Bool {
        get { core.isReadOnly }
        set { core.isReadOnly = newValue }
    }
    /// Whether a power failure may leave rubbish in sectors that were being written.
    public var garblesSectors: Bool {
        get { core.garblesSectors }
        set { core.garblesSectors = newValue }
    }

    /// Lets a fault happen once, at the next operation that it can befall and that concerns a file of these
    /// kinds, after `skipping` such operations.
    public func inject(_ fault: DiskFault, skipping: Int = 0, in kinds: FileKinds = .all) {
        core.inject(fault, skipping: skipping, in: kinds)
    }

    /// Takes back what was asked for with ``inject(_:skipping:in:)`` and hasn't happened yet.
    public func cancelInjections() { core.cancelInjections() }

    /// Turns a bit over in the durable bytes of some file of these kinds. False if there are none.
    @discardableResult
    public func rot(_ kinds: FileKinds = .all, using random: inout SeededGenerator) -> Bool {
        core.rot(kinds, using: &random)
    }

    /// Turns a bit over that is durable; does nothing if there is no such file or byte.
    public func flip(bit: Int, ofByte offset: Int, in path: String) {
        guard let number = core.state.file(path), offset < core.state.files[number].bytes.count else {
            return
        }
        core.state.files[number].flip(bit: bit, ofByte: offset)
    }

    /// Where the last write to a segment of the log that was synced begins, and in which file; nil if there
    /// is none.
    public var lastSyncedWrite: (path: String, offset: Int)? {
        core.synced.map { (core.state.files[$0.file].path, $0.offset) }
    }

    /// Makes a durable sector of some file of these kinds unreadable. False if there is none.
    @discardableResult
    public func spoil(_ kinds: FileKinds = .all, using random: inout SeededGenerator) -> Bool {
        core.spoil(kinds, using: &random)
    }

    // MARK: - Dying

    /// Lets the process die in the middle of a change: of the next one if `count` is 0. A write is then done
    /// up to some byte, a sync in some sectors, anything else or nothing at all.
    public func die(after count: Int) { core.deathAt = core.changes + count + 1 }

    /// Whether the process died in the middle of an operation: every call throws ``crashed`` until
    /// ``crash(using:power:)``.
    public var isDead: Bool { core.isDead }

    /// The process dies, at once or because it is dead already, and its handles and locks with it: whoever
    /// still has one gets ``crashed``.
    ///
    /// If the power fails, too, everything that isn't synced is kept or lost (or, of sectors, garbled) as
    /// the generator decides. Otherwise the cache stays as it is.
    public func crash(using random: inout SeededGenerator, power: Bool) {
        core.endLife()
        guard power else { return core.state.endProcess() }
        core.counters.powerFailures += 1
        var fate = CrashFate(using: &random, garbling: core.garblesSectors)
        core.state.loseUnsynced(&fate)
        core.counters.losses += fate.losses
    }

    /// Another disk on which the power fails at this moment and all that isn't synced is lost. It is without
    /// faults, latency and limits; this one doesn't notice. Costs little, whatever the files' sizes.
    public func fork() -> SimulatedDisk { SimulatedDisk(image: snapshot(), seed: 0) }

    /// Like ``fork()``, but what isn't synced is kept, lost or garbled as the generator decides.
    public func fork(using random: inout SeededGenerator) -> SimulatedDisk {
        var fate = CrashFate(using: &random, garbling: core.garblesSectors)
        let other = SimulatedDisk(seed: random.next())
        other.core.state = core.state
        other.core.state.loseUnsynced(&fate)
        return other
    }

    /// Everything that is durable now, and nothing else.
    public func snapshot() -> DiskImage {
        var image = core.state
        var fate = CrashFate.worst
        image.loseUnsynced(&fate)
        return DiskImage(state: image)
    }

    /// The process dies, and an old image of the disk takes the place of what it holds.
    public func restore(_ image: DiskImage) {
        core.endLife()
        core.state = image.state
    }

    /// The process dies, and the disk is replaced by an empty one.
    public func wipe() { restore(DiskImage(state: DiskState())) }

    // MARK: - What has happened

    /// How long the operations since the last call have kept their caller waiting.
    public func takeConsumed() -> Instant.Span { core.takeConsumed() }
    /// The faults that have happened since the last call, oldest first.
    public func takeInjuries() -> [DiskInjury] {
        defer { core.injuries.removeAll() }
        return core.injuries
    }
    /// Operations and faults so far.
    public var counters: DiskCounters { core.counters }
    /// How many operations so far were changes: all but opening, reading, listing, asking for sizes, locking
    /// and closing.
    public var changes: Int { core.changes }
    /// How many bytes the files take, in blocks of 4 KiB.
    public var usedBytes: Int { core.state.used }
    /// How many bytes files may still take.
    public var freeBytes: Int { core.freeBytes }
    /// How many handles the process has.
    public var openFiles: Int { core.openFiles }
    /// Whether all sectors and names are synced, so that a power failure changes nothing.
    public var isSettled: Bool {
        core.state.files.allSatisfy { !$0.isUnsettled } && core.state.folders.allSatisfy(\.pending.isEmpty)
    }
    /// A number that two disks share if the same files, bytes and folders are durable on both.
    public var durableDigest: UInt64 { core.state.durableDigest() }

    /// A file's bytes as the cache shows them; nil if there is no such file.
    public func contents(_ path: String) -> [UInt8]? {
        core.state.file(path).map { core.state.files[$0].bytes }
    }

    /// A file's bytes as a power failure now would leave them if all that isn't synced were lost; nil if
    /// there would be no such file.
    public func durableContents(_ path: String) -> [UInt8]? {
        let path = DiskState.absolute(path)
        let found = core.state.paths(durable: true).first { $0.path == path }
        return found?.file.map { core.state.platter(of: $0) }
    }

    /// All that a power failure now would leave if all that isn't synced were lost, in order: the bytes of
    /// files, and folders (with a slash at the end) without bytes.
    public func durableTree() -> [(path: String, bytes: [UInt8]?)] {
        core.state.paths(durable: true).map { ($0.path, $0.file.map { core.state.platter(of: $0) }) }
    }

    /// The paths of files whose names end like this, in order.
    public func paths(ending suffix: String = "") -> [String] {
        core.state.paths(durable: false).filter { $0.file != nil && $0.path.hasSuffix(suffix) }.map(\.path)
    }

    /// Puts a file there, or other bytes into it, all durable; makes folders as needed.
    public func put(_ path: String, _ bytes: [UInt8]) {
        let path = DiskState.absolute(path)
        if let slash = path.utf8.lastIndex(of: 47) { core.makeFolders(String(path[..<slash])) }
        guard let place = core.state.place(of: path) else { return }
        if let number = core.state.file(path) {
            core.state.change(number) { $0.replace(by: bytes) }
            core.state.link(number, place, isDurable: true)
        } else {
            _ = core.state.makeFile(place, bytes, isDurable: true)
        }
    }
}

/// What is durable on a ``SimulatedDisk`` at some moment. Copies share what they have in common.
public struct DiskImage: Sendable {
    let state: DiskState

    /// See ``SimulatedDisk/durableDigest``.
    public var digest: UInt64 { state.durableDigest() }
}

extension DiskError {
    /// Whether the simulated process is dead: the engine meant this to happen, and it says nothing about the
    /// disk.
    public var isSimulatedCrash: Bool { code == SimulatedDisk.crashed }
}

// MARK: - Disk

extension SimulatedDisk: Disk {
    /// Creates an empty file or empties the one that is there.
    public func create(_ path: String) throws(DiskError) -> DiskFile { try core.create(path) }
    /// Opens a file that is there.
    public func open(_ path: String) throws(DiskError) -> DiskFile { try core.open(path) }
    /// Gives a handle back, and its lock. Those of a dead process are gone already.
    public func close(_ file: DiskFile) { core.close(file) }
    /// A file's length.
    public func size(of file: DiskFile) throws(DiskError) -> Int { try core.size(of: file) }
    /// Reads from the cache.
    public func read(_ file: DiskFile, at offset: Int, into buffer: inout [UInt8]) throws(DiskError) -> Int {
        try core.read(file, at: offset, into: &buffer)
    }
    /// Writes to the cache.
    public func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(DiskError) {
        try core.write(bytes, to: file, at: offset)
    }
    /// Makes a file longer and takes the space for it.
    public func allocate(_ file: DiskFile, count: Int) throws(DiskError) {
        try core.allocate(file, count: count)
    }
    /// Makes a file's bytes and length durable.
    public func sync(_ file: DiskFile) throws(DiskError) { try core.sync(file) }
    /// Syncs, and reads anew from the platter what the cache only takes for clean.
    public func settle(_ file: DiskFile) throws(DiskError) { try core.settle(file) }
    /// Makes a folder's changes durable.
    public func syncDirectory(_ path: String) throws(DiskError) { try core.syncDirectory(path) }
    /// Renames a file within its folder.
    public func rename(_ path: String, to newPath: String) throws(DiskError) {
        try core.rename(path, to: newPath)
    }
    /// Removes a file; who has it open may go on reading and writing it.
    public func remove(_ path: String) throws(DiskError) { try core.remove(path) }
    /// The names in a folder, in a different order each time.
    public func list(_ directory: String) throws(DiskError) -> [String] { try core.list(directory) }
    /// Makes a folder; does nothing if it is there.
    public func createDirectory(_ path: String) throws(DiskError) { try core.createDirectory(path) }
    /// Locks a file, creating it if it isn't there, until the handle is given back or the process dies.
    public func lock(_ path: String) throws(DiskError) -> DiskFile { try core.lock(path) }
}
