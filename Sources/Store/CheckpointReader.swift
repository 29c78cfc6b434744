import Primitives

/// Reads a checkpoint from chunks of any size and builds the keyspace in bulk.
///
/// After an error the reader must not be used any more. Nothing of a file is to be trusted before
/// ``finish()`` has returned.
public struct CheckpointReader: Sendable {
    /// What the file says about itself, once that much was received.
    public private(set) var header: CheckpointHeader?
    /// How many bytes of whole blocks were checked.
    public private(set) var checkedCount = 0

    private let limits: Limits
    private var buffer: [UInt8] = []
    private var chain = CheckpointChain()
    private var contents = CheckpointContents()
    private var lastKind: CheckpointFormat.Kind?

    /// Starts with nothing received. The limits must be those of the group.
    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Takes the next bytes of the file.
    public mutating func receive(_ bytes: [UInt8]) throws(CheckpointError) {
        buffer.append(contentsOf: bytes)
        var place = 0
        if checkedCount == 0 {
            let magic = CheckpointFormat.magic
            guard buffer.starts(with: magic.prefix(buffer.count)) else { throw .notACheckpoint }
            guard buffer.count >= magic.count else { return }
            place = magic.count
        }
        while buffer.count - place >= CheckpointFormat.frameCount {
            guard let taken = try takeBlock(at: place) else { break }
            place += taken
        }
        guard place > CheckpointFormat.magic.count || checkedCount > 0 else { return }
        if place == buffer.count {
            buffer.removeAll(keepingCapacity: true)
        } else {
            buffer.removeFirst(place)
        }
    }

    /// Ends the file and gives the restored state. Only once.
    public mutating func finish() throws(CheckpointError) -> Keyspace {
        guard lastKind == .footer, buffer.isEmpty, let header else { throw .truncated }
        guard let keyspace = contents.keyspace(header, limits) else {
            throw .corrupt(offset: checkedCount, reason: "the changes do not fit the records")
        }
        return keyspace
    }

    /// The length of the block at `place` in the buffer once it is whole, checked and taken in.
    private mutating func takeBlock(at place: Int) throws(CheckpointError) -> Int? {
        let offset = checkedCount == 0 ? place : checkedCount
        if lastKind == .footer { throw .corrupt(offset: offset, reason: "bytes after the footer") }
        let whole = buffer  // Shares the bytes, so that the closure may change `self`.
        let result: Result<Int?, CheckpointError> = unsafe whole.withUnsafeBytes { bytes in
            Result { () throws(CheckpointError) in
                let frame = unsafe UnsafeRawBufferPointer(rebasing: bytes[place..<(place + 8)])
                let length = unsafe Int(UInt32(littleEndian: frame.loadUnaligned(as: UInt32.self)))
                guard length <= CheckpointFormat.maximumBlockCount else {
                    throw .corrupt(offset: offset, reason: "length")
                }
                let start = place + CheckpointFormat.frameCount
                guard bytes.count >= start + length else { return nil }
                let payload = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)])
                let stored = unsafe bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt32.self)
                let file = chain.file.value
                let isWhole =
                    unsafe chain.add(frame: frame, payload: payload) == UInt32(littleEndian: stored)
                guard isWhole || isPlanted(.checkpointUnchecked) else {
                    throw .corrupt(offset: offset, reason: "checksum")
                }
                guard unsafe frame[5] == 0, unsafe frame[6] == 0, unsafe frame[7] == 0,
                    let kind = unsafe CheckpointFormat.Kind(rawValue: frame[4]), follows(kind)
                else { throw .corrupt(offset: offset, reason: "kind of block") }
                try unsafe take(kind, payload, file: file, offset: offset)
                lastKind = kind
                return CheckpointFormat.frameCount + length
            }
        }
        let taken = try result.get()
        if let taken { checkedCount = offset + taken }
        return taken
    }

    private func follows(_ kind: CheckpointFormat.Kind) -> Bool {
        switch (lastKind, kind) {
        case (nil, .header), (.header, .items), (.header, .history), (.header, .times), (.items, .items),
            (.items, .history), (.items, .times), (.history, .history), (.history, .times),
            (.times, .rows), (.rows, .rows), (.times, .requests), (.rows, .requests),
            (.requests, .requests), (.times, .footer), (.rows, .footer), (.requests, .footer):
            true
        default: false
        }
    }

    private mutating func take(
        _ kind: CheckpointFormat.Kind, _ payload: UnsafeRawBufferPointer, file: UInt64, offset: Int
    ) throws(CheckpointError) {
        var reader = unsafe RawReader(payload)
        do {
            switch kind {
            case .header: try unsafe takeHeader(&reader)
            case .items: try unsafe contents.takeItems(&reader)
            case .history: try unsafe contents.takeHistory(&reader)
            case .times: try unsafe contents.takeTimes(&reader)
            case .rows: try unsafe contents.takeRows(&reader)
            case .requests: try unsafe contents.takeRequests(&reader)
            case .footer: try unsafe contents.checkFooter(&reader, file: file)
            }
            try unsafe reader.expectEnd()
        } catch let error as CheckpointError {
            throw error
        } catch {
            throw .corrupt(offset: offset, reason: "contents")
        }
    }

    private mutating func takeHeader(_ reader: inout RawReader) throws {
        let version: UInt32 = try unsafe reader.fixed()
        guard version >= CheckpointFormat.oldestVersion, version <= CheckpointFormat.version else {
            throw CheckpointError.unknownVersion(version)
        }
        contents.version = version
        let header = unsafe CheckpointHeader(
            cluster: ClusterID(try reader.fixed()), group: GroupID(try reader.varint()),
            index: LogIndex(try reader.varint()), term: Term(try reader.varint()),
            configuration: [UInt8](try reader.sized(upTo: CheckpointFormat.maximumBlockCount)),
            revision: Revision(try reader.varint()), compactRevision: Revision(try reader.varint()),
            lastTime: WallTime(milliseconds: try reader.fixed()))
        // No store gets as far as half of the numbers.
        let isSound =
            header.revision > .zero && header.revision.rawValue < 1 << 63
            && header.compactRevision <= header.revision
        guard isSound, header.lastTime.milliseconds >= 0 else { throw ByteReaderError.malformed }
        contents.revision = header.revision.rawValue
        contents.oldestRevision = try unsafe reader.varint()
        contents.oldestKey = unsafe [UInt8](try reader.sized(upTo: Limits.keyBytes))
        if version > 1 {
            contents.lastNumber = try unsafe reader.varint()
            try unsafe contents.requests.readHead(&reader)
        }
        self.header = header
    }
}
