// Idempotency keys, and plans for questions about requests.

import HTTP
import Primitives
import Store

extension NativeAPI {
    /// The request's idempotency key (draft-ietf-httpapi-idempotency-key-header-07) with a fingerprint of
    /// method, path, query, fences and body; nil if it has none. For how long the client waits for the answer
    /// is no part of what it asks for, so a repeat may give it another `timeout`.
    func onceKey(_ asked: Asked) throws(Problem) -> OnceKey? {
        guard let key = asked.request.field("idempotency-key") else { return nil }
        guard asked.request.fields(named: "idempotency-key").count == 1, OnceKey.isValid(key) else {
            throw Problem(
                .badRequest,
                "Idempotency-Key has 1 to \(OnceKey.mostBytes) visible characters, and comes once"
            )
            .with("header", .text("Idempotency-Key"))
        }
        var hash = fnv1a(asked.request.method.name.description.utf8)
        let query = asked.request.query.split(separator: UInt8(ascii: "&"))
            .filter { !$0.starts(with: "timeout=".utf8) }.joined(separator: [UInt8(ascii: "&")])
        for part in [asked.request.path, Array(query), asked.request.body] {
            hash = fnv1a(part, seed: fnv1a(String(part.count).utf8, seed: hash))
        }
        for fence in asked.request.fields(named: "parley-fence") { hash = fnv1a(fence, seed: hash) }
        return OnceKey(key: String(decoding: key, as: UTF8.self), fingerprint: hash)
    }

    /// Refuses an idempotency key where what is asked for is held for as long as the client stays connected:
    /// a stream can't be given again.
    func refuseOnceKey(_ asked: Asked) throws(Problem) {
        guard asked.request.field("idempotency-key") != nil else { return }
        throw Problem(.badRequest, "a stream that holds something takes no Idempotency-Key")
            .with("header", .text("Idempotency-Key"))
    }

    /// `GET /requests/{id}`.
    func planRequest(_ asked: Asked) throws(Problem) -> Plan {
        .read(
            ReadPlan(
                target: .request(try requestName(asked), shown: asked.capture),
                freshness: try freshness(asked.parameters), wait: nil, traits: asked.traits))
    }

    /// `POST /requests/{id}/cancel`.
    func planCancelRequest(_ asked: Asked) throws(Problem) -> Plan {
        .write(
            try write(
                .operation(.coordinate(.cancel(try requestName(asked)))), .request(asked.capture), asked))
    }

    private func requestName(_ asked: Asked) throws(Problem) -> RequestName {
        let name = try asked.name("id of a request")
        if name.hasPrefix("key:") {
            let key = name.dropFirst(4)
            guard OnceKey.isValid(Array(key.utf8)) else {
                throw Problem(
                    .badRequest, "an idempotency key has 1 to \(OnceKey.mostBytes) visible characters")
            }
            return .key(String(key), principal: "")
        }
        guard let id = RequestID(name) else {
            throw Problem(
                .badRequest,
                "'\(readable(name.utf8))' is neither a request's id, 26 characters as in Parley-Request-Id, "
                    + "nor key: and an idempotency key")
        }
        return .id(id)
    }
}
