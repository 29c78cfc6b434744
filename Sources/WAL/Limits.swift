/// Sizes of the log on disk.
public struct Limits: Sendable, Equatable {
    /// The size of a segment file, in bytes: a multiple of 512, at least 4 KiB, at most 1 GiB.
    public var segmentBytes: Int
    /// How many spare segments are kept when old ones are recycled; the rest are removed.
    public var spareSegments: Int
    /// How many zeros ``WriteAheadLog/prepareSpare()`` writes in one call, in bytes.
    public var spareSliceBytes: Int
    /// How far apart the places are that are remembered for reading back, in bytes: a read scans at most this
    /// much.
    public var markSpacing: Int
    /// How much is read from a file at a time, in bytes.
    public var readBytes: Int

    /// Makes limits; the defaults are for production.
    public init(
        segmentBytes: Int = 64 << 20, spareSegments: Int = 2, spareSliceBytes: Int = 256 << 10,
        markSpacing: Int = 16 << 10, readBytes: Int = 256 << 10
    ) {
        precondition(segmentBytes >= 4096 && segmentBytes <= 1 << 30 && segmentBytes % 512 == 0)
        precondition(spareSegments >= 1 && spareSliceBytes >= 512 && markSpacing >= 0 && readBytes >= 512)
        self.segmentBytes = segmentBytes
        self.spareSegments = spareSegments
        self.spareSliceBytes = spareSliceBytes
        self.markSpacing = markSpacing
        self.readBytes = readBytes
    }
}
