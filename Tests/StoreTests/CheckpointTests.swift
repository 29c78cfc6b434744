import Primitives
import Testing

@testable import Store

@Suite struct CheckpointTests {
    /// A store with everything in it: history, a deletion, a revision of several changes half freed, a lease.
    static func sample() -> Keyspace {
        var limits = Limits()
        limits.stepsPerCommand = 1
        limits.maximumStepsPerCommand = 1
        var keyspace = Keyspace(limits: limits)
        keyspace.grant("w")
        keyspace.put("a", "1", time: 1000)
        keyspace.apply(
            .batch(
                ["b", "c", "d"].map { BatchPut(key: Array($0.utf8), value: [1]) }, createOnly: false),
            time: 1500)
        keyspace.put("a", "2", time: 1700)
        keyspace.delete("b")
        keyspace.put("c", "3", under: .existing("w"), time: 900)
        keyspace.apply(.compact(Revision(3)), time: 2000)
        keyspace.apply(.increment(key: Array("n".utf8), by: 3), time: 2500)
        return keyspace
    }

    @Test func `a half freed revision is part of the state`() throws {
        let keyspace = Self.sample()
        #expect(keyspace.compactRevision == Revision(3))
        #expect(keyspace.events.first?.revision == Revision(3))
        let restored = try keyspace.restored()
        #expect(restored.digest == keyspace.digest)
        #expect(restored.events.count == keyspace.events.count)
        #expect(restored.text() == keyspace.text())
        #expect(restored.appliedIndex == keyspace.appliedIndex && restored.lastTime == keyspace.lastTime)
    }

    @Test(arguments: [1, 2, 7, 64, 1000, .max]) func `chunks may have any size`(_ size: Int) throws {
        let keyspace = Self.sample()
        #expect(try keyspace.restored(inChunksOf: size).digest == keyspace.digest)
    }

    @Test func `an empty store has a checkpoint`() throws {
        let keyspace = Keyspace()
        let restored = try keyspace.restored()
        #expect(restored.digest == keyspace.digest)
        #expect(restored.count == 0 && restored.revision == Revision(1))
    }

    @Test func `every changed byte is detected`() {
        let bytes = Self.sample().checkpoint()
        for place in bytes.indices {
            for change: UInt8 in [1, 128, 255] {
                var changed = bytes
                changed[place] ^= change
                #expect(throws: CheckpointError.self, "byte \(place)") {
                    try Keyspace.restored(changed)
                }
            }
        }
    }

    @Test func `every truncation and every addition is detected`() {
        let bytes = Self.sample().checkpoint()
        for end in bytes.indices {
            #expect(throws: CheckpointError.truncated, "cut at \(end)") {
                try Keyspace.restored(Array(bytes[..<end]))
            }
        }
        for tail in [[0], bytes] {
            #expect(throws: CheckpointError.self) { try Keyspace.restored(bytes + tail) }
        }
    }

    @Test func `blocks that are left out, repeated or exchanged are detected`() {
        var writer = CheckpointWriter(Self.sample(), cluster: ClusterID(1))
        var blocks: [[UInt8]] = []
        while let block = writer.next() { blocks.append(block) }
        #expect(blocks.count == 7)
        for place in blocks.indices {
            var (without, twice) = (blocks, blocks)
            without.remove(at: place)
            twice.insert(blocks[place], at: place)
            for changed in [without, twice] {
                #expect(throws: CheckpointError.self) { try Keyspace.restored(changed.flatMap { $0 }) }
            }
            guard place > 0 else { continue }
            var exchanged = blocks
            exchanged.swapAt(place, place - 1)
            #expect(throws: CheckpointError.self) { try Keyspace.restored(exchanged.flatMap { $0 }) }
        }
        #expect(throws: CheckpointError.notACheckpoint) { try Keyspace.restored(Array("PARTLY".utf8)) }
    }

    @Test func `the header can be read first`() throws {
        let keyspace = Self.sample()
        var writer = CheckpointWriter(
            keyspace, cluster: ClusterID(5), group: GroupID(6), configuration: [1, 2, 3])
        var reader = CheckpointReader(limits: keyspace.limits)
        let chunk = writer.next()
        try reader.receive(try #require(chunk))
        let expected = CheckpointHeader(
            cluster: ClusterID(5), group: GroupID(6), index: keyspace.appliedIndex,
            term: keyspace.appliedTerm, configuration: [1, 2, 3], revision: keyspace.revision,
            compactRevision: keyspace.compactRevision, lastTime: keyspace.lastTime)
        #expect(reader.header == expected)
    }

    @Test func `a store of many blocks comes back, written while it changes`() throws {
        var keyspace = Keyspace()
        for number in 0..<3000 {
            keyspace.put("key\(number * 7919 % 3000)", String(repeating: "v", count: number % 700))
        }
        let digest = keyspace.digest
        var writer = CheckpointWriter(keyspace, cluster: ClusterID(1))
        var reader = CheckpointReader()
        var chunks = 0
        while let chunk = writer.next() {
            #expect(chunk.count < 300_000)
            try reader.receive(chunk)
            chunks += 1
            for number in 0..<100 { keyspace.put("key\(number)", "changed") }
            keyspace.apply(.deleteRange(.prefix(Array("key2\(chunks)".utf8))))
        }
        #expect(chunks > 6)
        #expect(try reader.finish().digest == digest)
    }

    @Test func `the first bytes stay as they are`() {
        let bytes = Keyspace().checkpoint(configuration: [9])
        #expect(Array(bytes[..<8]) == Array("PARLEYCK".utf8))
        #expect(Array(bytes[12..<16]) == [1, 0, 0, 0])
        let header: [UInt8] =
            [2, 0, 0, 0] + [99, 0, 0, 0, 0, 0, 0, 0] + [1, 0, 0, 1, 9, 1, 0] + [0, 0, 0, 0, 0, 0, 0, 0]
            + [0, 0] + [0] + [0xd3, 0x08, 0xa3, 0x85, 0x88, 0x6a, 0x3f, 0x24] + [0]
        #expect(Array(bytes[20..<(20 + header.count)]) == header)
        #expect(bytes[8] == UInt8(header.count))
    }
}
