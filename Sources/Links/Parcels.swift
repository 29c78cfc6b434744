// Messages that are longer than those of a link: cut into parts, and put together again.

internal import Primitives

/// Cuts what one node sends to another into messages of a link.
public enum Parcel {
    /// The process's number for it, its place among the parts, how many there are.
    static let headerBytes = 8 + 2 + 2
    /// Bytes of a part at most.
    static let partBytes = Link.longestMessage - headerBytes
    /// Parts at most: so the longest parcel has this many times about a kilobyte.
    public static let mostParts = 256
    /// Bytes of a parcel at most.
    public static let longest = partBytes * mostParts
    /// Bytes of a parcel that goes in one part.
    public static let longestSingle = partBytes

    /// The parts, in their order; none if it is too long.
    ///
    /// - Parameter number: Another one for each parcel of a process.
    public static func parts(of bytes: [UInt8], number: UInt64) -> [[UInt8]] {
        guard bytes.count <= longest else { return [] }
        let count = max(1, (bytes.count + partBytes - 1) / partBytes)
        return (0..<count).map { part in
            var writer = ByteWriter(capacity: Link.longestMessage)
            writer.fixed(number)
            writer.fixed(UInt16(part))
            writer.fixed(UInt16(count))
            writer.raw(bytes[min(bytes.count, part * partBytes)..<min(bytes.count, (part + 1) * partBytes)])
            return writer.take()
        }
    }
}

/// Puts together the parcels of one peer. Parts may come in any order, and more than once; what was put
/// together once and came in one part is told again if it comes again.
///
/// What lacks a part for good gives way to later parcels: over perfect links a part is missing only if it
/// expired, and no more parts than a link's window are under way, so nothing that is still to be completed
/// is dropped as long as ``most`` parcels have more parts than that.
public struct Parcels: Sendable {
    private struct Open: Sendable {
        var number: UInt64
        var parts: [ArraySlice<UInt8>?]
        var missing: Int
    }

    /// Incomplete parcels at most.
    static let most = Reception.window

    private var open: [Open] = []
    /// Parcels that were given up, and parts that no sender makes.
    public private(set) var abandoned: UInt64 = 0, malformed: UInt64 = 0

    /// Nothing has come.
    public init() {}

    /// Takes a part; answers the parcel that it completes.
    public mutating func receive(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var reader = ByteReader(bytes)
        do throws(ByteReaderError) {
            let number = try reader.fixed(UInt64.self)
            let part = Int(try reader.fixed(UInt16.self))
            let count = Int(try reader.fixed(UInt16.self))
            let content = reader.rest
            guard part < count, count <= Parcel.mostParts,
                part + 1 == count || content.count == Parcel.partBytes
            else { throw .malformed }
            return count == 1 ? Array(content) : take(content, part, of: count, number)
        } catch {
            malformed += 1
            return nil
        }
    }

    private mutating func take(
        _ content: ArraySlice<UInt8>, _ part: Int, of count: Int, _ number: UInt64
    ) -> [UInt8]? {
        let place: Int
        if let known = open.firstIndex(where: { $0.number == number }) {
            place = known
        } else {
            if open.count == Self.most {
                open.removeFirst()
                abandoned += 1
            }
            open.append(Open(number: number, parts: Array(repeating: nil, count: count), missing: count))
            place = open.count - 1
        }
        guard open[place].parts.count == count else {
            malformed += 1
            return nil
        }
        guard open[place].parts[part] == nil else { return nil }
        open[place].parts[part] = content
        open[place].missing -= 1
        guard open[place].missing == 0 else { return nil }
        return open.remove(at: place).parts.flatMap { $0 ?? [] }
    }
}
