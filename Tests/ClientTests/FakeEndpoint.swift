// Nodes that do as they are told: real sockets on the loopback interface, answers from a script.

import Glibc
import Platform
import Primitives
import Synchronization

/// What a fake node does with one request.
enum FakeReply: Sendable {
    /// Answers.
    case answer(Int, fields: [String] = [], body: String = "")
    /// Reads the request and closes the connection.
    case close
    /// Reads the request and says nothing, for so long.
    case silence(Instant.Span)
    /// Sends these bytes as they are, then closes.
    case raw(String)
}

/// A fake node. Each connection serves one request; the last reply of the script is repeated.
final class FakeEndpoint: Sendable {
    let url: String
    let address: String
    private let received = Mutex<[String]>([])
    private let stopped = Atomic<Bool>(false)

    /// The requests so far, head and body.
    var requests: [String] { received.withLock { $0 } }
    /// The first lines of the requests so far.
    var lines: [String] { requests.map { String($0.prefix { $0 != "\r\n" }) } }

    init(_ script: FakeReply...) throws {
        let listener = try TCPListener(on: "127.0.0.1:0")
        address = listener.address.description
        url = "http://\(address)"
        _ = try startThread(named: "fake", owning: listener) { [self] listener in serve(listener, script) }
    }

    deinit { stopped.store(true, ordering: .relaxed) }

    func stop() { stopped.store(true, ordering: .relaxed) }

    /// An address at which nobody listens.
    static func nobody() throws -> String {
        let listener = try TCPListener(on: "127.0.0.1:0")
        return "http://\(listener.address)"
    }

    private func serve(_ listener: consuming TCPListener, _ script: [FakeReply]) {
        let limit = Clock.now() + .seconds(20)
        var served = 0
        while !stopped.load(ordering: .relaxed) && Clock.now() < limit {
            guard waitReadable(listener.descriptor.number) else { continue }
            guard case .connection(let connection) = listener.accept() else { continue }
            guard let request = readRequest(connection) else { continue }
            received.withLock { $0.append(request) }
            let reply = script.isEmpty ? FakeReply.close : script[min(served, script.count - 1)]
            served += 1
            carryOut(reply, on: connection)
        }
    }

    private func carryOut(_ reply: FakeReply, on connection: borrowing Descriptor) {
        switch reply {
        case .close: return
        case .silence(let span): usleep(UInt32(span.microseconds))
        case .raw(let text): send(text, to: connection)
        case .answer(let status, let fields, let body):
            let lines =
                ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)", "Connection: close"] + fields
            send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body, to: connection)
        }
    }

    private func send(_ text: String, to connection: borrowing Descriptor) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { connection.send($0) }
        connection.finishSending()
        // Until the client has read it all: closing early could reset the connection under it.
        var chunk = [UInt8](repeating: 0, count: 1024)
        while waitReadable(connection.number),
            chunk.withUnsafeMutableBytes({ connection.receive(into: $0) }) != .ended
        {}
    }

    private func readRequest(_ connection: borrowing Descriptor) -> String? {
        var text = ""
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            if let head = text.firstRange(of: "\r\n\r\n") {
                let fields = text[..<head.lowerBound].lowercased().split(separator: "\r\n")
                let length = fields.first { $0.hasPrefix("content-length:") }?.split(separator: " ").last
                let body = text[head.upperBound...].utf8.count
                if body >= Int(length ?? "0") ?? 0 { return text }
            }
            guard waitReadable(connection.number) else { return nil }
            guard case .moved(let count) = chunk.withUnsafeMutableBytes({ connection.receive(into: $0) })
            else {
                return nil
            }
            text += String(decoding: chunk[..<count], as: UTF8.self)
        }
    }

    private func waitReadable(_ number: Int32) -> Bool {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 50) > 0
    }
}
