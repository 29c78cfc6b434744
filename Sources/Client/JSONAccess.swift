// Reading answers with the laxness that a client needs: a member that is missing or of another kind is nil.

public import JSON
import Primitives

extension JSONValue {
    /// A member's text.
    public func text(_ name: String) -> String? { self[name]?.string }
    /// A member's whole number.
    public func number(_ name: String) -> UInt64? { self[name]?.unsigned }
    /// A member's elements.
    public func items(_ name: String) -> [JSONValue]? { self[name]?.elements }

    /// Bytes as the API writes them: text under `name`, or base 64 under `name_b64`.
    public func bytes(_ name: String) -> [UInt8]? {
        if let text = text(name) { return Array(text.utf8) }
        return text(name + "_b64").flatMap { Base64.decode(Array($0.utf8)) }
    }

    /// A number without which the answer makes no sense.
    func need(_ name: String, in answer: Answer) throws(ClientError) -> UInt64 {
        guard let number = number(name) else { throw .malformed("no number \"\(name)\"", answer.endpoint) }
        return number
    }
}

extension Answer {
    /// The body as JSON.
    public func json() throws(ClientError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: body)
        } catch {
            throw .malformed("\(error)", endpoint)
        }
    }
}

extension Problem {
    /// Reads the problem out of an answer, whatever its form.
    public init(_ answer: Answer) {
        let json = try? answer.json()
        let status = answer.status
        self.init(
            status: status, code: json?.text("code") ?? "",
            detail: json?.text("detail") ?? json?.text("title") ?? "", applied: json?.text("applied"),
            requestID: answer.field("parley-request-id"), body: answer.body)
    }
}
