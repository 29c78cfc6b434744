// The files of checkpoints: written aside, synced, renamed; so that a file with a checkpoint's name is a
// whole one. What is in them is the store's affair, and has its own checksums.

public import Consensus
import Primitives

/// A whole checkpoint that is on disk.
public struct Checkpoint: Sendable, Hashable {
    /// The last entry it covers.
    public let position: LogPosition
    /// The file's length.
    public let bytes: Int

    /// Makes the description with these parts.
    public init(position: LogPosition, bytes: Int) {
        self.position = position
        self.bytes = bytes
    }
}

/// The checkpoints of one group in a folder of their own.
public struct CheckpointStore<D: Disk> {
    /// The folder.
    public let directory: String
    /// How many are kept.
    public let kept: Int

    let disk: D

    /// Looks after the checkpoints in `directory`, which must be there.
    public init(disk: D, directory: String, keeping kept: Int = 2) {
        precondition(kept >= 1)
        self.disk = disk
        self.directory = directory
        self.kept = kept
    }

    /// Removes what a crash left in the making, and makes the names of the rest durable: a process that was
    /// killed may have renamed a checkpoint and not synced the folder, and nothing may be built on a name
    /// that a power failure takes back. Only when nothing is being written.
    public func removeLeftovers() throws(DiskError) {
        for name in try disk.list(directory).sorted() where name.hasSuffix(".tmp") {
            try disk.remove(directory + "/" + name)
        }
        try disk.syncDirectory(directory)
    }

    /// The checkpoints that are there, newest first.
    public func list() throws(DiskError) -> [Checkpoint] {
        let positions = try disk.list(directory).compactMap { checkpointPosition(inName: $0) }
        var found: [Checkpoint] = []
        for position in positions.sorted(by: { ($0.index, $0.term) > ($1.index, $1.term) }) {
            let file = try disk.open(path(position))
            defer { disk.close(file) }
            found.append(Checkpoint(position: position, bytes: try disk.size(of: file)))
        }
        return found
    }

    /// Begins a checkpoint of everything up to `position`, made by this node or fetched from another. There
    /// may be one writer of each kind at a time; a later one with the same origin takes the place of one that
    /// was not finished.
    public func write(_ position: LogPosition, from origin: CheckpointOrigin) throws(DiskError)
        -> CheckpointWriter<D>
    {
        let temporary = directory + "/" + origin.rawValue + ".tmp"
        return CheckpointWriter(
            disk: disk, directory: directory, position: position, target: path(position),
            file: try disk.create(temporary))
    }

    /// Opens a checkpoint. It can be read to the end even if it is removed meanwhile.
    public func read(_ position: LogPosition) throws(DiskError) -> CheckpointReader<D> {
        let file = try disk.open(path(position))
        do {
            let size = try disk.size(of: file)
            return CheckpointReader(
                disk: disk, checkpoint: Checkpoint(position: position, bytes: size), file: file)
        } catch {
            disk.close(file)
            throw error
        }
    }

    /// Removes all but the newest ones. Cut the log no higher than the older of those that stay, so that the
    /// newer one may turn out damaged.
    public func prune() throws(DiskError) {
        let surplus = try list().dropFirst(kept)
        for checkpoint in surplus { try disk.remove(path(checkpoint.position)) }
        if !surplus.isEmpty { try disk.syncDirectory(directory) }
    }

    /// Removes one checkpoint, which was found damaged.
    public func remove(_ position: LogPosition) throws(DiskError) {
        try disk.remove(path(position))
        try disk.syncDirectory(directory)
    }

    private func path(_ position: LogPosition) -> String {
        let index = hexadecimal(position.index.rawValue, digits: 16)
        return "\(directory)/\(index)-\(hexadecimal(position.term.rawValue, digits: 16)).checkpoint"
    }
}

extension CheckpointStore: Sendable where D: Sendable {}

/// Where a checkpoint comes from; each kind has its own unfinished file.
public enum CheckpointOrigin: String, Sendable {
    /// This node's own state.
    case own
    /// Another node.
    case fetched
}

/// A checkpoint in the making. Without ``finish()`` it never becomes one.
public struct CheckpointWriter<D: Disk>: ~Copyable {
    /// How much is written between two syncs: so that the last one has little left to do, and the log's own
    /// syncs don't have to wait behind a flood.
    public static var syncBytes: Int { 512 << 10 }

    /// The last entry it covers.
    public let position: LogPosition
    /// How many bytes were appended.
    public private(set) var bytes = 0

    private let disk: D
    private let directory: String
    private let target: String
    private let file: DiskFile
    private var unsynced = 0
    private var isOpen = true
    private var failure: DiskError?

    init(disk: D, directory: String, position: LogPosition, target: String, file: DiskFile) {
        self.disk = disk
        self.directory = directory
        self.position = position
        self.target = target
        self.file = file
    }

    deinit {
        if isOpen { disk.close(file) }
    }

    /// Adds to the end. After an error the writer only throws that error again.
    public mutating func append(_ chunk: [UInt8]) throws(DiskError) {
        try attempt(chunk)
    }

    /// Makes it durable and gives it its name. An error other than for want of space leaves it unknown
    /// whether the checkpoint is there: the process should end. A failed writer can only be abandoned.
    public mutating func finish() throws(DiskError) -> Checkpoint {
        try attempt(nil)
        return Checkpoint(position: position, bytes: bytes)
    }

    /// Adds a chunk, or finishes if there is none.
    private mutating func attempt(_ chunk: [UInt8]?) throws(DiskError) {
        precondition(isOpen, "the checkpoint is finished")
        if let failure { throw failure }
        do {
            if let chunk {
                try disk.write(chunk, to: file, at: bytes)
                bytes += chunk.count
                unsynced += chunk.count
            }
            if chunk == nil || unsynced >= Self.syncBytes {
                try disk.sync(file)
                unsynced = 0
            }
            guard chunk == nil else { return }
            try disk.rename(file.path, to: target)
            if !isPlanted(.renamesCheckpointUnsynced) { try disk.syncDirectory(directory) }
            isOpen = false
            disk.close(file)
        } catch {
            failure = error
            throw error
        }
    }

    /// Gives it up, and its space.
    public mutating func abandon() throws(DiskError) {
        guard isOpen else { return }
        isOpen = false
        disk.close(file)
        try disk.remove(file.path)
    }
}

/// An open checkpoint.
public struct CheckpointReader<D: Disk>: ~Copyable {
    /// What is read.
    public let checkpoint: Checkpoint

    private let disk: D
    private let file: DiskFile

    init(disk: D, checkpoint: Checkpoint, file: DiskFile) {
        self.disk = disk
        self.checkpoint = checkpoint
        self.file = file
    }

    deinit { disk.close(file) }

    /// Up to `count` bytes from `offset` on; fewer only at the end, none beyond it.
    public func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        guard offset >= 0, offset < checkpoint.bytes, count > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: min(count, checkpoint.bytes - offset))
        let got = try disk.read(file, at: offset, into: &buffer)
        if got < buffer.count { buffer.removeLast(buffer.count - got) }
        return buffer
    }
}

/// The position in the name of a checkpoint's file; nil if it isn't one.
private func checkpointPosition(inName name: String) -> LogPosition? {
    guard name.utf8.count == 44, name.hasSuffix(".checkpoint") else { return nil }
    let parts = name.dropLast(11).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 16 }),
        let index = UInt64(parts[0], radix: 16), let term = UInt64(parts[1], radix: 16)
    else { return nil }
    return LogPosition(index: LogIndex(index), term: Term(term))
}
