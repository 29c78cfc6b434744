// The files of the log's folder: which there are, how a spare becomes a segment and a segment a spare.

import Consensus
import Primitives

/// A segment that is on disk.
struct Segment {
    let sequence: UInt64
    let file: DiskFile
    /// The file's length.
    let size: Int
    /// The end of the log when the segment was begun.
    let base: LogPosition
}

/// Makes, names and recycles segment files.
struct SegmentFolder<D: Disk> {
    /// A spare in the making.
    struct Preparing {
        var file: DiskFile
        var written = 0
    }

    let disk: D
    let directory: String
    let limits: Limits
    /// Paths of files of the right size that are ready to become segments.
    private(set) var spares: [String] = []
    private(set) var preparing: Preparing?
    private var nextSpare: UInt64 = 1

    init(disk: D, directory: String, limits: Limits) {
        self.disk = disk
        self.directory = directory
        self.limits = limits
    }

    static func segmentName(_ sequence: UInt64) -> String { hexadecimal(sequence, digits: 16) + ".log" }

    /// The number in a name made of 16 lower-case hexadecimal digits and `suffix`.
    static func number(in name: String, suffix: String) -> UInt64? {
        guard name.utf8.count == 16 + suffix.utf8.count, name.hasSuffix(suffix),
            name.utf8.prefix(16).allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        // None was ever given beyond this.
        return UInt64(name.prefix(16), radix: 16).flatMap { $0 < 1 << 62 ? $0 : nil }
    }

    func path(_ name: String) -> String { directory + "/" + name }

    /// Removes what a crash left in the making and takes stock of the spares.
    mutating func tidy(_ names: [String]) throws(DiskError) {
        for name in names.sorted() {
            if name.hasSuffix(".tmp") {
                try disk.remove(path(name))
            } else if let number = Self.number(in: name, suffix: ".spare") {
                nextSpare = max(nextSpare, number + 1)
                let file = try disk.open(path(name))
                defer { disk.close(file) }
                if try disk.size(of: file) == limits.segmentBytes && spares.count < limits.spareSegments {
                    spares.append(path(name))
                } else {
                    try disk.remove(path(name))
                }
            }
        }
    }

    /// Puts a new segment in place with its first batch: written aside, synced, renamed, folder synced.
    ///
    /// If it throws for want of space, nothing has changed and it may be tried again.
    mutating func put(_ batch: Batch) throws(DiskError) -> Segment {
        let target = path(Self.segmentName(batch.sequence))
        let usual = batch.capacity == limits.segmentBytes
        let spare = usual ? spares.last : nil
        let unfinished = usual && spare == nil ? preparing?.file : nil
        let source = spare ?? unfinished?.path ?? path("segment.tmp")
        var file: DiskFile?
        do throws(DiskError) {
            let opened: DiskFile
            if let unfinished {
                opened = unfinished
            } else {
                opened = spare == nil ? try disk.create(source) : try disk.open(source)
                file = opened
                if spare == nil { try disk.allocate(opened, count: batch.capacity) }
            }
            try disk.write(batch.bytes, to: opened, at: 0)
            try disk.sync(opened)
            try disk.rename(source, to: target)
            if spare != nil { spares.removeLast() }
            if unfinished != nil { preparing = nil }
            if !isPlanted(.doesNotSyncFolder) { try disk.syncDirectory(directory) }
            return Segment(
                sequence: batch.sequence, file: DiskFile(number: opened.number, path: target),
                size: batch.capacity, base: batch.base)
        } catch {
            if let file {
                disk.close(file)
                // Gives the space back; what can't be removed now is removed at the next start.
                if spare == nil && error.isNoSpace { try? disk.remove(source) }
            }
            throw error
        }
    }

    /// Makes a spare of a segment that isn't needed any more, or removes it. The folder must be synced then.
    mutating func recycle(_ segment: Segment) throws(DiskError) {
        disk.close(segment.file)
        if segment.size == limits.segmentBytes && spares.count < limits.spareSegments {
            let spare = path(hexadecimal(nextSpare, digits: 16) + ".spare")
            nextSpare += 1
            do {
                try disk.rename(segment.file.path, to: spare)
                spares.append(spare)
                return
            } catch {
                guard error.isNoSpace else { throw error }
            }
        }
        try disk.remove(segment.file.path)
    }

    /// Writes the next slice of a spare's zeros; true when the spare is ready.
    mutating func prepareSlice() throws(DiskError) -> Bool {
        if !spares.isEmpty {
            try abandonPreparing()
            return true
        }
        if preparing == nil { try startPreparing() }
        guard var work = preparing else { return false }
        if work.written < limits.segmentBytes {
            let count = min(limits.spareSliceBytes, limits.segmentBytes - work.written)
            try disk.write([UInt8](repeating: 0, count: count), to: work.file, at: work.written)
            try disk.sync(work.file)
            work.written += count
            preparing = work
            return false
        }
        let spare = path(hexadecimal(nextSpare, digits: 16) + ".spare")
        try disk.rename(work.file.path, to: spare)
        nextSpare += 1
        disk.close(work.file)
        preparing = nil
        spares.append(spare)
        try disk.syncDirectory(directory)
        return true
    }

    private mutating func startPreparing() throws(DiskError) {
        let file = try disk.create(path("spare.tmp"))
        do {
            try disk.allocate(file, count: limits.segmentBytes)
        } catch {
            disk.close(file)
            try? disk.remove(file.path)
            throw error
        }
        preparing = Preparing(file: file)
    }

    /// Gives up a spare in the making, and its space.
    mutating func abandonPreparing() throws(DiskError) {
        guard let work = preparing else { return }
        preparing = nil
        disk.close(work.file)
        try disk.remove(work.file.path)
    }
}

extension SegmentFolder: Sendable where D: Sendable {}
