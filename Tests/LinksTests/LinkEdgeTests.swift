import Primitives
import Testing

@testable import Links

/// What a link does with payloads that no peer would send, at its bounds, and in time.
@Suite struct LinkEdgeTests {
    private static let start = Instant(nanoseconds: 1 << 40)

    private func link(_ incarnation: UInt64 = 5, _ options: LinkOptions = LinkOptions()) -> Link {
        Link(incarnation: incarnation, options: options, seed: 1)
    }

    /// Payloads of one after another, each taken by the other at once.
    private func exchange(_ a: inout Link, _ b: inout Link, at now: Instant) -> [Link.Effect] {
        var told: [Link.Effect] = []
        for _ in 0..<8 {
            for effect in flush(&a, at: now) { pass(effect, to: &b, at: now, &told) }
            for effect in flush(&b, at: now) { pass(effect, to: &a, at: now, &told) }
        }
        return told
    }

    private func pass(
        _ effect: Link.Effect, to link: inout Link, at now: Instant, _ told: inout [Link.Effect]
    ) {
        guard case .transmit(let payload) = effect else { return told.append(effect) }
        link.receive(payload[...], at: now, into: &told)
    }

    private func flush(_ link: inout Link, at now: Instant) -> [Link.Effect] {
        var effects: [Link.Effect] = []
        link.wake(at: now, into: &effects)
        link.flush(at: now, into: &effects)
        return effects
    }

    private func payloads(_ effects: [Link.Effect]) -> [[UInt8]] {
        effects.compactMap { if case .transmit(let payload) = $0 { payload } else { nil } }
    }

    private func send(_ link: inout Link, _ rung: LinkRung, _ bytes: [UInt8] = [1], at now: Instant) throws
        -> UInt64
    {
        try link.send(bytes, kind: 0, on: rung, expires: now + .seconds(60), at: now)
    }

    /// Two links that know each other.
    private func pair(_ options: LinkOptions = LinkOptions()) throws -> (Link, Link) {
        var (a, b) = (link(5, options), link(9, options))
        let before = Instant(nanoseconds: Self.start.nanoseconds - 10_000_000)
        _ = try send(&a, .perfect, at: before)
        _ = try send(&b, .perfect, at: before)
        _ = exchange(&a, &b, at: before)
        _ = exchange(&a, &b, at: before + .milliseconds(5))
        #expect(a.peer == 9 && b.peer == 5 && a.load == (0, 0) && b.load == (0, 0))
        return (a, b)
    }

    /// The bytes of a payload with this head and these messages.
    private func payload(
        _ source: UInt64, _ target: UInt64, floor: UInt64 = 1, next: UInt64 = 1, bitmap: [UInt8] = [],
        _ frames: [(rung: LinkRung, place: UInt64)] = []
    ) -> ArraySlice<UInt8> {
        var writer = ByteWriter()
        writer.byte(1)
        writer.fixed(source)
        writer.fixed(target)
        writer.varint(floor)
        writer.varint(next)
        writer.byte(UInt8(bitmap.count))
        writer.raw(bitmap)
        for frame in frames { LinkFrame.write(frame.rung, kind: 0, place: frame.place, [8], to: &writer) }
        return writer.bytes[...]
    }

    private func receive(_ link: inout Link, _ payload: ArraySlice<UInt8>) -> [Link.Effect] {
        var effects: [Link.Effect] = []
        link.receive(payload, at: Self.start, into: &effects)
        return effects
    }

