// What can go wrong on a simulated disk apart from a crash, and how often.

/// A way in which a disk fails.
public enum DiskFault: Int, CaseIterable, Sendable {
    /// Reading throws EIO.
    case readError
    /// Reading gives what a sector held before the last sync.
    case staleRead
    /// Reading gives one wrong bit; what is stored is right.
    case flippedRead
    /// Writing throws EIO; any part from the beginning was written.
    case writeError
    /// Writing succeeds and the cache shows it, but the platter never gets it.
    case lostWrite
    /// Writing succeeds and the cache shows it, but on the platter it replaces other sectors of the file.
    case misdirectedWrite
    /// Writing, reserving, creating or renaming throws ENOSPC although there is room (a quota, say).
    case noSpace
    /// Syncing throws EIO; the cache goes on showing the new content, as if it were clean, until it is
    /// dropped (ext4).
    case syncErrorKept
    /// Syncing throws EIO; the old content is back at once (Btrfs).
    case syncErrorReverted
    /// Syncing succeeds, but nothing is durable; the next sync of the file throws EIO (ext4 with
    /// `data=journal`).
    case syncErrorLater
    /// Syncing throws ENOSPC, from an allocation put off until then; otherwise like ``syncErrorKept``.
    case syncNoSpace
    /// Syncing a folder throws EIO; any of its changes are durable, the others are not yet.
    case folderSyncError
    /// Creating, opening, renaming, removing, locking or listing throws EIO.
    case nameError
    /// One bit of what is durable flips.
    case bitRot
    /// A durable sector can't be read any more (EIO) until it is written anew.
    case unreadableSector

    /// Whether nobody is told when it happens: what was acknowledged as durable may be gone on this disk, or
    /// seem so to a node that starts, which comes to the same.
    public var isSilent: Bool {
        switch self {
        case .staleRead, .flippedRead, .lostWrite, .misdirectedWrite, .syncErrorLater, .bitRot,
            .unreadableSector:
            true
        default: false
        }
    }
}

/// Kinds of files, told by the ends of their names: which of them faults befall.
public struct FileKinds: OptionSet, Sendable {
    /// A bit for each kind.
    public let rawValue: UInt8
    /// Makes the set with these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Segments of the log, `*.log`.
    public static let segments = FileKinds(rawValue: 1)
    /// Spare segments, `*.spare`.
    public static let spares = FileKinds(rawValue: 2)
    /// Checkpoints, `*.checkpoint`.
    public static let checkpoints = FileKinds(rawValue: 4)
    /// Files in the making, `*.tmp`.
    public static let temporaries = FileKinds(rawValue: 8)
    /// The file that says whose folder it is, `identity`.
    public static let identity = FileKinds(rawValue: 16)
    /// All other files.
    public static let others = FileKinds(rawValue: 32)
    /// All files.
    public static let all = FileKinds(rawValue: 63)

    /// The kind of the file with this path.
    public init(path: String) {
        switch true {
        case path.hasSuffix(".log"): self = .segments
        case path.hasSuffix(".spare"): self = .spares
        case path.hasSuffix(".checkpoint"): self = .checkpoints
        case path.hasSuffix(".tmp"): self = .temporaries
        case path.hasSuffix("/identity"): self = .identity
        default: self = .others
        }
    }
}

/// How often each fault happens, in operations of the kind it can befall.
public struct DiskFaults: Sendable, Equatable, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    /// The files that are befallen. Syncs of folders concern all.
    public var kinds = FileKinds.all
    private var rates: [Int]
    private static let zeros = [Int](repeating: 0, count: DiskFault.allCases.count)

    /// Makes faults from rates in a million operations; those that aren't named don't happen.
    public init(dictionaryLiteral elements: (DiskFault, Int)...) {
        rates = elements.isEmpty ? Self.zeros : [Int](repeating: 0, count: Self.zeros.count)
        for (fault, rate) in elements { self[fault] = rate }
    }

    /// No faults.
    public static let none: DiskFaults = [:]

    /// How often a fault happens in a million operations: 0 to 1,000,000.
    public subscript(_ fault: DiskFault) -> Int {
        get { rates[fault.rawValue] }
        set { rates[fault.rawValue] = max(0, min(1_000_000, newValue)) }
    }

    /// Whether nothing ever happens.
    public var isNone: Bool { rates.allSatisfy { $0 == 0 } }

    /// As in `lostWrite 20, bitRot 3`, or `none`.
    public var description: String {
        let present = DiskFault.allCases.filter { self[$0] > 0 }.map { "\($0) \(self[$0])" }
        return present.isEmpty ? "none" : present.joined(separator: ", ")
    }
}

/// A fault that happened: for the trace, and so that the engine knows what this disk may have lost.
public struct DiskInjury: Sendable, Equatable, CustomStringConvertible {
    /// What happened.
    public let fault: DiskFault
    /// To which file or folder.
    public let path: String
    /// To which of its bytes; empty if that means nothing.
    public let bytes: Range<Int>

    /// As in `lostWrite /data/log/0000000000000001.log 512..<1024`.
    public var description: String { bytes.isEmpty ? "\(fault) \(path)" : "\(fault) \(path) \(bytes)" }
}
