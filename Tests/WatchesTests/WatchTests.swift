// One property at a time; random worlds are in ModelTests.swift.

import Foundation
import JSON
import Primitives
import Store
import Testing

@testable import Watches

@Suite struct `A watch` {
    @Test func `tells puts and deletions in the order of revisions`() {
        var account = Account()
        var member = Member()
        member.add(1, .prefix("a/"))
        account.put("a/1", "x")
        account.put("b/1", "y")
        account.delete("a/1")
        member.apply(account.log)
        let effects = member.settle()
        #expect(
            effects.text == """
                {"revision":2,"time":"1970-01-01T00:00:00.001Z","events":[{"type":"put","key":"a/1","value":"x",\
                "create_revision":2,"version":1}]}
                {"revision":4,"time":"1970-01-01T00:00:00.003Z","events":[{"type":"delete","key":"a/1",\
                "cause":"user"}]}

                """)
    }

    @Test func `has an id for a browser on the last piece of a revision only`() {
        var account = Account()
        var member = Member()
        var request = WatchRequest.prefix("a/")
        request.filter.format = .events
        request.filter.parts = [
            WatchPart(id: "x", range: .prefix(Array("a/".utf8))), WatchPart(id: "y", range: .all),
        ]
        member.add(1, request)
        #expect(
            member.take().text == """
                id: 1
                event: bookmark
                data: {"bookmark":1,"time":"1970-01-01T00:00:00.000Z"}


                """)
        account.put("a/1", "x")
        member.apply(account.log)
        let text = member.settle().text
        #expect(text.components(separatedBy: "id: 2\n").count == 2)
        #expect(text.hasPrefix("event: change\ndata: {\"watch\":\"x\",\"revision\":2,"))
        #expect(text.contains("\"more\":true}\n\nid: 2\nevent: change\ndata: {\"watch\":\"y\""))
    }

    @Test func `shares its bytes with all that select the same`() {
        var account = Account()
        var member = Member()
        for token in 1...1000 as ClosedRange<UInt64> {
            member.add(token, [.key("a/1"), .prefix("a/"), .prefix("")][Int(token % 3)])
        }
        account.put("a/1", "x")
        member.apply(account.log)
        member.step()
        let pieces = member.take().compactMap { effect -> [UInt8]? in
            if case .send(_, let piece) = effect { piece } else { nil }
        }
        #expect(pieces.count == 1000)
        #expect(member.watches.counters.written == 1)
        let places = Set(pieces.map { piece in piece.withUnsafeBufferPointer { $0.baseAddress } })
        #expect(places.count == 1)
    }

    @Test func `of the future tells nothing before its start`() {
        var account = Account()
        var member = Member()
        member.add(1, .prefix("", from: .from(Revision(5))))
        for number in 1...6 { account.put("k", "\(number)") }
        member.apply(account.log)
        #expect(member.settle().revisions(1) == [5, 6, 7])
    }

    @Test func `of the future is told that it waits, without a bookmark`() {
        var member = Member()
        member.add(1, .prefix("", from: .from(Revision(50))))
        let lines = member.settle(at: .zero + .seconds(10)).lines(1)
        #expect(lines.map { $0["waiting_for"]?.unsigned } == [50])
        #expect(lines[0]["bookmark"] == nil)
    }

    @Test func `from the past tells all that is kept`() {
        var account = Account()
        var member = Member()
        for number in 1...9 { account.put("k", "\(number)") }
        account.compact(5)
        member.apply(account.log)
        member.add(1, .prefix("", from: .from(Revision(6))))
        #expect(member.settle().revisions(1) == [6, 7, 8, 9, 10])
    }

    @Test func `that needs what was compacted is told, at the very revision and for deletions too`() {
        var account = Account()
        var member = Member()
        account.put("k", "1")
        account.put("k", "2")
        account.delete("k")
        member.apply(account.log)
        member.add(1, .prefix("", from: .from(Revision(4))))
        account.compact(4)
        member.apply(account.log)
        #expect(
            member.settle() == [.compacted(1, .lines, compact: Revision(4), current: Revision(4))])
        #expect(member.watches.isEmpty)
    }

    @Test func `that is up to date does not mind compaction`() {
        var account = Account()
        var member = Member()
        member.add(1, .prefix(""))
        account.put("k", "1")
        member.apply(account.log)
        #expect(member.settle().revisions(1) == [2])
        account.compact(2)
        account.put("k", "2")
        member.apply(account.log)
        #expect(member.settle().revisions(1) == [3])
    }

    @Test func `survives a snapshot that takes the place of the store, or is told what is lost`() throws {
        var account = Account()
        var (member, other) = (Member(), Member())
        account.put("k", "1")
        member.apply(account.log)
        other.apply(account.log)
        member.add(1, .prefix(""))
        account.put("k", "2")
        account.put("k", "3")
        other.apply(account.log)
        try member.install(other.keyspace)
        #expect(member.settle().revisions(1) == [3, 4])
        account.put("k", "4")
        account.put("k", "5")
        account.compact(5)
        other.apply(account.log)
        try member.install(other.keyspace)
        #expect(member.settle() == [.compacted(1, .lines, compact: Revision(5), current: Revision(6))])
    }

    @Test func `begins with the items of one moment, however much is written meanwhile`() {
        var limits = WatchTable.Limits()
        limits.slice = 2000
        limits.sliceChanges = 10
        var account = Account()
        var member = Member(limits: limits)
        for number in 100..<150 { account.put("k/\(number)", "old") }
        member.apply(account.log)
        member.add(1, .prefix("k/", from: .snapshot))
        member.step()
        for number in 100..<150 { account.put("k/\(number)", "new") }
        member.apply(account.log)
        let lines = (member.take() + member.settle()).lines(1)
        let items = lines.flatMap { $0["items"]?.elements ?? [] }
        #expect(items.count == 50 && items.allSatisfy { $0["value"]?.string == "old" })
        let end = lines.firstIndex { $0["snapshot_end"]?.bool == true }
        #expect(end == 5 && lines[5]["bookmark"]?.unsigned == 51)
        #expect(lines.dropFirst(6).compactMap { $0["revision"]?.unsigned } == Array(52...101))
    }

    @Test func `ends after so many revisions, or after its time`() {
        var account = Account()
        var member = Member()
        var request = WatchRequest.prefix("")
        request.most = 2
        member.add(1, request)
        request = .prefix("")
        request.wait = .seconds(3)
        member.add(2, request)
        for number in 1...3 { account.put("k", "\(number)") }
        member.apply(account.log)
        let effects = member.settle()
        #expect(effects.revisions(1) == [2, 3] && effects.contains(.end(1)))
        #expect(effects.revisions(2) == [2, 3, 4] && !effects.contains(.end(2)))
        #expect(member.watches.deadline <= .zero + .seconds(3) + .milliseconds(50))
        let last = member.settle(at: .zero + .milliseconds(3050))
        #expect(last.lines(2).map { $0["bookmark"]?.unsigned } == [4] && last.last == .end(2))
        #expect(member.watches.isEmpty)
    }

    @Test func `is never silent for ten seconds`() {
        var member = Member()
        for token in 1...300 as ClosedRange<UInt64> { member.add(token, .key("\(token)")) }
        var last = [Instant](repeating: .zero, count: 301)
        var now = Instant.zero
        while now < .zero + .seconds(60) {
            now = member.watches.deadline
            for case .send(let token, _) in member.settle(at: now) {
                #expect(now - last[Int(token)] <= .seconds(10))
                last[Int(token)] = now
            }
        }
        #expect(last.dropFirst().allSatisfy { now - $0 <= .seconds(10) })
    }

    @Test func `has bookmarks as often as it asks for, with and without changes`() {
        var account = Account()
        var member = Member()
        var request = WatchRequest.key("k")
        request.bookmarks = .milliseconds(500)
        member.add(1, request)
        var bookmarks = 0
        for turn in 1...100 {
            account.put(turn % 2 == 0 ? "k" : "other", "x")
            member.apply(account.log)
            for line in member.settle(at: .zero + .milliseconds(100 * turn)).lines(1) {
                guard let bookmark = line["bookmark"]?.unsigned else { continue }
                #expect(bookmark == account.revision)
                bookmarks += 1
            }
        }
        #expect(bookmarks >= 16 && bookmarks <= 20)
    }

    @Test func `of a client that reads nothing costs a bounded number of bytes, and nobody else waits`() {
        var account = Account()
        var member = Member()
        member.add(1, .prefix(""))
        member.add(2, .prefix(""))
        var (stalled, healthy) = (0, 0)
        var awaitsDrain = false
        let value = String(repeating: "v", count: 2000)
        for turn in 1...500 {
            account.put("k", value)
            member.apply(account.log)
            let now = Instant.zero + .milliseconds(turn)
            let asked = member.watches.asking()
            if awaitsDrain {
                let isAsked = asked.contains(1)
                #expect(!isAsked, "it is looked at although it takes nothing")
            }
            for token in asked {
                awaitsDrain = member.watches.report(token, unsent: token == 1 ? stalled : 0) || awaitsDrain
            }
            member.step(at: now)
            let effects = member.take()
            stalled += effects.bytes(1).count
            #expect(effects.revisions(2) == [UInt64(turn) + 1])
            healthy += 1
        }
        #expect(healthy == 500 && stalled <= member.watches.limits.unsent)
        #expect(member.watches.behind == 1 && member.watches.counters.fellBehind == 1)
        // Then it reads: it goes on where it stopped.
        let first = UInt64(stalled / 2100) + 1
        let now = Instant.zero + .seconds(1)
        #expect(awaitsDrain && member.watches.deadline > now)
        #expect(member.watches.report(1, unsent: 0) == false)
        let rest = member.settle(at: now).revisions(1)
        #expect(rest.first.map { abs(Int($0) - Int(first)) < 5 } == true && rest.last == 501)
        #expect(rest == Array(rest[0]...501))
        #expect(member.watches.behind == 0)
    }

    @Test func `is told a huge revision in pieces, whose last one closes it`() {
        var limits = WatchTable.Limits()
        limits.line = 2000
        limits.commonChanges = 50
        var account = Account()
        var member = Member(limits: limits)
        member.add(1, .prefix("a/"))
        member.add(2, .prefix("b/"))
        member.add(3, .prefix("a/019"))
        account.batch((100..<300).map { ("a/0\($0)", "value") })
        account.put("b/1", "x")
        member.apply(account.log)
        let effects = member.settle()
        let lines = effects.lines(1)
        #expect(lines.count > 4 && lines.dropLast().allSatisfy { $0["more"]?.bool == true })
        #expect(lines.last?["more"] == nil)
        #expect(lines.flatMap { $0["events"]?.elements ?? [] }.count == 200)
        #expect(effects.revisions(2) == [3])
        #expect(effects.lines(3).flatMap { $0["events"]?.elements ?? [] }.count == 10)
        #expect(effects.lines(3).last?["more"] == nil)
    }

    @Test func `leaves nothing behind when it is gone`() {
        var account = Account()
        var member = Member()
        for token in 1...500 as ClosedRange<UInt64> {
            let start: WatchRequest.Start =
                [.now, .snapshot, .from(Revision(1)), .from(Revision(90))][Int(token % 4)]
            member.add(token, .prefix("k\(token % 100)", from: start))
        }
        account.put("k1", "x")
        member.apply(account.log)
        for token in 1...500 as ClosedRange<UInt64> { member.watches.remove(token) }
        _ = member.take()
        #expect(member.settle().isEmpty)
        #expect(member.watches.isEmpty && member.watches.behind == 0 && member.watches.index.count == 0)
        #expect(member.watches.byFilter.isEmpty && member.watches.ahead.isEmpty)
        #expect(member.watches.snapshots.isEmpty && member.watches.byToken.isEmpty)
    }

    @Test func `says goodbye with where to go on`() {
        var account = Account()
        var member = Member()
        account.put("k", "1")
        member.apply(account.log)
        member.add(1, .prefix(""))
        member.watches.endAll(at: .zero, wall: WallTime(milliseconds: 0), into: &member.effects)
        let effects = member.take()
        #expect(effects.lines(1).map { $0["bye"]?.string } == ["shutting_down"])
        #expect(effects.lines(1)[0]["bookmark"]?.unsigned == 2)
        #expect(effects.last == .end(1) && member.watches.isEmpty)
    }

    @Test func `gives the common reader bounded work, and nothing is lost by it`() {
        var limits = WatchTable.Limits()
        limits.commonChanges = 10
        var account = Account()
        var member = Member(limits: limits)
        member.add(1, .prefix(""))
        for number in 1...100 { account.put("k", "\(number)") }
        member.apply(account.log)
        member.step()
        #expect(member.take().revisions(1) == Array(2...11))
        #expect(member.watches.deadline == .zero)
        // Who comes now begins behind what he has seen, not where the common reader is.
        member.add(2, .prefix(""))
        account.put("k", "last")
        member.apply(account.log)
        let effects = member.settle()
        #expect(effects.revisions(1) == Array(12...102))
        #expect(effects.revisions(2) == [102])
    }
}

