// Log lines leave through one write each and never make a node wait: if nobody reads the other end of the
// pipe, lines are dropped and counted instead.

import Glibc
public import Logging
import Primitives
import Synchronization

/// Where log lines go: a descriptor, and a count of the lines that it did not take.
public final class LogSink: Sendable {
    private let descriptor: Int32
    private let lost = Atomic<Int>(0)

    /// Writes to `descriptor`, which stays the caller's; standard error by default.
    public init(descriptor: Int32 = 2) { self.descriptor = descriptor }

    /// How many lines were not taken since the last one that was.
    public var dropped: Int { lost.load(ordering: .relaxed) }

    /// Writes the line and a line feed with one call, so that lines of threads don't mix. If the descriptor
    /// is not blocking and full, or broken, the line is dropped.
    func write(_ line: String) {
        var bytes = Array(line.utf8)
        bytes.append(10)
        let sent = retrying { Glibc.write(descriptor, bytes, bytes.count) }
        if sent < 0 {
            lost.add(1, ordering: .relaxed)
        } else {
            lost.store(0, ordering: .relaxed)
        }
    }

    private func retrying(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}

/// Hands swift-log's events to a ``LogSink`` as lines that begin with time, level and node.
public struct LineLogHandler: LogHandler {
    /// The least level that is written.
    public var logLevel: Logger.Level
    /// Added to every line's own metadata, which win.
    public var metadata: Logger.Metadata = [:]
    /// Asked for metadata at each line.
    public var metadataProvider: Logger.MetadataProvider?

    private let node: String
    private let format: LogFormat
    private let sink: LogSink

    /// Writes lines of `node` (may be empty: no node) to `sink`.
    public init(node: String, format: LogFormat, level: Logger.Level, sink: LogSink) {
        self.node = node
        self.format = format
        self.logLevel = level
        self.sink = sink
    }

    /// One value of the metadata that every line carries.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the event.
    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let own = event.metadata { all.merge(own) { _, new in new } }
        if let error = event.error { all["error"] = .string("\(error)") }
        let dropped = sink.dropped
        if dropped > 0 { all["dropped_lines"] = .string("\(dropped)") }
        sink.write(
            format.line(
                time: wallTime(), level: event.level, node: node, message: event.message.description,
                metadata: all))
    }
}

/// Makes every `Logger` of this process write lines of `node` to standard error. Call it once, early.
public func startLogging(node: String, format: LogFormat, level: Logger.Level) {
    let sink = LogSink()
    LoggingSystem.bootstrap { _ in LineLogHandler(node: node, format: format, level: level, sink: sink) }
}

private func wallTime() -> WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
}
