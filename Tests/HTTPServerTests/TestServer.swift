// A server on a thread of its own, whose answers are chosen by the path, and a client that is nothing but a socket.

import Glibc
import HTTP
import HTTPServer
import Platform
import Primitives
import Synchronization

/// What a test can see of the server.
struct Status: Sendable {
    var counters = HTTPServer.Counters()
    var openConnections = 0
    var closed = 0
    var turns = 0
    var waiting = 0
}

/// Starts the server and stops it when the test is done.
final class TestServer: Sendable {
    enum Order: Sendable { case release, closeWaiting, stopAccepting, finish, stop }

    let address: String
    let port: UInt16
    private let orders: Mailbox<Order>
    private let status: Shared
    private let thread: Mutex<OwnedThread?>

    init(limits: Limits = Limits(), maxConnections: Int = 10_000) throws {
        let orders = try Mailbox<Order>(capacity: 100)
        let status = Shared()
        let loop = try TestLoop(
            limits: limits, maxConnections: maxConnections, orders: orders, shared: status)
        address = loop.server.boundAddress.description
        port = loop.server.boundAddress.port
        self.orders = orders
        self.status = status
        thread = Mutex(try startThread(named: "server", owning: loop) { $0.run() })
    }

    deinit { stop() }

    func stop() {
        _ = orders.post(.stop)
        thread.withLock { $0.take() }?.join()
    }

    func order(_ order: Order) { _ = orders.post(order) }

    var now: Status { status.value.withLock { $0 } }

    /// Waits until what the server is at fits, at most ten seconds.
    func reaches(_ condition: (Status) -> Bool) -> Bool {
        for _ in 0..<10_000 {
            if condition(now) { return true }
            usleep(1000)
        }
        return false
    }
}

final class Shared: Sendable {
    let value = Mutex(Status())
}

private struct TestLoop: ~Copyable {
    var poller: Poller
    var server: HTTPServer
    let orders: Mailbox<TestServer.Order>
    let shared: Shared
    var status = Status()
    var waiting: [ConnectionID] = []
    /// How many bytes each stream that is poured is still to be given.
    var poured: [ConnectionID: Int] = [:]

    init(
        limits: Limits, maxConnections: Int, orders: Mailbox<TestServer.Order>, shared: Shared
    ) throws {
        let poller = try Poller()
        var server = try HTTPServer(
            listeningOn: "127.0.0.1:0", limits: limits, maxConnections: maxConnections, name: "test")
        try server.register(with: poller)
        try poller.add(orders.bell.descriptor, token: 0, for: .read)
        self.poller = poller
        self.server = server
        self.orders = orders
        self.shared = shared
    }

    consuming func run() {
        var ready: [Poller.Ready] = []
        var inbox: [Inbound] = []
        var given: [TestServer.Order] = []
        while true {
            poller.wait(until: inbox.isEmpty ? server.deadline : .zero, into: &ready)
            let now = Clock.now()
            for event in ready {
                if server.owns(event.token) {
                    server.handle(event, at: now, on: poller, into: &inbox)
                } else {
                    orders.drain(into: &given)
                }
            }
            server.expire(at: now, on: poller, into: &inbox)
            for order in given where !obey(order, now, &inbox) { return }
            given.removeAll()
            var next = 0
            while next < inbox.count {
                take(inbox[next], now, &inbox)
                next += 1
            }
            inbox.removeAll(keepingCapacity: true)
            server.flush(at: now, on: poller, into: &inbox)
            status.turns += 1
            status.counters = server.counters
            status.openConnections = server.openConnections
            status.waiting = waiting.count
            let status = status
            shared.value.withLock { $0 = status }
        }
    }

    private mutating func obey(_ order: TestServer.Order, _ now: Instant, _ inbox: inout [Inbound]) -> Bool {
        switch order {
        case .release:
            for id in waiting {
                server.respond(
                    to: id, Response(status: 200, body: Array("released".utf8)), at: now, into: &inbox)
            }
            waiting = []
        case .closeWaiting:
            for id in waiting { server.close(id) }
            waiting = []
        case .stopAccepting: server.stopAccepting(on: poller)
        case .finish: server.finishConnections(at: now)
        case .stop: return false
        }
        return true
    }

    private mutating func take(_ inbound: Inbound, _ now: Instant, _ inbox: inout [Inbound]) {
        switch inbound {
        case .closed(let id):
            status.closed += 1
            waiting.removeAll { $0 == id }
            poured[id] = nil
        case .drained(let id): pour(id, now, &inbox)
        case .request(let id, let request):
            answer(id, request, now, &inbox)
        }
    }

