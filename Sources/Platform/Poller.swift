// Level-triggered epoll. Edge-triggered saved nothing when measured (one more read per request, answered
// EAGAIN), and a level cannot be missed.

import CPlatform
import Glibc
public import Primitives

/// Waits for many descriptors at once.
///
/// Tokens are the caller's: what ``Ready`` reports is the token that the descriptor was added with. Closing a
/// descriptor takes it out by itself.
public struct Poller: ~Copyable, Sendable {
    /// What to wait for on a descriptor. Errors and hang-ups are reported even for an empty set.
    public struct Interest: OptionSet, Sendable, Hashable {
        /// The bits, of our own choosing.
        public let rawValue: UInt8
        /// Makes the set with these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Something to read, a connection to accept, or the other side's end of data.
        public static let read = Interest(rawValue: 1)
        /// Room to write.
        public static let write = Interest(rawValue: 2)

        fileprivate var events: UInt32 {
            (contains(.read) ? EPOLLIN.rawValue : 0) | (contains(.write) ? EPOLLOUT.rawValue : 0)
        }
    }

    /// What happened on one descriptor.
    public struct Ready: Sendable, Hashable {
        /// The token that the descriptor was added with.
        public let token: UInt64
        private let events: UInt32

        fileprivate init(_ event: epoll_event) {
            token = event.data.u64
            events = event.events
        }

        /// Makes a report by hand, for tests and for owners that replay one.
        public init(
            token: UInt64, isReadable: Bool = false, isWritable: Bool = false, hasFailed: Bool = false
        ) {
            self.token = token
            events =
                (isReadable ? EPOLLIN.rawValue : 0) | (isWritable ? EPOLLOUT.rawValue : 0)
                | (hasFailed ? EPOLLERR.rawValue | EPOLLHUP.rawValue : 0)
        }

        /// A read will not block: there are bytes, the end of data, or an error.
        public var isReadable: Bool { events & EPOLLIN.rawValue != 0 }
        /// A write will not block.
        public var isWritable: Bool { events & EPOLLOUT.rawValue != 0 }
        /// The descriptor is broken, or both directions of the connection are closed.
        public var hasFailed: Bool { events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }
    }

    private let epoll: Descriptor
    private var events: [epoll_event]

    /// Makes an empty set that reports at most `batch` descriptors a turn.
    public init(batch: Int = 512) throws(SystemError) {
        epoll = Descriptor(owning: try attempt("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        events = [epoll_event](repeating: epoll_event(), count: batch)
    }

    /// Starts to watch a descriptor, which must outlive its place in the set or be closed.
    public func add(_ descriptor: borrowing Descriptor, token: UInt64, for interest: Interest)
        throws(SystemError)
    {
        try add(number: descriptor.number, token: token, for: interest)
    }

    /// Starts to watch a descriptor that is not ours, such as a library's socket.
    public func add(number: Int32, token: UInt64, for interest: Interest) throws(SystemError) {
        try control(EPOLL_CTL_ADD, number, token, interest)
    }

    /// Changes what a descriptor is watched for.
    public func change(_ descriptor: borrowing Descriptor, token: UInt64, to interest: Interest)
        throws(SystemError)
    {
        try control(EPOLL_CTL_MOD, descriptor.number, token, interest)
    }

    /// Watches a descriptor that is not ours, whether or not it is in the set already; `isNew` says which is
    /// likelier. Fails if its owner has closed it.
    public func set(
        number: Int32, token: UInt64, for interest: Interest, isNew: Bool = false
    ) throws(SystemError) {
        var event = epoll_event()
        event.events = interest.events
        event.data.u64 = token
        // Not through `attempt`: what a library does with its descriptors is no bug of ours.
        let first = isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        if epoll_ctl(epoll.number, first, number, &event) == 0 { return }
        var code = errno
        guard code == (isNew ? EEXIST : ENOENT) else { throw SystemError(code: code, call: "epoll_ctl") }
        if epoll_ctl(epoll.number, isNew ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, number, &event) == 0 { return }
        code = errno
        throw SystemError(code: code, call: "epoll_ctl")
    }

    /// Stops watching a descriptor.
    public func remove(_ descriptor: borrowing Descriptor) {
        remove(number: descriptor.number)
    }

    /// Stops watching a descriptor that is not ours and that may be closed already.
    public func remove(number: Int32) {
        var event = epoll_event()
        _ = epoll_ctl(epoll.number, EPOLL_CTL_DEL, number, &event)
    }

    /// Waits until something is ready or the deadline has come, and replaces the contents of `ready`.
    ///
    /// A deadline that has passed makes it look without waiting; ``Instant/never`` waits for ever. An
    /// interruption by a signal ends the wait early, with nothing ready.
    public mutating func wait(until deadline: Instant, into ready: inout [Ready]) {
        ready.removeAll(keepingCapacity: true)
        var timeout: Int64 = -1
        if deadline != .never { timeout = max(0, (deadline - Clock.now()).nanoseconds) }
        let epoll = epoll.number
        let count = events.withUnsafeMutableBufferPointer { events in
            parley_epoll_wait(epoll, events.baseAddress, Int32(events.count), timeout)
        }
        let code = count < 0 ? errno : 0
        precondition(count >= 0 || code == EINTR, "epoll_wait: errno \(code) is a bug in this program")
        for place in 0..<max(0, Int(count)) { ready.append(Ready(events[place])) }
    }

    private func control(
        _ operation: Int32, _ number: Int32, _ token: UInt64, _ interest: Interest
    ) throws(SystemError) {
        var event = epoll_event()
        event.events = interest.events
        event.data.u64 = token
        try attempt("epoll_ctl") { epoll_ctl(epoll.number, operation, number, &event) }
    }
}
