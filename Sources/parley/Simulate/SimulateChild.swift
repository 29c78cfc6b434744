import Glibc
import Platform
import Primitives

/// Another process of this program, and the lines that it writes.
final class SimulateChild {
    let process: ChildProcess
    private var splitter = LineSplitter()
    private(set) var hasEnded = false

    init(_ arguments: [String]) throws(SystemError) {
        process = try ChildProcess(arguments: ["simulate"] + arguments)
    }

    /// What it has written since the last time.
    func readLines() -> [String] {
        guard !hasEnded else { return [] }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var lines: [[UInt8]] = []
        while true {
            let count = Glibc.read(process.output.number, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { break }
            if count <= 0 {
                hasEnded = true
                let rest = splitter.finish()
                if !rest.isEmpty { lines.append(rest) }
                break
            }
            lines += splitter.add(chunk[..<count])
        }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Waits until it has ended; hands each line to `body`.
    func finish(_ body: (String) -> Void) -> Ending {
        while !hasEnded {
            var wish = pollfd(fd: process.output.number, events: Int16(POLLIN), revents: 0)
            poll(&wish, 1, 1000)
            for line in readLines() { body(line) }
        }
        return waitForEnd()
    }

    /// Its output has ended: the process ends too, at once.
    func waitForEnd() -> Ending {
        while true {
            if let ending = process.reap() { return ending }
            usleep(1000)
        }
    }
}
