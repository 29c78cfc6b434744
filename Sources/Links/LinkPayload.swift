// What one datagram of a link holds, byte by byte. The layout is in this target's documentation.

internal import Primitives

/// What stands before the messages.
struct LinkHeader: Equatable {
    private static let version: UInt8 = 1
    private static let asking: UInt8 = 0x80
    /// No number of a message reaches this: so nothing that is reckoned with them overflows.
    private static let bound: UInt64 = 1 << 62
    /// With the longest bitmap.
    static let longest = 1 + 8 + 8 + 9 + 9 + 1 + Reception.window / 8

    /// Whether the sender wants an acknowledgement, although no message is in it.
    var asks: Bool
    /// The sender's process, and the receiver's as the sender knows it; 0 if it doesn't.
    var source, target: UInt64
    /// The sender sends no number below this any more.
    var floor: UInt64
    /// The sender has, or will never get, all numbers below this.
    var next: UInt64
    /// Bit n, least significant first: the sender has `next + n` too.
    var bitmap: ArraySlice<UInt8>

    init(from reader: inout ByteReader) throws(ByteReaderError) {
        let first = try reader.byte()
        guard first & ~Self.asking == Self.version else { throw .malformed }
        asks = first & Self.asking != 0
        source = try reader.fixed()
        target = try reader.fixed()
        floor = try reader.varint()
        next = try reader.varint()
        bitmap = try reader.raw(Int(try reader.byte()))
        guard source > 0, (1..<Self.bound).contains(floor), (1..<Self.bound).contains(next),
            bitmap.count <= Reception.window / 8
        else { throw .malformed }
    }

    static func write(
        asks: Bool, source: UInt64, target: UInt64, floor: UInt64, _ reception: Reception,
        to writer: inout ByteWriter
    ) {
        writer.byte(asks ? version | asking : version)
        writer.fixed(source)
        writer.fixed(target)
        writer.varint(floor)
        writer.varint(reception.next)
        reception.writeBitmap(to: &writer)
    }
}

/// One message in a datagram.
struct LinkFrame: Equatable {
    /// Its place among the messages of its rung; 0 over fair-loss, where there is none.
    var number: UInt64
    var message: LinkMessage

    init(from reader: inout ByteReader, floor: UInt64) throws(ByteReaderError) {
        guard let rung = LinkRung(rawValue: try reader.byte()) else { throw .malformed }
        let kind = try reader.byte()
        switch rung {
        case .fairLoss: number = 0
        case .stubborn: number = try reader.varint()
        case .perfect, .fifo:
            let above = try reader.varint()
            guard above < UInt64(Reception.window) else { throw .malformed }
            number = floor + above
        }
        let bytes = try reader.sized()
        guard bytes.count <= Link.longestMessage else { throw .malformed }
        message = LinkMessage(rung: rung, kind: kind, bytes: bytes)
    }

    static func write(
        _ rung: LinkRung, kind: UInt8, place: UInt64, _ bytes: [UInt8], to writer: inout ByteWriter
    ) {
        writer.byte(rung.rawValue)
        writer.byte(kind)
        if rung != .fairLoss { writer.varint(place) }
        writer.sized(bytes)
    }

    /// The bytes of a frame at most.
    static func longest(_ count: Int) -> Int { 2 + 10 + 2 + count }
}
