import Consensus
import NodeCore
import Primitives
import Replication
import Testing

@testable import Simulator

/// Counting rare states.
struct MarkTests {
    @Test func `every mark is explained, and there are enough`() {
        #expect(Mark.allCases.count >= 110)
        for mark in Mark.allCases { #expect(!mark.words.isEmpty, "\(mark)") }
        #expect(Set(Mark.allCases.map(\.words)).count == Mark.allCases.count)
    }

    @Test func `counts of several runs and processes are merged`() throws {
        let (one, two) = (MarkBook(), MarkBook())
        one.hit(.voteDeniedStaleLog)
        one.hit(.voteDeniedStaleLog)
        two.hit(.voteDeniedStaleLog)
        two.hit(.logCut, if: true)
        two.hit(.spaceShort, if: false)
        var sum = one.counts
        sum.merge(two.counts)
        #expect(sum[.voteDeniedStaleLog] == 3 && sum.runs[Mark.voteDeniedStaleLog.rawValue] == 2)
        #expect(sum[.logCut] == 1 && sum[.spaceShort] == 0 && sum.total == 2)
        #expect(MarkCounts(text: sum.text) == sum)
        #expect(MarkCounts(text: "") == nil && MarkCounts(text: "0 1") == nil)
        #expect(
            MarkCounts(text: sum.text + " 9999:1:1") == nil && MarkCounts(text: sum.text + " 1:x:1") == nil)
        let missing = sum.missing(fewerThan: 2, in: .std)
        #expect(!missing.contains(.voteDeniedStaleLog) && missing.contains(.logCut))
        let report = sum.report(for: .std)
        #expect(
            report[1].contains("voteDeniedStaleLog") && report.contains { $0.contains("never  spaceShort") })
    }

    @Test func `rare states must be seen, if there were runs enough`() throws {
        let book = MarkBook()
        for mark in Mark.allCases where mark != .oneTerm { book.hit(mark) }
        func counts(_ times: Int) -> MarkCounts {
            guard times > 0 else { return MarkCounts() }
            let half = counts(times / 2)
            var all = half
            all.merge(half)
            if times % 2 == 1 { all.merge(book.counts) }
            return all
        }
        var sum = counts(1_999)
        #expect(sum.shortfall(in: .std).isEmpty)
        sum.merge(book.counts)
        #expect(sum.shortfall(in: .std) == [.oneTerm])
        let other = MarkBook()
        for _ in 0..<9 { other.hit(.oneTerm) }
        sum.merge(other.counts)
        #expect(sum.shortfall(in: .std).isEmpty)
        sum.merge(counts(8_000))
        #expect(sum.shortfall(in: .std) == [.oneTerm])
        sum.merge(other.counts)
        #expect(sum.shortfall(in: .std).isEmpty)
    }

    private func book(_ make: (MarkBook) -> any FactListener, _ body: (Scene) throws -> Void) throws
        -> MarkBook
    {
        let book = MarkBook()
        try body(try Scene(make(book)))
        return book
    }

    @Test func `elections are seen`() throws {
        let seen = try book(ElectionMarks.init) { scene in
            try scene.elect(0, term: 1)
            let request = message(
                1, 2, 2, .voteRequest(VoteRequest(last: .origin, isPreVote: false, isTransfer: false)))
            try scene.turn(2, hears: [.received(2, request)])
            let refusal = message(2, 1, 1, .voteResponse(VoteResponse(granted: false, isPreVote: false)))
            try scene.turn(2, entries: [entry(1, 1)])
            try scene.turn(2, term: 2, says: [.sent(2, refusal)])
            try scene.elect(0, term: 5)
        }
        #expect(seen[.voteRequestIgnored] == 1)
        #expect(seen[.voteDeniedStaleLog] == 1)
        #expect(
            seen[.allVotedForOne] == 2 && seen[.leaderElectedAgain] == 1 && seen[.termsWithoutLeader] == 1)
        #expect(seen[.termSkipped] > 0 && seen[.checkQuorumStepDown] == 0)
    }

    @Test func `truncations and commits are seen`() throws {
        let seen = try book(LogMarks.init) { scene in
            try scene.elect(0, term: 1)
            try scene.turn(1, entries: [entry(1, 1), entry(2, 1), entry(3, 1)])
            try scene.sync(1)
            try scene.turn(1, entries: [entry(4, 1)])
            try scene.turn(1, entries: [put(1, 2, request: 1), put(2, 2, request: 2)])
        }
        #expect(seen[.conflictTruncatedMany] == 1 && seen[.conflictTruncatedOne] == 0)
        #expect(seen[.truncatedDurable] == 1 && seen[.truncatedBeforeDurable] == 1)
        #expect(seen[.truncatedAfterRestart] == 0 && seen[.followerShortened] == 1)
    }

    @Test func `the whole cluster goes down and comes back`() throws {
        let seen = try book(ClusterMarks.init) { scene in
            try scene.elect(0, term: 1)
            for place in 0..<3 { try scene.chronicle.dies(scene.node(place), .power) }
            for place in 0..<3 {
                var state = scene.node(place).now
                state.role = .follower
                try scene.chronicle.starts(scene.node(place), state, log: scene.node(place).memory)
            }
            try scene.elect(1, term: 2)
        }
        #expect(seen[.wholeClusterDown] == 1 && seen[.wholeClusterBack] == 1 && seen[.majorityDown] == 1)
        #expect(seen[.leaderDied] == 1 && seen[.crashSoonAfterStart] == 3)
    }
}
