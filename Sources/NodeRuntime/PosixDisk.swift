// Real files. Every call is repeated when a signal interrupts it and continued when the kernel does less than
// asked.

import Glibc
public import WAL

/// The ``Disk`` of the operating system. Has no state: any number may be made, on any thread.
public struct PosixDisk: Disk, Sendable {
    /// Makes the disk.
    public init() {}

    /// Creates or empties a file (`open`, mode 0644).
    public func create(_ path: String) throws(DiskError) -> DiskFile {
        try opened(.create, path, O_RDWR | O_CREAT | O_TRUNC)
    }

    /// Opens a file (`open`).
    public func open(_ path: String) throws(DiskError) -> DiskFile {
        try opened(.open, path, O_RDWR)
    }

    /// Closes it; an error has no meaning here, for whatever counts was synced before.
    public func close(_ file: DiskFile) {
        _ = Glibc.close(file.number)
    }

    /// The file's length (`fstat`).
    public func size(of file: DiskFile) throws(DiskError) -> Int {
        var status = stat()
        try check(.read, file.path) { fstat(file.number, &status) }
        return Int(status.st_size)
    }

    /// Reads (`pread`) until the buffer is full or the file ends.
    public func read(_ file: DiskFile, at offset: Int, into buffer: inout [UInt8]) throws(DiskError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = buffer.withUnsafeMutableBytes {
                pread(file.number, $0.baseAddress! + done, $0.count - done, offset + done)
            }
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw DiskError(.read, file.path, code: errno)
            }
        }
        return done
    }

    /// Writes (`pwrite`) until all is written.
    public func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(DiskError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(file.number, $0.baseAddress! + done, $0.count - done, offset + done)
            }
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                throw DiskError(.write, file.path, code: count == 0 ? EIO : errno)
            }
        }
    }

    /// Reserves space (`posix_fallocate`, which writes to every block where the file system can't reserve).
    public func allocate(_ file: DiskFile, count: Int) throws(DiskError) {
        var code = EINTR
        while code == EINTR { code = posix_fallocate(file.number, 0, count) }
        guard code == 0 else { throw DiskError(.allocate, file.path, code: code) }
    }

    /// Makes data and length durable (`fdatasync`). Not repeated, whatever it says: see ``Disk/sync(_:)``.
    public func sync(_ file: DiskFile) throws(DiskError) {
        guard fdatasync(file.number) == 0 else { throw DiskError(.sync, file.path, code: errno) }
    }

    /// Syncs, and drops the clean pages (`posix_fadvise`), so that reads come from the device.
    public func settle(_ file: DiskFile) throws(DiskError) {
        try sync(file)
        _ = posix_fadvise(file.number, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// Makes a folder's names durable (`fsync`).
    public func syncDirectory(_ path: String) throws(DiskError) {
        let folder = try opened(.sync, path, O_RDONLY | O_DIRECTORY)
        defer { close(folder) }
        guard fsync(folder.number) == 0 else { throw DiskError(.sync, path, code: errno) }
    }

    /// Renames (`rename`).
    public func rename(_ path: String, to newPath: String) throws(DiskError) {
        try check(.rename, path) { Glibc.rename(path, newPath) }
    }

    /// Removes a file (`unlink`).
    public func remove(_ path: String) throws(DiskError) {
        try check(.remove, path) { unlink(path) }
    }

    /// Lists names (`readdir`).
    public func list(_ directory: String) throws(DiskError) -> [String] {
        guard let stream = opendir(directory) else { throw DiskError(.read, directory, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw DiskError(.read, directory, code: errno) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    /// Makes a folder (`mkdir`, mode 0755).
    public func createDirectory(_ path: String) throws(DiskError) {
        guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
        throw DiskError(.create, path, code: errno)
    }

    /// Locks (`flock`, exclusive, without waiting). The lock goes with the descriptor, also when the process
    /// is killed.
    public func lock(_ path: String) throws(DiskError) -> DiskFile {
        let file = try opened(.lock, path, O_RDWR | O_CREAT)
        do {
            try check(.lock, path) { flock(file.number, LOCK_EX | LOCK_NB) }
        } catch {
            close(file)
            throw error
        }
        return file
    }

    private func opened(
        _ operation: DiskError.Operation, _ path: String, _ flags: Int32
    ) throws(DiskError) -> DiskFile {
        while true {
            let number = Glibc.open(path, flags | O_CLOEXEC, 0o644)
            if number >= 0 { return DiskFile(number: number, path: path) }
            if errno != EINTR { throw DiskError(operation, path, code: errno) }
        }
    }

    private func check(
        _ operation: DiskError.Operation, _ path: String, _ call: () -> Int32
    ) throws(DiskError) {
        while call() != 0 {
            if errno != EINTR { throw DiskError(operation, path, code: errno) }
        }
    }
}
