// The folder that holds all a node must not forget, and the proof that it is this node's.

public import Primitives

/// Why a data folder can't be used.
public enum DataFolderError: Error, Sendable, Equatable {
    /// Another process uses it.
    case inUse(path: String)
    /// It belongs to another node, cluster or group.
    case foreign(path: String, reason: String)
    /// The identity file is not what was written.
    case damaged(file: String, reason: String)
    /// There is a log, but no identity file that says whose.
    case unidentified(path: String)
    /// The disk failed.
    case disk(DiskError)
    /// The first segment of the log could not be made.
    case log(WALError)
}

extension DataFolderError: CustomStringConvertible {
    /// What is wrong and what to do about it.
    public var description: String {
        switch self {
        case .inUse(let path):
            "the data folder \(path) is in use by another process; two nodes must never share one"
        case .foreign(let path, let reason):
            "the data folder \(path) belongs to someone else: \(reason); give each node a folder of its own, "
                + "and never start a node on a copy of another's"
        case .damaged(let file, let reason):
            "\(file) is damaged: \(reason); restore it, or add the node anew with an empty folder"
        case .unidentified(let path):
            "the data folder \(path) holds a log but no identity file; restore it, or add the node anew with "
                + "an empty folder"
        case .disk(let error): "the data folder can't be used: \(error)"
        case .log(let error): "the data folder can't be set up: \(error)"
        }
    }
}

/// A node's data folder: `identity`, `lock`, and the folders `log` and `checkpoints`.
///
/// Holds the lock for as long as it exists.
public struct DataFolder<D: Disk>: ~Copyable {
    /// The folder's path.
    public let path: String
    /// Whose folder it is; nil until ``initialise(as:limits:)``.
    public private(set) var identity: FolderIdentity?

    private let disk: D
    private let lock: DiskFile

    /// The folder of the log.
    public var logDirectory: String { path + "/log" }
    /// The folder of checkpoints.
    public var checkpointDirectory: String { path + "/checkpoints" }

    /// Makes the folder if there is none, locks it and reads who it belongs to.
    public init(disk: D, path: String) throws(DataFolderError) {
        let lock: DiskFile
        do {
            try disk.createDirectory(path)
            lock = try disk.lock(path + "/lock")
        } catch {
            throw error.code == DiskError.wouldBlock ? .inUse(path: path) : .disk(error)
        }
        let identity: FolderIdentity?
        do {
            let file = path + "/identity"
            identity = try Self.contents(of: file, on: disk).map { text throws(DataFolderError) in
                try IdentityText.parse(text, file: file)
            }
            // A process that was killed may have given the file its name and not synced the folder. If a
            // power failure took the name back later, the log would pass for the leftover of an unfinished
            // attempt, and be removed.
            if identity != nil { try Self.makeNamesDurable(in: path, on: disk) }
        } catch {
            disk.close(lock)
            throw error
        }
        self.disk = disk
        self.path = path
        self.lock = lock
        self.identity = identity
    }

    deinit { disk.close(lock) }

    private static func makeNamesDurable(in path: String, on disk: D) throws(DataFolderError) {
        do {
            try disk.syncDirectory(path)
        } catch {
            throw .disk(error)
        }
    }

    /// Refuses the folder if it belongs to another node. What isn't known yet (nil) is not compared.
    public func verify(
        cluster: ClusterID?, node: NodeID?, nodeName: String?, group: GroupID = .first
    ) throws(DataFolderError) {
        guard let identity else { return }
        func refuse(_ what: String, _ found: String, _ wanted: String) -> DataFolderError {
            .foreign(path: path, reason: "it is of \(what) \(found), and this is \(wanted)")
        }
        if let cluster, cluster != identity.cluster {
            throw refuse("cluster", "\(identity.cluster)", "\(cluster)")
        }
        if let nodeName, nodeName != identity.nodeName { throw refuse("node", identity.nodeName, nodeName) }
        if let node, node != identity.node { throw refuse("node number", "\(identity.node)", "\(node)") }
        if group != identity.group { throw refuse("group", "\(identity.group)", "\(group)") }
    }

    /// Gives a fresh folder its identity, once and for all, and an empty log. A crash in between leaves it
    /// fresh.
    public mutating func initialise(
        as identity: FolderIdentity, limits: Limits = Limits()
    ) throws(DataFolderError) {
        if let present = self.identity {
            throw .foreign(path: path, reason: "it is of node \(present.nodeName) already")
        }
        guard IdentityText.isValid(name: identity.nodeName) else {
            throw .damaged(file: path + "/identity", reason: "a node's name is one line of 1 to 255 bytes")
        }
        let stale = try attempt { () throws(DiskError) in try prepareForIdentity() }
        guard let stale else { throw .unidentified(path: path) }
        try attempt { () throws(DiskError) in
            // From here to the renaming, whatever the log's folder holds is of no worth.
            try write(IdentityText.render(identity), to: draft)
            try disk.syncDirectory(path)
            for name in stale { try disk.remove(logDirectory + "/" + name) }
            try disk.syncDirectory(logDirectory)
        }
        do {
            try WriteAheadLog.create(disk: disk, directory: logDirectory, identity: identity, limits: limits)
        } catch {
            throw .log(error)
        }
        try attempt { () throws(DiskError) in
            try disk.rename(draft, to: path + "/identity")
            try disk.syncDirectory(path)
        }
        self.identity = identity
    }

    private var draft: String { path + "/identity.tmp" }

    /// Makes the folders; returns what an unfinished attempt left in the log's, or nil if a log there is no
    /// leftover.
    private func prepareForIdentity() throws(DiskError) -> [String]? {
        try syncParent()
        try disk.createDirectory(logDirectory)
        try disk.createDirectory(checkpointDirectory)
        let names = try disk.list(logDirectory).sorted()
        let wasBegun = try disk.list(path).contains("identity.tmp")
        if !wasBegun && names.contains(where: { $0.hasSuffix(".log") }) { return nil }
        return names.filter { name in [".log", ".tmp", ".spare"].contains { name.hasSuffix($0) } }
    }

    /// Makes the folder itself durable, unless it is in one that this process may not look into: then someone
    /// else made it.
    private func syncParent() throws(DiskError) {
        let name = path.lastIndex(of: "/")
        let parent = name.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        do {
            try disk.syncDirectory(parent)
        } catch {
            guard error.code == DiskError.notPermitted else { throw error }
        }
    }

    private func attempt<Result>(_ body: () throws(DiskError) -> Result) throws(DataFolderError) -> Result {
        do {
            return try body()
        } catch {
            throw .disk(error)
        }
    }

    private func write(_ bytes: [UInt8], to path: String) throws(DiskError) {
        let file = try disk.create(path)
        defer { disk.close(file) }
        try disk.write(bytes, to: file, at: 0)
        try disk.sync(file)
    }

    private static func contents(of path: String, on disk: D) throws(DataFolderError) -> [UInt8]? {
        do {
            let file = try disk.open(path)
            defer { disk.close(file) }
            var buffer = [UInt8](repeating: 0, count: IdentityText.maximumBytes + 1)
            let count = try disk.read(file, at: 0, into: &buffer)
            return Array(buffer[..<count])
        } catch {
            if error.code == DiskError.noEntry { return nil }
            throw .disk(error)
        }
    }
}
