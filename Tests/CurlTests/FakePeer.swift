// Two servers for tests: our own, on a thread, and one that says exactly what the test says.

import Glibc
import HTTP
import HTTPServer
import Platform
import Primitives
import Synchronization

/// Our HTTP server with a few fixed answers.
final class EchoServer: Sendable {
    let url: String
    let port: UInt16
    private let stopping: Mailbox<Bool>
    private let thread: Mutex<OwnedThread?>
    let accepted = Counter64()

    /// Serves until it is dropped; `resource` is what `/resource` gives, in ranges too.
    init(port: UInt16 = 0, resource: [UInt8] = []) throws {
        let stopping = try Mailbox<Bool>(capacity: 1)
        let loop = try EchoLoop(port: port, resource: resource, stopping: stopping, accepted: accepted)
        self.port = loop.server.boundAddress.port
        url = "http://\(loop.server.boundAddress)"
        self.stopping = stopping
        thread = Mutex(try startThread(named: "echo", owning: loop) { $0.run() })
    }

    func stop() {
        _ = stopping.post(true)
        thread.withLock { $0.take() }?.join()
    }

    deinit { stop() }
}

final class Counter64: Sendable {
    let value = Atomic<UInt64>(0)
    var now: UInt64 { value.load(ordering: .relaxed) }
}

private struct EchoLoop: ~Copyable {
    var poller: Poller
    var server: HTTPServer
    let resource: [UInt8]
    let stopping: Mailbox<Bool>
    let accepted: Counter64

    init(port: UInt16, resource: [UInt8], stopping: Mailbox<Bool>, accepted: Counter64) throws {
        let poller = try Poller()
        var server = try HTTPServer(listeningOn: "127.0.0.1:\(port)")
        try server.register(with: poller)
        try poller.add(stopping.bell.descriptor, token: 0, for: .read)
        self.poller = poller
        self.server = server
        self.resource = resource
        self.stopping = stopping
        self.accepted = accepted
    }

    consuming func run() {
        var ready: [Poller.Ready] = []
        var inbox: [Inbound] = []
        while true {
            poller.wait(until: inbox.isEmpty ? server.deadline : .zero, into: &ready)
            let now = Clock.now()
            for event in ready {
                guard server.owns(event.token) else { return }
                server.handle(event, at: now, on: poller, into: &inbox)
            }
            server.expire(at: now, on: poller, into: &inbox)
            var next = 0
            while next < inbox.count {
                if case .request(let id, let request) = inbox[next] { answer(id, request, now, &inbox) }
                next += 1
            }
            inbox.removeAll(keepingCapacity: true)
            server.flush(at: now, on: poller, into: &inbox)
            accepted.value.store(server.counters.accepted, ordering: .relaxed)
        }
    }

    private mutating func answer(
        _ id: ConnectionID, _ request: Request, _ now: Instant, _ inbox: inout [Inbound]
    ) {
        var response = Response(status: 200, body: request.body)
        switch String(decoding: request.path, as: UTF8.self) {
        case "/describe":
            let fields = ["expect", "content-type", "x-test", "x-empty"].map { "\($0)" }
            var text =
                "\(request.method.name) \(String(decoding: request.query, as: UTF8.self)) 1.\(request.minorVersion)"
            let found = [
                request.fieldText("expect"), request.fieldText("content-type"), request.fieldText("x-test"),
                request.fieldText("x-empty"),
            ]
            for (name, value) in zip(fields, found) { text += " \(name)=\(value ?? "-")" }
            response.body = Array(text.utf8)
            response.setField("X-One", "first")
            response.addField("X-One", "second")
        case "/big": response.body = [UInt8](repeating: 7, count: 1_000_000)
        case "/moved":
            response = Response(status: 307)
            response.setField("Location", "/describe")
        case "/never": return
        case "/stream":
            _ = server.beginStream(id, Response(status: 200), at: now)
            for piece in 0..<5 { _ = server.write(id, Array("piece \(piece)\n".utf8), at: now) }
            return server.endStream(id, at: now, into: &inbox)
        case "/resource": response = ranged(request)
        case "/liar":
            response = Response(status: 206, body: Array("0123456789".utf8))
            response.setField("Content-Range", "bytes 5-14/100")
        case "/missing": response = Response(status: 404)
        default: break
        }
        server.respond(to: id, response, at: now, into: &inbox)
    }

    private func ranged(_ request: Request) -> Response {
        let numbers = (request.fieldText("range") ?? "").dropFirst(6).split(separator: "-").compactMap {
            Int($0)
        }
        guard numbers.count == 2 else { return Response(status: 200, body: resource) }
        guard numbers[0] < resource.count else { return Response(status: 416) }
        let last = min(numbers[1], resource.count - 1)
        var response = Response(status: 206, body: Array(resource[numbers[0]...last]))
        response.setField("Content-Range", "bytes \(numbers[0])-\(last)/\(resource.count)")
        return response
    }
}

/// Runs a script on a thread for each of a listener's connections in turn.
final class ScriptedPeer: Sendable {
    let url: String
    private let thread: Mutex<OwnedThread?>

    /// The script gets the listener, and does with it what it likes.
    init(_ script: @escaping @Sendable (borrowing TCPListener) -> Void) throws {
        let listener = try TCPListener(on: "127.0.0.1:0")
        url = "http://\(listener.address)"
        thread = Mutex(try startThread(named: "script", owning: listener) { script($0) })
    }

    func join() { thread.withLock { $0.take() }?.join() }
}

/// The next connection, at most ten seconds from now.
func nextConnection(_ listener: borrowing TCPListener) -> Descriptor? {
    for _ in 0..<10_000 {
        if case .connection(let socket) = listener.accept() { return socket }
        usleep(1000)
    }
    return nil
}

/// Reads until the text holds what is wanted, or the connection ends, or ten seconds have passed.
func readUntil(_ wanted: String, _ socket: borrowing Descriptor) -> String {
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 65_536)
    for _ in 0..<10_000 {
        switch buffer.withUnsafeMutableBytes({ socket.receive(into: $0) }) {
        case .moved(let count): text += String(decoding: buffer[..<count], as: UTF8.self)
        case .blocked: usleep(1000)
        case .ended, .broken: return text + "|end"
        }
        if text.contains(wanted) { break }
    }
    return text
}

/// Sends a short text.
func say(_ text: String, _ socket: borrowing Descriptor) {
    var text = text
    _ = text.withUTF8 { socket.send(UnsafeRawBufferPointer($0)) }
}
