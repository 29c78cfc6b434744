// Plans for events: news that spread from node to node without a leader and without a quorum.

public import Clocks
public import Gossip
public import HTTP
import JSON
public import Primitives
public import Watches

/// What is to be done with events.
public struct EventPlan: Sendable {
    /// What is asked for.
    public enum Question: Sendable {
        /// Publish one.
        case publish(topic: String, body: [UInt8], ttl: Instant.Span)
        /// List those that are kept here, so many at most.
        case list(EventQuery, limit: Int)
        /// Tell of each that is kept, and of each that comes.
        case follow(EventQuery, WatchFormat, most: Int?, wait: Instant.Span?)
        /// Who has this one.
        case show(EventID)
    }

    /// What is asked for.
    public let question: Question
    /// The wording of the answer.
    public let traits: RequestTraits
}

/// Which events are asked for.
public struct EventQuery: Sendable, Equatable {
    /// Only of this topic; nil: of all.
    public var topic: String?
    /// Only those that came to this node after that one; nil: all that are kept.
    public var after: EventID?

    /// Makes the query.
    public init(topic: String?, after: EventID?) {
        self.topic = topic
        self.after = after
    }
}

/// What became of the wish to publish an event.
public enum EventOutcome: Sendable {
    /// It spreads, with these times.
    case published(EventID, Stamp)
    /// It does not.
    case refused(EventRefusal)
}

/// An event as a node has it.
public struct EventView: Sendable {
    /// The event; its body is what the user published.
    public var event: Event
    /// The times of its publication.
    public var stamp: Stamp
    /// What its origin is called.
    public var origin: String

    /// Makes a view of these parts.
    public init(event: Event, stamp: Stamp, origin: String) {
        self.event = event
        self.stamp = stamp
        self.origin = origin
    }
}

extension NativeAPI {
    func planEvents(_ route: RouteID, _ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let question: EventPlan.Question
        switch route {
        case .publishEvent:
            let topic = try asked.name("topic")
            guard topic.utf8.count <= EventOptions.longestTopic else {
                throw Problem(.badRequest, "a topic has up to \(EventOptions.longestTopic) bytes")
            }
            if let scope = try parameters.text(.scope), scope != "all" {
                throw Problem(.notImplemented, "events go to all nodes: scope=all")
                    .with("parameter", .text(Parameter.scope.rawValue))
            }
            let body = asked.request.body
            guard body.count <= EventOptions.longestNews else {
                throw Problem(
                    .contentTooLarge,
                    "an event has up to \(EventOptions.longestNews) bytes, this one has \(body.count)")
            }
            let ttl = try parameters.span(.ttl, most: .seconds(1 << 32)) ?? .seconds(3_600)
            guard ttl.milliseconds > 0, ttl <= EventOptions.longestTTL else {
                throw Problem(.badDuration, "ttl: an event lives from 1ms to 24h")
                    .with("parameter", .text(Parameter.ttl.rawValue))
            }
            question = .publish(topic: topic, body: body, ttl: ttl)
        case .listEvents:
            var query = EventQuery(topic: try parameters.text(.topic), after: nil)
            query.after = try eventID(parameters.text(.after), "after")
            let last = asked.request.fieldText("last-event-id")
            if query.after == nil { query.after = try eventID(last, "Last-Event-ID") }
            let end = try streamEnd(parameters)
            if wantsEvents(asked.request) {
                question = .follow(query, .events, most: end.most, wait: end.wait)
            } else if end.wait != nil || asked.traits.flags.contains(.lines) {
                question = .follow(query, .lines, most: end.most, wait: end.wait)
            } else {
                question = .list(query, limit: min(end.most ?? 1_000, 1_000))
            }
        default:
            let text = try asked.name("id of an event")
            guard let id = EventID(text) else { throw Self.noEvent(text) }
            question = .show(id)
        }
        return .events(EventPlan(question: question, traits: asked.traits))
    }

    private func eventID(_ text: String?, _ name: String) throws(Problem) -> EventID? {
        guard let text else { return nil }
        guard let id = EventID(text) else {
            throw Problem(.badRequest, "\(name) is an event's id, as in 1-18f2a-7: '\(readable(text.utf8))'")
        }
        return id
    }

    private static func noEvent(_ text: String) -> Problem {
        Problem(
            .eventNotFound,
            "event '\(readable(text.utf8))' is not here: it has not come yet, or was forgotten, or never was")
    }

    // MARK: Answers

    /// The answer to who has published.
    public func render(
        event plan: EventPlan, outcome: EventOutcome, context: AnswerContext
    ) -> HTTP.Response {
        switch outcome {
        case .published(let id, let stamp):
            var response = json(
                status: 202, revision: context.revision, traits: plan.traits, context: context
            ) {
                json in
                json.beginObject()
                json.field("id", id.description)
                json.field("lamport", stamp.lamport ?? 0)
                json.field("hlc", stamp.hybrid?.text ?? "")
                json.endObject()
            }
            response.addField("Location", "/events/\(id)")
            return response
        case .refused(.tooMany):
            return problem(
                .queueFull,
                detail: "this node has published as many events as it may: wait until some expire",
                traits: plan.traits, context: context)
        case .refused(let refusal):
            return problem(.badRequest, detail: "\(refusal)", traits: plan.traits, context: context)
        }
    }