    @Test func `what nobody sends is counted and changes nothing`() throws {
        var (a, _) = try pair()
        let before = a.deadline
        for bad in [
            payload(9, 5, next: 3),  // acknowledges what was never sent
            payload(9, 5, next: 2, bitmap: [1]), payload(9, 5, next: .max), payload(9, 5, floor: .max),
            payload(9, 5, floor: 0), payload(9, 5, next: 0), payload(0, 5), payload(10, 5, next: 2),
            payload(9, 5, bitmap: [UInt8](repeating: 0, count: 97)), payload(9, 5, [(.perfect, 768)]),
            payload(9, 5, [(.perfect, .max)]), payload(9, 5).dropLast(), payload(9, 5, [(.fifo, 1)]) + [4],
        ] { #expect(receive(&a, bad) == []) }
        #expect(a.counters.malformed == 13)
        #expect(a.peer == 9)
        #expect(a.deadline == before)
        // A bit in the bitmap that is none, and all numbers below: nothing new, nothing wrong.
        #expect(receive(&a, payload(9, 5, next: 2, bitmap: [0, 0])) == [])
        #expect(a.counters.malformed == 13)
    }

    @Test func `no part of a payload, and no damage to it, stops the process`() throws {
        var (a, _) = try pair()
        let whole = payload(
            9, 5, floor: 3, next: 1, bitmap: [1, 2, 3],
            [(.perfect, 0), (.fifo, 5), (.stubborn, 1 << 60), (.fairLoss, 0), (.fifo, 767)])
        for count in 0..<whole.count {
            let effects = receive(&a, whole.prefix(count))
            #expect(effects == [] || effects.allSatisfy { if case .deliver = $0 { true } else { false } })
        }
        var random = SeededGenerator(seed: 2)
        for round in 0..<30_000 {
            if round % 100 == 0 { (a, _) = try pair() }
            _ = try? send(&a, .fifo, at: Self.start)
            _ = flush(&a, at: Self.start)
            var bytes = Array(whole)
            for _ in 0..<(1 + random.next(below: 3)) {
                // The processes stay, mostly: what follows them is what matters.
                let from: UInt64 = random.next(below: 10) == 0 ? 0 : 17
                let place = Int(from + random.next(below: UInt64(bytes.count) - from))
                bytes[place] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = receive(&a, bytes[...])
            #expect(a.load.bytes >= 0 && a.reception.heldCount <= Reception.window)
        }
        // A floor far away, time and again.
        (a, _) = try pair()
        for shift in 1..<62 { _ = receive(&a, payload(9, 5, floor: 1 << UInt64(shift), [(.fifo, 3)])) }
        #expect(a.counters.malformed == 0)
    }

    @Test
    func `old payloads, and payloads for other processes, deliver nothing that has an order or a number`()
        throws
    {
        var (a, _) = try pair()
        #expect(receive(&a, payload(8, 5, [(.perfect, 1)])) == [])
        #expect(a.counters.stale == 1)
        // For the process before this one, and for nobody in particular.
        #expect(receive(&a, payload(9, 4, [(.perfect, 1)])) == [])
        #expect(a.counters.misaddressed == 1)
        #expect(receive(&a, payload(9, 0, [(.fifo, 1)])) == [])
        // They are told of this process; whoever knows it is told nothing.
        #expect(payloads(flush(&a, at: Self.start)).count == 1)
        // A new process of the peer's that knows nobody changes nothing yet.
        #expect(receive(&a, payload(10, 0)) == [])
        #expect(a.peer == 9)
        #expect(receive(&a, payload(10, 5, [(.perfect, 0)])).count == 2)
        #expect(a.peer == 10 && a.counters.restarts == 1)
        // From now on the one before is heard no more.
        #expect(receive(&a, payload(9, 5, [(.perfect, 1)])) == [])
    }

    @Test func `a new process finds its way to a peer that has nothing to say, and begins at the beginning`()
        throws
    {
        var (a, b) = try pair()
        for _ in 0..<9 { _ = try send(&a, .perfect, at: Self.start) }
        _ = exchange(&a, &b, at: Self.start)
        var next = link(10)
        let number = try send(&next, .fifo, at: Self.start)
        let told =
            exchange(&a, &next, at: Self.start) + exchange(&a, &next, at: Self.start + .milliseconds(5))
        #expect(told.contains(.acknowledged(number)))
        #expect(told.contains { if case .deliver(let message) = $0 { message.rung == .fifo } else { false } })
        #expect(a.counters.malformed == 0 && next.counters.malformed == 0)
    }

    @Test func `a window that is full, and whatever is too long or too late, is refused by name`() throws {
        var options = LinkOptions()
        (options.mostMessages, options.mostBytes) = (8, 2_000)
        var a = link(5, options)
        func refusal(_ count: Int, _ rung: LinkRung, expires: Instant) -> LinkRefusal? {
            do throws(LinkRefusal) {
                _ = try a.send(
                    [UInt8](repeating: 0, count: count), kind: 0, on: rung, expires: expires, at: Self.start)
                return nil
            } catch { return error }
        }
        let late = Self.start + .seconds(1)
        #expect(refusal(1_025, .perfect, expires: late) == .tooLong)
        #expect(refusal(1, .perfect, expires: Self.start) == .expired)
        #expect(refusal(1_000, .perfect, expires: late) == nil)
        #expect(refusal(1_000, .stubborn, expires: late) == nil)
        #expect(refusal(1, .fifo, expires: late) == .full)
        #expect(refusal(1, .fairLoss, expires: late) == .full)
        #expect(a.counters[.perfect].refused == 2 && a.counters[.fifo].refused == 1)
        var told: [Link.Effect] = []
        a.wake(at: late, into: &told)
        #expect(told == [.expired(1, wasSent: false), .expired(2, wasSent: false)])
        for _ in 0..<8 { #expect(refusal(0, .fairLoss, expires: late + .seconds(1)) == nil) }
        #expect(refusal(0, .fairLoss, expires: late) == .full)
    }

    @Test func `what came too early is held up to a bound, and sent again beyond it`() throws {
        var options = LinkOptions()
        options.mostHeldBytes = 3
        var (a, _) = try pair(options)
        let effects = receive(&a, payload(9, 5, floor: 2, (1..<6).map { (.fifo, UInt64($0)) }))
        #expect(effects == [])
        #expect(a.counters.overflows == 2)
        // The first one lets go three; the fifth and sixth have to come again.
        #expect(receive(&a, payload(9, 5, floor: 2, [(.fifo, 0)])).count == 4)
        #expect(receive(&a, payload(9, 5, floor: 2, [(.fifo, 4), (.fifo, 5)])).count == 2)
    }

    @Test func `acknowledgements wait for company, but not for long`() throws {
        var (a, b) = try pair()
        _ = try send(&a, .perfect, at: Self.start)
        var told: [Link.Effect] = []
        for effect in flush(&a, at: Self.start) { pass(effect, to: &b, at: Self.start, &told) }
        #expect(payloads(flush(&b, at: Self.start)) == [])
        #expect(b.deadline == Self.start + b.options.acknowledgementDelay)
        #expect(payloads(flush(&b, at: b.deadline)).count == 1)
        // Two at once are acknowledged at once.
        for _ in 0..<2 {
            _ = try send(&a, .perfect, at: Self.start)
            for effect in flush(&a, at: Self.start) { pass(effect, to: &b, at: Self.start, &told) }
        }
        #expect(payloads(flush(&b, at: Self.start)).count == 1)
    }

    @Test func `retransmissions come later and later, and their round trips count for nothing`() throws {
        var (a, b) = try pair()
        let before = a.roundTrip
        _ = try send(&a, .perfect, at: Self.start)
        _ = flush(&a, at: Self.start)
        var times: [Instant.Span] = []
        var now = Self.start
        var last: [[UInt8]] = []
        for _ in 0..<10 {
            times.append(a.deadline - now)
            now = a.deadline
            last = payloads(flush(&a, at: now))
            #expect(last.count == 1)
        }
        for (early, late) in zip(times, times.dropFirst()) {
            // Twice as long, up to a quarter more, until the longest.
            #expect(late > early || late >= a.options.longestTimeout)
            #expect(late.nanoseconds <= a.options.longestTimeout.nanoseconds * 5 / 4)
        }
        #expect(times[0] >= a.options.shortestTimeout)
        #expect(times[9] >= a.options.longestTimeout)
        #expect(a.counters[.perfect].retransmitted == 10)
        var told: [Link.Effect] = []
        b.receive(last[0][...], at: now, into: &told)
        now = now + .seconds(1)
        for payload in payloads(flush(&b, at: now)) { a.receive(payload[...], at: now, into: &told) }
        #expect(a.load == (0, 0))
        #expect(a.roundTrip == before)
    }

    @Test func `of what is under way no more bytes than may be`() throws {
        var (a, _) = try pair()
        for _ in 0..<200 { _ = try send(&a, .perfect, [UInt8](repeating: 0, count: 1_000), at: Self.start) }
        let first = payloads(flush(&a, at: Self.start))
        #expect(first.count == 12)
        // Nobody answers: what is sent again gets less.
        let now = Self.start + .seconds(1)
        let again = payloads(flush(&a, at: now))
        #expect(again.count <= 13 && again.count > 0)
        #expect(payloads(flush(&a, at: now + .milliseconds(25))).count <= 7)
    }

    @Test func `what left clearly later and arrived shows a loss before the time-out`() throws {
        var (a, b) = try pair()
        _ = try send(&a, .perfect, at: Self.start)
        _ = flush(&a, at: Self.start)
        let later = Self.start + .milliseconds(5)
        for _ in 0..<2 { _ = try send(&a, .perfect, at: later) }
        var told: [Link.Effect] = []
        for effect in flush(&a, at: later) { pass(effect, to: &b, at: later, &told) }
        for effect in flush(&b, at: later) { pass(effect, to: &a, at: later, &told) }
        #expect(payloads(flush(&a, at: later)).count == 1)
        #expect(a.counters[.perfect].retransmitted == 1)
        #expect(later - Self.start < a.options.shortestTimeout)
    }

    @Test func `no more messages are under way than there are numbers in the window`() throws {
        var (a, b) = try pair()
        for _ in 0..<1_000 { _ = try send(&a, .perfect, at: Self.start) }
        var told: [Link.Effect] = []
        let sent = flush(&a, at: Self.start)
        #expect(a.next - a.base == 768)
        for effect in sent { pass(effect, to: &b, at: Self.start, &told) }
        told += exchange(&a, &b, at: Self.start)
        told += exchange(&a, &b, at: Self.start + .milliseconds(5))
        let delivered = told.filter { if case .deliver = $0 { true } else { false } }
        let acknowledged = told.filter { if case .acknowledged = $0 { true } else { false } }
        #expect(delivered.count == 1_000 && acknowledged.count == 1_000)
    }

    @Test func `numbers are noted whatever their order, and shown as they are`() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<200 {
            var reception = Reception()
            var model: Set<UInt64> = []
            for _ in 0..<200 {
                var number = reception.next + random.next(below: UInt64(Reception.window))
                if random.next(below: 3) == 0 { number = reception.next }
                if random.next(below: 40) == 0 {
                    reception.skip(to: number)
                    model.formUnion(1..<number)
                } else {
                    #expect(reception.has(number) == model.contains(number))
                    reception.note(number)
                    model.insert(number)
                }
                var next: UInt64 = 1
                while model.contains(next) { next += 1 }
                #expect(reception.next == next)
                #expect(reception.hasGap == model.contains { $0 > next })
                var writer = ByteWriter()
                reception.writeBitmap(to: &writer)
                #expect(Int(writer.bytes[0]) == writer.count - 1)
                #expect(writer.count == 1 || writer.bytes.last != 0)
                let shown = writer.bytes.dropFirst().enumerated().flatMap { place, byte in
                    (0..<8).filter { byte >> UInt8($0) & 1 == 1 }.map { next + UInt64(place * 8 + $0) }
                }
                #expect(shown == model.filter { $0 > next }.sorted())
            }
        }
    }
}
