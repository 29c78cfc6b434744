import Glibc
import Platform
import Primitives

/// Processor time of processes, as `/proc` tells it, in steps of usually 10 ms.
enum ProcessTimes {
    /// User and system time of a process so far; nil if there is no such process.
    static func used(by pid: Int32) -> Instant.Span? {
        guard let file = try? Files.open("/proc/\(pid)/stat", .read),
            let bytes = try? Terminal.readAll(file.number, limit: 65536)
        else { return nil }
        return parse(
            String(decoding: bytes, as: UTF8.self), ticksPerSecond: max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    /// The sum over processes; those that are gone count nothing.
    static func used(by pids: [Int32]) -> Instant.Span {
        pids.reduce(.zero) { $0 + (used(by: $1) ?? .zero) }
    }

    /// Reads proc(5)'s stat: fields 14 and 15, counted after the name, which may hold spaces and brackets.
    static func parse(_ text: String, ticksPerSecond: Int) -> Instant.Span? {
        guard let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[bracket...].split(separator: " ")
        guard fields.count > 13, let user = Int64(fields[12]), let system = Int64(fields[13]) else {
            return nil
        }
        return Instant.Span(nanoseconds: (user + system) * (1_000_000_000 / Int64(ticksPerSecond)))
    }
}