    private mutating func answer(
        _ id: ConnectionID, _ request: Request, _ now: Instant, _ inbox: inout [Inbound]
    ) {
        let path = String(decoding: request.path, as: UTF8.self)
        let query = String(decoding: request.query, as: UTF8.self)
        switch path {
        case "/big":
            server.respond(
                to: id, Response(status: 200, body: [UInt8](repeating: 120, count: Int(query) ?? 0)), at: now,
                into: &inbox)
        case "/wait": waiting.append(id)
        case "/watch":
            server.watch(id)
            server.respond(to: id, Response(status: 200), at: now, into: &inbox)
        case "/watch-wait":
            server.watch(id)
            waiting.append(id)
        case "/stream":
            _ = server.beginStream(id, Response(status: 200), at: now)
            for piece in ["one", "two", "three"] { _ = server.write(id, Array(piece.utf8), at: now) }
            server.endStream(id, at: now, into: &inbox)
        case "/pour":
            _ = server.beginStream(id, Response(status: 200), at: now)
            server.limitUnsent(id, to: 16 << 10)
            poured[id] = Int(query) ?? 0
            pour(id, now, &inbox)
        case "/listen":
            _ = server.beginStream(id, Response(status: 200), at: now)
            waiting.append(id)
        case "/tell":
            for listener in waiting { _ = server.write(listener, request.query, at: now) }
            server.respond(to: id, Response(status: 200), at: now, into: &inbox)
        case "/flood":
            _ = server.beginStream(id, Response(status: 200), at: now)
            let piece = [UInt8](repeating: 121, count: Int(query) ?? 1)
            var pieces = 0
            while server.write(id, piece, at: now) { pieces += 1 }
            waiting.append(id)
            precondition(pieces < 50, "a stream must refuse")
        default:
            var response = Response(
                status: 200, body: request.body.isEmpty ? Array("\(path)?\(query)".utf8) : request.body)
            if query == "close" { response.closes = true }
            server.respond(to: id, response, at: now, into: &inbox)
        }
    }
}

extension TestLoop {
    /// Gives a stream its next piece, and waits until that is written.
    private mutating func pour(_ id: ConnectionID, _ now: Instant, _ inbox: inout [Inbound]) {
        guard let rest = poured[id] else { return }
        poured[id] = max(0, rest - 8192)
        let piece = [UInt8](repeating: 122, count: min(rest, 8192))
        if piece.isEmpty {
            poured[id] = nil
            return server.endStream(id, at: now, into: &inbox)
        }
        precondition(server.outputCount(of: id) < 1000 && server.write(id, piece, at: now))
        server.reportDrain(of: id)
    }
}

/// A client that says exactly what the test says.
final class Client {
    private var socket: Descriptor?
    let number: Int32
    private var received: [UInt8] = []

    init(_ server: TestServer) throws {
        let connected = try Descriptor.connected(to: server.address)
        number = connected.number
        socket = consume connected
    }

    func close() { socket = nil }

    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(number, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        close()
    }

    func finishSending() { shutdown(number, Int32(SHUT_WR)) }

    /// Sends everything, waiting for room; false if the connection broke.
    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            switch rest.withUnsafeBytes({ sendOnce($0) }) {
            case .moved(let count): rest = rest.dropFirst(count)
            case .blocked: wait(Int16(POLLOUT))
            case .ended, .broken: return false
            }
        }
        return true
    }

    private func sendOnce(_ bytes: UnsafeRawBufferPointer) -> Transfer { socket?.send(bytes) ?? .ended }

    private func receiveOnce(_ bytes: UnsafeMutableRawBufferPointer) -> Transfer {
        socket?.receive(into: bytes) ?? .ended
    }

    private func wait(_ events: Int16, milliseconds: Int32 = 10_000) {
        var wanted = pollfd(fd: number, events: events, revents: 0)
        poll(&wanted, 1, milliseconds)
    }

    /// Reads until the condition holds, the server ends the connection, or ten seconds have passed without a byte.
    func read(until condition: (String) -> Bool) -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !condition(String(decoding: received, as: UTF8.self)) {
            wait(Int16(POLLIN))
            switch buffer.withUnsafeMutableBytes({ receiveOnce($0) }) {
            case .moved(let count): received += buffer[..<count]
            case .blocked: return "silence after: \(String(decoding: received, as: UTF8.self))"
            case .ended: return take() + "|end"
            case .broken: return take() + "|reset"
            }
        }
        return take()
    }

    private func take() -> String {
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// One response with a `Content-Length` whose body is `body`.
    func expects(_ body: String) -> Bool { read { $0.hasSuffix("\r\n\r\n\(body)") }.hasSuffix(body) }

    /// How many bytes come until the server ends the connection.
    func countToEnd() -> Int {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var sum = 0
        while true {
            wait(Int16(POLLIN))
            guard case .moved(let count) = buffer.withUnsafeMutableBytes({ receiveOnce($0) }) else {
                return sum
            }
            sum += count
        }
    }
}
