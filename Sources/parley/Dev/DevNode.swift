import Glibc
import Platform
import Primitives

/// One node of `parley dev`: its process while it lives, and its log.
struct DevNode {
    let plan: DevPlan.Node
    private(set) var child: ChildProcess?
    /// When to start it again; nil if not.
    var restartAt: Instant?
    /// The last line that was no log line: why it could not start, usually.
    private(set) var lastWords: String?

    private let log: LogFile
    private var splitter = LineSplitter()
    private var outputEnded = false

    init(_ plan: DevPlan.Node, logTo path: String) throws(SystemError) {
        self.plan = plan
        log = try LogFile(path)
    }

    /// Its process runs, or has ended without having been buried.
    var isAlive: Bool { child != nil }

    /// Its output has ended, so its process will too.
    var isDying: Bool { child != nil && outputEnded }

    mutating func started(_ child: ChildProcess) {
        self.child = child
        lastWords = nil
        outputEnded = false
    }

    mutating func ended() { child = nil }

    /// What it wrote since the last time, also kept in its log file, and whether that was all.
    mutating func readLines() -> (lines: [LogLine], ended: Bool) {
        guard let child, !outputEnded else { return ([], outputEnded) }
        var chunk = [UInt8](repeating: 0, count: 16384)
        var lines: [[UInt8]] = []
        while true {
            let count = Glibc.read(child.output.number, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { break }
            if count <= 0 {
                outputEnded = true
                let rest = splitter.finish()
                if !rest.isEmpty { lines.append(rest) }
                break
            }
            log.append(chunk[..<count])
            lines += splitter.add(chunk[..<count])
        }
        let parsed = lines.map { LogLine($0) }
        if let plain = parsed.last(where: { $0.level == nil }) { lastWords = plain.message }
        return (parsed, outputEnded)
    }
}

/// A file that lines are added to. It is begun anew at the start if it has grown beyond 16 MiB.
private final class LogFile {
    private static let limit: Int64 = 16 << 20
    private let file: Descriptor
    private var end: Int64

    init(_ path: String) throws(SystemError) {
        file = try Files.open(path, .createOrUpdate)
        end = try file.size()
        if end > LogFile.limit {
            try file.resize(to: 0)
            end = 0
        }
    }

    /// Adds bytes. A full disk loses them here; the nodes will say so themselves.
    func append(_ bytes: ArraySlice<UInt8>) {
        guard (try? file.write(Array(bytes), at: end)) != nil else { return }
        end += Int64(bytes.count)
    }
}
