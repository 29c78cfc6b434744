import API
import Clocks
import Gossip
import HTTPServer
import Primitives
import Store
import Testing
import Watches

@testable import NodeRuntime

@Suite struct `Transition trail` {
    private let trail = TransitionTrail(process: 0x10)
    private let api = NativeAPI(
        settings: NativeAPI.Settings(
            nodeName: "n1", advertisedURL: "http://n1:1", clusterName: "test", version: "0.1.0"))

    private func grant(_ id: String) {
        trail.note(
            TransitionTrail.Step(.lease(id, .granted)), time: WallTime(milliseconds: 0),
            hybrid: HybridTime(WallTime(milliseconds: 0)), at: .zero)
    }

    private func lock(_ name: String) {
        trail.note(
            TransitionTrail.Step(
                .claim(
                    ClaimName(.lock, name), owner: "me", token: 9, from: .waiting, to: .holding, .turn)),
            time: WallTime(milliseconds: 0), hybrid: HybridTime(WallTime(milliseconds: 0)), at: .zero)
    }

    private func numbers(_ query: TransitionQuery, after place: UInt64 = 0, most: Int = 10) -> [UInt64] {
        trail.records(query, after: place, most: most).records.map(\.id.number)
    }

    @Test func `each algorithm has room of its own, and the oldest gives way`() {
        lock("x")
        for number in 0..<(TransitionTrail.most + 10) { grant("l\(number)") }
        #expect(trail.placed == UInt64(TransitionTrail.most) + 11)
        #expect(numbers(TransitionQuery(algorithm: "lock")) == [1])
        #expect(trail.dropped(TransitionQuery(algorithm: "lock")) == 0)
        #expect(trail.dropped(TransitionQuery(algorithm: "lease")) == 11)
        #expect(trail.dropped(TransitionQuery()) == 11)
        #expect(numbers(TransitionQuery(algorithm: "lease"), most: 2) == [12, 13])
        #expect(trail.newest(2, of: .lease).map(\.id.number) == [trail.placed - 1, trail.placed])
        #expect(trail.last(of: .lease) == trail.placed && trail.last(of: .membership) == 0)
    }

    @Test func `steps of all are told in their order, by algorithm and subject`() {
        for name in ["a", "b", "a"] {
            lock(name)
            grant(name)
        }
        #expect(numbers(TransitionQuery()) == [1, 2, 3, 4, 5, 6])
        #expect(numbers(TransitionQuery(), after: 2, most: 3) == [3, 4, 5])
        #expect(trail.records(TransitionQuery(), after: 2, most: 3).isCut)
        #expect(!trail.records(TransitionQuery(), after: 2, most: 4).isCut)
        #expect(numbers(TransitionQuery(subject: "a")) == [1, 2, 5, 6])
        #expect(numbers(TransitionQuery(algorithm: "lock", subject: "a")) == [1, 5])
        #expect(numbers(TransitionQuery(subject: "a"), after: 1, most: 1) == [2])
    }

    @Test func `an id of another process, or of the future, is not known`() {
        grant("l")
        #expect(trail.place(after: TransitionID(process: 0x10, number: 1)) == (1, true))
        #expect(trail.place(after: TransitionID(process: 0x11, number: 1)) == (0, false))
        #expect(trail.place(after: TransitionID(process: 0x10, number: 2)) == (0, false))
        #expect(trail.place(after: nil) == (0, true))
    }

    // MARK: Streams

    private let one = ConnectionID(slot: 1, generation: 1)

    private func follow(
        most: Int = .max, until: Instant = .never, hasMissed: Bool = false, from place: UInt64 = 0
    ) {
        trail.followers.add(
            one,
            .init(
                query: TransitionQuery(), place: place, left: most, until: until, format: .lines,
                hasMissed: hasMissed), at: .zero)
    }

    private func step(
        at now: Instant = .zero, canTake: Bool = true, isStopping: Bool = false
    ) -> (lines: Int, isOver: Bool) {
        trail.followers.due = .never
        let (lines, isOver) = trail.followers.step(
            one, of: trail, canTake: canTake, isStopping: isStopping, at: now, api)
        return (lines.split(separator: 10).count, isOver)
    }

    @Test func `a stream is told what there is and what comes, a piece at a time`() {
        for number in 0..<100 { grant("l\(number)") }
        follow()
        #expect(step() == (64, false))
        #expect(trail.followers.due == Instant.zero + .milliseconds(1), "there is more")
        #expect(step() == (36, false))
        #expect(step() == (0, false))
        #expect(trail.followers.due == Instant.zero + FollowerLimits.silence)
        grant("new")
        #expect(trail.followers.due == .zero)
        #expect(step() == (1, false))
        #expect(step(at: .zero + FollowerLimits.silence) == (1, false), "a sign of life")
    }

    @Test func `a stream ends after so many, or so long, or when the node stops`() {
        for number in 0..<100 { grant("l\(number)") }
        follow(most: 3)
        #expect(step() == (3, true))
        #expect(trail.followers.isEmpty)
        follow(until: .zero)
        #expect(step() == (64, false), "what there was is told first")
        grant("late")
        #expect(step() == (37, true))
        follow(from: 101)
        #expect(step(isStopping: true) == (0, true))
        follow(until: .zero + .seconds(1), from: 101)
        #expect(step() == (0, false) && trail.followers.due == Instant.zero + .seconds(1))
        #expect(step(at: .zero + .seconds(1)) == (0, true))
    }

    @Test func `who does not read waits, and is told that some were forgotten`() {
        grant("l")
        follow()
        #expect(step() == (1, false))
        for number in 0...TransitionTrail.most { grant("l\(number)") }
        #expect(step(canTake: false) == (0, false))
        #expect(trail.followers.due == Instant.zero + FollowerLimits.pause)
        #expect(step() == (65, false), "one line says that some were missed")
        follow(hasMissed: true, from: trail.placed)
        #expect(step() == (1, false))
    }
}
