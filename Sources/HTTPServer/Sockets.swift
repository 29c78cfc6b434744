// Between sockets and connections: reading as reports come in, writing once at the end of the turn.

import Glibc
import HTTP
public import Platform
public import Primitives

extension HTTPServer {
    /// Ends the turn: one write for each connection that has output, then what follows from it. Requests that
    /// were held back and connections that broke come into the inbox.
    ///
    /// Answers go first, all of them. Of the streams only a bounded number has its turn; the others have it
    /// in the next calls, in order, and ``deadline`` is now.
    public mutating func flush(at now: Instant, on poller: borrowing Poller, into inbox: inout [Inbound]) {
        guard !touched.isEmpty || !streams.isEmpty else { return }
        advance(to: now)
        swap(&touched, &settling)
        for slot in settling where isUnsettled(slot) {
            if table[Int(slot)].isStreaming {
                streams.append(slot)
            } else {
                settle(Int(slot), on: poller, into: &inbox)
            }
        }
        settling.removeAll(keepingCapacity: true)
        flushStreams(on: poller, into: &inbox)
    }

    /// Settles the streams whose turn it is.
    private mutating func flushStreams(on poller: borrowing Poller, into inbox: inout [Inbound]) {
        var writes = 0
        let sent = counters.bytesSent
        while writes < Self.streamsPerTurn, counters.bytesSent - sent < Self.streamBytesPerTurn,
            let slot = streams.next()
        {
            guard isUnsettled(slot) else { continue }
            if table[Int(slot)].wantsWrite { writes += 1 }
            settle(Int(slot), on: poller, into: &inbox)
        }
    }

    private func isUnsettled(_ slot: UInt32) -> Bool {
        table.isOpen(Int(slot)) && table[Int(slot)].isTouched
    }

    /// How many streams are written to in one turn: half a millisecond's work.
    static let streamsPerTurn = 128
    /// How many bytes of streams are written in one turn, give or take one stream's output.
    static let streamBytesPerTurn: UInt64 = 1 << 20

    /// Notes that a connection must be looked at when the turn ends.
    mutating func touch(_ index: Int) {
        guard !table[index].isTouched else { return }
        table[index].isTouched = true
        touched.append(UInt32(index))
    }

    /// Reads once; what is left makes the poller report again.
    mutating func receive(_ index: Int, into inbox: inout [Inbound]) {
        switch table[index].receive(into: buffer.bytes, at: moment) {
        case .bytes(let count): counters.bytesReceived += UInt64(count)
        case .end: break
        case .nothing: return
        case .broken: return drop(index, into: &inbox)
        }
        touch(index)
        surface(index, into: &inbox)
    }

    private mutating func settle(_ index: Int, on poller: borrowing Poller, into inbox: inout [Inbound]) {
        table[index].isTouched = false
        if table[index].wantsWrite {
            guard let count = table[index].write(at: moment) else { return drop(index, into: &inbox) }
            counters.bytesSent += UInt64(count)
            surface(index, into: &inbox)
        }
        guard !table[index].finish(at: moment) else { return drop(index, into: &inbox) }
        if table[index].takeDrainReport() { inbox.append(.drained(table.id(at: index))) }
        let interest = table[index].wantedInterest
        if interest != table[index].interest {
            table[index].interest = interest
            do throws(SystemError) {
                try poller.change(table[index].socket, token: token(at: index), to: interest)
            } catch {
                return drop(index, into: &inbox)
            }
        }
        schedule(index, table[index].deadline)
    }

    /// Makes sure that ``expire(at:on:into:)`` looks at a connection no later than its deadline.
    mutating func schedule(_ index: Int, _ deadline: Instant) {
        guard deadline != .never else { return }
        let tick = wheel.tick(for: deadline)
        guard tick < table.scheduled(index) else { return }
        table.setScheduled(index, tick)
        wheel.insert(UInt32(index), at: tick)
    }

    /// Closes a connection and tells the owner if it cares.
    mutating func drop(_ index: Int, into inbox: inout [Inbound]) {
        if table[index].owesAnswer || table[index].isWatched { inbox.append(.closed(table.id(at: index))) }
        remove(index)
    }

    mutating func remove(_ index: Int) {
        counters.closed += 1
        table.remove(index)
    }
}

extension HTTPServer {
    private static let refusal: [UInt8] = {
        let problem = """
            {"type":"/problems/overloaded","code":"overloaded","title":"Overloaded","status":503,\
            "detail":"too many connections","applied":"no","retry":"safe"}\n
            """
        let head = """
            HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n\
            Content-Length: \(problem.utf8.count)\r\nConnection: close\r\n\r\n
            """
        return Array((head + problem).utf8)
    }()
    /// How many refused connections may linger at a time, so that they get to read why.
    private static let refusedRoom = 64
    private static let refusedLinger = Instant.Span.seconds(1)

    /// Takes connections from the listener, a bounded number each turn.
    mutating func acceptWaiting(on poller: borrowing Poller) {
        for _ in 0..<Acceptor.perTurn {
            let socket = acceptor.accept(at: moment.now, on: poller, refused: &counters.refused)
            guard let socket else { return }
            counters.accepted += 1
            let isRefused = table.count >= maxConnections
            if isRefused {
                counters.refused += 1
                _ = Self.refusal.withUnsafeBytes { socket.send($0) }
                socket.finishSending()
                guard table.count < maxConnections + Self.refusedRoom else {
                    counters.closed += 1
                    continue
                }
            }
            let http = Connection(limits: limits, at: moment, admission: admission)
            let index = Int(table.insert(Slot(socket: socket, http: http)).slot)
            if isRefused { table[index].refusedUntil = moment.now + Self.refusedLinger }
            do throws(SystemError) {
                try poller.add(table[index].socket, token: token(at: index), for: .read)
            } catch {
                // The kernel's limit of watched descriptors: as bad as having none left.
                counters.refused += 1
                remove(index)
                continue
            }
            schedule(index, table[index].deadline)
        }
    }

    /// Reads what a refused client sends, so that the refusal is not lost to a reset, and forgets it.
    mutating func discard(_ index: Int) {
        switch table[index].socket.receive(into: buffer.bytes) {
        case .moved, .blocked: return
        case .ended, .broken: remove(index)
        }
    }
}
