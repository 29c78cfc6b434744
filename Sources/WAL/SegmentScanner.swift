// Reading records back: from files at recovery, from files and what is still pending for slow followers.

import Primitives

/// A part of a file held in memory, moved along as it is read.
struct FileWindow {
    private let file: DiskFile?
    /// Where reading ends.
    let size: Int
    private(set) var bytes: [UInt8]
    private var start: Int
    private var count: Int

    /// Reads `file`, which has `size` bytes, `chunk` bytes at a time.
    init(_ file: DiskFile, size: Int, chunk: Int) {
        self.file = file
        self.size = size
        bytes = [UInt8](repeating: 0, count: min(chunk, size))
        start = 0
        count = 0
    }

    /// Shows what will be written, and nothing else.
    init(pending batch: Batch) {
        file = nil
        size = batch.end
        bytes = batch.bytes
        start = batch.offset
        count = batch.bytes.count
    }

    /// Whether this shows what is not written yet.
    var isPending: Bool { file == nil }

    /// The place in `bytes` where the `wanted` bytes at `offset` of the file are; nil if it has no such
    /// bytes.
    mutating func place(
        of offset: Int, count wanted: Int, on disk: some Disk
    ) throws(DiskError) -> Int? {
        guard wanted <= size - offset else { return nil }
        if offset >= start && wanted <= start + count - offset { return offset - start }
        guard let file else { return nil }
        if wanted > bytes.count { bytes = [UInt8](repeating: 0, count: wanted) }
        count = 0
        count = try disk.read(file, at: offset, into: &bytes)
        start = offset
        return wanted <= count ? 0 : nil
    }
}

/// One record that counts.
struct FoundRecord {
    var header: RecordHeader
    /// Where it starts in the file.
    var offset: Int
    /// Where its payload starts in the window.
    var payload: Int
    /// The checksum of the record before.
    var chain: UInt32
}

/// Goes through the records of one segment. Not generic over the disk, so that nothing is looked up per
/// record.
struct SegmentScanner {
    let sequence: UInt64
    var window: FileWindow
    /// Where the next record is looked for.
    private(set) var offset: Int
    /// The checksum of the record before.
    private(set) var chain: UInt32
    private let seed: UInt32
    private let group: UInt64

    init(_ window: FileWindow, sequence: UInt64, identity: FolderIdentity, offset: Int, chain: UInt32) {
        self.window = window
        self.sequence = sequence
        self.offset = offset
        self.chain = chain
        seed = SegmentHeader.seed(sequence: sequence, salt: identity.salt)
        group = identity.group.rawValue
    }

    /// Goes to a record whose place was remembered.
    mutating func seek(to offset: Int, chain: UInt32) {
        self.offset = offset
        self.chain = chain
    }

    /// The next record, or nil where the records end.
    mutating func next(on disk: some Disk) throws(DiskError) -> FoundRecord? {
        if let found = try candidate(at: offset, on: disk) { return accept(found) }
        // The log may have been cut here: then a restart stands in the next sector.
        let sector = aligned(offset, to: SegmentHeader.byteCount)
        guard sector > offset, let found = try candidate(at: sector, on: disk), found.header.kind == .restart
        else {
            return nil
        }
        return accept(found)
    }

    private mutating func accept(_ found: FoundRecord) -> FoundRecord {
        let end = found.offset + found.header.recordBytes
        offset = found.header.endsBatch ? aligned(end, to: SegmentHeader.byteCount) : end
        chain = found.header.checksum
        return found
    }

    private mutating func candidate(at offset: Int, on disk: some Disk) throws(DiskError) -> FoundRecord? {
        guard let place = try window.place(of: offset, count: RecordHeader.byteCount, on: disk),
            let header = RecordHeader(window.bytes, at: place, seed: seed),
            header.previous == chain || isPlanted(.resurrectsOldRecords),
            header.group == group, Int(header.durableBelow) <= offset,
            header.recordBytes <= window.size - offset,
            let whole = try window.place(of: offset, count: header.recordBytes, on: disk)
        else { return nil }
        let payload = whole + RecordHeader.byteCount
        let body = window.bytes[payload..<whole + header.recordBytes]
        let isWhole = CRC32C.checksum(body, continuing: seed) == header.bodyChecksum
        guard isWhole || isPlanted(.acceptsTornRecord) else { return nil }
        return FoundRecord(header: header, offset: offset, payload: payload, chain: chain)
    }

    /// Whether something that was written in this segment's life, but doesn't count, stands where the records
    /// end.
    mutating func isTorn(on disk: some Disk) throws(DiskError) -> Bool {
        let place = try window.place(of: offset, count: RecordHeader.byteCount, on: disk)
        return place.map { RecordHeader(window.bytes, at: $0, seed: seed) != nil } ?? false
    }

    /// Looks behind the end of the records for a header which proves that more of them had been durable, and
    /// returns where it stands. A header that belongs to the same unsynced batch proves nothing, so it
    /// doesn't count.
    mutating func proofOfLoss(on disk: some Disk) throws(DiskError) -> Int? {
        let end = offset
        var place = aligned(end + 1, to: 8)
        while place + RecordHeader.byteCount <= window.size {
            let span = min(window.bytes.count & ~7, window.size - place)
            guard span >= RecordHeader.byteCount,
                let first = try window.place(of: place, count: span, on: disk)
            else {
                return nil
            }
            var step = 0
            while step + RecordHeader.byteCount <= span {
                let durable: UInt32 = load(window.bytes, at: first + step + 16)
                if Int(durable) > end, Int(durable) <= place + step,
                    let header = RecordHeader(window.bytes, at: first + step, seed: seed),
                    header.group == group
                {
                    return place + step
                }
                step += 8
            }
            place += step
        }
        return nil
    }
}
