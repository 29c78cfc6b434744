// What a link sends, and when it sends it again.

public import Primitives

extension Link {
    /// Makes the datagrams that are to leave now.
    public mutating func flush(at now: Instant, into effects: inout [Effect]) {
        var payload = ByteWriter()
        for message in unbound {
            pack(message, place: 0, &payload, into: &effects)
            counters[.fairLoss].sent += 1
            heldBytes -= message.bytes.count
        }
        unbound.removeAll(keepingCapacity: true)
        if stubbornAt <= now { sendStubborn(at: now, &payload, into: &effects) }
        if peer != nil {
            if lostCount > 0 { sendAgain(at: now, &payload, into: &effects) }
            sendWaiting(at: now, &payload, into: &effects)
        }
        if payload.count > 0 { emit(&payload, into: &effects) }
        greet(at: now, into: &effects)
        let asks = floorAt <= now
        if asks {
            floorAttempts += 1
            floorAt = now + jittered(trips.timeout(attempts: floorAttempts, options))
        }
        if asks || acknowledgeAt <= now {
            begin(&payload, target: peer ?? 0, asks: asks)
            emit(&payload, into: &effects)
        }
    }

    // MARK: Payloads

    private mutating func begin(_ payload: inout ByteWriter, target: UInt64, asks: Bool = false) {
        payload = ByteWriter(capacity: Datagram.longest)
        // Another process than the known one has sent nothing yet, and nothing was sent to it.
        let isKnown = target == peer
        LinkHeader.write(
            asks: asks, source: incarnation, target: target, floor: isKnown ? base : 1,
            isKnown ? reception : Reception(), to: &payload)
        // What is sent with any payload needs none of its own.
        if isKnown {
            unacknowledged = 0
            acknowledgeAt = .never
        }
    }

    private mutating func emit(_ payload: inout ByteWriter, into effects: inout [Effect]) {
        counters.payloadsSent += 1
        effects.append(.transmit(payload.take()))
    }

    private mutating func pack(
        _ message: Outgoing, place: UInt64, _ payload: inout ByteWriter, into effects: inout [Effect]
    ) {
        if payload.count > 0, payload.count + LinkFrame.longest(message.bytes.count) > Datagram.longest {
            emit(&payload, into: &effects)
        }
        if payload.count == 0 { begin(&payload, target: peer ?? 0) }
        LinkFrame.write(message.rung, kind: message.kind, place: place, message.bytes, to: &payload)
    }

    /// Tells the peer of this process if it asked, or if messages wait for it to be known.
    private mutating func greet(at now: Instant, into effects: inout [Effect]) {
        var payload = ByteWriter()
        if let process = greets {
            greets = nil
            begin(&payload, target: process)
            emit(&payload, into: &effects)
        }
        guard peer == nil, waitingFrom < waiting.count, helloAt <= now else { return }
        hellos += 1
        helloAt = now + jittered(trips.timeout(attempts: hellos, options))
        begin(&payload, target: 0)
        emit(&payload, into: &effects)
    }

    // MARK: Messages

    private mutating func sendWaiting(
        at now: Instant, _ payload: inout ByteWriter, into effects: inout [Effect]
    ) {
        let most = min(congestion.bytes, options.mostUnderWay)
        while waitingFrom < waiting.count, next - base < UInt64(Reception.window) {
            let message = waiting[waitingFrom]
            guard openBytes == 0 || openBytes + message.bytes.count <= most else { break }
            waitingFrom += 1
            let due = now + jittered(trips.timeout(attempts: 1, options))
            slots[place(of: next)] = Slot(message: message, sent: now, due: due, attempts: 1)
            openCount += 1
            openBytes += message.bytes.count
            reviewAt = min(reviewAt, due)
            counters[message.rung].sent += 1
            next += 1
            pack(message, place: next - 1 - base, &payload, into: &effects)
        }
        guard waitingFrom == waiting.count || waitingFrom > 1_024 else { return }
        waiting.removeFirst(waitingFrom)
        waitingFrom = 0
    }

