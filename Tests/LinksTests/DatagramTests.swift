import Primitives
import Testing

@testable import Links

@Suite struct SipHashTests {
    @Test func `tags are those of the reference implementation`() {
        // vectors_sip128 of https://github.com/veorq/SipHash: the key is 00 to 0f, the message 00, 01, and so on.
        let key = SharedKey(Array(0...15))
        #expect(tag(key, 0) == "a3817f04ba25a8e66df67214c7550293")
        #expect(tag(key, 1) == "da87c1d86b99af44347659119b22fc45")
        #expect(tag(key, 2) == "8177228da4a45dc7fca38bdef60affe4")
        #expect(tag(key, 7) == "a1f1ebbed8dbc153c0b84aa61ff08239")
        #expect(tag(key, 8) == "3b62a9ba6258f5610f83e264f31497b4")
        #expect(tag(key, 15) == "5493e99933b0a8117e08ec0f97cfc3d9")
    }

    private func tag(_ key: SharedKey, _ length: UInt8) -> String {
        let tag = key.tag(of: Array(0..<length)[...])
        var writer = ByteWriter()
        writer.fixed(tag.0)
        writer.fixed(tag.1)
        return writer.bytes.map { hexadecimal(UInt64($0), digits: 2) }.joined()
    }

    @Test func `a key is 32 hexadecimal digits and nothing else`() {
        #expect(SharedKey(hexadecimal: "000102030405060708090A0b0c0d0e0f") == SharedKey(Array(0...15)))
        for text in [
            "", "0", "000102030405060708090a0b0c0d0e0", "000102030405060708090a0b0c0d0e0f0",
            "000102030405060708090a0b0c0d0e0g", "0x0102030405060708090a0b0c0d0e0f",
        ] {
            #expect(SharedKey(hexadecimal: text) == nil, "\(text)")
        }
    }
}

@Suite struct DatagramTests {
    private static let key = SharedKey(Array(0...15))

    private func seal(
        _ own: UInt64, _ peers: [UInt64], cluster: UInt64 = 7, key: SharedKey? = nil
    ) -> DatagramSeal {
        DatagramSeal(cluster: cluster, own: NodeID(own), peers: peers.map { NodeID($0) }, key: key)
    }

    private func refusal(_ bytes: [UInt8], by seal: DatagramSeal) -> DatagramRefusal? {
        do {
            _ = try seal.open(bytes[...])
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [nil, Self.key]) func `what is sent arrives`(key: SharedKey?) throws {
        for count in [0, 1, Datagram.longest] {
            let content = [UInt8](repeating: 5, count: count)
            let bytes = seal(1, [2], key: key).seal(content, for: .clocks, to: NodeID(2))
            #expect(bytes.count <= DatagramSeal.longestDatagram)
            let got = try seal(2, [1], key: key).open(bytes[...])
            #expect(got == Datagram(sender: NodeID(1), service: .clocks, content: content))
        }
    }

    @Test func `what is not meant for this node, or not from one of us, is dropped by name`() {
        let bytes = seal(1, [2]).seal([1, 2, 3], for: .membership, to: NodeID(2))
        #expect(refusal(bytes, by: seal(2, [1], cluster: 8)) == .cluster)
        #expect(refusal(bytes, by: seal(3, [1, 2])) == .misdirected)
        #expect(refusal(bytes, by: seal(2, [3])) == .misdirected)
        // Its own, come back.
        #expect(refusal(bytes, by: seal(1, [2])) == .misdirected)
        #expect(refusal(bytes, by: seal(2, [1], key: Self.key)) == .unsealed)
        let sealed = seal(1, [2], key: Self.key).seal([1, 2, 3], for: .membership, to: NodeID(2))
        #expect(refusal(sealed, by: seal(2, [1])) == .unsealed)
        #expect(refusal(sealed, by: seal(2, [1], key: SharedKey(Array(1...16)))) == .seal)
        #expect(refusal([], by: seal(2, [1])) == .malformed)
        #expect(refusal([2] + bytes.dropFirst(), by: seal(2, [1])) == .version)
        #expect(refusal(bytes + [UInt8](repeating: 0, count: 1_300), by: seal(2, [1])) == .malformed)
    }

    @Test func `a service of the future is named`() {
        var bytes = seal(1, [2]).seal([9], for: .clocks, to: NodeID(2)).dropLast(4) as ArraySlice<UInt8>
        bytes[12] = 200
        var writer = ByteWriter(continuing: Array(bytes))
        writer.fixed(CRC32C.checksum(bytes))
        #expect(refusal(writer.bytes, by: seal(2, [1])) == .service)
    }

    @Test(arguments: [nil, Self.key]) func `whatever is changed on the way is found out`(key: SharedKey?) {
        let receiver = seal(2, [1], key: key)
        let bytes = seal(1, [2], key: key).seal(Array(0..<100), for: .clocks, to: NodeID(2))
        for place in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[place] ^= 1 << UInt8(bit)
                #expect(refusal(damaged, by: receiver) != nil, "byte \(place), bit \(bit)")
            }
            #expect(refusal(Array(bytes[..<place]), by: receiver) != nil, "cut at \(place)")
        }
        var random = SeededGenerator(seed: 3)
        for _ in 0..<5_000 {
            let count = Int(random.next(below: 80))
            let rubbish =
                [1, key == nil ? 0 : 1] + (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(refusal(rubbish, by: receiver) != nil)
        }
    }
}
