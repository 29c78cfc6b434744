import Platform
import Primitives
import Testing

@Suite struct UDPTests {
    /// What comes within a second.
    private func receive(_ socket: borrowing UDPSocket, into buffer: inout [UInt8]) throws -> Int? {
        var poller = try Poller()
        try poller.add(socket.descriptor, token: 1, for: .read)
        var ready: [Poller.Ready] = []
        poller.wait(until: Clock.now() + .seconds(1), into: &ready)
        return socket.receive(into: &buffer)
    }

    @Test(arguments: [
        ("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0"), (":0", "127.0.0.1:0"), ("127.0.0.1:0", ":0"),
    ]) func `datagrams go both ways, also between the families`(_ one: String, _ two: String) throws {
        let a = try UDPSocket(on: one)
        let b = try UDPSocket(on: two)
        let host = one.hasPrefix("[") ? "[::1]" : "127.0.0.1"
        let toA = try #require(try SocketAddress.resolve("\(host):\(a.address.port)").first)
        let toB = try #require(try SocketAddress.resolve("\(host):\(b.address.port)").first)
        var buffer = [UInt8](repeating: 0, count: 16)
        let isSent = a.send([1, 2, 3], to: toB)
        #expect(isSent)
        var count = try receive(b, into: &buffer)
        #expect(count == 3 && Array(buffer[..<3]) == [1, 2, 3])
        let isAnswered = b.send([4], to: toA)
        #expect(isAnswered)
        count = try receive(a, into: &buffer)
        #expect(count == 1 && buffer[0] == 4)
        let nothing = a.receive(into: &buffer)
        #expect(nothing == nil)
    }

    @Test func `what does not fit is told by its length`() throws {
        let a = try UDPSocket(on: "127.0.0.1:0")
        let b = try UDPSocket(on: "127.0.0.1:0")
        var buffer = [UInt8](repeating: 0, count: 4)
        let isCutShort = a.send([1, 2, 3, 4, 5, 6], to: b.address)
        #expect(isCutShort)
        let count = try receive(b, into: &buffer)
        #expect(count == 6 && buffer == [1, 2, 3, 4])
        let isTooLong = a.send([UInt8](repeating: 0, count: 70_000), to: b.address)
        #expect(!isTooLong)
    }

    @Test func `that nobody receives a datagram spoils no other one`() throws {
        let a = try UDPSocket(on: "127.0.0.1:0")
        let b = try UDPSocket(on: "127.0.0.1:0")
        let gone = try SocketAddress.resolve("127.0.0.1:1")
        for _ in 0..<4 { _ = a.send([0], to: try #require(gone.first)) }
        var buffer = [UInt8](repeating: 0, count: 4)
        let isNext = a.send([7], to: b.address)
        #expect(isNext)
        let count = try receive(b, into: &buffer)
        #expect(count == 1 && buffer[0] == 7)
        let nothing = a.receive(into: &buffer)
        #expect(nothing == nil)
    }

    @Test func `a place that is taken, and one that is none, are named`() throws {
        let a = try UDPSocket(on: "127.0.0.1:0")
        let place = "127.0.0.1:\(a.address.port)"
        func refusal(_ place: String) -> ListenError? {
            do {
                _ = try UDPSocket(on: place)
                return nil
            } catch {
                return error
            }
        }
        guard case .addressInUse(place) = refusal(place) else { throw Unexpected() }
        guard case .malformed("here") = refusal("here") else { throw Unexpected() }
    }

    private struct Unexpected: Error {}

    @Test(arguments: ["127.0.0.1:0", ":0"])
    func `batches go to several receivers, and one that can't be sent spoils no other one`(on: String) throws
    {
        let a = try UDPSocket(on: on)
        let even = try UDPSocket(on: "127.0.0.1:0")
        let odd = try UDPSocket(on: "127.0.0.1:0")
        let gone = try #require(try SocketAddress.resolve("127.0.0.1:1").first)
        var batch = OutgoingDatagrams()
        for number in 0..<150 as Range<UInt8> {
            batch.append(
                [UInt8](repeating: number, count: 1 + Int(number)),
                to: number % 2 == 0 ? even.address : odd.address)
            if number == 70 { batch.append([UInt8](repeating: 0, count: 70_000), to: even.address) }
            if number == 80 { batch.append([0], to: gone) }
        }
        let sent = a.send(&batch)
        #expect(sent == 151)
        #expect(batch.count == 0)
        for parity in 0..<2 {
            var got: [[UInt8]] = []
            var incoming = IncomingDatagrams(room: 100)
            var batches = 0
            repeat {
                if parity == 0 { even.receive(into: &incoming) } else { odd.receive(into: &incoming) }
                for place in 0..<incoming.count { got.append(Array(incoming[place])) }
                batches += 1
            } while incoming.isFull
            #expect(batches == 2)
            let expected = (0..<150 as Range<UInt8>).filter { Int($0) % 2 == parity }
                .map { [UInt8](repeating: $0, count: min(100, 1 + Int($0))) }
            #expect(got == expected)
        }
    }
}
