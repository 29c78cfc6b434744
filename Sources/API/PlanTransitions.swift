// What the algorithms of a node are, and the steps that they take.

public import Clocks
public import HTTP
import JSON
public import Primitives
public import Watches

/// What is asked of a node's transitions.
public struct TransitionPlan: Sendable {
    /// Which of them.
    public let query: TransitionQuery
    /// In which form.
    public let format: WatchFormat
    /// After so many, or so long, the stream ends.
    public let most: Int?, wait: Instant.Span?
    /// The wording of the answer.
    public let traits: RequestTraits
}

/// Which transitions are asked for.
public struct TransitionQuery: Sendable, Equatable {
    /// Only those of this algorithm; nil: of all.
    public var algorithm: String?
    /// Only those of this subject; nil: of all.
    public var subject: String?
    /// Only those after this one; nil: all that are kept.
    public var after: TransitionID?

    /// Makes the query.
    public init(algorithm: String? = nil, subject: String? = nil, after: TransitionID? = nil) {
        self.algorithm = algorithm
        self.subject = subject
        self.after = after
    }
}

/// Names a transition of one process of a node, as in `18f2a-7`.
public struct TransitionID: Hashable, Sendable, CustomStringConvertible {
    /// Another one for every process that the node runs.
    public let process: UInt64
    /// Counts the process's transitions, from 1.
    public let number: UInt64

    /// Makes it of its parts.
    public init(process: UInt64, number: UInt64) {
        self.process = process
        self.number = number
    }

    /// Reads what ``description`` wrote.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let process = UInt64(parts[0], radix: 16), let number = UInt64(parts[1])
        else { return nil }
        self.init(process: process, number: number)
    }

    /// The process in hexadecimal, and the number.
    public var description: String { String(process, radix: 16) + "-\(number)" }
}

/// One step that an algorithm took on this node.
public struct TransitionRecord: Sendable {
    /// Something that belongs to one algorithm, as the term does to Raft.
    public enum Detail: Sendable, Equatable {
        /// Text.
        case text(String)
        /// A whole number.
        case number(UInt64)
    }

    /// Which one.
    public var id: TransitionID
    /// The algorithm's name in `GET /spec`.
    public var algorithm: String
    /// Whose state changed: a node, a lease, a lock.
    public var subject: String
    /// The states before and after, and the cause, by their names in `GET /spec`.
    public var from, to, cause: String
    /// The cause in words, with those who brought it about.
    public var reason: String
    /// What belongs to the algorithm.
    public var details: [(name: String, value: Detail)]
    /// When, as the node takes civil time.
    public var time: WallTime
    /// When, on the node's hybrid clock: greater for each transition.
    public var hybrid: HybridTime

    /// Makes a record of these parts.
    public init(
        id: TransitionID, algorithm: String, subject: String, from: String, to: String, cause: String,
        reason: String, details: [(name: String, value: Detail)], time: WallTime, hybrid: HybridTime
    ) {
        self.id = id
        self.algorithm = algorithm
        self.subject = subject
        self.from = from
        self.to = to
        self.cause = cause
        self.reason = reason
        self.details = details
        self.time = time
        self.hybrid = hybrid
    }
}

extension TransitionRecord {
    func writeDetails(to json: inout JSONWriter) {
        for (name, value) in details {
            switch value {
            case .text(let text): json.field(name, text)
            case .number(let number): json.field(name, number)
            }
        }
    }
}

extension NativeAPI {
    func planTransitions(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        var query = TransitionQuery()
        if let name = try parameters.text(.algorithm) {
            guard settings.algorithms.contains(where: { $0.name == name }) else {
                throw noAlgorithm(name, .badRequest).with("parameter", .text(Parameter.algorithm.rawValue))
            }
            query.algorithm = name
        }
        query.subject = try parameters.text(.subject)
        query.after = try transitionID(parameters.text(.after), "after")
        let last = asked.request.fieldText("last-event-id")
        if query.after == nil { query.after = try transitionID(last, "Last-Event-ID") }
        let end = try streamEnd(parameters)
        return .transitions(
            TransitionPlan(
                query: query, format: wantsEvents(asked.request) ? .events : .lines, most: end.most,
                wait: end.wait, traits: asked.traits))
    }

    private func transitionID(_ text: String?, _ name: String) throws(Problem) -> TransitionID? {
        guard let text else { return nil }
        guard let id = TransitionID(text) else {
            throw Problem(
                .badRequest, "\(name) is a transition's id, as in 18f2a-7: '\(readable(text.utf8))'")
        }
        return id
    }

    private func noAlgorithm(_ name: String, _ code: ProblemCode) -> Problem {
        let names = settings.algorithms.map(\.name)
        let suggestion = nearest(to: name, among: names).map { "; did you mean \($0)?" } ?? ""
        return Problem(
            code,
            "there is no algorithm called '\(readable(name.utf8))'\(suggestion) They are: "
                + names.joined(separator: ", "))
    }

    /// The beginning of a stream of transitions.
    public func transitionStream(of plan: TransitionPlan, context: AnswerContext) -> HTTP.Response {
        streamHead(plan.format, revision: context.revision, traits: plan.traits, context: context)
    }

    /// A transition as a piece of a stream.
    public func line(of record: TransitionRecord, _ format: WatchFormat) -> [UInt8] {
        let line = watchLine("transition", format) { json in
            json.field("id", record.id.description)
            json.field("node", settings.nodeName)
            json.field("algorithm", record.algorithm)
            json.field("subject", record.subject)
            json.field("from", record.from)
            json.field("to", record.to)
            json.field("cause", record.cause)
            json.field("reason", record.reason)
            record.writeDetails(to: &json)
            json.field("time", record.time.rfc3339)
            json.field("hlc", record.hybrid.text)
        }
        return format == .events ? Array("id: \(record.id)\n".utf8) + line : line
    }

    // MARK: What they are

    func specification(_ route: RouteID, _ asked: Asked) throws(Problem) -> HTTP.Response {
        guard route == .specification else {
            return document(asked) { json in
                json.beginObject()
                json.name("items")
                json.beginArray()
                for algorithm in settings.algorithms { write(algorithm, to: &json) }
                json.endArray()
                json.endObject()
            }
        }
        let name = try asked.name("algorithm")
        guard let algorithm = settings.algorithms.first(where: { $0.name == name }) else {
            throw noAlgorithm(name, .noSuchRoute)
        }
        return document(asked) { write(algorithm, to: &$0) }
    }

    private func write(_ algorithm: AlgorithmSpecification, to json: inout JSONWriter) {
        json.beginObject()
        json.field("name", algorithm.name)
        json.field("title", algorithm.title)
        json.field("purpose", algorithm.purpose.rawValue)
        json.field("subject", algorithm.subject)
        json.field("source", algorithm.source)
        json.name("states")
        json.beginArray()
        for state in algorithm.states {
            json.beginObject()
            json.field("name", state.name)
            json.field("meaning", state.meaning)
            json.field("initial", state.isInitial)
            json.endObject()
        }
        json.endArray()
        json.name("transitions")
        json.beginArray()
        for transition in algorithm.transitions {
            json.beginObject()
            json.field("from", transition.from)
            json.field("to", transition.to)
            json.field("cause", transition.cause)
            json.field("guard", transition.condition)
            json.endObject()
        }
        json.endArray()
        json.name("messages")
        json.beginArray()
        for message in algorithm.messages {
            json.beginObject()
            json.field("name", message.name)
            json.field("meaning", message.meaning)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}
