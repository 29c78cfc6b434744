// The door to the file system: everything the log, the checkpoints and the data folder do to files goes
// through it, so that tests and the simulator can lose, tear and refuse what a real disk loses, tears and
// refuses.

/// An open file of a ``Disk``.
public struct DiskFile: Sendable, Equatable {
    /// What the disk knows the file by; a file descriptor, on a real one.
    public let number: Int32
    /// The name it was opened under, for error messages.
    public let path: String

    /// Makes the handle with this number.
    public init(number: Int32, path: String) {
        self.number = number
        self.path = path
    }
}

/// Files and folders by path. Calls block. What was written is only certain to outlive a crash after
/// ``sync(_:)``, what was created, renamed or removed only after ``syncDirectory(_:)`` of its folder.
public protocol Disk {
    /// Creates an empty file or empties the one that is there, for reading and writing.
    func create(_ path: String) throws(DiskError) -> DiskFile
    /// Opens a file that is there, for reading and writing.
    func open(_ path: String) throws(DiskError) -> DiskFile
    /// Gives the handle back. Says nothing about durability.
    func close(_ file: DiskFile)
    /// The file's length in bytes.
    func size(of file: DiskFile) throws(DiskError) -> Int
    /// Fills `buffer` from `offset` on and returns how many bytes it got: fewer than it holds only at the
    /// file's end.
    func read(_ file: DiskFile, at offset: Int, into buffer: inout [UInt8]) throws(DiskError) -> Int
    /// Writes all of `bytes` at `offset`. If it throws, any part may have been written.
    func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(DiskError)
    /// Makes the file `count` bytes long and reserves the space for it, as far as the file system can.
    func allocate(_ file: DiskFile, count: Int) throws(DiskError)
    /// Makes what was written to the file durable, and its length. After a failure nothing is known, and a
    /// second attempt would only seem to succeed (Rebello et al., "Can Applications Recover from fsync
    /// Failures?", 2020).
    func sync(_ file: DiskFile) throws(DiskError)
    /// Like ``sync(_:)``, and forgets cached pages, so that the next reads tell what the disk really holds.
    func settle(_ file: DiskFile) throws(DiskError)
    /// Makes creations, renamings and removals in a folder durable.
    func syncDirectory(_ path: String) throws(DiskError)
    /// Renames a file within its folder; replaces the one that has the new name, in one step.
    func rename(_ path: String, to newPath: String) throws(DiskError)
    /// Removes a file.
    func remove(_ path: String) throws(DiskError)
    /// The names in a folder, in no particular order, without `.` and `..`.
    func list(_ directory: String) throws(DiskError) -> [String]
    /// Makes a folder; does nothing if it is there.
    func createDirectory(_ path: String) throws(DiskError)
    /// Opens or creates a file and locks it for this process alone until it is closed; throws code
    /// ``DiskError/wouldBlock`` if another has it.
    func lock(_ path: String) throws(DiskError) -> DiskFile
}

/// A call to a ``Disk`` that failed.
public struct DiskError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was attempted.
    public enum Operation: String, Sendable {
        /// Creating a file or folder.
        case create
        /// Opening a file.
        case open
        /// Reading, listing or asking for the size.
        case read
        /// Writing.
        case write
        /// Reserving space.
        case allocate
        /// Making a file or folder durable.
        case sync
        /// Renaming.
        case rename
        /// Removing.
        case remove
        /// Locking.
        case lock
    }

    /// What was attempted.
    public let operation: Operation
    /// On which file.
    public let path: String
    /// The system's error number (Linux).
    public let code: Int32

    /// Makes the error with these parts.
    public init(_ operation: Operation, _ path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// ENOENT
    public static let noEntry: Int32 = 2
    /// EIO
    public static let inputOutput: Int32 = 5
    /// EAGAIN, from a lock that another process holds
    public static let wouldBlock: Int32 = 11
    /// EACCES
    public static let notPermitted: Int32 = 13
    /// ENOSPC
    public static let noSpaceLeft: Int32 = 28
    /// EDQUOT
    public static let quotaExceeded: Int32 = 122

    /// Whether there was no room, which can change, and the call may be made again: never so of a failed
    /// sync.
    public var isNoSpace: Bool {
        operation != .sync && (code == Self.noSpaceLeft || code == Self.quotaExceeded)
    }

    /// As in `write /data/log/0000000000000001.log: no space left (error 28)`.
    public var description: String {
        let names: [Int32: String] = [
            1: "not permitted", 2: "no such file", 5: "input/output error", 11: "locked by another process",
            13: "permission denied", 17: "already exists", 20: "not a folder", 23: "too many open files",
            24: "too many open files", 27: "file too large", 28: "no space left", 30: "read-only file system",
            122: "quota exceeded",
        ]
        return "\(operation.rawValue) \(path): \(names[code] ?? "failed") (error \(code))"
    }
}
