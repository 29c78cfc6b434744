import Store

extension Command {
    /// What the command does, in a few words, for people who look at the log.
    var summary: String {
        operation.summary
    }
}

extension Store.Operation {
    fileprivate var summary: String {
        switch self {
        case .put(let key, let value, _, _): "put \(text(key)) (\(value.count) bytes)"
        case .delete(let key, _, _, _): "delete \(text(key))"
        case .deleteRange(let range):
            "delete from \(text(range.start)) to \(range.end.map(text) ?? "the end")"
        case .increment(let key, let amount): "add \(amount) to \(text(key))"
        case .batch(let puts, let createOnly): "\(createOnly ? "create" : "put") \(puts.count) keys"
        case .compact(let revision): "compact below revision \(revision)"
        case .transaction(let transaction):
            "transaction: \(transaction.conditions.count) guards, \(transaction.then.count) or "
                + "\(transaction.otherwise?.count ?? 0) operations"
        case .leasedPut(let key, let value, _, _, _): "put \(text(key)) (\(value.count) bytes) under a lease"
        case .coordinate(.announce(let said)):
            "say \(said.body.count) bytes to all nodes on channel '\(said.channel)'"
        case .coordinate(let command): "\(command)"
        case .fenced(let fences, let operation):
            "\(operation.summary), if "
                + fences.map { "\($0.claim.kind) '\($0.claim.name)' is held with \($0.token)" }
                .joined(separator: " and ")
        }
    }

    private func text(_ key: [UInt8]) -> String { "'\(String(decoding: key.prefix(80), as: UTF8.self))'" }
}