@Suite struct `The index of ranges` {
    @Test func `finds what a look at every range finds`() {
        var random = SeededGenerator(seed: 7)
        var index = RangeIndex()
        var all: [(range: KeyRange, watch: RangeIndex.Watch)] = []
        func bytes() -> [UInt8] {
            (0..<Int(random.next(below: 4))).map { _ in UInt8(random.next(below: 4)) * 85 }
        }
        for round in 0..<3000 {
            if random.next(below: 5) < (round < 2000 ? 4 : 1) {
                let start = bytes()
                let range: KeyRange =
                    switch random.next(below: 4) {
                    case 0: .only(start)
                    case 1: .prefix(start)
                    case 2: KeyRange(start: start, end: bytes())
                    default: KeyRange(start: start, end: nil)
                    }
                let watch = RangeIndex.Watch(audience: UInt32(round), part: UInt16(random.next(below: 3)))
                index.insert(range, watch)
                all.append((range, watch))
            } else if !all.isEmpty {
                let (range, watch) = all.remove(at: Int(random.next(below: UInt64(all.count))))
                index.remove(range, watch)
            }
            guard round % 10 == 0 else { continue }
            let key = bytes()
            var found: Set<RangeIndex.Watch> = []
            index.forEach(key) { found.insert($0) }
            #expect(found == Set(all.filter { $0.range.contains(key) }.map(\.watch)))
        }
    }
}
