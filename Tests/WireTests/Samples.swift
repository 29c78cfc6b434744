import Consensus
import Primitives
import Replication

@testable import Wire

/// A message, what it is about, and the bytes it has always had. Written by hand from the format's description.
struct Sample: CustomStringConvertible, Sendable {
    let description: String
    let message: PeerMessage
    let bytes: [UInt8]
}

private func consensus(_ body: Message.Body, term: UInt64 = 3) -> PeerMessage {
    .consensus(Message(from: NodeID(1), to: NodeID(2), term: Term(term), body: body))
}

func position(_ index: UInt64, _ term: UInt64) -> LogPosition {
    LogPosition(index: LogIndex(index), term: Term(term))
}

/// One message of each kind, and more where a kind has several forms.
let samples: [Sample] = [
    Sample(
        description: "append",
        message: consensus(
            .append(
                Append(
                    previous: position(300, 2),
                    entries: [
                        Entry(
                            index: LogIndex(301), term: Term(2), kind: .command, payload: Array("abc".utf8)),
                        Entry(index: LogIndex(302), term: Term(3), kind: .noop, payload: []),
                    ], commit: LogIndex(299)))),
        bytes: hex("01 03 ac02 02 ab02 02  02 01 03616263  03 00 00")),
    Sample(
        description: "append without entries",
        message: consensus(.append(Append(previous: .origin, entries: [], commit: .zero))),
        bytes: hex("01 03 00 00 00 00")),
    Sample(
        description: "append response, matched",
        message: consensus(
            .appendResponse(
                AppendResponse(previous: position(300, 2), outcome: .matched(upTo: LogIndex(302))))),
        bytes: hex("02 03 ac02 02 01 ae02")),
    Sample(
        description: "append response, rejected",
        message: consensus(
            .appendResponse(
                AppendResponse(
                    previous: position(300, 2),
                    outcome: .rejected(hint: position(299, 1), last: LogIndex(301))))),
        bytes: hex("02 03 ac02 02 00 ab02 01 ad02")),
    Sample(
        description: "heartbeat",
        message: consensus(
            .heartbeat(Heartbeat(commit: LogIndex(5), round: 7, leaderCommit: LogIndex(300)))),
        bytes: hex("03 03 05 07 ac02")
    ),
    Sample(
        description: "heartbeat response", message: consensus(.heartbeatResponse(round: 7)),
        bytes: hex("04 03 07")),
    Sample(
        description: "pre-vote request",
        message: consensus(
            .voteRequest(VoteRequest(last: position(300, 2), isPreVote: true, isTransfer: false))),
        bytes: hex("05 03 ac02 02 01 00")),
    Sample(
        description: "vote request for a transfer",
        message: consensus(
            .voteRequest(VoteRequest(last: position(300, 2), isPreVote: false, isTransfer: true))),
        bytes: hex("05 03 ac02 02 00 01")),
    Sample(
        description: "vote response",
        message: consensus(.voteResponse(VoteResponse(granted: true, isPreVote: false))),
        bytes: hex("06 03 01 00")),
    Sample(
        description: "install snapshot",
        message: consensus(
            .installSnapshot(
                SnapshotReference(
                    position: position(300, 2),
                    configuration: Configuration(
                        voters: [NodeID(1), NodeID(2), NodeID(3)], learners: [NodeID(4)])))),
        bytes: hex("07 03 ac02 02  01 03010203 00 0104")),
    Sample(description: "timeout now", message: consensus(.timeoutNow), bytes: hex("08 03")),
    Sample(
        description: "read index request",
        message: consensus(.readIndexRequest(token: .max), term: 1 << 40),
        bytes: hex("09 808080808020 ffffffffffffffffff01")),
    Sample(
        description: "read index response",
        message: consensus(.readIndexResponse(token: 7, index: LogIndex(5))), bytes: hex("0a 03 07 01 05")),
    Sample(
        description: "read index response of one that does not lead",
        message: consensus(.readIndexResponse(token: 7, index: nil)), bytes: hex("0a 03 07 00")),
    Sample(
        description: "forward",
        message: .forward(Forward(term: Term(3), commands: [Array("hi".utf8), []])),
        bytes: hex("20 03 02 026869 00")),
    Sample(
        description: "forward refused",
        message: .forwardRefused(
            ForwardRefusal(
                term: Term(3), reason: .overloaded, requests: [RequestID(high: 1, low: 0x0203)])),
        bytes: hex("21 03 02 01 0100000000000000 0302000000000000")),
    Sample(
        description: "note",
        message: .note(
            Note(
                sender: "a", recipient: "b", channel: "ü", id: RequestID(high: 1, low: 2), body: [255, 0])),
        bytes: hex("22 0161 0162 02c3bc 0100000000000000 0200000000000000 02ff00")),
    Sample(description: "transfer", message: .transfer(to: NodeID(2)), bytes: hex("23 02")),
    Sample(description: "transfer to anyone", message: .transfer(to: nil), bytes: hex("23 00")),
    Sample(
        description: "forward with a trace",
        message: .forward(
            Forward(
                term: Term(3), commands: [Array("hi".utf8), []],
                traces: [Forward.Traced(place: 1, trace: trace(state: "a=1"))])),
        bytes: hex("24 03 02 026869 00  01 01 \(traceBytes) 01 03613d31")),
    Sample(
        description: "note with a trace",
        message: .note(
            Note(
                sender: "a", recipient: "b", channel: "c", id: RequestID(high: 1, low: 2), body: [255, 0],
                trace: trace(isSampled: false))),
        bytes: hex("25 0161 0162 0163 0100000000000000 0200000000000000 02ff00 \(traceBytes) 00 00")),
]

/// The trace of the examples in the Recommendation.
func trace(isSampled: Bool = true, state: String = "") -> TraceContext {
    guard
        let trace = TraceContext(
            traceHigh: 0x4bf9_2f35_77b3_4da6, traceLow: 0xa3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7,
            isSampled: isSampled, state: state)
    else { preconditionFailure("no trace") }
    return trace
}

/// Its ids as they are written.
let traceBytes = "a64db377352ff94b 36470e0e9d92cea3 b702a90baa67f000"

/// A batch with these messages.
func envelope(_ messages: [PeerMessage]) -> Envelope {
    Envelope(
        cluster: ClusterID(0x1122_3344_5566_7788), from: NodeID(1), to: NodeID(2), incarnation: 0xfeed,
        batch: 300,
        messages: messages)
}

/// The header that ``envelope(_:)`` has, up to the number of messages.
let header = hex("50524c59 0200 8877665544332211 01 01 02 edfe000000000000 ac02 00")

/// Bytes with a checksum that fits.
func sealed(_ bytes: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(continuing: bytes)
    writer.fixed(CRC32C.checksum(bytes))
    return writer.take()
}

/// Bytes written as hexadecimal digits; blanks don't count.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
