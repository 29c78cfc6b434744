public import Primitives

/// What a connection has to be told about the driver's present turn: the time, and the `Date` and `Server`
/// lines that every response of the turn carries. The lines are formatted once a second, not once a response.
public struct Moment: Sendable {
    /// The present on the monotonic clock.
    public private(set) var now: Instant
    /// `Server: …` and `Date: …`, each with its line end.
    private(set) var standardFields: [UInt8]
    private let server: String
    private var second: Int64

    /// The present, for a server that calls itself `server`, as in `parley/0.1.0`.
    public init(now: Instant, wallTime: WallTime, server: String) {
        self.now = now
        self.server = String(server.unicodeScalars.filter { (0x20...0x7e).contains($0.value) })
        self.second = wallTime.milliseconds / 1000
        self.standardFields = Moment.lines(server: self.server, wallTime: wallTime)
    }

    /// Moves on; cheap within the same second.
    public mutating func advance(to now: Instant, wallTime: WallTime) {
        self.now = now
        let second = wallTime.milliseconds / 1000
        guard second != self.second else { return }
        self.second = second
        standardFields = Moment.lines(server: server, wallTime: wallTime)
    }

    private static func lines(server: String, wallTime: WallTime) -> [UInt8] {
        Array("Server: \(server)\r\nDate: \(wallTime.httpDate)\r\n".utf8)
    }
}
