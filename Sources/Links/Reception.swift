// What came over a link from one process of the peer's: which numbers, and what waits for its predecessors.

internal import Primitives

/// The numbers of the messages that came, and the messages that came too early for their rung.
struct Reception: Sendable {
    /// Numbers beyond the first missing one that can be remembered.
    static let window = 768
    private static let words = window / 64

    /// Everything below is known: it came, or will never be sent again.
    private(set) var next: UInt64 = 1
    /// Bit n: `next + n` came.
    private var came = [UInt64](repeating: 0, count: words)
    private var highest: UInt64 = 0
    private var held: [UInt64: LinkMessage] = [:]
    /// No number below waits in ``held``.
    private var released: UInt64 = 1
    private(set) var heldBytes = 0

    /// Whether a number within the window has come.
    func has(_ number: UInt64) -> Bool {
        guard number >= next else { return true }
        let place = Int(number - next)
        return came[place >> 6] >> UInt64(place & 63) & 1 == 1
    }

    /// Whether nothing is missing below what came.
    var hasGap: Bool { highest >= next }

    /// Whether a later number has come already.
    func isBelowHighest(_ number: UInt64) -> Bool { number < highest }

    /// Takes note of a number. It must be less than ``window`` above ``next``, if it is not below.
    mutating func note(_ number: UInt64) {
        guard number >= next else { return }
        highest = max(highest, number)
        if number == next, highest == number {
            next += 1
            return
        }
        let place = Int(number - next)
        came[place >> 6] |= 1 << UInt64(place & 63)
        advance()
    }

    /// Keeps a message that came too early.
    mutating func hold(_ message: LinkMessage, as number: UInt64) {
        // In memory of its own: a slice would keep the whole payload.
        held[number] = LinkMessage(rung: message.rung, kind: message.kind, bytes: Array(message.bytes)[...])
        heldBytes += message.bytes.count
    }

    /// The peer sends nothing below `floor` any more.
    mutating func skip(to floor: UInt64) {
        guard floor > next else { return }
        shift(by: floor - next)
        advance()
    }

    private mutating func advance() {
        var run: UInt64 = 0
        for word in came {
            let ones = UInt64((~word).trailingZeroBitCount)
            run += ones
            if ones < 64 { break }
        }
        if run > 0 { shift(by: run) }
    }

    private mutating func shift(by count: UInt64) {
        next += count
        guard count < UInt64(Self.window) else {
            for place in came.indices { came[place] = 0 }
            return
        }
        let (whole, bits) = (Int(count >> 6), count & 63)
        for place in 0..<Self.words {
            let low = place + whole < Self.words ? came[place + whole] : 0
            let high = place + whole + 1 < Self.words ? came[place + whole + 1] : 0
            came[place] = bits == 0 ? low : low >> bits | high << (64 - bits)
        }
    }

    /// The messages whose predecessors are all known, in order.
    mutating func release() -> [LinkMessage] {
        defer { released = next }
        guard !held.isEmpty else { return [] }
        // Whichever way is shorter: the floor may have leapt far ahead.
        let ready =
            next - released <= UInt64(Self.window)
            ? (released..<next).filter { held[$0] != nil } : held.keys.filter { $0 < next }.sorted()
        return ready.compactMap { number in
            let message = held.removeValue(forKey: number)
            heldBytes -= message?.bytes.count ?? 0
            return message
        }
    }

    /// How many messages wait for their predecessors.
    var heldCount: Int { held.count }

    /// ``came`` byte by byte, least significant first, without the zeros at the end.
    func writeBitmap(to writer: inout ByteWriter) {
        guard hasGap else { return writer.byte(0) }
        let last = came.lastIndex { $0 != 0 } ?? 0
        let count = last * 8 + (71 - came[last].leadingZeroBitCount) / 8
        writer.byte(UInt8(count))
        for place in 0..<count {
            writer.byte(UInt8(truncatingIfNeeded: came[place >> 3] >> UInt64((place & 7) * 8)))
        }
    }
}
