import Glibc
import HTTP
import Platform
import Primitives

/// Takes connections from a listener without ever spinning, even when the process has no descriptor left.
struct Acceptor: ~Copyable {
    private let listener: TCPListener
    private let token: UInt64
    /// A descriptor to give up when there is none left, so that a waiting client can be told by a close.
    private var reserve: Descriptor?
    private(set) var isListening = false
    /// Until when accepting rests, because the machine was out of descriptors or memory.
    private(set) var resumesAt = Instant.never

    /// How many connections are taken in one turn, so that a flood of them leaves time for requests.
    static let perTurn = 64
    private static let rest = Instant.Span.milliseconds(50)

    init(listeningOn address: String, token: UInt64) throws(ListenError) {
        listener = try TCPListener(on: address)
        self.token = token
        reserve = Acceptor.makeReserve()
    }

    var address: SocketAddress { listener.address }

    mutating func start(on poller: borrowing Poller) throws(SystemError) {
        guard !isListening else { return }
        try poller.add(listener.descriptor, token: token, for: .read)
        isListening = true
        resumesAt = .never
    }

    mutating func stop(on poller: borrowing Poller) {
        if isListening { poller.remove(listener.descriptor) }
        isListening = false
        resumesAt = .never
    }

    /// The next waiting connection, if there is one and there is room for it.
    mutating func accept(at now: Instant, on poller: borrowing Poller, refused: inout UInt64) -> Descriptor? {
        for _ in 0..<Self.perTurn {
            switch listener.accept() {
            case .connection(let socket): return socket
            case .nobody: return nil
            case .lost: continue
            case .exhausted(let error):
                refused += 1
                if error.code == EMFILE, dropOne() { continue }
                // The level would wake us in every turn: look away for a moment instead.
                stop(on: poller)
                resumesAt = now + Self.rest
                return nil
            }
        }
        return nil
    }

    /// Goes on after a rest.
    mutating func resume(at now: Instant, on poller: borrowing Poller) {
        guard resumesAt <= now else { return }
        if reserve == nil { reserve = Acceptor.makeReserve() }
        do throws(SystemError) {
            try start(on: poller)
        } catch {
            resumesAt = now + Self.rest
        }
    }

    /// Uses the reserve to accept one connection and close it at once.
    private mutating func dropOne() -> Bool {
        guard reserve != nil else { return false }
        reserve = nil
        _ = listener.accept()
        reserve = Acceptor.makeReserve()
        return reserve != nil
    }

    private static func makeReserve() -> Descriptor? {
        try? Files.open("/dev/null", .read)
    }
}
