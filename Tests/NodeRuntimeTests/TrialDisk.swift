// A disk that fails or stalls on demand, with real files behind it.

import Platform
import Primitives
import Synchronization
import WAL

@testable import NodeRuntime

/// The operating system's disk, with troubles that a test switches on and off from another thread.
final class TrialDisk: Disk, Sendable {
    struct Trouble {
        /// The error of every write, reservation and creation.
        var writes: Int32?
        /// The error of every sync.
        var syncs: Int32?
        /// Syncs wait.
        var stalls = false
        /// How many syncs have waited.
        var stalled = 0
    }

    private let trouble = Mutex(Trouble())
    private let disk = PosixDisk()

    func set(_ change: (inout Trouble) -> Void) { trouble.withLock { change(&$0) } }

    /// Waits, ten seconds at most, until a sync waits.
    func waitForStall() {
        for _ in 0..<10_000 where trouble.withLock({ $0.stalled }) == 0 {
            CurrentThread.sleep(for: .milliseconds(1))
        }
    }

    private func check(_ operation: DiskError.Operation, _ path: String) throws(DiskError) {
        if let code = trouble.withLock({ $0.writes }) { throw DiskError(operation, path, code: code) }
    }

    private func checkSync(_ path: String) throws(DiskError) {
        trouble.withLock { if $0.stalls { $0.stalled += 1 } }
        while trouble.withLock({ $0.stalls }) { CurrentThread.sleep(for: .milliseconds(1)) }
        if let code = trouble.withLock({ $0.syncs }) { throw DiskError(.sync, path, code: code) }
    }

    func create(_ path: String) throws(DiskError) -> DiskFile {
        try check(.create, path)
        return try disk.create(path)
    }
    func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(DiskError) {
        try check(.write, file.path)
        try disk.write(bytes, to: file, at: offset)
    }
    func allocate(_ file: DiskFile, count: Int) throws(DiskError) {
        try check(.allocate, file.path)
        try disk.allocate(file, count: count)
    }
    func sync(_ file: DiskFile) throws(DiskError) {
        try checkSync(file.path)
        try disk.sync(file)
    }
    func settle(_ file: DiskFile) throws(DiskError) {
        try checkSync(file.path)
        try disk.settle(file)
    }
    func open(_ path: String) throws(DiskError) -> DiskFile { try disk.open(path) }
    func close(_ file: DiskFile) { disk.close(file) }
    func size(of file: DiskFile) throws(DiskError) -> Int { try disk.size(of: file) }
    func read(_ file: DiskFile, at offset: Int, into buffer: inout [UInt8]) throws(DiskError) -> Int {
        try disk.read(file, at: offset, into: &buffer)
    }
    func syncDirectory(_ path: String) throws(DiskError) { try disk.syncDirectory(path) }
    func rename(_ path: String, to newPath: String) throws(DiskError) { try disk.rename(path, to: newPath) }
    func remove(_ path: String) throws(DiskError) { try disk.remove(path) }
    func list(_ directory: String) throws(DiskError) -> [String] { try disk.list(directory) }
    func createDirectory(_ path: String) throws(DiskError) { try disk.createDirectory(path) }
    func lock(_ path: String) throws(DiskError) -> DiskFile { try disk.lock(path) }
}
