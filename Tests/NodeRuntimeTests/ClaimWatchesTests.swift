import API
import HTTPServer
import Primitives
import Store
import Testing
import Watches

@testable import NodeRuntime

@Suite struct `Watches of locks and elections` {
    private let lock = ClaimView(ClaimName(.lock, "a"), limit: 100, format: .lines)
    private let events = ClaimView(ClaimName(.lock, "a"), limit: 100, format: .events)
    private let election = ClaimView(ClaimName(.election, "a"), limit: 100, format: .lines)

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// Writes what has changed and tells everybody who has room; who was told what, in this order.
    private func turn(
        _ watches: inout ClaimWatches, _ state: String, at now: Int = 0, full: Set<ConnectionID> = []
    ) -> [String] {
        for view in watches.takeChanged() {
            let kind = "\(view.claim.kind)"
            watches.show(
                bytes(view.format == .events ? "\(kind) event \(state)" : "\(kind) \(state)"), to: view)
        }
        var told: [String] = []
        for connection in watches.takeOwed(at: .milliseconds(now)) {
            guard let line = watches.news(for: connection) else { continue }
            guard !full.contains(connection) else {
                watches.passOver(connection, at: .milliseconds(now))
                continue
            }
            told.append("\(connection.slot): \(String(decoding: line, as: UTF8.self))")
            if !watches.tell(line, to: connection, at: .milliseconds(now)) { watches.remove(connection) }
        }
        return told
    }

    @Test func `everybody is told at first, and those who watch a thing when it has changed`() {
        var watches = ClaimWatches()
        #expect(watches.deadline == .never)
        watches.add(connection(1), ClaimWatch(lock), at: .zero)
        watches.add(connection(2), ClaimWatch(election), at: .zero)
        watches.add(connection(3), ClaimWatch(events), at: .zero)
        #expect(watches.deadline == .zero)
        #expect(turn(&watches, "free") == ["1: lock free", "2: election free", "3: lock event free"])
        #expect(watches.deadline > .zero)
        #expect(turn(&watches, "unseen") == [])
        watches.note(RowKey(.lease, "a"))
        watches.note(ClaimName(.lock, "b").row)
        #expect(turn(&watches, "unseen") == [])
        watches.note(ClaimName(.lock, "a").row)
        watches.note(ClaimName(.lock, "a").row)
        #expect(watches.deadline == .zero)
        #expect(turn(&watches, "held") == ["1: lock held", "3: lock event held"])
        watches.noteAll()
        #expect(turn(&watches, "held") == ["2: election held"])
    }

    @Test func `a state is written once for all who see it alike, and told only if it is another one`() {
        var watches = ClaimWatches()
        for slot in 1...50 { watches.add(connection(UInt32(slot)), ClaimWatch(lock), at: .zero) }
        #expect(turn(&watches, "free").count == 50)
        #expect(watches.counters == .init(written: 1, told: 50))
        watches.note(lock.claim.row)
        #expect(turn(&watches, "free") == [])
        watches.note(lock.claim.row)
        #expect(turn(&watches, "held").count == 50)
        #expect(watches.counters == .init(written: 3, told: 100))
        // Somebody who comes later is told alone.
        watches.add(connection(51), ClaimWatch(lock), at: .zero)
        #expect(turn(&watches, "held") == ["51: lock held"])
    }

    @Test func `who has no room skips states and is given the latest one`() {
        var watches = ClaimWatches()
        watches.add(connection(1), ClaimWatch(lock), at: .zero)
        watches.add(connection(2), ClaimWatch(lock), at: .zero)
        let full: Set = [connection(1)]
        #expect(turn(&watches, "1", full: full) == ["2: lock 1"])
        #expect(watches.deadline == .milliseconds(100))
        for state in 2...5 {
            watches.note(lock.claim.row)
            #expect(turn(&watches, "\(state)", at: 50, full: full) == ["2: lock \(state)"])
        }
        // It is looked at again in a while, not in every turn, and stands in the list once.
        #expect(turn(&watches, "5", at: 99) == [])
        #expect(turn(&watches, "5", at: 100, full: full) == [])
        #expect(watches.counters.passedOver == 2)
        #expect(turn(&watches, "5", at: 200) == ["1: lock 5"])
        // What it was told last has come back meanwhile: there is nothing to say.
        watches.note(lock.claim.row)
        #expect(turn(&watches, "6", at: 300, full: full) == ["2: lock 6"])
        watches.note(lock.claim.row)
        #expect(turn(&watches, "5", at: 350) == ["2: lock 5"])
        #expect(turn(&watches, "5", at: 400) == [])
        #expect(watches.deadline > .milliseconds(9_000))
    }