    /// Sends again what is taken for lost.
    private mutating func sendAgain(
        at now: Instant, _ payload: inout ByteWriter, into effects: inout [Effect]
    ) {
        for number in base..<next {
            guard lostCount > 0 else { break }
            guard var slot = slots[place(of: number)], slot.isLost else { continue }
            slot.attempts += 1
            slot.sent = now
            slot.due = now + jittered(trips.timeout(attempts: slot.attempts, options))
            slot.isLost = false
            lostCount -= 1
            reviewAt = min(reviewAt, slot.due)
            slots[place(of: number)] = slot
            counters[slot.message.rung].retransmitted += 1
            pack(slot.message, place: number - base, &payload, into: &effects)
        }
    }

    private mutating func sendStubborn(
        at now: Instant, _ payload: inout ByteWriter, into effects: inout [Effect]
    ) {
        stubbornAt = .never
        for place in stubborn.indices {
            if stubborn[place].due <= now {
                stubborn[place].attempts += 1
                let attempts = stubborn[place].attempts
                stubborn[place].due = now + jittered(trips.timeout(attempts: attempts, options))
                if attempts == 1 {
                    counters[.stubborn].sent += 1
                } else {
                    counters[.stubborn].retransmitted += 1
                }
                let message = stubborn[place].message
                pack(message, place: message.number, &payload, into: &effects)
            }
            stubbornAt = min(stubbornAt, stubborn[place].due)
        }
    }

    /// Between a span and a quarter more, so that many nodes' retransmissions do not meet.
    private mutating func jittered(_ span: Instant.Span) -> Instant.Span {
        span + random.next(in: .zero..<Instant.Span(nanoseconds: max(1, span.nanoseconds / 4)))
    }

    // MARK: Time

    /// Finds the open messages that are lost: their time-out has come, or what left clearly later has arrived
    /// (RFC 8985, section 6.2). Of those whose time-out has come no more than a window's worth is sent at
    /// once.
    mutating func review(at now: Instant) {
        var budget = congestion.bytes
        var earliest = Instant.never
        let reordering = trips.reordering
        for number in base..<next {
            guard var slot = slots[place(of: number)], !slot.isLost else { continue }
            let isOvertaken = slot.sent + reordering < latestAcknowledged
            if slot.due <= now || isOvertaken, !isPlanted(.linkNeverRepeats) {
                if budget > 0 {
                    budget -= slot.message.bytes.count
                    congestion.lose(sent: slot.sent, at: now)
                    slot.isLost = true
                    lostCount += 1
                } else {
                    slot.due = now + options.shortestTimeout
                }
                slots[place(of: number)] = slot
            }
            if !slot.isLost { earliest = min(earliest, slot.due) }
        }
        reviewAt = earliest
    }

    /// Gives up what has run out of time.
    mutating func expire(at now: Instant, into effects: inout [Effect]) {
        var earliest = Instant.never
        for number in base..<next {
            guard let slot = slots[place(of: number)] else { continue }
            if slot.message.expires <= now, let slot = close(number) {
                giveUp(slot.message, wasSent: true, into: &effects)
            } else {
                earliest = min(earliest, slot.message.expires)
            }
        }
        raiseBase()
        if base > peerNext { floorAt = now }
        var kept: [Outgoing] = []
        for message in waiting[waitingFrom...] {
            if message.expires <= now {
                heldBytes -= message.bytes.count
                giveUp(message, wasSent: false, into: &effects)
            } else {
                kept.append(message)
                earliest = min(earliest, message.expires)
            }
        }
        (waiting, waitingFrom) = (kept, 0)
        for entry in stubborn where entry.message.expires <= now {
            heldBytes -= entry.message.bytes.count
            giveUp(entry.message, wasSent: entry.attempts > 0, into: &effects)
        }
        stubborn.removeAll { $0.message.expires <= now }
        for entry in stubborn { earliest = min(earliest, entry.message.expires) }
        expiryAt = earliest
    }

    private mutating func giveUp(_ message: Outgoing, wasSent: Bool, into effects: inout [Effect]) {
        counters[message.rung].expired += 1
        effects.append(.expired(message.number, wasSent: wasSent))
    }
}
