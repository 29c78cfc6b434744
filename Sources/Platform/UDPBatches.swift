// Many datagrams with one call: a call for each would cost more than all else that is done about it.

import CPlatform
import Glibc

/// Datagrams that are to leave together, in their order. Their memory is used again.
public struct OutgoingDatagrams: Sendable {
    /// As many leave with one call.
    private static let most = 64

    private var bytes: [UInt8] = []
    private var lengths: [UInt32] = []
    private var receivers: [sockaddr_storage] = []
    private var receiverLengths: [socklen_t] = []

    /// Nothing is to leave.
    public init() {}

    /// How many are to leave.
    public var count: Int { lengths.count }

    /// Adds a datagram for that receiver.
    public mutating func append(_ datagram: [UInt8], to receiver: SocketAddress) {
        bytes.append(contentsOf: datagram)
        lengths.append(UInt32(datagram.count))
        receivers.append(receiver.storage)
        receiverLengths.append(receiver.length)
    }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        receivers.removeAll(keepingCapacity: true)
        receiverLengths.removeAll(keepingCapacity: true)
    }

    /// Hands them to the kernel; how many it took.
    fileprivate func send(on socket: Int32) -> Int {
        var (first, offset, taken, refusals) = (0, 0, 0, 0)
        while first < count {
            let most = Int32(min(Self.most, count - first))
            let sent = bytes.withUnsafeBufferPointer { bytes in
                lengths.withUnsafeBufferPointer { lengths in
                    receivers.withUnsafeBufferPointer { receivers in
                        receiverLengths.withUnsafeBufferPointer { receiverLengths -> Int32 in
                            guard let bytes = bytes.baseAddress, let lengths = lengths.baseAddress,
                                let receivers = receivers.baseAddress,
                                let receiverLengths = receiverLengths.baseAddress
                            else { return 0 }
                            return parley_send_datagrams(
                                socket, bytes + offset, lengths + first, receivers + first,
                                receiverLengths + first, most)
                        }
                    }
                }
            }
            if sent <= 0 {
                // No room for this one is no room for the next.
                if errno == EAGAIN || errno == ENOBUFS || sent == 0 { break }
                // An earlier datagram that nobody received is told with the next call; that is not this one's
                // fault.
                refusals += 1
                if refusals == 1, errno == ECONNREFUSED || errno == EINTR { continue }
            }
            let passed = max(1, Int(sent))
            refusals = 0
            taken += max(0, Int(sent))
            for place in first..<first + passed { offset += Int(lengths[place]) }
            first += passed
        }
        return taken
    }
}

/// Datagrams that came together. Their memory is used again.
public struct IncomingDatagrams: Sendable {
    private static let most = 64

    private let room: Int
    private var bytes: [UInt8]
    private var lengths = [UInt32](repeating: 0, count: most)
    /// How many came.
    public private(set) var count = 0

    /// Room for datagrams of so many bytes.
    public init(room: Int) {
        self.room = room
        bytes = [UInt8](repeating: 0, count: room * Self.most)
    }

    /// Whether as many came as there is room for: then more may wait.
    public var isFull: Bool { count == Self.most }

    /// The bytes of one, cut off if it is longer than there is room. Whoever keeps them makes the next batch
    /// copy all that came.
    public subscript(place: Int) -> ArraySlice<UInt8> {
        precondition(place < count, "\(count) datagrams came")
        let start = place * room
        return bytes[start..<start + min(room, Int(lengths[place]))]
    }

    fileprivate mutating func receive(on socket: Int32) {
        let (room, most) = (room, Int32(Self.most))
        count = 0
        for _ in 0..<4 {
            let came = bytes.withUnsafeMutableBufferPointer { bytes in
                lengths.withUnsafeMutableBufferPointer { lengths in
                    parley_receive_datagrams(socket, bytes.baseAddress, room, most, lengths.baseAddress)
                }
            }
            if came >= 0 {
                count = Int(came)
                return
            }
            guard errno == ECONNREFUSED || errno == EINTR else { return }
        }
    }
}

extension UDPSocket {
    /// Hands datagrams to the kernel, and empties the batch. How many it took; the others are as good as
    /// lost.
    public func send(_ batch: inout OutgoingDatagrams) -> Int {
        if address.family == AF_INET6 { batch.mapToIPv6() }
        defer { batch.removeAll() }
        return batch.send(on: descriptor.number)
    }

    /// Takes what waits, as far as there is room; none if nothing waits.
    public func receive(into batch: inout IncomingDatagrams) {
        batch.receive(on: descriptor.number)
    }
}

extension OutgoingDatagrams {
    /// The receivers as a socket for IPv6 reaches them.
    fileprivate mutating func mapToIPv6() {
        for place in receivers.indices where receivers[place].ss_family == sa_family_t(AF_INET) {
            let address = SocketAddress(storage: receivers[place], length: receiverLengths[place])
                .mappedToIPv6
            (receivers[place], receiverLengths[place]) = (address.storage, address.length)
        }
    }
}