    @Test func `a stream ends after as many states as it wants`() {
        var watches = ClaimWatches()
        watches.add(connection(1), ClaimWatch(lock, most: 2), at: .zero)
        #expect(turn(&watches, "free") == ["1: lock free"])
        #expect(watches.count == 1)
        watches.note(lock.claim.row)
        #expect(turn(&watches, "held") == ["1: lock held"])
        #expect(watches.isEmpty && watches.deadline == .never)
        #expect(watches.takeChanged() == [])
        watches.add(connection(1), ClaimWatch(lock, most: 1), at: .zero)
        #expect(turn(&watches, "held") == ["1: lock held"])
    }

    @Test func `a stream that is silent is given a sign of life, and one whose time is over ends`() {
        var watches = ClaimWatches()
        watches.add(connection(1), ClaimWatch(lock), at: .zero)
        watches.add(connection(2), ClaimWatch(events, wait: .seconds(12)), at: .zero)
        _ = turn(&watches, "free")
        #expect(watches.deadline == .milliseconds(9_500))
        #expect(watches.takeDue(at: .milliseconds(9_499)) == [])
        watches.note(lock.claim.row)
        watches.add(connection(3), ClaimWatch(election, wait: .zero), at: .milliseconds(9_000))
        _ = turn(&watches, "held", at: 9_000)
        #expect(
            watches.takeDue(at: .milliseconds(9_500))
                == [.init(connection: connection(3), format: .lines, isOver: true)])
        watches.remove(connection(3))
        #expect(watches.deadline == .milliseconds(12_000))
        #expect(
            watches.takeDue(at: .milliseconds(12_000))
                == [.init(connection: connection(2), format: .events, isOver: true)])
        watches.remove(connection(2))
        #expect(watches.deadline == .milliseconds(18_500))
        #expect(
            watches.takeDue(at: .milliseconds(18_500))
                == [.init(connection: connection(1), format: .lines, isOver: false)])
        #expect(watches.deadline == .milliseconds(28_000))
    }

    @Test func `there is room for so many`() {
        var limits = ClaimWatches.Limits()
        limits.watchers = 2
        var watches = ClaimWatches(limits: limits)
        watches.add(connection(1), ClaimWatch(lock), at: .zero)
        #expect(!watches.isFull)
        watches.add(connection(2), ClaimWatch(lock), at: .zero)
        #expect(watches.isFull)
        watches.remove(connection(1))
        #expect(!watches.isFull && watches.count == 1)
    }

    @Test(arguments: 1...4) func `nobody misses the latest state, whoever comes and goes`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var watches = ClaimWatches()
        var known: [ConnectionID: (view: ClaimView, told: String)] = [:]
        var states = ["lock": 0, "election": 0]
        var now = 0
        for _ in 0..<2_000 {
            let id = connection(UInt32(random.next(below: 12)))
            switch random.next(below: 4) {
            case 0 where known[id] == nil:
                let view = [lock, events, election][Int(random.next(below: 3))]
                watches.add(id, ClaimWatch(view), at: .milliseconds(now))
                known[id] = (view, "")
            case 0:
                watches.remove(id)
                known[id] = nil
            case 1, 2:
                let kind: ClaimKind = random.next(below: 2) == 0 ? .lock : .election
                states["\(kind)", default: 0] = Int(random.next(below: 3))
                watches.note(ClaimName(kind, "a").row)
            default: now += Int(random.next(below: 300))
            }
            for view in watches.takeChanged() {
                watches.show(bytes("\(states["\(view.claim.kind)"] ?? 0)"), to: view)
            }
            let isFull = random.next(below: 3) == 0
            for id in watches.takeOwed(at: .milliseconds(now)) {
                guard let line = watches.news(for: id) else { continue }
                if isFull {
                    watches.passOver(id, at: .milliseconds(now))
                } else {
                    #expect(known[id]?.told != String(decoding: line, as: UTF8.self))
                    known[id]?.told = String(decoding: line, as: UTF8.self)
                    #expect(watches.tell(line, to: id, at: .milliseconds(now)) == true)
                }
            }
            _ = watches.takeDue(at: .milliseconds(now))
            #expect(watches.entryCount <= 2 * watches.count + 64)
            #expect(Set(watches.connections) == Set(known.keys))
        }
        for id in watches.takeOwed(at: .milliseconds(now + 100)) {
            if let line = watches.news(for: id) { known[id]?.told = String(decoding: line, as: UTF8.self) }
        }
        for (_, entry) in known {
            #expect(entry.told == "\(states["\(entry.view.claim.kind)"] ?? 0)")
        }
    }
}