    /// The events that a node keeps.
    public func render(
        events: [EventView], of plan: EventPlan, isWhole: Bool, context: AnswerContext
    ) -> HTTP.Response {
        json(revision: context.revision, traits: plan.traits, context: context) { json in
            json.beginObject()
            json.name("items")
            json.beginArray()
            for event in events {
                json.beginObject()
                write(event, to: &json)
                json.field("hops", event.event.hops)
                json.endObject()
            }
            json.endArray()
            if !isWhole { json.field("missed", true) }
            json.endObject()
        }
    }

    /// Who has an event, as this node knows.
    public func render(
        event id: EventID, _ view: EventView?, coverage: EventCoverage?, of plan: EventPlan,
        names: (NodeID) -> String, isOrigin: Bool, context: AnswerContext
    ) -> HTTP.Response {
        guard let view, let coverage else {
            return problem(Self.noEvent(id.description), traits: plan.traits, context: context)
        }
        return json(revision: context.revision, traits: plan.traits, context: context) { json in
            json.beginObject()
            write(view, to: &json)
            // Only the origin is told by the others.
            json.field("coverage", isOrigin ? "receipts" : "own")
            json.name("reached")
            json.beginArray()
            for entry in coverage.reached { json.string(names(entry.node)) }
            json.endArray()
            json.name("hops")
            json.beginObject()
            for entry in coverage.reached { json.field(names(entry.node), entry.hops) }
            json.endObject()
            let ages = coverage.reached.map(\.age.milliseconds).sorted()
            json.name("infection_ms")
            json.beginObject()
            json.field("p50", ages[(ages.count - 1) / 2])
            json.field("p99", ages[(ages.count - 1) * 99 / 100])
            json.endObject()
            json.endObject()
        }
    }

    private func write(_ view: EventView, to json: inout JSONWriter) {
        json.field("id", view.event.id.description)
        json.field("topic", view.event.topic)
        json.field("origin", view.origin)
        json.bytesField("body", view.event.body)
        json.field("lamport", view.stamp.lamport ?? 0)
        json.field("hlc", view.stamp.hybrid?.text ?? "")
        json.field("age_ms", view.event.age.milliseconds)
        json.field("ttl_ms", view.event.ttl.milliseconds)
    }

    // MARK: Streams

    /// The beginning of a stream of events.
    public func eventStream(_ format: WatchFormat, of plan: EventPlan, context: AnswerContext)
        -> HTTP.Response
    {
        streamHead(format, revision: context.revision, traits: plan.traits, context: context)
    }

    /// An event as a piece of a stream.
    public func line(of view: EventView, _ format: WatchFormat) -> [UInt8] {
        let line = watchLine("event", format) { json in
            write(view, to: &json)
            json.field("hops", view.event.hops)
        }
        return format == .events ? Array("id: \(view.event.id)\n".utf8) + line : line
    }

    /// Tells a stream that something went before it could be told of it, or that what it asks to be told
    /// after is not known here: it may have missed some.
    public func missed(_ format: WatchFormat) -> [UInt8] {
        watchLine("missed", format) { $0.field("missed", true) }
    }

    /// A sign of life on a stream.
    public func signOfLife(_ format: WatchFormat) -> [UInt8] {
        format == .events ? Array(": hb\n\n".utf8) : watchLine("hb", format) { $0.field("hb", true) }
    }
}

extension EventOptions {
    /// Bytes of what a user publishes: the rest of ``longestBody`` is for the times of its publication.
    public static let longestNews = longestBody - EventStamp.byteCount
}

/// The times of an event's publication, which stand before what its user published.
public enum EventStamp {
    /// Lamport's time, the hybrid time's milliseconds and its counter.
    public static let byteCount = 18

    /// Puts the times before what the user publishes.
    public static func seal(_ stamp: Stamp, before news: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(capacity: news.count + byteCount)
        writer.fixed(stamp.lamport ?? 0)
        (stamp.hybrid ?? HybridTime(WallTime(milliseconds: 0))).encode(into: &writer)
        writer.raw(news)
        return writer.take()
    }

    /// Takes an event apart; nil if it has no times, or none of the years 1970 to 9999.
    public static func open(_ event: Event) -> (event: Event, stamp: Stamp)? {
        var reader = ByteReader(event.body)
        do throws(ByteReaderError) {
            let lamport = try reader.fixed(UInt64.self)
            let hybrid = try HybridTime(from: &reader)
            guard 0..<253_402_300_800_000 ~= hybrid.wall.milliseconds else { return nil }
            let stamp = Stamp(lamport: lamport, hybrid: hybrid)
            var event = event
            event.body = Array(reader.rest)
            return (event, stamp)
        } catch {
            return nil
        }
    }
}
