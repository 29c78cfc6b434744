import Primitives
import Testing

@testable import Store

/// Checksums are compared without building the state.
@Suite struct CheckpointInspectorTests {
    private static func inspect(_ bytes: [UInt8], inChunksOf size: Int = .max) throws -> Int {
        var inspector = CheckpointInspector()
        var place = 0
        while place < bytes.count {
            let end = place + min(size, bytes.count - place)
            try inspector.receive(Array(bytes[place..<end]))
            place = end
        }
        try inspector.finish()
        return inspector.count
    }

    @Test(arguments: [1, 2, 7, 64, 1000, .max]) func `a sound file passes in chunks of any size`(
        _ size: Int
    ) throws {
        for keyspace in [CheckpointTests.sample(), Keyspace()] {
            let bytes = keyspace.checkpoint()
            #expect(try Self.inspect(bytes, inChunksOf: size) == bytes.count)
        }
    }

    @Test func `every changed byte is detected`() {
        let bytes = CheckpointTests.sample().checkpoint()
        for place in bytes.indices {
            var changed = bytes
            changed[place] ^= 1 << UInt8(place % 8)
            #expect(throws: CheckpointError.self, "byte \(place)") {
                try Self.inspect(changed, inChunksOf: 100)
            }
        }
    }

    @Test func `every truncation and every addition is detected`() {
        let bytes = CheckpointTests.sample().checkpoint()
        for end in bytes.indices {
            #expect(throws: CheckpointError.truncated, "cut at \(end)") {
                try Self.inspect(Array(bytes[..<end]))
            }
        }
        for tail in [[0], bytes] {
            #expect(throws: CheckpointError.self) { try Self.inspect(bytes + tail) }
        }
    }

    @Test func `the error says where the damage is`() throws {
        var writer = CheckpointWriter(CheckpointTests.sample(), cluster: ClusterID(1))
        var blocks: [[UInt8]] = []
        while let block = writer.next() { blocks.append(block) }
        let offset = blocks[0].count
        blocks[1][CheckpointFormat.frameCount] ^= 1
        #expect(throws: CheckpointError.corrupt(offset: offset, reason: "checksum")) {
            try Self.inspect(blocks.flatMap { $0 })
        }
    }
}
