// Questions about clocks.

public import Clocks
public import HTTP
import JSON
import Primitives

extension NativeAPI {
    /// What is asked of the node's clocks.
    func clockQuestion(_ route: RouteID, _ asked: Asked) throws(Problem) -> ClockQuestion {
        switch route {
        case .clock: return .read
        case .clockNow: return .now(uncertainty: try asked.parameters.flag(.uncertainty))
        case .clockSkew: return .skew
        case .tickClock: return .tick
        case .observeClock:
            try expectJSON(asked.request)
            var fields = StampFields()
            do {
                var reader = try JSONReader(asked.request.body)
                try fields.read(&reader)
                try reader.finish()
            } catch { throw Problem(reading: error) }
            return .observe(try fields.stamp(named: nil))
        default: preconditionFailure("\(route) is not a question about clocks")
        }
    }

    /// Compares two stamps; no clock has to be looked at.
    func compareClocks(_ asked: Asked) throws(Problem) -> HTTP.Response {
        // It takes no time, but a client may say how long it would wait.
        _ = try timeout(asked.parameters)
        try expectJSON(asked.request)
        var stamps: [String: StampFields] = [:]
        do {
            var reader = try JSONReader(asked.request.body)
            try reader.beginObject()
            while let name = try reader.nextName() {
                guard name == "a" || name == "b" else {
                    throw Problem(
                        .unknownParameter, "a comparison has no member \(readable(name.utf8)); it has a and b"
                    ).with("parameter", .text(readable(name.utf8)))
                }
                try stamps[name, default: StampFields()].read(&reader)
            }
            try reader.finish()
        } catch { throw Problem(reading: error) }
        guard let one = stamps["a"], let two = stamps["b"] else {
            throw StampFields.missing(stamps["a"] == nil ? "a" : "b")
        }
        guard let (order, kind) = try one.stamp(named: "a").compared(with: two.stamp(named: "b")) else {
            throw Problem(.invalid, "a and b have no clock in common")
                .with("errors", .errors([.init(field: "b", message: "has no clock that a has")]))
        }
        return document(asked) { json in
            json.beginObject()
            json.field("order", order.rawValue)
            json.field("by", kind.rawValue)
            json.endObject()
        }
    }
}

// MARK: - Times that requests carry

extension NativeAPI {
    /// The time that a request carries.
    public enum CarriedTime: Sendable {
        /// None.
        case none
        /// This one.
        case time(HybridTime)
        /// Nobody can tell which; here is the answer.
        case malformed(HTTP.Response)
    }

    /// Reads `Parley-Clock`: the time of a hybrid logical clock when the request was sent.
    public func clock(of request: HTTP.Request) -> CarriedTime {
        // Nearly every request ends here.
        guard let text = request.field("parley-clock") else { return .none }
        if request.fields(named: "parley-clock").count == 1, let time = HybridTime(Array(text)) {
            return .time(time)
        }
        var traits = RequestTraits()
        traits.read(from: request)
        let problem = Problem(
            .badRequest, "Parley-Clock is one time, as in 2026-11-22T10:52:33.120Z/0003: '\(readable(text))'"
        ).with("header", .text("Parley-Clock"))
        return .malformed(early(problem, traits: traits))
    }

    /// Tells the caller the time when it was answered.
    public func add(_ time: HybridTime, to response: inout HTTP.Response) {
        response.addField("Parley-Clock", time.text)
    }

    /// The answer to a request whose time was not taken over; nothing was done.
    public func refuse(
        _ request: HTTP.Request, _ refusal: ClockError, context: AnswerContext
    ) -> HTTP.Response {
        var traits = RequestTraits()
        traits.read(from: request)
        return problem(
            Self.problem(refusal).with("header", .text("Parley-Clock")), traits: traits, context: context)
    }
}

/// The members of a stamp's JSON form.
private struct StampFields {
    private var lamport: UInt64?
    private var hybrid: HybridTime?
    private var vector: VectorTime?

    mutating func read(_ reader: inout JSONReader) throws {
        try reader.beginObject()
        while let name = try reader.nextName() {
            switch name {
            case "lamport": lamport = try reader.uint64()
            case "hlc":
                let text = try reader.bytes()
                guard let time = HybridTime(text) else {
                    throw Problem(
                        .invalid, "hlc: '\(readable(text))' is no time of a hybrid logical clock"
                    )
                    .with(
                        "errors",
                        .errors([.init(field: "hlc", message: "must be as in 2026-11-22T10:52:33.120Z/0003")])
                    )
                }
                hybrid = time
            case "vector": vector = try Self.vector(&reader)
            default:
                throw Problem(
                    .unknownParameter,
                    "a stamp has no member \(readable(name.utf8)); it has lamport, hlc and vector"
                ).with("parameter", .text(readable(name.utf8)))
            }
        }
    }

    private static func vector(_ reader: inout JSONReader) throws -> VectorTime {
        var counts: [String: UInt64] = [:]
        try reader.beginObject()
        while let name = try reader.nextName() {
            guard (1...256).contains(name.utf8.count) else {
                throw refused("vector", "a process's name has 1 to 256 bytes")
            }
            counts[name] = try reader.uint64()
            guard counts.count <= VectorTime.most else { throw tooMany }
        }
        guard let vector = VectorTime(counts) else { throw tooMany }
        return vector
    }

    /// What was read; `name` is what holds it, if anything does.
    func stamp(named name: String?) throws(Problem) -> Stamp {
        let stamp = Stamp(lamport: lamport, hybrid: hybrid, vector: vector)
        guard stamp != Stamp() else { throw Self.missing(name.map { "\($0).lamport" } ?? "lamport") }
        return stamp
    }

    static func missing(_ field: String) -> Problem {
        Problem(.invalid, "\(field) is missing: a stamp has lamport, hlc, vector, or several of them")
            .with("errors", .errors([.init(field: field, message: "is missing")]))
    }

    private static var tooMany: Problem {
        refused("vector", "names more than \(VectorTime.most) processes")
    }

    private static func refused(_ field: String, _ message: String) -> Problem {
        Problem(.invalid, "\(field): \(message)")
            .with("errors", .errors([.init(field: field, message: message)]))
    }
}

extension HybridTime {
    /// Reads ``text``; nil if it is anything else.
    fileprivate init?(_ text: [UInt8]) {
        guard text.count == 29, text[24] == UInt8(ascii: "/"), let wall = parseInstant(Array(text[..<24])),
            let counter = UInt16(String(decoding: text[25...], as: UTF8.self), radix: 16)
        else { return nil }
        self.init(wall, counter)
        guard self.text.utf8.elementsEqual(text) else { return nil }
    }
}
