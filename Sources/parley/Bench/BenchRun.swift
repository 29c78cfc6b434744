// The load generator: one thread, one epoll set, one outstanding request per connection.

import Client
import Platform
import Primitives
import Telemetry

/// Where the requests go.
struct BenchTarget {
    /// For the socket, `host:port`.
    var address: String
    /// For the `Host` field.
    var host: [UInt8]

    init(_ endpoint: Endpoint) throws(CommandFailure) {
        guard endpoint.url.hasPrefix("http://"), !endpoint.url.dropFirst(7).contains("/") else {
            throw .usage("--endpoints: bench speaks plain HTTP to a server's root, not \(endpoint)")
        }
        let authority = String(endpoint.url.dropFirst(7))
        host = Array(authority.utf8)
        address = SocketAddress.split(authority) == nil ? authority + ":80" : authority
    }
}

/// One connection and the request that is under way on it.
private final class BenchConnection {
    let descriptor: Descriptor
    let target: Int
    var parser = ResponseParser()
    var output: [UInt8] = []
    var written = 0
    /// Since when the request counts; nil while there is none.
    var since: Instant?
    var sent = Instant.zero
    var waitsToWrite = false

    init(_ descriptor: consuming Descriptor, target: Int) {
        self.descriptor = descriptor
        self.target = target
    }
}

