// What the node tells of traced requests, and of those that are to be explained.
import API
import Consensus
import HTTP
import HTTPServer
import Primitives
import Replication
import Store
import Testing

@testable import NodeRuntime

@Suite struct TracedRequestTests {
    private func traced(_ change: (inout TracedRequest) -> Void = { _ in }) throws -> TracedRequest {
        let trace = try #require(TraceContext(traceHigh: 1, traceLow: 2, span: 3, isSampled: true))
        var request = TracedRequest(
            trace, span: 4, method: .put, route: .putKey, began: .milliseconds(1_000))
        change(&request)
        return request
    }

    @Test func `the log is told the trace, the own span and the caller's`() throws {
        let news = try traced().news(status: 201, requestID: "R", at: .milliseconds(1_002))
        #expect(news.trace.traceparent == "00-00000000000000010000000000000002-0000000000000004-01")
        #expect(news.parent == 3 && news.requestID == "R" && !news.isTrouble)
        #expect("\(news)" == "PUT /kv/{key...}: 201 in 2.000 ms")
    }

    @Test func `a refusal says why`() throws {
        let news = try traced { $0.problem = .noLeader }.news(
            status: 503, requestID: nil, at: .milliseconds(3_000))
        #expect("\(news)" == "PUT /kv/{key...}: 503 no_leader in 2000.000 ms" && news.isTrouble)
    }

    @Test(arguments: [
        (200, 1_999, false, false), (200, 2_000, false, true), (200, 9_000, true, false),
        (412, 1_001, false, false), (501, 1_001, false, false), (500, 1_001, false, true),
        (504, 9_000, true, true),
    ]) func `failed and slow requests are worth a warning, those held back on purpose are not slow`(
        _ status: Int, _ end: Int, _ isHeld: Bool, _ isTrouble: Bool
    ) throws {
        let news = try traced { $0.isHeld = isHeld }.news(
            status: status, requestID: nil, at: .milliseconds(end))
        #expect(news.isTrouble == isTrouble)
    }

    @Test func `what is done for other nodes is told in words`() throws {
        func text(_ deed: RequestNews.Deed) throws -> String {
            "\(RequestNews(deed: deed, trace: try traced().trace, parent: 3))"
        }
        #expect(try text(.tookWrite(from: "n2", refusal: nil)) == "took a write from n2")
        #expect(
            try text(.tookWrite(from: "n2", refusal: "overloaded")) == "refused a write from n2: overloaded")
        #expect(try text(.delivered(from: "me", channel: "c")) == "message from me in channel c")
    }
}

@Suite struct WriteTimesTests {
    private var times = WriteTimes()

    private static func id(_ number: UInt64) -> RequestID { RequestID(high: 1, low: number) }

    private func entry(_ index: UInt64, of number: UInt64) -> Entry {
        Entry(
            index: LogIndex(index), term: Term(1), kind: .command,
            payload: put("k", "v", number: number).encode())
    }

    private mutating func persist(
        _ sequence: UInt64, _ entries: [Entry], leads: Bool = true, at milliseconds: Int
    ) {
        times.notePersist(
            Persist(sequence: sequence, entries: entries), leads: leads, at: .milliseconds(milliseconds))
    }

    private mutating func forward(_ number: UInt64, at milliseconds: Int) {
        let command = put("k", "v", number: number).encode()
        times.noteForward(Forward(term: Term(1), commands: [command]), at: .milliseconds(milliseconds))
    }

    /// The stages and their milliseconds.
    private mutating func finish(_ number: UInt64, committed: Int? = nil, at milliseconds: Int) -> String {
        guard let times = times.finish(Self.id(number)) else { return "none" }
        let committed = committed.map { Instant.milliseconds($0) }
        return times.stages(committed: committed, answered: .milliseconds(milliseconds))
            .map { "\($0.name) \($0.duration.milliseconds)" }.joined(separator: ", ")
    }

    @Test mutating func `a leader's write is followed to its disk, its quorum and its answer`() {
        times.begin(Self.id(1), at: .milliseconds(10))
        persist(7, [entry(4, of: 9), entry(5, of: 1)], at: 11)
        times.noteDurable(6, at: .milliseconds(12))
        times.noteDurable(7, at: .milliseconds(13))
        times.noteDurable(8, at: .milliseconds(14))
        times.noteCommit(LogIndex(4), at: .milliseconds(15))
        #expect(finish(1, committed: 16, at: 18) == "queue 1, fsync 2, replicate 5, apply 2, total 8")
        #expect(times.isEmpty)
    }

    @Test mutating func `a commit in an earlier turn than the answer counts from then`() {
        times.begin(Self.id(1), at: .milliseconds(10))
        persist(1, [entry(5, of: 1)], at: 11)
        times.noteCommit(LogIndex(5), at: .milliseconds(14))
        times.noteCommit(LogIndex(6), at: .milliseconds(15))
        #expect(finish(1, committed: 16, at: 18) == "queue 1, replicate 3, apply 4, total 8")
    }

    @Test mutating func `what was sent to the leader is one stage, although the own disk has it too`() {
        times.begin(Self.id(1), at: .milliseconds(10))
        forward(9, at: 10)
        forward(1, at: 12)
        persist(3, [entry(5, of: 1)], leads: false, at: 14)
        times.noteDurable(3, at: .milliseconds(15))
        #expect(finish(1, committed: 17, at: 18) == "queue 2, forward 5, apply 1, total 8")
    }

    @Test mutating func `the last time that it was sent counts`() {
        times.begin(Self.id(1), at: .milliseconds(10))
        persist(1, [entry(5, of: 1)], at: 11)
        times.noteDurable(1, at: .milliseconds(12))
        forward(1, at: 20)
        times.noteCommit(LogIndex(9), at: .milliseconds(21))
        #expect(finish(1, committed: 25, at: 26) == "queue 10, forward 5, apply 1, total 16")
        times.begin(Self.id(2), at: .milliseconds(10))
        forward(2, at: 20)
        persist(8, [entry(10, of: 2)], at: 30)
        #expect(finish(2, committed: 35, at: 36) == "queue 20, replicate 5, apply 1, total 26")
    }

    @Test mutating func `of a write that failed, what was measured is told`() {
        times.begin(Self.id(1), at: .milliseconds(10))
        #expect(finish(1, at: 12) == "total 2")
        times.begin(Self.id(1), at: .milliseconds(10))
        persist(1, [entry(5, of: 1)], at: 11)
        times.noteDurable(1, at: .milliseconds(12))
        #expect(finish(1, at: 5_010) == "queue 1, fsync 1, total 5000")
        #expect(finish(1, at: 5_010) == "none")
    }
}
