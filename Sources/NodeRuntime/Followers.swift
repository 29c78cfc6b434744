// Streams that follow what a node writes down.
import API
import HTTPServer
import Primitives
import Watches

/// Something that a node writes down line by line, forgets again, and lets streams follow.
protocol FollowedLog: AnyObject {
    /// Which lines a stream is to be told.
    associatedtype Query

    /// The streams.
    var followers: Followers<Query> { get }
    /// The place of the last line; each has a greater one than those before.
    var placed: UInt64 { get }
    /// Up to which place lines that the query asks for were forgotten.
    func dropped(_ query: Query) -> UInt64
    /// Up to `most` lines after a place, and about so many bytes.
    func piece(
        _ query: Query, after place: UInt64, most: Int, bytes: Int, _ format: WatchFormat, _ api: NativeAPI
    ) -> LogPiece
}

/// Some lines for a stream.
struct LogPiece {
    var lines: [UInt8] = []
    var count = 0
    /// Where the stream is now.
    var place: UInt64
    /// Whether there is more already.
    var isBehind: Bool
}

/// The streams that follow a log. They keep no lines: only how far each is.
final class Followers<Query> {
    struct Follower {
        var query: Query
        var place: UInt64
        var left: Int
        var until: Instant
        var format: WatchFormat
        /// It has to be told that it may have missed some.
        var hasMissed: Bool
        var told = Instant.zero
        /// Nothing was told yet, so nothing that went before can have been missed.
        var isNew = true
        /// What was there when its time was over: it is told that much.
        var end: UInt64?
    }

    private var streams: [ConnectionID: Follower] = [:]
    /// When a stream must be looked after.
    var due = Instant.never

    var isEmpty: Bool { streams.isEmpty }
    var isFull: Bool { streams.count >= FollowerLimits.most }
    var connections: [ConnectionID] { Array(streams.keys) }

    func add(_ connection: ConnectionID, _ follower: Follower, at now: Instant) {
        streams[connection] = follower
        streams[connection]?.told = now
        due = now
    }

    func remove(_ connection: ConnectionID) {
        if !streams.isEmpty { streams[connection] = nil }
    }

    /// There is something new.
    func stir(at now: Instant) {
        if !streams.isEmpty { due = min(due, now) }
    }

    /// What a stream is told now, and whether it ends with that.
    func step<Log: FollowedLog>(
        _ connection: ConnectionID, of log: Log, canTake: Bool, isStopping: Bool, at now: Instant,
        _ api: NativeAPI
    ) -> (lines: [UInt8], isOver: Bool) where Log.Query == Query {
        guard var follower = streams[connection] else { return ([], true) }
        var lines: [UInt8] = []
        var isBehind = false
        if canTake, follower.hasMissed || follower.place < log.placed {
            // What was forgotten while the stream was not read.
            if !follower.isNew, follower.place < log.dropped(follower.query) { follower.hasMissed = true }
            if follower.hasMissed { lines = api.missed(follower.format) }
            follower.hasMissed = false
            let piece = log.piece(
                follower.query, after: follower.place, most: min(64, follower.left),
                bytes: FollowerLimits.unsent, follower.format, api)
            lines += piece.lines
            follower.left -= piece.count
            (follower.place, isBehind) = (piece.place, piece.isBehind)
        }
        follower.isNew = false
        if follower.until <= now, follower.end == nil { follower.end = log.placed }
        let isOver = follower.left == 0 || follower.end.map { follower.place >= $0 } ?? false || isStopping
        if lines.isEmpty, !isOver, canTake, follower.told + FollowerLimits.silence <= now {
            lines = api.signOfLife(follower.format)
        }
        if isOver {
            streams[connection] = nil
            return (lines, true)
        }
        if !lines.isEmpty { follower.told = now }
        streams[connection] = follower
        let next = min(follower.end == nil ? follower.until : .never, follower.told + FollowerLimits.silence)
        due = min(due, isBehind ? now + .milliseconds(1) : canTake ? next : now + FollowerLimits.pause)
        return (lines, false)
    }
}

/// What streams that follow a log are held to.
enum FollowerLimits {
    /// Streams of one log at most.
    static let most = 1_000
    /// A stream with so many bytes unsent gets no more for now.
    static let unsent = 64 << 10
    /// A stream is told something at least as often.
    static let silence = Instant.Span.seconds(15)
    /// A stream that could not be written to is tried again after so long.
    static let pause = Instant.Span.milliseconds(50)
}
