// Stream sockets: listening, accepting, and reads and writes that never block and never throw. What a hot
// path does a hundred thousand times a second answers a plain value.

import CPlatform
import Glibc

/// A listening TCP socket, non-blocking.
public struct TCPListener: ~Copyable, Sendable {
    /// For ``Poller/add(_:token:for:)``; readable while connections wait.
    public let descriptor: Descriptor
    /// Where it listens; the port is the real one even if the kernel chose it.
    public let address: SocketAddress

    /// Listens on `host:port`; port 0 lets the kernel choose.
    ///
    /// `:port` is every IPv4 and IPv6 address of the machine. The kernel queues up to `backlog` connections
    /// (no more than `net.core.somaxconn`).
    public init(on text: String, backlog: Int32 = 4096) throws(ListenError) {
        var failure: ListenError = .unknownHost(text, reason: "no address")
        var listening: Descriptor?
        for candidate in try SocketAddress.resolve(text) {
            do throws(SystemError) {
                listening = try Self.listen(candidate, backlog: backlog)
                break
            } catch {
                failure = error.code == EADDRINUSE ? .addressInUse(text) : .refused(text, error)
                // Only a family that this machine lacks is worth another try.
                guard error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL else { break }
            }
        }
        guard let socket = listening.take() else { throw failure }
        do throws(SystemError) {
            address = try SocketAddress(boundTo: socket)
        } catch {
            throw .refused(text, error)
        }
        descriptor = socket
    }

    private static func listen(_ address: SocketAddress, backlog: Int32) throws(SystemError) -> Descriptor {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Descriptor(owning: try attempt("socket") { Glibc.socket(address.family, kind, 0) })
        let number = socket.number
        try setOption(number, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.family == AF_INET6 { try setOption(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        try attempt("bind") { address.withUnsafeSockaddr { Glibc.bind(number, $0, $1) } }
        try attempt("listen") { Glibc.listen(number, backlog) }
        return socket
    }

    /// What became of an attempt to accept.
    public enum Accepted: ~Copyable, Sendable {
        /// A connection: non-blocking, without Nagle's delay.
        case connection(Descriptor)
        /// Nobody waits.
        case nobody
        /// The connection died before it was accepted; the next one may be fine.
        case lost
        /// The process or the machine is out of descriptors or memory; the connection still waits.
        case exhausted(SystemError)
    }

    /// Takes the next waiting connection.
    public func accept() -> Accepted {
        do throws(SystemError) {
            let listener = descriptor.number
            let socket = Descriptor(owning: try attempt("accept4") { parley_accept(listener) })
            // Fails only if the client has gone again, which the first read will tell.
            try? setOption(socket.number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            return .connection(socket)
        } catch {
            switch error.code {
            case EAGAIN: return .nobody
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(error)
            // accept(2): pending network errors of the new socket; treat them like EAGAIN by trying again.
            default: return .lost
            }
        }
    }
}

/// What became of a read or write that must not block.
public enum Transfer: Sendable, Equatable {
    /// So many bytes were moved, at least one.
    case moved(Int)
    /// Nothing can be moved now; the poller will tell when.
    case blocked
    /// Only from reads: the other side will send no more.
    case ended
    /// The connection is broken; the `errno` value.
    case broken(Int32)
}

extension Descriptor {
    /// Connects to `host:port` over TCP and waits until it is done; the socket then does not block.
    public static func connected(to text: String) throws(ListenError) -> Descriptor {
        guard let address = try SocketAddress.resolve(text).first else {
            throw .unknownHost(text, reason: "no address")
        }
        do throws(SystemError) {
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            let socket = Descriptor(owning: try attempt("socket") { Glibc.socket(address.family, kind, 0) })
            let number = socket.number
            try attempt("connect") { address.withUnsafeSockaddr { Glibc.connect(number, $0, $1) } }
            try setOption(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            try attempt("fcntl") { fcntl(number, F_SETFL, O_NONBLOCK) }
            return socket
        } catch {
            throw .refused(text, error)
        }
    }

    /// Reads what a socket has, up to the buffer's size, without blocking. The buffer must not be empty.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        let count = recv(number, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { return .moved(count) }
        return count == 0 ? .ended : Self.failure(errno)
    }

    /// Writes what a socket takes, without blocking and without SIGPIPE. The buffer must not be empty.
    public func send(_ buffer: UnsafeRawBufferPointer) -> Transfer { Self.send(buffer, to: number) }

    /// The same for the number of a socket whose owner is being changed meanwhile and cannot be borrowed.
    public static func send(_ buffer: UnsafeRawBufferPointer, to number: Int32) -> Transfer {
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
        let count = Glibc.send(number, buffer.baseAddress, buffer.count, flags)
        return count >= 0 ? .moved(count) : failure(errno)
    }

    /// Tells the other side that no more will be sent; what it sends can still be read.
    public func finishSending() { _ = shutdown(number, Int32(SHUT_WR)) }

    /// Makes closing the socket send a reset instead of a regular end, dropping what is under way.
    public func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(number, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    /// Limits the kernel's buffers for the socket, in bytes; nil leaves one as it is.
    public func limitBuffers(send: Int32? = nil, receive: Int32? = nil) throws(SystemError) {
        if let send { try setOption(number, SOL_SOCKET, SO_SNDBUF, send) }
        if let receive { try setOption(number, SOL_SOCKET, SO_RCVBUF, receive) }
    }

    /// Limits what the kernel takes of a stream before it has sent it, in bytes; what is on its way to the
    /// other side is not limited by it (tcp(7), TCP_NOTSENT_LOWAT). Without effect on a broken connection.
    public func limitUnsent(to bytes: Int32) {
        try? setOption(number, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, bytes)
    }

    private static func failure(_ code: Int32) -> Transfer {
        switch code {
        // A signal in the middle is as good as nothing to do: the level is still there at the next turn.
        case EAGAIN, EINTR: return .blocked
        case EBADF, EFAULT: preconditionFailure("errno \(code) is a bug in this program")
        default: return .broken(code)
        }
    }
}

func setOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(SystemError) {
    var value = value
    try attempt("setsockopt") {
        setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
