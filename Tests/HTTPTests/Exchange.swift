import HTTP
import Primitives
import Testing

/// What became of some input: the requests that surfaced, the bytes that were answered, and the end.
struct Exchange: Equatable {
    var requests: [String] = []
    var output = ""
    var isEnded = false

    /// Where the tests' time stands still.
    static let moment = Moment(now: .zero, wallTime: WallTime(milliseconds: 0), server: "parley/test")
    static let goodRequest = "GET /canary HTTP/1.1\r\nHost: h\r\n\r\n"

    /// Feeds the segments to a connection and answers every request with its own description.
    init(_ segments: [[UInt8]], limits: Limits = Limits(), ending: Bool = false) {
        var connection = Connection(limits: limits, at: Exchange.moment)
        for segment in segments {
            connection.received(segment, at: Exchange.moment)
            answer(&connection)
        }
        if ending {
            connection.receivedEnd(at: Exchange.moment)
            answer(&connection)
        }
        isEnded = connection.wantsShutdown || connection.shouldClose
    }

    init(_ text: String, limits: Limits = Limits(), ending: Bool = false) {
        self.init([Array(text.utf8)], limits: limits, ending: ending)
    }

    private mutating func answer(_ connection: inout Connection) {
        while let request = connection.nextRequest() {
            requests.append(Exchange.describe(request))
            connection.respond(Response(status: 200, body: Array("ok\n".utf8)), at: Exchange.moment)
            take(&connection)
        }
        take(&connection)
    }

    private mutating func take(_ connection: inout Connection) {
        output += String(decoding: connection.output, as: UTF8.self)
        connection.wrote(connection.outputCount, at: Exchange.moment)
    }

    static func describe(_ request: Request) -> String {
        var text = "\(request.method) \(String(decoding: request.path, as: UTF8.self))"
        if !request.query.isEmpty { text += "?\(String(decoding: request.query, as: UTF8.self))" }
        if !request.body.isEmpty { text += " \(String(decoding: request.body, as: UTF8.self))" }
        return text
    }

    /// Every way to cut `bytes` that a test tries: whole, byte by byte, and in two at every place (at some
    /// hundred places of a long text).
    static func segmentations(of bytes: [UInt8]) -> [[[UInt8]]] {
        var all: [[[UInt8]]] = [[bytes]]
        if bytes.count <= 3000 { all.append(bytes.map { [$0] }) }
        for place in stride(from: 1, to: bytes.count, by: max(1, bytes.count / 300)) {
            all.append([Array(bytes[..<place]), Array(bytes[place...])])
        }
        return all
    }
}

/// A row of a hostile-input table: its name in the catalogue, the input, and what must become of it.
struct Case: CustomTestStringConvertible, Sendable {
    enum Outcome: Sendable {
        /// These requests surface, and the connection stays open.
        case served([String])
        /// These requests surface, and the connection ends.
        case servedAndClosed([String])
        /// After these requests an error with this status and code is answered, and the connection ends.
        case refused(Int, String, after: [String] = [])
    }

    var name: String
    var input: [UInt8]
    var outcome: Outcome
    var testDescription: String { name }

    init(_ name: String, _ input: String, _ outcome: Outcome) { self.init(name, Array(input.utf8), outcome) }

    init(_ name: String, _ input: [UInt8], _ outcome: Outcome) {
        self.name = name
        self.input = input
        self.outcome = outcome
    }

    static func bad(_ name: String, _ input: String) -> Case {
        Case(name, input, .refused(400, "bad_request"))
    }

    /// Plays the input in every segmentation, alone and with a good request behind it.
    func check(limits: Limits = Limits()) {
        let alone = Exchange([input], limits: limits)
        check(alone, canary: false)
        for segments in Exchange.segmentations(of: input) {
            let cut = Exchange(segments, limits: limits)
            guard cut != alone else { continue }
            Issue.record("\(name): cut into \(segments.map(\.count)) it becomes \(cut), whole \(alone)")
            return
        }
        check(Exchange([input + Array(Exchange.goodRequest.utf8)], limits: limits), canary: true)
    }

    private func check(_ exchange: Exchange, canary: Bool) {
        switch outcome {
        case .served(let requests):
            #expect(exchange.requests == requests + (canary ? ["get /canary"] : []), "\(name)")
            #expect(!exchange.isEnded, "\(name)")
        case .servedAndClosed(let requests):
            #expect(exchange.requests == requests, "\(name)")
            #expect(exchange.isEnded && exchange.output.contains("\r\nConnection: close\r\n"), "\(name)")
        case .refused(let status, let code, let requests):
            #expect(exchange.requests == requests, "\(name)")
            let answers = exchange.output.components(of: "HTTP/1.1 ").filter { !$0.hasPrefix("100 ") }
            #expect(answers.count == requests.count + 1, "\(name)")
            let answer = answers.last ?? ""
            #expect(answer.hasPrefix("\(status) "), "\(name): \(answer)")
            #expect(
                answer.contains("\"code\":\"\(code)\"") && answer.contains("\r\nConnection: close\r\n"),
                "\(name)")
            #expect(exchange.isEnded, "\(name)")
        }
    }
}

extension String {
    /// The parts that begin with `mark`, without it.
    func components(of mark: String) -> [String] {
        var parts: [String] = []
        var rest = Substring(self)
        while let place = rest.firstRange(of: mark) {
            if !parts.isEmpty { parts[parts.count - 1] = String(rest[..<place.lowerBound]) }
            rest = rest[place.upperBound...]
            parts.append(String(rest))
        }
        return parts
    }
}
