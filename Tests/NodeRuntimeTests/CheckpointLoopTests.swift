import Consensus
import HTTPServer
import NodeCore
import Platform
import Primitives
import Store
import Testing
import WAL

@testable import NodeRuntime

@Suite(.timeLimit(.minutes(1))) struct CheckpointLoopTests {
    private struct Written {
        var reference: SnapshotReference
        var cutBelow: LogIndex
        var bytes: Int
    }

    private func write(_ keyspace: Keyspace, with runner: CheckpointRunner) throws -> Written {
        runner.post(.write(keyspace, reference(keyspace.appliedIndex.rawValue)))
        return try runner.reports.next { report in
            guard case .checkpoint(.written(let reference, let cutBelow, let bytes, _)) = report else {
                return nil
            }
            return Written(reference: reference, cutBelow: cutBelow, bytes: bytes)
        }
    }

    /// A part of a checkpoint; nil if there is no such checkpoint.
    private func part(
        _ index: UInt64, _ offset: UInt64, _ count: UInt64, of runner: CheckpointRunner
    ) throws -> (bytes: [UInt8], total: UInt64)? {
        let position = LogPosition(index: LogIndex(index), term: Term(1))
        runner.post(.serve(PeerRequestID(4), position, offset: offset, count: count))
        return try runner.reports.next { report -> (bytes: [UInt8], total: UInt64)?? in
            guard case .checkpoint(.part(let told, let start, let bytes, let total)) = report else {
                return nil
            }
            #expect(told == PeerRequestID(4) && start == offset)
            return .some(bytes.map { ($0, total) })
        }
    }

    /// The whole checkpoint, fetched in parts.
    private func fetch(_ index: UInt64, from runner: CheckpointRunner, step: UInt64) throws -> [UInt8] {
        var whole: [UInt8] = []
        while let (bytes, total) = try part(index, UInt64(whole.count), step, of: runner), !bytes.isEmpty {
            whole += bytes
            if whole.count == total { break }
        }
        return whole
    }

    /// What becomes of a snapshot that comes in these parts: its state, or why it was refused.
    private func receive(
        _ parts: [[UInt8]], as reference: SnapshotReference, by runner: CheckpointRunner
    ) throws -> Result<Keyspace, SnapshotRefused> {
        runner.post(.beginReceiving(reference))
        var offset: UInt64 = 0
        for (place, bytes) in parts.enumerated() {
            runner.post(.receive(reference, offset: offset, bytes: bytes, isLast: place == parts.count - 1))
            offset += UInt64(bytes.count)
        }
        return try outcome(of: reference, by: runner)
    }

    private func outcome(
        of reference: SnapshotReference, by runner: CheckpointRunner
    ) throws -> Result<Keyspace, SnapshotRefused> {
        try runner.reports.next { report in
            switch report {
            case .checkpoint(.snapshotLoaded(let keyspace, reference)): .success(keyspace)
            case .checkpoint(.snapshotFailed(reference, let reason)):
                .failure(SnapshotRefused(reason: reason))
            default: nil
            }
        }
    }

    private struct SnapshotRefused: Error {
        var reason: String
    }

    private func split(_ bytes: [UInt8], every step: Int) -> [[UInt8]] {
        stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) }
    }

    private func reason(_ result: Result<Keyspace, SnapshotRefused>) -> String {
        if case .failure(let refused) = result { refused.reason } else { "it was installed" }
    }

    @Test func `a frozen state is written, served in parts, and received as the same state`() throws {
        let leader = try CheckpointRunner()
        let state = keyspace(4_000, valueBytes: 200)
        let written = try write(state, with: leader)
        #expect(written.reference == reference(4_000))
        #expect(
            try leader.store.list() == [
                Checkpoint(position: written.reference.position, bytes: written.bytes)
            ])

        let bytes = try fetch(4_000, from: leader, step: 100_000)
        #expect(bytes.count == written.bytes)
        let follower = try CheckpointRunner()
        let result = try receive(split(bytes, every: 70_000), as: written.reference, by: follower)
        #expect(try result.get().digest == state.digest)
        // It is durable, and a checkpoint of the follower's own from then on.
        #expect(try follower.store.list() == leader.store.list())
        #expect(try fetch(4_000, from: follower, step: 1 << 20) == bytes)
    }

    @Test func `parts beyond the end are empty, and of checkpoints that are gone there are none`() throws {
        let runner = try CheckpointRunner()
        let written = try write(keyspace(10), with: runner)
        let end = UInt64(written.bytes)
        #expect(try part(10, end - 1, 100, of: runner)?.bytes.count == 1)
        for offset in [end, end + 1, 1 << 63, .max] as [UInt64] {
            let answer = try part(10, offset, 100, of: runner)
            #expect(answer?.bytes == [] && answer?.total == end)
        }
        #expect(try part(11, 0, 100, of: runner) == nil)
        #expect(try part(.max, 0, 100, of: runner) == nil)
    }

    @Test func `the log may be cut below the oldest of two checkpoints, and not for the sake of one`() throws
    {
        let runner = try CheckpointRunner()
        #expect(try write(keyspace(10), with: runner).cutBelow == .zero)
        #expect(try write(keyspace(20), with: runner).cutBelow == LogIndex(11))
        #expect(try write(keyspace(30), with: runner).cutBelow == LogIndex(21))
        #expect(try runner.store.list().map(\.position.index) == [LogIndex(30), LogIndex(20)])
    }

    /// Changes a byte in the middle of a checkpoint's file.
    private func spoil(_ index: UInt64, of runner: CheckpointRunner) throws {
        let name = try Files.list(runner.folder.path).sorted().first { name in
            UInt64(name.prefix(16), radix: 16) == index
        }
        let disk = PosixDisk()
        let file = try disk.open(runner.folder.path + "/" + #require(name))
        defer { disk.close(file) }
        var byte: [UInt8] = [0]
        let middle = try disk.size(of: file) / 2
        #expect(try disk.read(file, at: middle, into: &byte) == 1)
        try disk.write([~byte[0]], to: file, at: middle)
    }

    /// Asks for a whole checkpoint, which is damaged; what is told.
    private func damage(_ index: UInt64, of runner: CheckpointRunner) throws -> LogPosition {
        #expect(try part(index, 0, 1 << 20, of: runner) == nil)
        return try runner.reports.next {
            if case .checkpoint(.damaged(let position, _)) = $0 { position } else { nil }
        }
    }

    @Test func `a checkpoint that went bad on disk is not served before it was written anew`() throws {
        let runner = try CheckpointRunner()
        _ = try write(keyspace(10), with: runner)
        _ = try write(keyspace(20), with: runner)
        let sound = try fetch(20, from: runner, step: 1 << 20)
        try spoil(20, of: runner)
        #expect(try damage(20, of: runner).index == LogIndex(20))
        #expect(try part(20, 0, 10, of: runner) == nil)
        #expect(try fetch(10, from: runner, step: 100).count > 0, "the other one is sound")
        #expect(try write(keyspace(20), with: runner).cutBelow == LogIndex(11))
        #expect(try fetch(20, from: runner, step: 100) == sound)
    }

    @Test func `a damaged checkpoint goes when a newer one is there, and the older sound one stays`() throws {
        let runner = try CheckpointRunner()
        _ = try write(keyspace(10), with: runner)
        _ = try write(keyspace(20), with: runner)
        try spoil(20, of: runner)
        #expect(try damage(20, of: runner).index == LogIndex(20))
        #expect(try write(keyspace(30), with: runner).cutBelow == LogIndex(11))
        #expect(try runner.store.list().map(\.position.index) == [LogIndex(30), LogIndex(10)])
        #expect(try part(20, 0, 10, of: runner) == nil)
    }

    @Test func `a damaged snapshot is refused, wherever the damage is`() throws {
        let leader = try CheckpointRunner()
        let written = try write(keyspace(300), with: leader)
        let bytes = try fetch(300, from: leader, step: 1 << 20)
        let follower = try CheckpointRunner()
        for place in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 40)) + [bytes.count - 1] {
            var damaged = bytes
            damaged[place] ^= 0x10
            let result = try receive(split(damaged, every: 5_000), as: written.reference, by: follower)
            #expect(reason(result) != "it was installed", "byte \(place)")
        }
        for count in [0, 1, bytes.count / 2, bytes.count - 1] {
            let result = try receive([Array(bytes[..<count])], as: written.reference, by: follower)
            #expect(reason(result) != "it was installed", "cut to \(count) bytes")
        }
        let longer = try receive([bytes + [0]], as: written.reference, by: follower)
        #expect(reason(longer) != "it was installed")
        #expect(try follower.store.list().isEmpty)
        #expect(try Files.list(follower.folder.path).isEmpty)
        // None of that is in the way of a sound one.
        #expect(
            try receive([bytes], as: written.reference, by: follower).get().digest == keyspace(300).digest)
    }

    @Test func `a snapshot that is not the promised one is refused`() throws {
        let leader = try CheckpointRunner()
        _ = try write(keyspace(50), with: leader)
        let bytes = try fetch(50, from: leader, step: 1 << 20)
        let follower = try CheckpointRunner()
        for promised in [reference(49), reference(51), reference(50, term: 2)] {
            #expect(
                try reason(receive([bytes], as: promised, by: follower))
                    == "it is not the snapshot that was promised")
        }
        let stranger = try CheckpointRunner(cluster: 8)
        #expect(
            try reason(receive([bytes], as: reference(50), by: stranger))
                == "it is not the snapshot that was promised")
        #expect(try follower.store.list().isEmpty && stranger.store.list().isEmpty)
    }

    @Test func `a gap ends it, and what comes afterwards is ignored`() throws {
        let leader = try CheckpointRunner()
        _ = try write(keyspace(50), with: leader)
        let bytes = try fetch(50, from: leader, step: 1 << 20)
        let follower = try CheckpointRunner()
        follower.post(.beginReceiving(reference(50)))
        follower.post(.receive(reference(50), offset: 0, bytes: Array(bytes[..<100]), isLast: false))
        follower.post(.receive(reference(50), offset: 101, bytes: Array(bytes[101...]), isLast: true))
        #expect(try reason(outcome(of: reference(50), by: follower)) == "a part of it is missing")
        follower.post(.receive(reference(50), offset: 100, bytes: Array(bytes[100...]), isLast: true))
        #expect(try part(50, 0, 10, of: follower) == nil)
    }

    @Test func `another snapshot takes the place of one that is coming in`() throws {
        let leader = try CheckpointRunner()
        _ = try write(keyspace(50), with: leader)
        let old = try fetch(50, from: leader, step: 1 << 20)
        _ = try write(keyspace(60), with: leader)
        let new = try fetch(60, from: leader, step: 1 << 20)
        let follower = try CheckpointRunner()
        follower.post(.beginReceiving(reference(50)))
        follower.post(.receive(reference(50), offset: 0, bytes: Array(old[..<100]), isLast: false))
        follower.post(.beginReceiving(reference(60)))
        follower.post(.receive(reference(60), offset: 0, bytes: Array(new[..<100]), isLast: false))
        follower.post(.receive(reference(50), offset: 100, bytes: Array(old[100...]), isLast: true))
        follower.post(.receive(reference(60), offset: 100, bytes: Array(new[100...]), isLast: true))
        #expect(try outcome(of: reference(60), by: follower).get().digest == keyspace(60).digest)
        #expect(try follower.store.list().map(\.position.index) == [LogIndex(60)])
    }

    @Test func `a checkpoint that can't be written is reported, and a later one is`() throws {
        let runner = try CheckpointRunner()
        let blocked = "\(runner.folder.path)/own.tmp"
        try Files.makeFolder(blocked)
        runner.post(.write(keyspace(10), reference(10)))
        let why = try runner.reports.next {
            if case .checkpoint(.failed(let reason)) = $0 { reason } else { nil }
        }
        #expect(why.contains("own.tmp"))
        // A folder where a file should be can't be removed by `unlink`.
        try PosixDisk().rename(blocked, to: "\(runner.folder.path)/away")
        #expect(try write(keyspace(10), with: runner).bytes > 0)
    }
}
