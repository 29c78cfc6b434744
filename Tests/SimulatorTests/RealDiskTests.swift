import Consensus
import Glibc
import NodeCore
import NodeRuntime
import Primitives
import Replication
import Store
import Testing
import WAL

@testable import Simulator

/// What a simulated cluster leaves on its disks is what the real program reads: the files of each node are put
/// on the disk of this machine, and the product starts from them as `parley serve` does.
@Suite struct RealDiskTests {
    /// A folder that is gone when the test ends.
    private final class Folder {
        let path: String

        init() throws {
            var template = Array("/tmp/parley-simulated.XXXXXX".utf8CString)
            path = try #require(mkdtemp(&template).map { String(cString: $0) })
        }

        deinit { Self.empty(path) }

        private static func empty(_ path: String) {
            for name in (try? PosixDisk().list(path)) ?? [] { empty(path + "/" + name) }
            remove(path)
        }
    }

    /// Writes what would be left of the node's disk by a power cut now. The paths stay the same below the
    /// folder.
    private func export(_ disk: SimulatedDisk, to folder: String) throws {
        let real = PosixDisk()
        for (path, bytes) in disk.durableTree() where path != "/" {
            guard let bytes else {
                try real.createDirectory(folder + path)
                continue
            }
            let file = try real.create(folder + path)
            try real.write(bytes, to: file, at: 0)
            real.close(file)
        }
    }

    /// Starts from the node's folder and carries out what its log holds beyond the known commit index, up to
    /// what the simulated node had applied.
    private func replay(_ node: SimulatedNode, upTo applied: LogIndex, in folder: String) throws -> Keyspace {
        var settings = node.settings
        settings.dataDirectory = folder + node.settings.dataDirectory
        let restored = try restore(settings, disk: PosixDisk(), seed: 1, now: .zero)
        var keyspace = restored.replica.keyspace
        while keyspace.appliedIndex < applied {
            let entries = try restored.log.entries(from: keyspace.appliedIndex.next, to: applied.next)
            try #require(!entries.isEmpty)
            for entry in entries {
                if entry.kind == .command {
                    _ = keyspace.apply(encoded: entry.payload, index: entry.index, term: entry.term)
                } else {
                    keyspace.skip(index: entry.index, term: entry.term)
                }
            }
        }
        return keyspace
    }

    @Test(arguments: [(Profile.lite, UInt64(1)), (.lite, 2), (.std, 3), (.std, 4), (.std, 5), (.std, 6)])
    func `the product starts from what simulated nodes leave on their disks, with the same state`(
        profile: Profile, seed: UInt64
    ) throws {
        let simulation = Simulation(plan: Plan(seed: seed, profile: profile))
        #expect(simulation.run().violation == nil)
        var compared = 0
        // A disk that has done something silently holds what the product rightly refuses.
        for node in simulation.core.map({ simulation.nodes[$0] }) where !node.isInjured {
            let expected = try #require(node.core?.replica.keyspace)
            let folder = try Folder()
            try export(node.disk, to: folder.path)
            let found = try replay(node, upTo: expected.appliedIndex, in: folder.path)
            #expect(found.appliedIndex == expected.appliedIndex)
            #expect(found.digest == expected.digest, "n\(node.index + 1)")
            #expect(found.revision == expected.revision && found.count == expected.count)
            compared += 1
        }
        #expect(compared > 0)
    }
}
