// Recovery: what the files in the log's folder say the log is. The rules are in WAL.docc/LogFormat.md.

public import Consensus
import Primitives

/// What recovery found.
public struct Recovered: Sendable, Equatable {
    /// The newest hard state; zeros if there was none. Its commit index never exceeds the log's last index.
    public var hardState: HardState
    /// The terms of the log's entries, from `base` (before the first entry) to the last one.
    public var log: LogTerms
    /// The configurations among the entries, ascending by index.
    public var configurations: [PlacedConfiguration]
    /// What was cut, repaired or tidied up, for the operator.
    public var notes: [String]
}

/// Reads the whole log and changes nothing.
struct LogOpening<D: Disk> {
    let disk: D
    let directory: String
    let identity: FolderIdentity
    let limits: Limits

    /// Every name in the folder.
    private(set) var names: [String] = []
    /// The segments that count, oldest first.
    private(set) var segments: [Segment] = []
    /// Segments that a newer one made void.
    private(set) var void: [Segment] = []
    private(set) var view = LogView(after: .origin)
    private(set) var configurations: [PlacedConfiguration] = []
    private(set) var notes: [String] = []
    /// Where the newest segment's records end, and the last one's checksum.
    private(set) var end = 0
    private(set) var chain: UInt32 = 0
    /// An entry replaced what older segments held that are gone: a cut was interrupted. What the segment
    /// holds is to be cut, too; the log begins with one of the next segments.
    private var isCutThrough = false
    private var headers: [(header: SegmentHeader, checksum: UInt32)] = []

    init(disk: D, directory: String, identity: FolderIdentity, limits: Limits) throws(WALError) {
        self.disk = disk
        self.directory = directory
        self.identity = identity
        self.limits = limits
        do throws(WALError) {
            try attempting { () throws(DiskError) in
                try disk.syncDirectory(directory)
                names = try disk.list(directory)
            }
            try openSegments()
            try dropVoid()
            for place in segments.indices { try scan(place) }
            try conclude()
        } catch {
            close()
            throw error
        }
    }

    /// What was found, in the form for the owner.
    var recovered: Recovered {
        Recovered(
            hardState: view.hardState ?? HardState(), log: view.terms, configurations: configurations,
            notes: notes)
    }

    /// Gives all handles back.
    func close() {
        for segment in segments + void { disk.close(segment.file) }
    }

    private mutating func openSegments() throws(WALError) {
        let sequences = names.compactMap { SegmentFolder<D>.number(in: $0, suffix: ".log") }.sorted()
        guard let newest = sequences.last else { throw .absent(directory: directory) }
        for sequence in sequences {
            let path = directory + "/" + SegmentFolder<D>.segmentName(sequence)
            let file = try attempting { () throws(DiskError) in try disk.open(path) }
            var sector = [UInt8](repeating: 0, count: SegmentHeader.byteCount)
            do throws(WALError) {
                let (size, count) = try attempting { () throws(DiskError) in
                    if sequence == newest { try disk.settle(file) }
                    return (try disk.size(of: file), try disk.read(file, at: 0, into: &sector))
                }
                let found = try SegmentHeader.decode(
                    Array(sector[..<count]), sequence: sequence, identity: identity, file: path)
                headers.append(found)
                segments.append(Segment(sequence: sequence, file: file, size: size, base: found.header.base))
            } catch {
                disk.close(file)
                throw error
            }
        }
    }

    /// Sets aside what lies below the newest segment that starts anew, and demands the others without a gap.
    private mutating func dropVoid() throws(WALError) {
        let first = headers.lastIndex { $0.header.startsAnew } ?? 0
        void = Array(segments[..<first])
        segments.removeFirst(first)
        headers.removeFirst(first)
        for (older, newer) in zip(segments, segments.dropFirst()) where newer.sequence != older.sequence + 1 {
            throw .corrupt(
                file: directory + "/" + SegmentFolder<D>.segmentName(older.sequence + 1), offset: 0,
                reason: "the segment is missing")
        }
        view = LogView(after: segments[0].base)
        if first > 0 { notes.append("the log starts anew after \(segments[0].base): older segments removed") }
    }

