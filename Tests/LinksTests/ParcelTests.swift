import Primitives
import Testing

@testable import Links

@Suite struct `Long messages` {
    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) } }

    @Test(arguments: [
        0, 1, Parcel.partBytes - 1, Parcel.partBytes, Parcel.partBytes + 1, 64 << 10, Parcel.longest,
    ]) func `come together from parts in any order, and some of them twice`(_ count: Int) {
        let sent = bytes(count)
        var random = SeededGenerator(seed: UInt64(count))
        var parts = Parcel.parts(of: sent, number: 7)
        #expect(parts.allSatisfy { $0.count <= Link.longestMessage })
        #expect(parts.count == max(1, (count + Parcel.partBytes - 1) / Parcel.partBytes))
        for place in parts.indices.reversed() {
            parts.swapAt(place, Int(random.next(below: UInt64(place + 1))))
        }
        var parcels = Parcels()
        var got: [[UInt8]] = []
        for part in parts {
            if let parcel = parcels.receive(part[...]) { got.append(parcel) }
            if parts.count > 1, got.isEmpty { #expect(parcels.receive(part[...]) == nil) }
        }
        #expect(got == [sent])
    }

    @Test func `that are too long are not cut`() {
        #expect(Parcel.parts(of: bytes(Parcel.longest + 1), number: 1).isEmpty)
    }

    @Test func `of several senders' turns don't mix, and what lacks a part gives way`() {
        var parcels = Parcels()
        let all = (0..<UInt64(Parcels.most + 1)).map { Parcel.parts(of: bytes(1_500), number: $0) }
        for parts in all { #expect(parcels.receive(parts[0][...]) == nil) }
        #expect(parcels.abandoned == 1)
        #expect(parcels.receive(all[0][1][...]) == nil, "its first part was forgotten")
        #expect(parcels.receive(all[2][1][...]) == bytes(1_500))
        #expect(parcels.receive(all[Parcels.most][1][...]) == bytes(1_500))
    }

    @Test func `that no sender makes are counted and change nothing`() {
        var parcels = Parcels()
        let parts = Parcel.parts(of: bytes(2_500), number: 3)
        for count in 0..<12 { #expect(parcels.receive(parts[0].prefix(count)) == nil) }
        #expect(parcels.malformed == 12)
        // A part beyond the last, none at all, too many, a short one before the last, another count.
        for (part, count, length) in [(3, 3, 10), (0, 0, 10), (0, 257, Parcel.partBytes), (0, 2, 10)] {
            var writer = ByteWriter()
            writer.fixed(UInt64(9))
            writer.fixed(UInt16(part))
            writer.fixed(UInt16(count))
            writer.raw([UInt8](repeating: 1, count: length))
            #expect(parcels.receive(writer.bytes[...]) == nil)
        }
        #expect(parcels.malformed == 16)
        #expect(parcels.receive(parts[0][...]) == nil)
        var other = Parcel.parts(of: bytes(1_500), number: 3)[1]
        #expect(parcels.receive(other[...]) == nil)
        #expect(parcels.malformed == 17, "three parts it has, and this one says two")
        other = parts[1]
        #expect(parcels.receive(other[...]) == nil)
        #expect(parcels.receive(parts[2][...]) == bytes(2_500))
    }
}
