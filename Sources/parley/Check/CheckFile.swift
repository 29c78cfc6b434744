// The file that a history is kept in.

import Glibc
import Histories
import Platform
import Primitives

/// A file for a history.
struct CheckFile: ~Copyable {
    /// A history larger than this is not read, because it would not fit into the memory of most machines.
    private static let limit = 2 << 30

    /// Its path.
    let path: String
    private let descriptor: Descriptor

    /// Makes the file, or opens it if it is there, before there is anything to write: so that nobody waits
    /// for a check whose history can not be kept.
    init(_ path: String) throws(CommandFailure) {
        self.path = path
        do throws(SystemError) {
            descriptor = try Files.open(path, .createOrUpdate)
        } catch {
            throw .usage("--out: cannot write \(path): \(error.reason)")
        }
    }

    /// Replaces the contents; answers what went wrong.
    func write(_ history: History) -> SystemError? {
        do throws(SystemError) {
            try descriptor.resize(to: 0)
            try descriptor.write(history.encode(), at: 0)
            return nil
        } catch {
            return error
        }
    }

    /// A name that says when.
    static func name(at time: WallTime) -> String {
        "parley-check-" + time.rfc3339.filter { $0.isLetter || $0.isNumber } + ".jsonl"
    }

    /// Reads a history. What can not be read or is none is a mistake of the command line.
    static func read(_ path: String) throws(CommandFailure) -> History {
        var bytes: [UInt8]?
        do throws(SystemError) {
            let file = try Files.open(path, .read)
            bytes = try Terminal.readAll(file.number, limit: limit)
        } catch {
            throw .usage("--history: cannot read \(path): \(error.reason)")
        }
        guard let bytes else { throw .usage("--history: \(path) is larger than \(limit >> 30) GiB") }
        do throws(HistoryError) {
            return try History(parsing: bytes)
        } catch {
            throw .usage("--history: \(path) is no history: \(error)")
        }
    }
}
