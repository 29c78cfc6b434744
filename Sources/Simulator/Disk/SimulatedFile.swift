// One file of a simulated disk: its bytes as the cache shows them, and beside them the platter's bytes of
// those sectors in which the two differ. So a sync only forgets, and a crash only touches what was written.

import Primitives

/// The bytes of a file, in the cache and on the platter.
struct SimulatedFile: Sendable {
    static let sectorBytes = 512
    /// Space is given out in blocks of this size.
    static let blockBytes = 4096

    /// What the platter holds of a sector: `count` bytes from `start` in an array beside it, then zeros.
    struct Saved: Sendable {
        var sector: Int32
        var start: Int32
        var count: Int32
    }

    /// What is known of a sector.
    struct Mark: OptionSet, Sendable {
        let rawValue: UInt8
        /// The platter's content is not the cache's; there is a ``Saved`` for it.
        static let differs = Mark(rawValue: 1)
        /// It was written since the last sync.
        static let written = Mark(rawValue: 2)
        /// The cache takes it for clean, so that no sync will bring it to the platter: only with `differs`.
        static let detached = Mark(rawValue: 4)
    }

    /// What the cache shows.
    private(set) var bytes: [UInt8] = []
    /// The length after the last sync.
    private(set) var durableSize = 0
    /// The shortest length since the last sync.
    private var lowestSize = 0
    /// For each sector of the cache and of the platter.
    private var marks: [Mark] = []
    /// One for each sector that differs.
    private(set) var saved: [Saved] = []
    private var savedBytes: [UInt8] = []
    /// What the last sync replaced.
    private var older: [Saved] = []
    private var olderBytes: [UInt8] = []
    /// Whether some sector is detached.
    private(set) var hasDetached = false
    /// Sectors that can't be read.
    private var unreadable: [Int32] = []

    // What the file system knows of it.

    /// One of its paths; the last one it had if it has none.
    var path = ""
    var kind = FileKinds.others
    /// Whether the cache shows a name for it.
    var isLinked = false
    /// The next sync throws.
    var hasLateError = false
    /// Whether this place in the table of files is free.
    var isFree = false

