public import Primitives

/// Why the log cannot do what it was asked.
public enum WALError: Error, Sendable, Equatable {
    /// There was no room for a new segment. Nothing is lost: what was appended is still pending, and the call
    /// may be made again when there is room.
    case noSpace(DiskError)
    /// The disk failed. The log is unusable from now on; the process should end.
    case disk(DiskError)
    /// The log is unusable because of an earlier failure.
    case unusable
    /// There is no log in a folder that should have one.
    case absent(directory: String)
    /// There is a log in a folder that should have none.
    case alreadyExists(directory: String)
    /// What had been durable is missing or changed.
    case corrupt(file: String, offset: Int, reason: String)
    /// The file belongs to another cluster, node or group.
    case foreign(file: String, reason: String)
    /// The file was written by another version of this program.
    case unsupportedVersion(file: String, version: UInt32)
    /// The entries before `first` are no longer in the log.
    case compacted(first: LogIndex)
}

extension WALError: CustomStringConvertible {
    /// One sentence for the operator.
    public var description: String {
        switch self {
        case .noSpace(let error): "no room for the log: \(error)"
        case .disk(let error): "the log's disk failed: \(error)"
        case .unusable: "the log is unusable since its disk failed"
        case .absent(let directory): "the log is missing from \(directory)"
        case .alreadyExists(let directory): "there is a log in \(directory) already"
        case .corrupt(let file, let offset, let reason): "\(file) is damaged at offset \(offset): \(reason)"
        case .foreign(let file, let reason): "\(file) belongs to someone else: \(reason)"
        case .unsupportedVersion(let file, let version): "\(file) has format version \(version), unknown here"
        case .compacted(let first): "the log begins at index \(first)"
        }
    }
}
