// What a payload that came does to a link.

public import Primitives

extension Link {
    /// Takes what a datagram of the peer's held. What is malformed, or meant for other processes, is counted
    /// and changes nothing.
    public mutating func receive(
        _ payload: ArraySlice<UInt8>, at now: Instant, into effects: inout [Effect]
    ) {
        var reader = ByteReader(payload)
        var frames: [LinkFrame] = []
        let header: LinkHeader
        do throws(ByteReaderError) {
            guard payload.count <= Datagram.longest else { throw .malformed }
            header = try LinkHeader(from: &reader)
            while !reader.isAtEnd { frames.append(try LinkFrame(from: &reader, floor: header.floor)) }
            guard isPossible(header) else { throw .malformed }
        } catch {
            counters.malformed += 1
            return
        }
        if let peer, header.source < peer, !isPlanted(.linkHeedsTheDead) {
            counters.stale += 1
            return
        }
        counters.payloadsReceived += 1
        let isBound = header.target == incarnation
        if isBound {
            if header.source != peer { meet(header.source, into: &effects) }
            settle(header, at: now, into: &effects)
            reception.skip(to: header.floor)
            deliverReleased(into: &effects)
            if header.asks { acknowledgeAt = now }
        } else {
            if header.target != 0 { counters.misaddressed += 1 }
            greets = header.source
        }
        for frame in frames {
            if !frame.message.rung.isAcknowledged {
                deliver(frame.message, into: &effects)
            } else if isBound {
                take(frame, into: &effects)
            }
        }
        if isBound, frames.contains(where: { $0.message.rung.isAcknowledged }) { noteReceived(at: now) }
    }

    /// Whether nothing is acknowledged that this process never sent to that one.
    private func isPossible(_ header: LinkHeader) -> Bool {
        guard header.target == incarnation else { return true }
        if let peer, header.source < peer { return true }
        let end = header.source == peer ? next : 1
        guard header.next <= end else { return false }
        guard let last = header.bitmap.lastIndex(where: { $0 != 0 }) else { return true }
        let bit =
            UInt64(last - header.bitmap.startIndex) * 8 + UInt64(7 - header.bitmap[last].leadingZeroBitCount)
        return header.next + bit < end
    }

    /// The peer's process has answered this one for the first time.
    private mutating func meet(_ process: UInt64, into effects: inout [Effect]) {
        let isRestart = peer != nil
        peer = process
        effects.append(.connected(isRestart ? .restarted : .answered, incarnation: process))
        guard isRestart, !isPlanted(.restartKeepsNumbers) else { return }
        counters.restarts += 1
        counters.abandoned += UInt64(reception.heldCount)
        for number in base..<next {
            guard let slot = close(number) else { continue }
            counters[slot.message.rung].lost += 1
            effects.append(.lost(slot.message.number))
        }
        (base, next) = (1, 1)
        reviewAt = .never
        latestAcknowledged = Instant(nanoseconds: .min)
        (peerNext, floorAt, floorAttempts) = (1, .never, 0)
        reception = Reception()
        unacknowledged = 0
        acknowledgeAt = .never
    }

    /// Closes what the peer says it has.
    private mutating func settle(_ header: LinkHeader, at now: Instant, into effects: inout [Effect]) {
        var sample: Instant.Span?
        var bytes = 0
        func number(_ number: UInt64, _ link: inout Link) {
            guard let slot = link.close(number) else { return }
            bytes += slot.message.bytes.count
            link.counters[slot.message.rung].acknowledged += 1
            effects.append(.acknowledged(slot.message.number))
            guard slot.attempts == 1 else { return }
            sample = now - slot.sent
            link.latestAcknowledged = max(link.latestAcknowledged, slot.sent)
        }
        peerNext = max(peerNext, header.next)
        if peerNext >= base { (floorAt, floorAttempts) = (.never, 0) }
        let end = isPlanted(.linkBelievesTooMuch) ? next : header.next
        if end > base { for place in base..<end { number(place, &self) } }
        for (place, byte) in header.bitmap.enumerated() where byte != 0 {
            for bit in 0..<8 where byte >> UInt8(bit) & 1 == 1 {
                let candidate = header.next + UInt64(place * 8 + bit)
                if candidate >= base { number(candidate, &self) }
            }
        }
        guard bytes > 0 else { return }
        if let sample { trips.note(sample) }
        congestion.acknowledge(bytes, most: options.mostUnderWay)
        raiseBase()
        // Something later came, the first open one didn't: it may be lost.
        if header.bitmap.contains(where: { $0 != 0 }) { review(at: now) }
    }

    /// Takes a message of the perfect rung or above, unless it came before.
    private mutating func take(_ frame: LinkFrame, into effects: inout [Effect]) {
        let (number, message) = (frame.number, frame.message)
        if reception.has(number), !isPlanted(.linkDeliversTwice) {
            counters[message.rung].duplicates += 1
            acknowledgeAt = Instant(nanoseconds: .min)
            return
        }
        let isInOrder = number == reception.next
        if message.rung == .fifo, !isInOrder,
            reception.heldBytes + message.bytes.count > options.mostHeldBytes
        {
            counters.overflows += 1
            return
        }
        if reception.isBelowHighest(number) { counters[message.rung].reordered += 1 }
        reception.note(number)
        if message.rung == .perfect || isInOrder || isPlanted(.fifoDoesNotWait) {
            deliver(message, into: &effects)
        } else {
            reception.hold(message, as: number)
        }
        if isInOrder { deliverReleased(into: &effects) }
    }

    private mutating func deliverReleased(into effects: inout [Effect]) {
        for message in reception.release() { deliver(message, into: &effects) }
    }

    private mutating func deliver(_ message: LinkMessage, into effects: inout [Effect]) {
        counters[message.rung].delivered += 1
        effects.append(.deliver(message))
    }

    /// Every second payload, and what shows a gap, is acknowledged at once (RFC 5681, section 4.2); others
    /// may wait for company.
    private mutating func noteReceived(at now: Instant) {
        unacknowledged += 1
        let isUrgent = unacknowledged >= 2 || reception.hasGap
        acknowledgeAt = min(acknowledgeAt, isUrgent ? now : now + options.acknowledgementDelay)
    }
}
