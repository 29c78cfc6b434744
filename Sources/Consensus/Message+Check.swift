import Primitives

// Messages come from the network. What no honest node would send is dropped before it is looked at any
// closer, so that the code after it may count forward from any number in a message without fear of overflow.

extension Message {
    /// Terms and indexes from here on are refused. At a million a second they would be reached in 146,000
    /// years.
    static let limit: UInt64 = 1 << 62

    /// Whether an honest node might have sent this.
    var isWellFormed: Bool {
        guard from != .zero, from != to, term.rawValue < Self.limit else { return false }
        switch body {
        case .append(let append): return isWellFormed(append)
        case .appendResponse(let response):
            switch response.outcome {
            case .matched(let index): return index.rawValue < Self.limit
            case .rejected(let hint, _): return hint.isWellFormed && response.previous.isWellFormed
            }
        case .voteRequest(let request): return request.last.isWellFormed && request.last.term <= term
        case .installSnapshot(let reference):
            return reference.position.isWellFormed && reference.position.term <= term
        case .readIndexResponse(_, let index): return (index ?? .zero).rawValue < Self.limit
        case .heartbeat, .heartbeatResponse, .voteResponse, .timeoutNow, .readIndexRequest: return true
        }
    }

    private func isWellFormed(_ append: Append) -> Bool {
        guard append.previous.isWellFormed, append.previous.term <= term else { return false }
        var last = append.previous
        for entry in append.entries {
            guard entry.index == last.index.next, entry.term >= last.term, entry.term <= term else {
                return false
            }
            guard entry.term > .zero else { return false }
            if entry.kind == .configuration {
                guard (try? Configuration(decoding: entry.payload)) != nil else { return false }
            }
            last = LogPosition(index: entry.index, term: entry.term)
        }
        return last.index.rawValue < Self.limit
    }
}

extension LogPosition {
    fileprivate var isWellFormed: Bool {
        index.rawValue < Message.limit && term.rawValue < Message.limit && (index == .zero) == (term == .zero)
    }
}
