/// How often what has happened on a ``SimulatedDisk``, over all lives of its node.
public struct DiskCounters: Sendable, Equatable {
    /// Calls that read bytes.
    public internal(set) var reads = 0
    /// Calls that write bytes.
    public internal(set) var writes = 0
    /// Calls that sync a file, settling included.
    public internal(set) var syncs = 0
    /// Calls that sync a folder.
    public internal(set) var folderSyncs = 0
    /// Calls that create or empty a file, or create a folder.
    public internal(set) var creates = 0
    /// Calls that open or lock a file.
    public internal(set) var opens = 0
    /// Calls that reserve space.
    public internal(set) var allocations = 0
    /// Calls that rename a file.
    public internal(set) var renames = 0
    /// Calls that remove a file.
    public internal(set) var removes = 0
    /// Calls that list a folder or ask for a file's size.
    public internal(set) var looks = 0
    /// Bytes read.
    public internal(set) var bytesRead = 0
    /// Bytes written.
    public internal(set) var bytesWritten = 0
    /// Calls that were refused for want of space.
    public internal(set) var spaceRefusals = 0
    /// Operations that stalled.
    public internal(set) var stalls = 0
    /// Times the process died in the middle of an operation.
    public internal(set) var deathsInside = 0
    /// Times the process died.
    public internal(set) var deaths = 0
    /// Times the power failed.
    public internal(set) var powerFailures = 0
    /// What power failures did.
    public internal(set) var losses = DiskLosses()
    private var faults = Self.zeros
    private static let zeros = [Int](repeating: 0, count: DiskFault.allCases.count)

    /// How often a fault has happened, by rate, as a one-shot or by a direct call.
    public internal(set) subscript(_ fault: DiskFault) -> Int {
        get { faults[fault.rawValue] }
        set { faults[fault.rawValue] = newValue }
    }
}

/// What power failures did to what was not synced.
public struct DiskLosses: Sendable, Equatable {
    /// Unsynced sectors that are there all the same.
    public internal(set) var sectorsKept = 0
    /// Unsynced sectors that hold what they held before.
    public internal(set) var sectorsLost = 0
    /// Unsynced sectors that hold neither.
    public internal(set) var sectorsGarbled = 0
    /// Unsynced lengths that are not the last one.
    public internal(set) var sizesLost = 0
    /// Unsynced creations, renamings and removals that happened all the same.
    public internal(set) var namesKept = 0
    /// Unsynced creations, renamings and removals that did not.
    public internal(set) var namesLost = 0

    static func += (a: inout DiskLosses, b: DiskLosses) {
        a.sectorsKept += b.sectorsKept
        a.sectorsLost += b.sectorsLost
        a.sectorsGarbled += b.sectorsGarbled
        a.sizesLost += b.sizesLost
        a.namesKept += b.namesKept
        a.namesLost += b.namesLost
    }
}
