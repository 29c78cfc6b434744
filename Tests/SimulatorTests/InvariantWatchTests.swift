// Watches that break their promises: the node's store is not what the committed entries make of it.

import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Testing

@testable import Simulator

@Suite struct `Promises of watches` {
    private let puts = [
        BatchPut(key: Array("k1".utf8), value: [1]), BatchPut(key: Array("k2".utf8), value: [2]),
    ]

    /// A cluster whose first node serves watches and then holds something else than was committed.
    private func tell(_ keyspaces: Keyspace...) throws {
        let scene = try Scene(WatchesTellAll(seed: 1))
        try scene.elect(0, term: 1)
        try scene.commit(
            [
                entry(1, 1), command(2, 1, request: 1, .batch(puts, createOnly: false)),
                put(3, 1, request: 2, value: "3"),
            ], by: 0)
        scene.source.keyspaces[0] = Keyspace()
        try scene.tell(.started(0))
        for keyspace in keyspaces {
            scene.source.keyspaces[0] = keyspace
            for _ in 0..<20 { try scene.tell(.applied(0)) }
        }
        try scene.tell(.ended)
    }

    private func keyspace(_ entries: Entry...) -> Keyspace {
        var keyspace = Keyspace()
        for entry in entries {
            if entry.kind == .command {
                _ = keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
            } else {
                keyspace.skip(index: entry.index, term: entry.term)
            }
        }
        return keyspace
    }

    private var batch: Entry { command(2, 1, request: 1, .batch(puts, createOnly: false)) }

    @Test func `G1: a watch is told what was committed`() throws {
        try tell(
            keyspace(entry(1, 1), batch), keyspace(entry(1, 1), batch, put(3, 1, request: 2, value: "3")))
    }

    @Test func `G1: a watch is told half a revision`() throws {
        let half = keyspace(entry(1, 1), put(2, 1, request: 1, value: "1"))
        expectViolation("G1") { try tell(half) }
    }

    @Test func `G1: a watch is told what nobody committed`() throws {
        let more = keyspace(
            entry(1, 1), batch, put(3, 1, request: 2, value: "3"), put(4, 1, request: 3, value: "4"))
        expectViolation("G1") { try tell(more) }
    }
}