    private mutating func scan(_ place: Int) throws(WALError) {
        let segment = segments[place]
        let isLast = place == segments.count - 1
        if isCutThrough {
            isCutThrough = false
            let hardState = view.hardState
            view = LogView(after: segment.base)
            view.hardState = hardState
            configurations = []
            notes.append("an interrupted cut was finished: the log begins after \(segment.base)")
        }
        guard place == 0 || segment.base == view.terms.last else {
            throw corrupt(segment, 0, "it follows \(segment.base), but the log ends at \(view.terms.last)")
        }
        let window = FileWindow(segment.file, size: segment.size, chunk: limits.readBytes)
        var scanner = SegmentScanner(
            window, sequence: segment.sequence, identity: identity, offset: SegmentHeader.byteCount,
            chain: headers[place].checksum)
        let expectedEnd = isLast ? nil : headers[place + 1].header.previousEnd
        while scanner.offset != expectedEnd {
            let found = try attempting { () throws(DiskError) in try scanner.next(on: disk) }
            guard let found else { break }
            try take(found, in: segment, bytes: scanner.window.bytes)
        }
        if isLast {
            let proof = try attempting { () throws(DiskError) in try scanner.proofOfLoss(on: disk) }
            if let proof, !isPlanted(.takesDamageForTornTail) {
                throw corrupt(segment, scanner.offset, "the record at \(proof) says this was durable")
            }
            (end, chain) = (scanner.offset, scanner.chain)
            let isTorn = try attempting { () throws(DiskError) in try scanner.isTorn(on: disk) }
            if isTorn && isPlanted(.refusesTornTail) { throw corrupt(segment, scanner.offset, "torn") }
            if isTorn {
                notes.append(
                    "the log was cut after \(view.terms.last): what stood there was never acknowledged")
            }
        } else if scanner.offset != expectedEnd || scanner.chain != headers[place + 1].header.previous {
            throw corrupt(
                segment, scanner.offset, "the next segment says the records end at \(expectedEnd ?? 0)")
        }
    }

    private mutating func take(
        _ found: FoundRecord, in segment: Segment, bytes: [UInt8]
    ) throws(WALError) {
        let header = found.header
        switch header.kind {
        case .restart:
            break
        case .hardState:
            guard header.length == 8 else { throw corrupt(segment, found.offset, "malformed hard state") }
            let vote: UInt64 = load(bytes, at: found.payload)
            view.hardState = HardState(
                term: Term(header.term), vote: vote == 0 ? nil : NodeID(vote), commit: LogIndex(header.index))
        case .entry:
            let (index, term) = (LogIndex(header.index), Term(header.term))
            let terms = view.terms
            if index <= terms.base.index && !headers[0].header.startsAnew { isCutThrough = true }
            guard !isCutThrough else { return }
            guard Entry.Kind(rawValue: header.entryKind) != nil, index > terms.base.index,
                index <= terms.lastIndex.next, term >= (terms.term(at: index.previous) ?? .zero),
                index > (view.hardState?.commit ?? .zero)
            else {
                throw corrupt(segment, found.offset, "entry \(index) of term \(term) cannot be here")
            }
            while let last = configurations.last, last.index >= index { configurations.removeLast() }
            if header.entryKind == Entry.Kind.configuration.rawValue {
                let payload = Array(bytes[found.payload..<found.payload + Int(header.length)])
                guard let configuration = try? Configuration(decoding: payload) else {
                    throw corrupt(segment, found.offset, "malformed configuration")
                }
                configurations.append(PlacedConfiguration(index: index, configuration: configuration))
            }
            let mark = LogView.Mark(
                index: index, sequence: segment.sequence, offset: found.offset, chain: found.chain)
            view.add(
                index: index, term: term, at: mark, bytes: header.recordBytes, spacing: limits.markSpacing)
        }
    }

    /// What can only be said of the whole.
    private mutating func conclude() throws(WALError) {
        let last = view.terms.last
        guard !isCutThrough else {
            throw corrupt(segments[segments.count - 1], end, "the entries before its own are missing")
        }
        var state = view.hardState ?? HardState()
        guard state.commit <= last.index else {
            throw corrupt(
                segments[segments.count - 1], end,
                "the log ends at index \(last.index), but \(state.commit) is known to be committed")
        }
        if state.term < last.term {
            notes.append("term raised from \(state.term) to \(last.term), the last entry's")
            state = HardState(term: last.term, vote: nil, commit: state.commit)
            view.hardState = state
        }
    }

    private func corrupt(_ segment: Segment, _ offset: Int, _ reason: String) -> WALError {
        .corrupt(file: segment.file.path, offset: offset, reason: reason)
    }
}

/// Does something with the disk before there is a log that could become unusable.
func attempting<Result>(_ body: () throws(DiskError) -> Result) throws(WALError) -> Result {
    do {
        return try body()
    } catch {
        throw error.isNoSpace ? .noSpace(error) : .disk(error)
    }
}
