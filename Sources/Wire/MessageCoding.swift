import Consensus
import Primitives
public import Replication

/// The first byte of a message says what it is. Numbers are given once and never used for another meaning.
private enum Tag: UInt8 {
    case append = 1
    case appendResponse = 2
    case heartbeat = 3
    case heartbeatResponse = 4
    case voteRequest = 5
    case voteResponse = 6
    case installSnapshot = 7
    case timeoutNow = 8
    case readIndexRequest = 9
    case readIndexResponse = 10
    case forward = 32
    case forwardRefused = 33
    case note = 34
    case transfer = 35
    case tracedForward = 36
    case tracedNote = 37
}

extension PeerMessage {
    /// About how many bytes the binary form takes.
    public var encodedSizeHint: Int {
        switch self {
        case .consensus(let message):
            guard case .append(let append) = message.body else { return 48 }
            return append.entries.reduce(64) { $0 + $1.payload.count + 16 }
        case .forward(let forward):
            let commands = forward.commands.reduce(32) { $0 + $1.count + 8 }
            return forward.traces.reduce(commands) { $0 + $1.trace.state.utf8.count + 32 }
        case .forwardRefused(let refusal): return 32 + 16 * refusal.requests.count
        case .note(let note):
            return 128 + note.body.count + (note.trace.map { $0.state.utf8.count + 32 } ?? 0)
        case .transfer: return 16
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .consensus(let message): Self.encode(message, into: &writer)
        case .forward(let forward):
            writer.byte(forward.traces.isEmpty ? Tag.forward.rawValue : Tag.tracedForward.rawValue)
            writer.counter(forward.term)
            writer.varint(UInt64(forward.commands.count))
            for command in forward.commands { writer.sized(command) }
            guard !forward.traces.isEmpty else { return }
            writer.varint(UInt64(forward.traces.count))
            for traced in forward.traces {
                writer.varint(UInt64(traced.place))
                writer.trace(traced.trace)
            }
        case .forwardRefused(let refusal):
            writer.byte(Tag.forwardRefused.rawValue)
            writer.counter(refusal.term)
            writer.byte(refusal.reason.rawValue)
            writer.varint(UInt64(refusal.requests.count))
            for request in refusal.requests { writer.request(request) }
        case .transfer(let target):
            writer.byte(Tag.transfer.rawValue)
            writer.counter(target ?? .zero)
        case .note(let note):
            writer.byte(note.trace == nil ? Tag.note.rawValue : Tag.tracedNote.rawValue)
            writer.string(note.sender)
            writer.string(note.recipient)
            writer.string(note.channel)
            writer.request(note.id)
            writer.sized(note.body)
            if let trace = note.trace { writer.trace(trace) }
        }
    }

    private static func encode(_ message: Message, into writer: inout ByteWriter) {
        func begin(_ tag: Tag) {
            writer.byte(tag.rawValue)
            writer.counter(message.term)
        }
        switch message.body {
        case .append(let append):
            begin(.append)
            writer.position(append.previous)
            writer.counter(append.commit)
            var entries = append.entries
            if isPlanted(.packsLargeEntriesWrongly) { entries.removeAll { $0.payload.count >= 256 } }
            writer.varint(UInt64(entries.count))
            // Indexes follow from the one before.
            for entry in entries {
                writer.counter(entry.term)
                writer.byte(entry.kind.rawValue)
                writer.sized(entry.payload)
            }
        case .appendResponse(let response):
            begin(.appendResponse)
            writer.position(response.previous)
            switch response.outcome {
            case .matched(let index):
                writer.bool(true)
                writer.counter(index)
            case .rejected(let hint, let last):
                writer.bool(false)
                writer.position(hint)
                writer.counter(last)
            }
        case .heartbeat(let heartbeat):
            begin(.heartbeat)
            writer.counter(heartbeat.commit)
            writer.varint(heartbeat.round)
            writer.counter(heartbeat.leaderCommit)
        case .heartbeatResponse(let round):
            begin(.heartbeatResponse)
            writer.varint(round)
        case .voteRequest(let request):
            begin(.voteRequest)
            writer.position(request.last)
            writer.bool(request.isPreVote)
            writer.bool(request.isTransfer)
        case .voteResponse(let response):
            begin(.voteResponse)
            writer.bool(response.granted)
            writer.bool(response.isPreVote)
        case .installSnapshot(let reference):
            begin(.installSnapshot)
            writer.position(reference.position)
            reference.configuration.encode(into: &writer)
        case .timeoutNow:
            begin(.timeoutNow)
        case .readIndexRequest(let token):
            begin(.readIndexRequest)
            writer.varint(token)
        case .readIndexResponse(let token, let index):
            begin(.readIndexResponse)
            writer.varint(token)
            writer.bool(index != nil)
            if let index { writer.counter(index) }
        }
    }

