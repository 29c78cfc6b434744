// Files as the log and the checkpoints need them: positioned reads and writes, syncs, and changes of a
// folder that last.

import CPlatform
import Glibc

/// A path in the file system and what can be done with it. Every call may block.
public enum Files {
    /// How to open a file.
    public enum Mode: Sendable {
        /// An existing file, for reading.
        case read
        /// An existing file, for reading and writing.
        case update
        /// A file for reading and writing, made empty if there is none.
        case createOrUpdate
        /// A new file for reading and writing; fails with `EEXIST` if there is one.
        case create

        fileprivate var flags: Int32 {
            switch self {
            case .read: O_RDONLY
            case .update: O_RDWR
            case .createOrUpdate: O_RDWR | O_CREAT
            case .create: O_RDWR | O_CREAT | O_EXCL
            }
        }
    }

    /// Opens a file that only this user may read and write if it is new (mode 0600).
    public static func open(_ path: String, _ mode: Mode) throws(SystemError) -> Descriptor {
        Descriptor(owning: try attempt("open") { Glibc.open(path, mode.flags | O_CLOEXEC, 0o600) })
    }

    /// Makes a folder and those above it (mode 0700) where they are missing.
    public static func makeFolder(_ path: String) throws(SystemError) {
        var partial = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            partial += partial.isEmpty || partial == "/" ? String(part) : "/\(part)"
            do throws(SystemError) {
                try attempt("mkdir") { mkdir(partial, 0o700) }
            } catch {
                guard error.code == EEXIST else { throw error }
            }
        }
    }

    /// The names in a folder, sorted, without `.` and `..`.
    public static func list(_ folder: String) throws(SystemError) -> [String] {
        guard let stream = opendir(folder) else { throw SystemError(code: errno, call: "opendir") }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw SystemError(code: errno, call: "readdir") }
        return names.sorted()
    }

    /// Gives a file another name, replacing what had it; lasting once the folder is synced.
    public static func rename(_ old: String, to new: String) throws(SystemError) {
        try attempt("rename") { Glibc.rename(old, new) }
    }

    /// Takes a file away; lasting once the folder is synced.
    public static func remove(_ path: String) throws(SystemError) {
        try attempt("unlink") { unlink(path) }
    }

    /// Makes new, renamed and removed names in a folder last.
    public static func syncFolder(_ path: String) throws(SystemError) {
        let folder = Descriptor(
            owning: try attempt("open") { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
        let number = folder.number
        try attempt("fsync") { fsync(number) }
    }
}

extension Descriptor {
    /// The file's size in bytes.
    public func size() throws(SystemError) -> Int64 {
        var status = stat()
        let number = number
        try attempt("fstat") { fstat(number, &status) }
        return Int64(status.st_size)
    }

    /// Reads until the buffer is full or the file ends, and answers how many bytes it read.
    public func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int
    {
        var done = 0
        let number = number
        while done < buffer.count {
            let place = off_t(offset) + off_t(done)
            let count = try attempt("pread") {
                pread(number, buffer.baseAddress.map { $0 + done }, buffer.count - done, place)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Up to `count` bytes of the file; fewer only where it ends.
    public func read(at offset: Int64, count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var failure: SystemError?
        let got = bytes.withUnsafeMutableBytes { buffer in
            do throws(SystemError) {
                return try read(at: offset, into: buffer)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        bytes.removeLast(count - got)
        return bytes
    }

    /// Writes all of the buffer.
    public func write(_ buffer: UnsafeRawBufferPointer, at offset: Int64) throws(SystemError) {
        var done = 0
        let number = number
        while done < buffer.count {
            let place = off_t(offset) + off_t(done)
            done += try attempt("pwrite") {
                pwrite(number, buffer.baseAddress.map { $0 + done }, buffer.count - done, place)
            }
        }
    }

    /// Writes all of the bytes.
    public func write(_ bytes: [UInt8], at offset: Int64) throws(SystemError) {
        var failure: SystemError?
        bytes.withUnsafeBytes { buffer in
            do throws(SystemError) { try write(buffer, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Makes the contents last (fdatasync). After a failure the contents are unknown: do not try again.
    public func syncData() throws(SystemError) {
        let number = number
        try attempt("fdatasync") { fdatasync(number) }
    }

    /// Makes the contents and the attributes last (fsync). After a failure do not try again.
    public func sync() throws(SystemError) {
        let number = number
        try attempt("fsync") { fsync(number) }
    }

    /// Cuts or extends the file to a size in bytes.
    public func resize(to size: Int64) throws(SystemError) {
        let number = number
        try attempt("ftruncate") { ftruncate(number, off_t(size)) }
    }

    /// Reserves room in the file system (fallocate).
    public func allocate(from offset: Int64, count: Int64) throws(SystemError) {
        let number = number
        try attempt("fallocate") { parley_allocate(number, offset, count) }
    }

    /// Takes the file's exclusive lock until it is closed; false if another process has it.
    public func lock() throws(SystemError) -> Bool {
        let number = number
        do throws(SystemError) {
            try attempt("flock") { flock(number, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            guard error.code == EWOULDBLOCK else { throw error }
            return false
        }
    }
}
