import Glibc
import Testing
import WAL

@testable import NodeRuntime

@Suite struct PosixDiskTests {
    private let disk = PosixDisk()
    private let folder: Folder

    init() throws { folder = try Folder() }

    private func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    private func contents(_ name: String) throws -> [UInt8] {
        let file = try disk.open(path(name))
        defer { disk.close(file) }
        var bytes = [UInt8](repeating: 0, count: try disk.size(of: file))
        #expect(try disk.read(file, at: 0, into: &bytes) == bytes.count)
        return bytes
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try disk.create(path(name))
        defer { disk.close(file) }
        try disk.write(bytes, to: file, at: 0)
        try disk.sync(file)
    }

    @Test func `what is written is read back, from any place`() throws {
        let file = try disk.create(path("a"))
        defer { disk.close(file) }
        #expect(file.path == path("a"))
        try disk.write([1, 2, 3, 4], to: file, at: 0)
        try disk.write([9], to: file, at: 2)
        try disk.write([7, 7], to: file, at: 6)
        try disk.write([], to: file, at: 100)
        try disk.sync(file)
        try disk.settle(file)
        #expect(try disk.size(of: file) == 8)
        var buffer = [UInt8](repeating: 0xff, count: 10)
        #expect(try disk.read(file, at: 0, into: &buffer) == 8)
        #expect(buffer == [1, 2, 9, 4, 0, 0, 7, 7, 0xff, 0xff])
        var part = [UInt8](repeating: 0, count: 2)
        #expect(try disk.read(file, at: 5, into: &part) == 2)
        #expect(part == [0, 7])
        #expect(try disk.read(file, at: 7, into: &part) == 1)
        #expect(try disk.read(file, at: 8, into: &part) == 0)
        var none: [UInt8] = []
        #expect(try disk.read(file, at: 0, into: &none) == 0)
    }

    @Test func `large files pass through whole`() throws {
        let bytes = (0..<5_000_003).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try write("large", bytes)
        #expect(try contents("large") == bytes)
    }

    @Test func `creating a file empties the one that is there`() throws {
        try write("a", [1, 2, 3])
        try write("a", [4])
        #expect(try contents("a") == [4])
    }

    @Test func `reserved space reads as zeros and counts in the length`() throws {
        let file = try disk.create(path("a"))
        defer { disk.close(file) }
        try disk.write([1], to: file, at: 0)
        try disk.allocate(file, count: 8192)
        #expect(try disk.size(of: file) == 8192)
        var bytes = [UInt8](repeating: 1, count: 8192)
        #expect(try disk.read(file, at: 0, into: &bytes) == 8192)
        #expect(bytes[0] == 1 && bytes.dropFirst().allSatisfy { $0 == 0 })
    }

    @Test func `renaming replaces, and an open file stays readable under its new name and none`() throws {
        try write("old", [1])
        try write("new", [2])
        let opened = try disk.open(path("new"))
        defer { disk.close(opened) }
        try disk.rename(path("old"), to: path("new"))
        try disk.syncDirectory(folder.path)
        #expect(try contents("new") == [1])
        var byte: [UInt8] = [0]
        #expect(try disk.read(opened, at: 0, into: &byte) == 1)
        #expect(byte == [2])
        #expect(try disk.list(folder.path) == ["new"])
        try disk.remove(path("new"))
        #expect(try disk.list(folder.path).isEmpty)
    }

    @Test func `a folder lists what is in it`() throws {
        try disk.createDirectory(path("sub"))
        try disk.createDirectory(path("sub"))
        let names = (1...300).map { "name-\($0)-\(String(repeating: "x", count: $0 % 200))" }
        for name in names { try write("sub/\(name)", []) }
        #expect(try disk.list(path("sub")).sorted() == names.sorted())
    }

    @Test func `a lock keeps everybody else out until it is closed`() throws {
        let first = try disk.lock(path("lock"))
        let error = #expect(throws: DiskError.self) { _ = try PosixDisk().lock(path("lock")) }
        #expect(error?.code == DiskError.wouldBlock && error?.operation == .lock)
        disk.close(first)
        disk.close(try disk.lock(path("lock")))
    }

    @Test func `a data folder takes one node at a time`() throws {
        do {
            let first = try DataFolder(disk: disk, path: path("data"))
            let error = #expect(throws: DataFolderError.self) {
                _ = try DataFolder(disk: PosixDisk(), path: path("data"))
            }
            #expect(error == .inUse(path: path("data")))
            _ = first.path
        }
        _ = try DataFolder(disk: disk, path: path("data"))
    }

    @Test func `errors name the operation, the file and the number`() throws {
        func failure(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        let missing = path("none")
        #expect(failure { _ = try disk.open(missing) } == "open \(missing): no such file (error 2)")
        #expect(failure { try disk.remove(missing) } == "remove \(missing): no such file (error 2)")
        #expect(failure { _ = try disk.list(missing) } == "read \(missing): no such file (error 2)")
        #expect(failure { try disk.syncDirectory(missing) } == "sync \(missing): no such file (error 2)")
        #expect(
            failure { try disk.rename(missing, to: path("x")) } == "rename \(missing): no such file (error 2)"
        )
        #expect(
            failure { try disk.createDirectory("\(missing)/sub") }
                == "create \(missing)/sub: no such file (error 2)")
        try write("file", [])
        let inside = path("file/x")
        #expect(failure { _ = try disk.create(inside) } == "create \(inside): not a folder (error 20)")
        #expect(
            failure { try disk.syncDirectory(path("file")) }
                == "sync \(path("file")): not a folder (error 20)")
    }

    @Test func `no descriptor is left open or passed on to child processes`() throws {
        let file = try disk.create(path("a"))
        #expect(fcntl(file.number, F_GETFD) == FD_CLOEXEC)
        disk.close(file)
    }
}