    init(from reader: inout ByteReader, sender: NodeID, recipient: NodeID) throws(ByteReaderError) {
        guard let tag = Tag(rawValue: try reader.byte()) else { throw .malformed }
        switch tag {
        case .forward, .tracedForward:
            let term = try reader.counter(Term.self)
            let count = try reader.count()
            var forward = Forward(term: term, commands: [])
            for _ in 0..<count { forward.commands.append(Array(try reader.sized())) }
            if tag == .tracedForward { forward.traces = try reader.traces(ofCommands: count) }
            self = .forward(forward)
        case .forwardRefused:
            let term = try reader.counter(Term.self)
            guard let reason = ForwardRefusal.Reason(rawValue: try reader.byte()) else { throw .malformed }
            let count = try reader.count()
            var requests: [RequestID] = []
            for _ in 0..<count { requests.append(try reader.request()) }
            self = .forwardRefused(ForwardRefusal(term: term, reason: reason, requests: requests))
        case .transfer:
            let target = try reader.counter(NodeID.self)
            self = .transfer(to: target == .zero ? nil : target)
        case .note, .tracedNote:
            self = .note(
                Note(
                    sender: try reader.string(), recipient: try reader.string(), channel: try reader.string(),
                    id: try reader.request(), body: Array(try reader.sized()),
                    trace: tag == .tracedNote ? try reader.trace() : nil))
        default:
            let term = try reader.counter(Term.self)
            let body = try Self.body(tag, from: &reader)
            self = .consensus(Message(from: sender, to: recipient, term: term, body: body))
        }
    }

    private static func body(_ tag: Tag, from reader: inout ByteReader) throws(ByteReaderError)
        -> Message.Body
    {
        switch tag {
        case .append: return .append(try append(from: &reader))
        case .appendResponse:
            let previous = try reader.position()
            if try reader.bool() {
                return .appendResponse(
                    AppendResponse(previous: previous, outcome: .matched(upTo: try reader.counter())))
            }
            let outcome = AppendResponse.Outcome.rejected(
                hint: try reader.position(), last: try reader.counter())
            return .appendResponse(AppendResponse(previous: previous, outcome: outcome))
        case .heartbeat:
            return .heartbeat(
                Heartbeat(
                    commit: try reader.counter(), round: try reader.varint(),
                    leaderCommit: try reader.counter()))
        case .heartbeatResponse: return .heartbeatResponse(round: try reader.varint())
        case .voteRequest:
            return .voteRequest(
                VoteRequest(
                    last: try reader.position(), isPreVote: try reader.bool(), isTransfer: try reader.bool()))
        case .voteResponse:
            return .voteResponse(VoteResponse(granted: try reader.bool(), isPreVote: try reader.bool()))
        case .installSnapshot:
            return .installSnapshot(
                SnapshotReference(
                    position: try reader.position(), configuration: try Configuration(from: &reader)))
        case .timeoutNow: return .timeoutNow
        case .readIndexRequest: return .readIndexRequest(token: try reader.varint())
        case .readIndexResponse:
            let token = try reader.varint()
            return .readIndexResponse(token: token, index: try reader.bool() ? try reader.counter() : nil)
        case .forward, .forwardRefused, .note, .transfer, .tracedForward, .tracedNote: throw .malformed
        }
    }

    private static func append(from reader: inout ByteReader) throws(ByteReaderError) -> Append {
        let previous = try reader.position()
        let commit = try reader.counter(LogIndex.self)
        let count = try reader.count()
        // No index may run past the end of numbers, whatever a message claims.
        guard previous.index.rawValue < .max - UInt64(count) else { throw .malformed }
        var entries: [Entry] = []
        entries.reserveCapacity(min(count, 4096))
        var index = previous.index
        for _ in 0..<count {
            index = index.next
            let term = try reader.counter(Term.self)
            guard let kind = Entry.Kind(rawValue: try reader.byte()) else { throw .malformed }
            entries.append(Entry(index: index, term: term, kind: kind, payload: Array(try reader.sized())))
        }
        return Append(previous: previous, entries: entries, commit: commit)
    }
}

extension ByteWriter {
    fileprivate mutating func position(_ position: LogPosition) {
        counter(position.index)
        counter(position.term)
    }

    fileprivate mutating func request(_ request: RequestID) {
        fixed(request.high)
        fixed(request.low)
    }

    fileprivate mutating func trace(_ trace: TraceContext) {
        fixed(trace.traceHigh)
        fixed(trace.traceLow)
        fixed(trace.span)
        bool(trace.isSampled)
        string(trace.state)
    }
}

extension ByteReader {
    fileprivate mutating func position() throws(ByteReaderError) -> LogPosition {
        LogPosition(index: try counter(), term: try counter())
    }

    fileprivate mutating func request() throws(ByteReaderError) -> RequestID {
        RequestID(high: try fixed(), low: try fixed())
    }

    fileprivate mutating func trace() throws(ByteReaderError) -> TraceContext {
        guard
            let trace = TraceContext(
                traceHigh: try fixed(), traceLow: try fixed(), span: try fixed(), isSampled: try bool(),
                state: try string())
        else { throw .malformed }
        return trace
    }

    /// The traces of a forward; there is at least one, and each has a place of its own.
    fileprivate mutating func traces(ofCommands count: Int) throws(ByteReaderError) -> [Forward.Traced] {
        let traceCount = try self.count()
        guard traceCount > 0 else { throw .malformed }
        var traces: [Forward.Traced] = []
        for _ in 0..<traceCount {
            let place = try self.count()
            guard place < count, traces.last.map({ $0.place < place }) ?? true else { throw .malformed }
            traces.append(Forward.Traced(place: place, trace: try trace()))
        }
        return traces
    }
}
