// Streams that tell how a lock or an election stands: plans, and the bytes of their lines.

import HTTP
import JSON
public import Primitives
public import Store
public import Watches

/// What a stream shows of a lock or an election. Streams with equal views carry the same bytes.
public struct ClaimView: Hashable, Sendable {
    /// The lock or the election.
    public let claim: ClaimName
    /// How many readers, and how many who wait, are listed at most.
    public let limit: Int
    /// The form.
    public let format: WatchFormat

    /// Makes the view.
    public init(_ claim: ClaimName, limit: Int, format: WatchFormat) {
        self.claim = claim
        self.limit = limit
        self.format = format
    }
}

/// A stream that tells how a lock or an election stands, first now and then whenever that has changed.
public struct ClaimWatch: Sendable {
    /// What it shows.
    public let view: ClaimView
    /// After how many states it ends; nil: never.
    public let most: Int?
    /// After what time it ends; nil: never.
    public let wait: Instant.Span?

    /// Makes the wish.
    public init(_ view: ClaimView, most: Int? = nil, wait: Instant.Span? = nil) {
        self.view = view
        self.most = most
        self.wait = wait
    }
}

extension NativeAPI {
    func planClaimWatch(_ kind: ClaimKind, _ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        // Each change is written anew for everybody: long lists are for those who ask once.
        let most = UInt64(settings.limits.pageCount)
        let limit = try parameters.number(.limit, in: 1...most) ?? most
        let view = ClaimView(
            try claimName(kind, asked), limit: Int(limit),
            format: wantsEvents(asked.request) ? .events : .lines)
        let end = try streamEnd(parameters)
        return .read(
            ReadPlan(
                target: .claimWatch(ClaimWatch(view, most: end.most, wait: end.wait)),
                freshness: try freshness(parameters), wait: nil, traits: asked.traits))
    }

    func render(
        _ watch: ClaimWatch, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> ReadAnswer {
        let head = streamHead(
            watch.view.format, revision: keyspace.revision, traits: traits, context: context)
        return traits.flags.contains(.isHead) ? .answer(head) : .claimWatch(head, watch)
    }

    /// How a lock or an election stands, as a piece of a stream: the object that a read of it answers with,
    /// without what depends on the time of day. An election that nobody has won has the leader `null`.
    public func line(of view: ClaimView, in keyspace: borrowing Keyspace) -> [UInt8] {
        let picture = ClaimPicture(of: view.claim, in: keyspace, limit: view.limit)
        // Without timers: what is left of them changes with every moment, and with every renewal.
        let context = AnswerContext(revision: keyspace.revision)
        return watchLine("change", view.format) { write(picture, context, to: &$0) }
    }

    /// A sign of life: every change up to a revision was told, or is not told because a later one was.
    public func claimBookmark(_ revision: Revision, at wall: WallTime, _ format: WatchFormat) -> [UInt8] {
        guard format == .lines else { return Array(": hb\n\n".utf8) }
        return watchLine("bookmark", format) { json in
            json.field("bookmark", revision)
            json.field("time", wall.rfc3339)
        }
    }

    /// The last piece of a stream that the node ends because it stops.
    public func claimBye(_ revision: Revision, at wall: WallTime, _ format: WatchFormat) -> [UInt8] {
        let bye = watchLine("bye", format) { json in
            json.field("bye", "shutting_down")
            json.field("bookmark", revision)
            json.field("time", wall.rfc3339)
        }
        return format == .events ? Array("retry: 1000\n".utf8) + bye : bye
    }
}
