import Glibc
import Platform
import Primitives
import Testing

@Suite(.timeLimit(.minutes(1))) struct NetworkTests {
    private func accept(_ listener: borrowing TCPListener) -> Descriptor? {
        for _ in 0..<2000 {
            switch listener.accept() {
            case .connection(let socket): return socket
            case .nobody: usleep(1000)
            case .lost: continue
            case .exhausted: return nil
            }
        }
        return nil
    }

    private func receive(_ socket: borrowing Descriptor) -> Transfer {
        var buffer = [UInt8](repeating: 0, count: 100)
        for _ in 0..<2000 {
            let outcome = buffer.withUnsafeMutableBytes { socket.receive(into: $0) }
            if outcome != .blocked { return outcome }
            usleep(1000)
        }
        return .blocked
    }

    private func send(_ text: String, on socket: borrowing Descriptor) -> Transfer {
        var text = text
        return text.withUTF8 { socket.send(UnsafeRawBufferPointer($0)) }
    }

    @Test(arguments: [
        ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:9", "::1", 9), (":7000", "", 7000), ("*:7000", "", 7000),
        ("localhost:0", "localhost", 0),
    ])
    func `an address is split at its last colon`(text: String, host: String, port: UInt16) throws {
        let parts = try #require(SocketAddress.split(text))
        #expect(parts.host == host)
        #expect(parts.port == port)
    }

    @Test(arguments: ["", "host", "host:", "host:x", "host:-1", "host:65536", "::1:80", "1:2:3", "host:+1"])
    func `what is not an address is refused in words`(text: String) {
        #expect(SocketAddress.split(text) == nil)
        let error = #expect(throws: ListenError.self) { _ = try TCPListener(on: text) }
        #expect(error?.description == "\"\(text)\" is not an address of the form host:port")
    }

    @Test func `a taken port is told in words`() throws {
        let first = try TCPListener(on: "127.0.0.1:0")
        let address = first.address.description
        let error = #expect(throws: ListenError.self) { _ = try TCPListener(on: address) }
        #expect(error?.description == "cannot listen on \(address): another process listens there")
    }

    @Test func `every address of the machine serves both families`() throws {
        let listener = try TCPListener(on: ":0")
        for host in ["127.0.0.1", "[::1]"] {
            guard let client = try? Descriptor.connected(to: "\(host):\(listener.address.port)") else {
                // A machine without IPv6 has only the first.
                #expect(host == "[::1]")
                continue
            }
            guard let server = accept(listener) else {
                Issue.record("no connection over \(host)")
                continue
            }
            #expect(send("hello", on: client) == .moved(5))
            #expect(receive(server) == .moved(5))
        }
    }

    @Test func `reads and writes never block, and each end is told apart`() throws {
        let listener = try TCPListener(on: "127.0.0.1:0")
        guard case .nobody = listener.accept() else {
            Issue.record("a connection from nowhere")
            return
        }
        let client = try Descriptor.connected(to: listener.address.description)
        guard let server = accept(listener) else {
            Issue.record("no connection")
            return
        }
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(buffer.withUnsafeMutableBytes { server.receive(into: $0) } == .blocked)
        client.finishSending()
        #expect(receive(server) == .ended)
        #expect(send("late", on: server) == .moved(4))
        #expect(receive(client) == .moved(4))
        // Fill the way until it blocks.
        let block = [UInt8](repeating: 1, count: 1 << 20)
        var sent = 0
        while case .moved(let count) = block.withUnsafeBytes({ server.send($0) }) { sent += count }
        #expect(sent > 0)
    }

    @Test func `a reset is told, and writing after it is no signal`() throws {
        let listener = try TCPListener(on: "127.0.0.1:0")
        let client = try Descriptor.connected(to: listener.address.description)
        guard let server = accept(listener) else {
            Issue.record("no connection")
            return
        }
        client.resetOnClose()
        _ = consume client
        #expect(receive(server) == .broken(ECONNRESET))
        #expect(send("x", on: server) == .broken(EPIPE))
    }

    @Test func `the poller reports levels with the caller's tokens`() throws {
        let listener = try TCPListener(on: "127.0.0.1:0")
        var poller = try Poller()
        try poller.add(listener.descriptor, token: 1, for: .read)
        var ready: [Poller.Ready] = []
        let client = try Descriptor.connected(to: listener.address.description)
        poller.wait(until: Clock.now() + .seconds(5), into: &ready)
        #expect(ready.map(\.token) == [1])
        guard let server = accept(listener) else {
            Issue.record("no connection")
            return
        }
        try poller.add(server, token: .max - 1, for: .read)
        #expect(throws: SystemError(code: EEXIST, call: "epoll_ctl")) {
            try poller.add(server, token: 3, for: .read)
        }
        #expect(send("abc", on: client) == .moved(3))
        for _ in 0..<2 {
            poller.wait(until: Clock.now() + .seconds(5), into: &ready)
            #expect(ready.map(\.token) == [.max - 1], "the level stays until the bytes are read")
        }
        #expect(receive(server) == .moved(3))
        try poller.change(server, token: 9, to: .write)
        poller.wait(until: Clock.now() + .seconds(5), into: &ready)
        #expect(ready.map(\.token) == [9])
        #expect(ready.first?.isWritable == true)
        poller.remove(server)
        poller.remove(server)
        poller.wait(until: Clock.now(), into: &ready)
        #expect(ready.isEmpty)
        try poller.set(number: server.number, token: 10, for: .write)
        try poller.set(number: server.number, token: 11, for: .write)
        poller.wait(until: Clock.now() + .seconds(5), into: &ready)
        #expect(ready.map(\.token) == [11])
    }

    @Test func `a wait ends at its deadline, not before`() throws {
        var poller = try Poller()
        var ready: [Poller.Ready] = []
        for microseconds in [200, 1_500, 20_000] {
            let deadline = Clock.now() + .microseconds(microseconds)
            poller.wait(until: deadline, into: &ready)
            #expect(Clock.now() >= deadline)
            #expect(Clock.now() < deadline + .seconds(2))
        }
        let start = Clock.now()
        poller.wait(until: start + .seconds(-1), into: &ready)
        #expect(Clock.now() < start + .seconds(2))
    }

    @Test func `a process without descriptors is told so, and goes on when it has some`() async {
        await #expect(processExitsWith: .success) {
            let listener = try TCPListener(on: "127.0.0.1:0")
            let client = try Descriptor.connected(to: listener.address.description)
            var limit = rlimit(rlim_cur: rlim_t(client.number + 1), rlim_max: 4096)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            guard case .exhausted(let error) = listener.accept(), error.code == EMFILE else { exit(2) }
            limit.rlim_cur = 4096
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            guard case .connection = listener.accept() else { exit(3) }
        }
    }
}