    init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
        durableSize = bytes.count
        lowestSize = bytes.count
        marks = [Mark](repeating: [], count: Self.sectors(bytes.count))
    }

    static func sectors(_ count: Int) -> Int { (count + sectorBytes - 1) / sectorBytes }

    /// What the file takes on disk.
    @inline(__always)
    var space: Int { Self.space(bytes.count) }

    static func space(_ count: Int) -> Int { (count + blockBytes - 1) & ~(blockBytes - 1) }

    /// Whether a power failure may change it.
    @inline(__always)
    var isUnsettled: Bool { !saved.isEmpty || durableSize != bytes.count }

    // MARK: - Reading and writing

    // Inlined, so that a call on a file in the table touches what it needs and doesn't copy the whole.

    @inline(__always)
    func read(at offset: Int, into buffer: inout [UInt8]) -> Int {
        guard offset < bytes.count else { return 0 }
        let count = min(buffer.count, bytes.count - offset)
        copyBytes(bytes, from: offset, count: count, to: &buffer, at: 0)
        return count
    }

    /// Writes the first `count` of `new`.
    mutating func write(_ new: [UInt8], count: Int, at offset: Int) {
        guard count > 0 else { return }
        let end = offset + count
        mark(offset / Self.sectorBytes, through: (end - 1) / Self.sectorBytes)
        if bytes.count < end { bytes.append(contentsOf: repeatElement(0, count: end - bytes.count)) }
        copyBytes(new, from: 0, count: count, to: &bytes, at: offset)
    }

    /// Makes it at least so long.
    mutating func extend(to count: Int) {
        guard bytes.count < count else { return }
        bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
        widenMarks(Self.sectors(count))
    }

    mutating func truncate() {
        save(0, through: Self.sectors(bytes.count) - 1, marking: [])
        bytes.removeAll()
        unreadable.removeAll()
        lowestSize = 0
    }

    private mutating func widenMarks(_ count: Int) {
        if marks.count < count { marks.append(contentsOf: repeatElement([], count: count - marks.count)) }
    }

    private mutating func mark(_ first: Int, through last: Int) {
        widenMarks(last + 1)
        save(first, through: last, marking: .written)
        if !unreadable.isEmpty { unreadable.removeAll { (first...last).contains(Int($0)) } }
    }

    /// Puts the platter's bytes of these sectors aside, if that hasn't happened yet, and sets their marks.
    private mutating func save(_ first: Int, through last: Int, marking mark: Mark) {
        var sector = first
        while sector <= last {
            if marks[sector].contains(.differs) {
                marks[sector] = mark.union(.differs)
                sector += 1
                continue
            }
            var end = sector
            while end <= last && !marks[end].contains(.differs) {
                marks[end] = mark.union(.differs)
                end += 1
            }
            let from = sector * Self.sectorBytes
            let upTo = min(end * Self.sectorBytes, max(from, durableSize))
            var start = savedBytes.count
            if upTo > from { savedBytes.append(contentsOf: bytes[from..<upTo]) }
            while sector < end {
                let count = max(0, min(Self.sectorBytes, upTo - sector * Self.sectorBytes))
                saved.append(Saved(sector: Int32(sector), start: Int32(start), count: Int32(count)))
                start += count
                sector += 1
            }
        }
    }

    // MARK: - Syncing

    /// Everything becomes durable but what is detached.
    mutating func flush() {
        if hasDetached {
            keepSaved { _, mark in mark.contains(.detached) }
        } else {
            for entry in saved { marks[Int(entry.sector)] = [] }
            swap(&saved, &older)
            swap(&savedBytes, &olderBytes)
            forgetSaved()
        }
        durableSize = bytes.count
        lowestSize = bytes.count
    }

    /// Written sectors become durable or not, one by one, and so does the length; where `fails`, the cache
    /// takes those that didn't for clean, and at least one didn't.
    mutating func flushSome(using random: inout SeededGenerator, fails: Bool) {
        let written = saved.count { marks[Int($0.sector)] == [.differs, .written] }
        guard written > 0 || durableSize != bytes.count else { return }
        let spared = fails && written > 0 ? Int(random.next(below: UInt64(written))) : -1
        var number = -1
        keepSaved { _, mark in
            guard mark == [.differs, .written] else { return true }
            number += 1
            return number == spared || random.next(below: 2) == 0
        }
        if fails { detachWritten() }
        if random.next(below: 2) == 0 && lowestSize == min(durableSize, bytes.count) {
            durableSize = bytes.count
            lowestSize = bytes.count
        }
    }

    /// A sync that reports success and does nothing.
    mutating func flushNothing() {
        detachWritten()
        keepSaved { _, mark in mark.contains(.detached) }
        durableSize = bytes.count
        lowestSize = bytes.count
    }

    private mutating func detachWritten() {
        for entry in saved where marks[Int(entry.sector)] == [.differs, .written] {
            marks[Int(entry.sector)] = [.differs, .detached]
            hasDetached = true
        }
    }

    /// Forgets the platter's content of those sectors for which `isKept` is false: they are durable.
    private mutating func keepSaved(_ isKept: (Saved, Mark) -> Bool) {
        var kept: [Saved] = []
        hasDetached = false
        for entry in saved {
            let mark = marks[Int(entry.sector)]
            if isKept(entry, mark) {
                kept.append(entry)
                if mark.contains(.detached) { hasDetached = true }
            } else {
                marks[Int(entry.sector)] = []
            }
        }
        saved = kept
        // What detached sectors leave behind must not pile up.
        if savedBytes.count > 2 * Self.sectorBytes * (kept.count + 32) || kept.isEmpty { compactSaved() }
    }

    private mutating func compactSaved() {
        let all = savedBytes
        savedBytes.removeAll(keepingCapacity: true)
        for place in saved.indices {
            let (start, count) = (Int(saved[place].start), Int(saved[place].count))
            saved[place].start = Int32(savedBytes.count)
            savedBytes += all[start..<start + count]
        }
    }

    private mutating func forgetSaved() {
        saved.removeAll(keepingCapacity: true)
        savedBytes.removeAll(keepingCapacity: true)
    }

    /// What the cache takes for clean is read anew from the platter.
    mutating func dropClean() {
        guard hasDetached else { return }
        for entry in saved where marks[Int(entry.sector)].contains(.detached) { revert(entry) }
        keepSaved { _, mark in !mark.contains(.detached) }
    }

    // MARK: - Losing

    /// Everything is as it was at the last sync.
    mutating func revertAll() {
        resize(to: durableSize)
        for entry in saved { revert(entry) }
        settle()
    }

    /// The power fails.
    mutating func crash(_ fate: inout CrashFate) {
        hasLateError = false
        guard isUnsettled else { return }
        if durableSize != bytes.count || lowestSize != bytes.count {
            resize(to: fate.size(durable: durableSize, cached: bytes.count, lowest: lowestSize))
        }
        for entry in saved where Int(entry.sector) * Self.sectorBytes < bytes.count {
            guard marks[Int(entry.sector)].contains(.written) else {
                revert(entry)
                continue
            }
            switch fate.sector() {
            case .kept: break
            case .lost: revert(entry)
            case .garbled:
                let place = range(of: entry)
                let new = Array(bytes[place])
                revert(entry)
                let rubbish = fate.garbled(old: Array(bytes[place]), new: new)
                copyBytes(rubbish, from: 0, count: rubbish.count, to: &bytes, at: place.lowerBound)
            }
        }
        settle()
    }

    /// The cache and the platter are the same from now on.
    private mutating func settle() {
        forgetSaved()
        older.removeAll()
        olderBytes.removeAll()
        hasDetached = false
        marks = [Mark](repeating: [], count: Self.sectors(bytes.count))
        durableSize = bytes.count
        lowestSize = bytes.count
    }

    private mutating func resize(to count: Int) {
        if count < bytes.count { bytes.removeLast(bytes.count - count) }
        if count > bytes.count { bytes.append(contentsOf: repeatElement(0, count: count - bytes.count)) }
    }

    /// The bytes of an entry's sector that the cache has.
    private func range(of entry: Saved) -> Range<Int> {
        let start = min(Int(entry.sector) * Self.sectorBytes, bytes.count)
        return start..<min(start + Self.sectorBytes, bytes.count)
    }

    private mutating func revert(_ entry: Saved) {
        let place = range(of: entry)
        let count = min(Int(entry.count), place.count)
        copyBytes(savedBytes, from: Int(entry.start), count: count, to: &bytes, at: place.lowerBound)
        for rest in place.lowerBound + count..<max(place.upperBound, place.lowerBound + count) {
            bytes[rest] = 0
        }
    }

    // MARK: - Damage

    /// What was just written at these bytes never reaches the platter.
    mutating func lose(_ written: Range<Int>) {
        for sector in sectors(of: written) { marks[sector] = [.differs, .detached] }
        hasDetached = true
    }

    /// What was just written at these bytes reaches other sectors of the platter instead, from `start` on.
    mutating func misdirect(_ written: Range<Int>, to start: Int) {
        let sectors = sectors(of: written)
        lose(written)
        for (number, sector) in sectors.enumerated() {
            let from = sector * Self.sectorBytes
            let content = Array(bytes[from..<min(from + Self.sectorBytes, bytes.count)])
            replacePlatter(of: start + number, by: content)
        }
    }

    private mutating func replacePlatter(of sector: Int, by content: [UInt8]) {
        let entry = Saved(
            sector: Int32(sector), start: Int32(savedBytes.count), count: Int32(content.count))
        savedBytes += content
        if marks[sector].contains(.differs) {
            guard let place = saved.firstIndex(where: { $0.sector == entry.sector }) else { return }
            saved[place] = entry
        } else {
            saved.append(entry)
            marks[sector] = [.differs, .detached]
            hasDetached = true
        }
    }

    /// Turns a bit of the platter over.
    mutating func flip(bit: Int, ofByte offset: Int) {
        let sector = offset / Self.sectorBytes
        guard marks[sector].contains(.differs) else {
            bytes[offset] ^= 1 << UInt8(bit)
            return
        }
        guard let entry = saved.first(where: { $0.sector == Int32(sector) }) else { return }
        let place = offset - sector * Self.sectorBytes
        if place < Int(entry.count) { savedBytes[Int(entry.start) + place] ^= 1 << UInt8(bit) }
    }

    /// Other bytes, all durable.
    mutating func replace(by new: [UInt8]) {
        bytes = new
        unreadable = []
        settle()
    }

    @inline(__always)
    var hasUnreadable: Bool { !unreadable.isEmpty }

    mutating func makeUnreadable(_ sector: Int) {
        if !unreadable.contains(Int32(sector)) { unreadable.append(Int32(sector)) }
    }

    func isUnreadable(_ range: Range<Int>) -> Bool {
        guard !unreadable.isEmpty, !range.isEmpty else { return false }
        let sectors = sectors(of: range)
        return unreadable.contains { sectors.contains(Int($0)) }
    }

    private func sectors(of range: Range<Int>) -> Range<Int> {
        range.lowerBound / Self.sectorBytes..<Self.sectors(range.upperBound)
    }

    /// Whether it is known what sectors of these bytes held before the last sync (or, if they were written
    /// since, what they hold on the platter).
    func hasOlder(_ range: Range<Int>) -> Bool {
        let sectors = sectors(of: range)
        return saved.contains { sectors.contains(Int($0.sector)) }
            || older.contains { isShown($0) && sectors.contains(Int($0.sector)) }
    }

    /// Puts that into `buffer`, which holds these bytes.
    func showOlder(_ range: Range<Int>, in buffer: inout [UInt8]) {
        for entry in older where isShown(entry) { overlay(entry, of: olderBytes, on: range, in: &buffer) }
        for entry in saved { overlay(entry, of: savedBytes, on: range, in: &buffer) }
    }

    private func isShown(_ old: Saved) -> Bool { !marks[Int(old.sector)].contains(.differs) }

    private func overlay(
        _ entry: Saved, of source: [UInt8], on range: Range<Int>, in buffer: inout [UInt8]
    ) {
        let start = Int(entry.sector) * Self.sectorBytes
        let from = max(start, range.lowerBound)
        let upTo = min(start + Self.sectorBytes, range.upperBound)
        guard from < upTo else { return }
        for place in from..<upTo {
            let byte = place - start < Int(entry.count) ? source[Int(entry.start) + place - start] : 0
            buffer[place - range.lowerBound] = byte
        }
    }
}

/// Copies `count` bytes of `source` from `start` on to `target` at `place`.
func copyBytes(_ source: [UInt8], from start: Int, count: Int, to target: inout [UInt8], at place: Int) {
    precondition(
        start >= 0 && place >= 0 && count >= 0 && count <= source.count - start
            && count <= target.count - place)
    unsafe source.withUnsafeBytes { source in
        unsafe target.withUnsafeMutableBytes { target in
            let from = unsafe UnsafeRawBufferPointer(rebasing: source[start..<start + count])
            unsafe UnsafeMutableRawBufferPointer(rebasing: target[place..<place + count]).copyMemory(
                from: from)
        }
    }
}