/// Drives one measurement after another over the same connections.
struct BenchRun: ~Copyable {
    private let targets: [BenchTarget]
    private let requestTimeout: Instant.Span
    private let pids: [Int32]
    private var workload: Workload
    private var poller: Poller
    private var connections: [BenchConnection?]
    private var idle: [Int] = []
    private var reopenAt = Instant.zero
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)

    // The present measurement.
    private var result: BenchResult
    private var pace: Pace
    private var window: Range<Instant>
    /// The next key to store while loading.
    private var loading: Int?

    init(
        targets: [BenchTarget], connections count: Int, workload: Workload, requestTimeout: Instant.Span,
        pids: [Int32], poller: consuming Poller
    ) {
        self.poller = poller
        self.targets = targets
        self.workload = workload
        self.requestTimeout = requestTimeout
        self.pids = pids
        connections = Array(repeating: nil, count: count)
        result = BenchResult(operation: .put, connections: count, rate: nil)
        window = Instant.zero..<Instant.zero
        pace = Pace(rate: nil, start: .zero, end: .zero)
    }

    /// Opens all connections.
    mutating func connect() throws(CommandFailure) {
        for place in connections.indices { try open(place) }
    }

    /// Stores every key once, so that reads find something.
    mutating func load() throws(CommandFailure) {
        loading = 0
        let before = result
        let now = Clock.now()
        begin(.put, rate: nil, from: now, measured: now..<(now + .seconds(600)))
        drive(.put)
        loading = nil
        guard result.failed == 0 else {
            throw CommandFailure(.unavailable, "storing the keys failed: \(result.firstError ?? "no answer")")
        }
        result = before
    }

    /// Measures one operation.
    mutating func measure(
        _ operation: BenchOperation, rate: Double?, warmUp: Instant.Span, duration: Instant.Span
    ) -> BenchResult {
        let now = Clock.now()
        let from = now + warmUp
        begin(operation, rate: rate, from: now, measured: from..<(from + duration))
        drive(operation)
        return result
    }

    private mutating func begin(
        _ operation: BenchOperation, rate: Double?, from start: Instant, measured: Range<Instant>
    ) {
        result = BenchResult(operation: operation, connections: connections.count, rate: rate)
        window = measured
        pace = Pace(rate: rate, start: start, end: measured.upperBound)
    }

    /// The loop of one measurement, which ends when its time is over and nothing is under way any more.
    private mutating func drive(_ operation: BenchOperation) {
        var ready: [Poller.Ready] = []
        var meter = BenchMeter(pids: pids, window: window)
        var nextScan = Clock.now()
        while true {
            let now = Clock.now()
            meter.look(at: now)
            if now >= nextScan {
                expire(at: now)
                nextScan = now + .milliseconds(50)
            }
            dispatch(operation, at: now)
            if isOver(now) && idle.count == connections.count { break }
            if now >= window.upperBound + requestTimeout + .seconds(1) { break }
            var deadline = min(nextScan, meter.next(now))
            if !idle.isEmpty, let due = pace.next(now), pace.isFixed { deadline = min(deadline, due) }
            poller.wait(until: deadline, into: &ready)
            for event in ready { handle(event) }
        }
        result.unsent = pace.overdue(window.upperBound)
        meter.finish(&result, at: Clock.now())
    }

    /// Whether there is nothing left to send. With a fixed rate, requests that were due in time are sent and
    /// counted even after it, as long as one may take: leaving them out would hide what delayed them.
    private func isOver(_ now: Instant) -> Bool {
        if let loading { return loading == workload.keys || now >= window.upperBound }
        return now >= window.upperBound && pace.next(now) == nil
    }

    // MARK: Sending

    private mutating func dispatch(_ operation: BenchOperation, at now: Instant) {
        // No more rounds than there are idle connections: one that breaks at once must not hold up the loop.
        for _ in 0..<idle.count {
            guard let place = idle.last else { return }
            guard let connection = connections[place] else {
                guard now >= reopenAt, !isOver(now) else { return }
                reopen(place, at: now)
                if connections[place] == nil { return }
                continue
            }
            var since = now
            if let key = loading {
                guard key < workload.keys else { return }
                loading = key + 1
                workload.appendPut(key, host: targets[connection.target].host, to: &connection.output)
            } else {
                guard let due = pace.take(now) else { return }
                since = due
                workload.append(operation, host: targets[connection.target].host, to: &connection.output)
            }
            idle.removeLast()
            connection.since = since
            connection.sent = now
            connection.parser.reset()
            write(place, connection)
        }
    }

    private mutating func write(_ place: Int, _ connection: BenchConnection) {
        while connection.written < connection.output.count {
            let transfer = connection.output.withUnsafeBytes { bytes in
                connection.descriptor.send(UnsafeRawBufferPointer(rebasing: bytes[connection.written...]))
            }
            switch transfer {
            case .moved(let count): connection.written += count
            case .blocked: return wait(place, connection, toWrite: true)
            case .ended, .broken: return fail(place, "the connection broke while sending")
            }
        }
        connection.output.removeAll(keepingCapacity: true)
        connection.written = 0
        if connection.waitsToWrite { wait(place, connection, toWrite: false) }
    }

    private mutating func wait(_ place: Int, _ connection: BenchConnection, toWrite: Bool) {
        connection.waitsToWrite = toWrite
        do throws(SystemError) {
            try poller.change(
                connection.descriptor, token: UInt64(place), to: toWrite ? [.read, .write] : .read)
        } catch {
            fail(place, "\(error)")
        }
    }

    // MARK: Receiving

    private mutating func handle(_ event: Poller.Ready) {
        let place = Int(event.token)
        guard let connection = connections[place] else { return }
        if event.isWritable && connection.waitsToWrite { write(place, connection) }
        guard event.isReadable || event.hasFailed, connections[place] != nil else { return }
        let transfer = buffer.withUnsafeMutableBytes { connection.descriptor.receive(into: $0) }
        switch transfer {
        case .moved(let count): receive(place, connection, count)
        case .blocked: return
        case .ended, .broken: fail(place, "the server closed the connection")
        }
    }

    private mutating func receive(_ place: Int, _ connection: BenchConnection, _ count: Int) {
        guard let since = connection.since else { return fail(place, "bytes that nobody asked for") }
        switch connection.parser.feed(buffer[..<count]) {
        case .incomplete: return
        case .malformed(let reason): fail(place, reason)
        case .complete(let status, let closes):
            let now = Clock.now()
            connection.since = nil
            idle.append(place)
            if counts(since: since, at: now) {
                if (200..<300).contains(status) {
                    result.latency.record(UInt64(max(0, (now - since).nanoseconds)))
                } else {
                    result.fail("status \(status)")
                }
            }
            if closes { close(place) }
        }
    }

    /// A closed loop counts what was completed in its time; a fixed rate, what was due in it.
    private func counts(since: Instant, at now: Instant) -> Bool {
        loading != nil || window.contains(pace.isFixed ? since : now)
    }

    // MARK: Connections

    private mutating func open(_ place: Int) throws(CommandFailure) {
        let target = place % targets.count
        do throws(ListenError) {
            try adopt(try Descriptor.connected(to: targets[target].address), place, target)
        } catch {
            throw CommandFailure(.unavailable, "\(targets[target].address): \(reason(error))")
        }
    }

    /// Tries one connection again, at any target.
    private mutating func reopen(_ place: Int, at now: Instant) {
        for step in targets.indices {
            let target = (place + step) % targets.count
            guard let descriptor = try? Descriptor.connected(to: targets[target].address) else { continue }
            idle.removeLast()
            if (try? adopt(descriptor, place, target)) != nil { return }
            idle.append(place)
        }
        // No connection at all: with a fixed rate the requests that are due go on waiting.
        result.note("cannot connect")
        reopenAt = now + .milliseconds(20)
    }

    private mutating func adopt(
        _ descriptor: consuming Descriptor, _ place: Int, _ target: Int
    ) throws(ListenError) {
        do throws(SystemError) {
            try poller.add(descriptor, token: UInt64(place), for: .read)
        } catch {
            throw .refused(targets[target].address, error)
        }
        connections[place] = BenchConnection(descriptor, target: target)
        idle.append(place)
    }

    private func reason(_ error: ListenError) -> String {
        if case .refused(_, let system) = error { return system.reason }
        return "\(error)"
    }

    /// Ends a connection; its request, if there is one, has failed.
    private mutating func fail(_ place: Int, _ reason: String) {
        guard let connection = connections[place] else { return }
        if let since = connection.since {
            if counts(since: since, at: Clock.now()) { result.fail(reason) }
            idle.append(place)
        }
        close(place)
    }

    private mutating func close(_ place: Int) {
        if let connection = connections[place] { poller.remove(connection.descriptor) }
        connections[place] = nil
    }

    private mutating func expire(at now: Instant) {
        for place in connections.indices {
            guard let connection = connections[place], connection.since != nil,
                now - connection.sent >= requestTimeout
            else { continue }
            fail(place, "no answer in time")
        }
    }
}
