// Datagram sockets: bound, never blocking. A datagram may be lost on any part of its way; nobody is told.

import Glibc

/// A UDP socket (RFC 768), bound and non-blocking.
public struct UDPSocket: ~Copyable, Sendable {
    /// For ``Poller/add(_:token:for:)``; readable while datagrams wait.
    public let descriptor: Descriptor
    /// Where it is bound; the port is the real one even if the kernel chose it.
    public let address: SocketAddress

    /// Binds to `host:port`; port 0 lets the kernel choose, and `:port` is every IPv4 and IPv6 address of the
    /// machine. The kernel is asked to hold up to `buffer` bytes in each direction, and may give less.
    public init(on text: String, buffer: Int32 = 1 << 20) throws(ListenError) {
        var failure: ListenError = .unknownHost(text, reason: "no address")
        var bound: Descriptor?
        for candidate in try SocketAddress.resolve(text) {
            do throws(SystemError) {
                bound = try Self.bind(candidate, buffer: buffer)
                break
            } catch {
                failure = error.code == EADDRINUSE ? .addressInUse(text) : .refused(text, error)
                // Only a family that this machine lacks is worth another try.
                guard error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL else { break }
            }
        }
        guard let socket = bound.take() else { throw failure }
        do throws(SystemError) {
            address = try SocketAddress(boundTo: socket)
        } catch {
            throw .refused(text, error)
        }
        descriptor = socket
    }

    private static func bind(_ address: SocketAddress, buffer: Int32) throws(SystemError) -> Descriptor {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = Descriptor(owning: try attempt("socket") { Glibc.socket(address.family, kind, 0) })
        let number = socket.number
        if address.family == AF_INET6 { try setOption(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        try setOption(number, SOL_SOCKET, SO_SNDBUF, buffer)
        try setOption(number, SOL_SOCKET, SO_RCVBUF, buffer)
        try attempt("bind") { address.withUnsafeSockaddr { Glibc.bind(number, $0, $1) } }
        return socket
    }

    /// Hands a datagram to the kernel. False if it did not take it: then it is as good as lost, whatever the
    /// reason.
    public func send(_ datagram: [UInt8], to receiver: SocketAddress) -> Bool {
        let receiver = address.family == AF_INET6 ? receiver.mappedToIPv6 : receiver
        // An earlier datagram that nobody received is told with the next call; that is not this one's fault.
        for _ in 0..<2 {
            let sent = receiver.withUnsafeSockaddr { address, length in
                sendto(descriptor.number, datagram, datagram.count, Int32(MSG_DONTWAIT), address, length)
            }
            if sent >= 0 { return true }
            guard errno == ECONNREFUSED || errno == EINTR else { return false }
        }
        return false
    }

    /// Takes the next datagram into the buffer, and answers its length; more than the buffer's, if it did not
    /// fit. Nil if none waits.
    public func receive(into buffer: inout [UInt8]) -> Int? {
        for _ in 0..<4 {
            let number = descriptor.number
            let count = buffer.withUnsafeMutableBytes { buffer in
                recv(number, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT) | Int32(MSG_TRUNC))
            }
            if count >= 0 { return count }
            guard errno == ECONNREFUSED || errno == EINTR else { return nil }
        }
        return nil
    }
}

extension SocketAddress {
    /// The form in which a socket of the other family reaches an IPv4 address (RFC 4291, section 2.5.5.2).
    var mappedToIPv6: SocketAddress {
        guard family == AF_INET else { return self }
        var mapped = sockaddr_in6()
        mapped.sin6_family = sa_family_t(AF_INET6)
        withUnsafeBytes(of: storage) { bytes in
            let four = UnsafeRawBufferPointer(rebasing: bytes[4..<8])
            mapped.sin6_port = bytes.load(fromByteOffset: 2, as: in_port_t.self)
            withUnsafeMutableBytes(of: &mapped.sin6_addr) { address in
                address[10] = 0xff
                address[11] = 0xff
                UnsafeMutableRawBufferPointer(rebasing: address[12...]).copyMemory(from: four)
            }
        }
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { storage in
            withUnsafeBytes(of: mapped) { storage.copyMemory(from: $0) }
        }
        return SocketAddress(storage: storage, length: socklen_t(MemoryLayout<sockaddr_in6>.size))
    }
}
