import Glibc

/// Where a TCP socket listens or connects: an IPv4 or IPv6 address and a port.
public struct SocketAddress: Sendable, CustomStringConvertible {
    let storage: sockaddr_storage
    let length: socklen_t

    var family: Int32 { Int32(storage.ss_family) }

    /// The port in host byte order; 0 where the kernel shall choose.
    public var port: UInt16 {
        withUnsafeBytes(of: storage) { bytes in
            // Both families keep the port at offset 2, in network byte order.
            UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
        }
    }

    /// The numeric address without the port.
    public var host: String {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let failure = withUnsafeSockaddr { address, length in
            getnameinfo(address, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        }
        guard failure == 0 else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// `host:port`, with brackets around an IPv6 host.
    public var description: String { family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    func withUnsafeSockaddr<Answer>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Answer) -> Answer {
        withUnsafePointer(to: storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    init(storage: sockaddr_storage, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// The address that a socket is bound to.
    init(boundTo socket: borrowing Descriptor) throws(SystemError) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = socket.number
        try attempt("getsockname") {
            withUnsafeMutablePointer(to: &storage) { storage in
                storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
            }
        }
        self.init(storage: storage, length: length)
    }

    /// Splits `host:port`, `[host]:port`, `:port` and `*:port`; an empty host stands for every address.
    public static func split(_ text: String) -> (host: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return (host == "*" ? "" : String(host), port)
    }

    /// Looks `host:port` up, IPv4 before IPv6; every address of the machine (`:port`) is IPv6's, which serves
    /// IPv4 too, then IPv4's. Blocks on the resolver if the host is a name.
    public static func resolve(_ text: String) throws(ListenError) -> [SocketAddress] {
        guard let (host, port) = split(text) else { throw .malformed(text) }
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_protocol = Int32(IPPROTO_TCP)
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard failure == 0 else { throw .unknownHost(host, reason: String(cString: gai_strerror(failure))) }
        var found: [SocketAddress] = []
        var next = list
        while let info = next?.pointee {
            next = info.ai_next
            guard info.ai_family == AF_INET || info.ai_family == AF_INET6, let address = info.ai_addr else {
                continue
            }
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) { storage in
                storage.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))
            }
            found.append(SocketAddress(storage: storage, length: info.ai_addrlen))
        }
        let first = host.isEmpty ? AF_INET6 : AF_INET
        return found.filter { $0.family == first } + found.filter { $0.family != first }
    }
}

/// Why a socket could not be made to listen or connect.
public enum ListenError: Error, Sendable, CustomStringConvertible {
    /// Not `host:port`.
    case malformed(String)
    /// The name does not lead to an address.
    case unknownHost(String, reason: String)
    /// Another socket listens there.
    case addressInUse(String)
    /// The system refused for another reason.
    case refused(String, SystemError)

    /// One line for the operator.
    public var description: String {
        switch self {
        case .malformed(let text): "\"\(text)\" is not an address of the form host:port"
        case .unknownHost(let host, let reason): "cannot find the address of \"\(host)\": \(reason)"
        case .addressInUse(let address): "cannot listen on \(address): another process listens there"
        case .refused(let address, let error): "cannot listen on \(address): \(error)"
        }
    }
}
