import Clocks
import Consensus
import Primitives
import Replication
import Testing

@testable import Wire

struct BinaryTests {
    @Test(arguments: samples)
    func `a message has the bytes of its format`(_ sample: Sample) throws {
        let bytes = envelope([sample.message]).encode()
        #expect(bytes == sealed(header + [1] + sample.bytes))
        #expect(try Envelope(decoding: bytes) == envelope([sample.message]))
    }

    @Test func `a batch is pinned down to its checksum`() throws {
        let bytes = envelope([samples[4].message, samples[10].message]).encode()
        #expect(bytes == header + hex("02 03030507ac02 0803 a1fc00ad"))
    }

    @Test func `a batch of everything and an empty one come back as they were`() throws {
        for batch in [envelope(samples.map(\.message)), envelope([])] {
            #expect(try Envelope(decoding: batch.encode()) == batch)
        }
        var odd = envelope([])
        (odd.cluster, odd.group, odd.from) = (ClusterID(.max), GroupID(.max), NodeID(.max))
        (odd.to, odd.incarnation, odd.batch) = (NodeID(.max), .max, .max)
        #expect(try Envelope(decoding: odd.encode()) == odd)
    }

    @Test func `a batch that was cut short is refused wherever it was cut`() {
        let bytes = envelope(samples.map(\.message)).encode()
        for count in bytes.indices {
            #expect(throws: WireError.self) { try Envelope(decoding: Array(bytes[..<count])) }
        }
        #expect(throws: WireError.damaged) { try Envelope(decoding: bytes + [0]) }
    }

    @Test func `a single wrong bit is noticed wherever it is`() {
        let bytes = envelope(samples.map(\.message)).encode()
        for place in bytes.indices {
            for bit in 0..<8 {
                var wrong = bytes
                wrong[place] ^= 1 << UInt8(bit)
                let error = #expect(throws: WireError.self) { try Envelope(decoding: wrong) }
                switch place {
                case 0..<4: #expect(error == .notAnEnvelope)
                case 4..<6: #expect(error == .unknownVersion(UInt16(wrong[4]) | UInt16(wrong[5]) << 8))
                default: #expect(error == .damaged)
                }
            }
        }
    }

    @Test func `another format and another version are told apart from damage`() {
        #expect(throws: WireError.notAnEnvelope) { try Envelope(decoding: []) }
        #expect(throws: WireError.notAnEnvelope) { try Envelope(decoding: Array("{\"batch\": 300, 1".utf8)) }
        var later = header
        later[4] = 3
        #expect(throws: WireError.unknownVersion(3)) { try Envelope(decoding: sealed(later + [0])) }
        #expect(WireError.unknownVersion(3).description.contains("this node speaks 2"))
    }

