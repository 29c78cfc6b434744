import Consensus
import Primitives
import Simulator
import Testing
import WAL

@Suite struct DataFolderTests {
    private func expectError(_ wanted: String, _ body: () throws -> Void) {
        do {
            try body()
            Issue.record("no error, but expected one with: \(wanted)")
        } catch {
            #expect("\(error)".contains(wanted))
        }
    }

    @Test func `the identity is written once and told again`() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            var folder = try DataFolder(disk: disk, path: "/data")
            #expect(folder.identity == nil)
            try folder.initialise(as: identity, limits: small)
            #expect(folder.identity == identity)
            expectError("of node n3 already") { try folder.initialise(as: identity, limits: small) }
        }
        let survivor = disk.afterCrash(seed: 1)
        let folder = try DataFolder(disk: survivor, path: "/data")
        #expect(folder.identity == identity)
        let wal = try WriteAheadLog(
            disk: survivor, directory: folder.logDirectory, identity: identity, limits: small)
        #expect(wal.terms.isEmpty == true)
    }

    @Test func `two processes never share a folder`() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            let first = try DataFolder(disk: disk, path: "/data")
            expectError("in use by another process") { _ = try DataFolder(disk: disk, path: "/data") }
            #expect(first.identity == nil)
        }
        _ = try DataFolder(disk: disk, path: "/data")
    }

    @Test func `another's folder is refused with a reason`() throws {
        let disk = SimulatedDisk(seed: 1)
        var folder = try DataFolder(disk: disk, path: "/data")
        try folder.initialise(as: identity, limits: small)
        try folder.verify(cluster: nil, node: nil, nodeName: "n3")
        try folder.verify(cluster: identity.cluster, node: identity.node, nodeName: "n3")
        expectError("it is of cluster 0000000000c0ffee, and this is 0000000000000007") {
            try folder.verify(cluster: ClusterID(7), node: nil, nodeName: nil)
        }
        expectError("it is of node n3, and this is n1") {
            try folder.verify(cluster: nil, node: nil, nodeName: "n1")
        }
        expectError("it is of node number 3, and this is 1") {
            try folder.verify(cluster: nil, node: NodeID(1), nodeName: "n3")
        }
        expectError("group 1, and this is 2") {
            try folder.verify(cluster: nil, node: nil, nodeName: nil, group: GroupID(2))
        }
    }

    @Test func `every flipped bit and every cut of the identity file is noticed`() throws {
        let disk = SimulatedDisk(seed: 1)
        do {
            var folder = try DataFolder(disk: disk, path: "/data")
            try folder.initialise(as: identity, limits: small)
        }
        let text = disk.contents("/data/identity") ?? []
        for bit in 0..<text.count * 8 {
            var damaged = text
            damaged[bit / 8] ^= 1 << (bit % 8)
            disk.put("/data/identity", damaged)
            expectError("/data/identity is damaged") { _ = try DataFolder(disk: disk, path: "/data") }
        }
        for length in 0..<text.count {
            disk.put("/data/identity", Array(text[..<length]))
            expectError("/data/identity is damaged") { _ = try DataFolder(disk: disk, path: "/data") }
        }
        disk.put("/data/identity", [UInt8](repeating: 65, count: 5000))
        expectError("/data/identity is damaged") { _ = try DataFolder(disk: disk, path: "/data") }
        #expect(disk.openFiles == 0)
    }

    @Test func `a log without an identity is nobody's to overwrite`() throws {
        let disk = SimulatedDisk(seed: 1)
        var folder = try DataFolder(disk: disk, path: "/data")
        try folder.initialise(as: identity, limits: small)
        let copy = disk.copy()
        try copy.remove("/data/identity")
        var other = try DataFolder(disk: copy, path: "/data")
        expectError("no identity file") { try other.initialise(as: identity, limits: small) }
    }

    @Test func `names that would not survive the file are refused`() throws {
        let disk = SimulatedDisk(seed: 1)
        var folder = try DataFolder(disk: disk, path: "/data")
        for name in ["", "two\nlines", String(repeating: "x", count: 256)] {
            var bad = identity
            bad.nodeName = name
            expectError("a node's name is one line") { try folder.initialise(as: bad, limits: small) }
        }
    }

    @Test func `a crash while it is set up leaves it fresh or ready`() throws {
        var ready = 0
        for operation in 0..<60 {
            for seed in 0..<UInt64(4) {
                let disk = SimulatedDisk(seed: seed)
                disk.die(after: operation)
                var isDone = false
                do {
                    var folder = try DataFolder(disk: disk, path: "/data")
                    try folder.initialise(as: identity, limits: small)
                    isDone = true
                } catch {
                    guard disk.isDead else { throw error }
                }
                let next = disk.afterCrash(seed: UInt64(operation) << 8 | seed)
                var folder = try DataFolder(disk: next, path: "/data")
                if folder.identity == nil {
                    #expect(!isDone)
                    var other = identity
                    other.salt = 99
                    try folder.initialise(as: other, limits: small)
                } else {
                    ready += 1
                }
                let stamped = folder.identity
                let found = try #require(stamped)
                let wal = try WriteAheadLog(
                    disk: next, directory: folder.logDirectory, identity: found, limits: small)
                #expect(wal.terms.isEmpty == true)
            }
        }
        #expect(ready > 50)
    }
}
