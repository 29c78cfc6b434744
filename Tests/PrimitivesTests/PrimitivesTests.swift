import Primitives
import Testing

@Suite struct ChecksumTests {
    @Test func `the check value of RFC 3720`() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    }

    @Test func `a checksum may be taken in pieces`() {
        let bytes = (0..<100).map { UInt8($0) }
        for cut in 0...100 {
            let first = CRC32C.checksum(bytes[..<cut])
            #expect(CRC32C.checksum(bytes[cut...], continuing: first) == CRC32C.checksum(bytes))
        }
    }
}

@Suite struct ByteCodingTests {
    static let numbers: [UInt64] = [0, 1, 127, 128, 16_383, 16_384, 1 << 32, .max - 1, .max]

    @Test(arguments: numbers) func `varints come back`(_ number: UInt64) throws {
        var writer = ByteWriter()
        writer.varint(number)
        var reader = ByteReader(writer.bytes)
        #expect(try reader.varint() == number)
        #expect(reader.isAtEnd)
    }

    @Test(arguments: [
        [0x80], [0x80, 0x00], [UInt8](repeating: 0xff, count: 10), [UInt8](repeating: 0xff, count: 11),
    ])
    func `cut, overlong and too large varints are refused`(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        #expect(throws: ByteReaderError.self) { try reader.varint() }
    }

    @Test(arguments: [0, 1, -1, 63, -64, .max, .min] as [Int64])
    func `signed numbers come back`(_ number: Int64) throws {
        var writer = ByteWriter()
        writer.signed(number)
        writer.fixed(number)
        var reader = ByteReader(writer.bytes)
        #expect(try reader.signed() == number)
        #expect(try reader.fixed(Int64.self) == number)
    }

    @Test func `every cut of a message is refused, never trapped on`() throws {
        var writer = ByteWriter()
        writer.string("naïve")
        writer.sized([1, 2, 3])
        writer.fixed(UInt32(7))
        for cut in 0..<writer.count {
            var reader = ByteReader(writer.bytes[..<cut])
            #expect(throws: ByteReaderError.self) {
                _ = try reader.string()
                _ = try reader.sized()
                _ = try reader.fixed(UInt32.self)
            }
        }
    }
}

@Suite struct Base64Tests {
    /// RFC 4648, section 10.
    static let vectors = [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ]

    @Test(arguments: vectors) func `the vectors of RFC 4648`(_ plain: String, _ coded: String) {
        var output: [UInt8] = []
        Base64.encode(Array(plain.utf8), into: &output)
        #expect(String(decoding: output, as: UTF8.self) == coded)
        #expect(Base64.decode(Array(coded.utf8)) == Array(plain.utf8))
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "=Zg=", "Zg==Zg==", "Zm9v\n", "Z===", "Zm-v"])
    func `anything but canonical base 64 is refused`(_ text: String) {
        #expect(Base64.decode(Array(text.utf8)) == nil)
    }
}

@Suite struct TimeTests {
    @Test func `civil dates`() {
        #expect(WallTime(milliseconds: 0).rfc3339 == "1970-01-01T00:00:00.000Z")
        #expect(WallTime(milliseconds: 1_795_344_753_120).rfc3339 == "2026-11-22T10:52:33.120Z")
        #expect(WallTime(milliseconds: 951_782_400_000).rfc3339 == "2000-02-29T00:00:00.000Z")
        #expect(WallTime(milliseconds: 784_111_777_000).httpDate == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(WallTime(milliseconds: -1).rfc3339 == "1969-12-31T23:59:59.999Z")
    }

    @Test func `the end of time is not passed`() {
        #expect(Instant.never + .seconds(1) == .never)
        #expect(Instant.zero + .milliseconds(5) == Instant(nanoseconds: 5_000_000))
    }
}

@Suite struct IdentifierTests {
    @Test func `request ids are ULIDs and sort by time`() {
        #expect(RequestID(high: 0, low: 0).description == String(repeating: "0", count: 26))
        #expect(RequestID(high: .max, low: .max).description == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
        #expect(RequestID(high: 1 << 16, low: 0).description < RequestID(high: 2 << 16, low: 0).description)
    }

    @Test func `a seed gives one sequence`() {
        var a = SeededGenerator(seed: 42)
        var b = SeededGenerator(seed: 42)
        for _ in 0..<100 { #expect(a.next() == b.next()) }
        var c = SeededGenerator(seed: 0)
        #expect(c.next() == 0xe220_a839_7b1d_cdaf)  // the reference implementation's first output
        for _ in 0..<100 { #expect(c.next(below: 7) < 7) }
    }
}