    @Test(arguments: [
        ("an unknown kind", "01 0b 03"), ("kind zero", "01 00"), ("less than announced", "02 0803"),
        ("more than announced", "01 0803 00"), ("2^64 - 1 messages", "ffffffffffffffffff01"),
        ("2^63 - 1 messages", "ffffffffffffffff7f"),
        ("2^63 - 1 entries", "01 01 03 00 00 00 ffffffffffffffff7f"),
        ("2^64 - 1 entries", "01 01 03 00 00 00 ffffffffffffffffff01"),
        ("2^63 - 1 commands", "01 20 03 ffffffffffffffff7f"),
        ("2^63 - 1 requests", "01 21 03 01 ffffffffffffffff7f"),
        ("a payload of 2^63 - 1 bytes", "01 01 03 00 00 00 01 01 01 ffffffffffffffff7f"),
        ("an entry after index 2^64 - 2", "01 01 03 feffffffffffffffff01 03 00 01 03 00 00"),
        ("previous index 2^64 - 1", "01 01 03 ffffffffffffffffff01 03 00 00"),
        ("an unknown kind of entry", "01 01 03 00 00 00 01 01 03 00"),
        ("a truth value of 2", "01 06 03 02 00"),
        ("an unknown reason", "01 21 03 04 00"), ("reason zero", "01 21 03 00 00"),
        ("a longer number than needed", "01 08 8300"),
        ("a number beyond 64 bits", "01 08 ffffffffffffffffff02"),
        ("text that is not UTF-8", "01 22 01ff 0162 0163 0100000000000000 0200000000000000 00"),
        ("a forward with no trace in place of some", "01 24 03 01 00 00"),
        ("2^63 - 1 traces", "01 24 03 01 00 ffffffffffffffff7f"),
        ("a trace of a command that is not there", "01 24 03 01 00 01 01 \(traceBytes) 01 00"),
        ("two traces of a command", "01 24 03 01 00 02 00 \(traceBytes) 01 00 00 \(traceBytes) 01 00"),
        ("trace id zero", "01 24 03 01 00 01 00 0000000000000000 0000000000000000 b702a90baa67f000 01 00"),
        ("span zero", "01 24 03 01 00 01 00 a64db377352ff94b 36470e0e9d92cea3 0000000000000000 01 00"),
        ("flags of 2", "01 24 03 01 00 01 00 \(traceBytes) 02 00"),
        ("a state with a line end", "01 24 03 01 00 01 00 \(traceBytes) 01 010a"),
        (
            "a state of 513 bytes",
            "01 24 03 01 00 01 00 \(traceBytes) 01 8104" + String(repeating: "61", count: 513)
        ),
        ("voters out of order", "01 07 03 ac0202 01 020201 00 00"),
        ("a configuration of another version", "01 07 03 ac0202 02 0101 00 00"),
    ]) func `what makes no sense is refused although its checksum fits`(_ name: String, _ rest: String) {
        #expect(throws: WireError.malformed, "\(name)") { try Envelope(decoding: sealed(header + hex(rest))) }
    }

    @Test func `a batch tells its sender's clock`() throws {
        var batch = envelope([samples[4].message])
        batch.clock = HybridTime(WallTime(milliseconds: 0x0102_0304_0506), 0x0708)
        let bytes = batch.encode()
        let start = Array(header.dropLast())
        #expect(bytes.starts(with: start + hex("01 0605040302010000 0807 01")))
        #expect(try Envelope(decoding: bytes) == batch)
        #expect(throws: WireError.malformed) { try Envelope(decoding: sealed(start + hex("02 00"))) }
        #expect(throws: WireError.malformed) { try Envelope(decoding: sealed(start + hex("01 060504"))) }
    }

    @Test func `the largest indexes and terms are carried`() throws {
        let message = Message(
            from: NodeID(1), to: NodeID(2), term: Term(.max),
            body: .append(
                Append(
                    previous: position(.max - 2, .max),
                    entries: [Entry(index: LogIndex(.max - 1), term: Term(.max), kind: .noop, payload: [])],
                    commit: LogIndex(.max))))
        let batch = envelope([.consensus(message)])
        #expect(try Envelope(decoding: batch.encode()) == batch)
    }

    /// The form is canonical: what is accepted is what would be written. So nothing of a batch can be overlooked.
    @Test(arguments: 0..<8)
    func `whatever is accepted would be written in the same way`(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var accepted = 0
        for _ in 0..<1_000 {
            let sample = samples[Int(generator.next(below: UInt64(samples.count)))]
            var bytes = header + [1] + sample.bytes
            for _ in 0...generator.next(below: 3) {
                let place = 6 + Int(generator.next(below: UInt64(bytes.count - 6)))
                switch generator.next(below: 4) {
                case 0: bytes[place] ^= 1 << UInt8(generator.next(below: 8))
                case 1: bytes[place] = [0, 1, 127, 128, 255][Int(generator.next(below: 5))]
                case 2: bytes.insert(UInt8(truncatingIfNeeded: generator.next()), at: place)
                default: bytes.remove(at: place)
                }
            }
            guard let batch = try? Envelope(decoding: sealed(bytes)) else { continue }
            accepted += 1
            #expect(batch.encode() == sealed(bytes), "\(sample): \(bytes)")
        }
        #expect(accepted > 100)
    }

    @Test func `the size is not underestimated by much`() {
        for sample in samples {
            #expect(sample.message.encodedSizeHint >= sample.bytes.count, "\(sample)")
            #expect(sample.message.encodedSizeHint <= sample.bytes.count + 160, "\(sample)")
        }
    }
}
