import CPlatform
import Glibc
public import Primitives
import Synchronization

/// An `eventfd`: any thread rings it, one thread waits for it, in its poller or alone.
public struct Bell: ~Copyable, Sendable {
    /// For ``Poller/add(_:token:for:)``; readable while the bell rings.
    public let descriptor: Descriptor

    /// Makes a silent bell.
    public init() throws(SystemError) {
        let flags = Int32(EFD_NONBLOCK | EFD_CLOEXEC)
        descriptor = Descriptor(owning: try attempt("eventfd") { eventfd(0, flags) })
    }

    /// Makes the descriptor readable until somebody silences it.
    public func ring() {
        // Only a counter of 2^64 - 2 could refuse, and then the bell rings anyway.
        _ = eventfd_write(descriptor.number, 1)
    }

    /// Makes the descriptor unreadable.
    public func silence() {
        var rung: eventfd_t = 0
        _ = eventfd_read(descriptor.number, &rung)
    }

    /// Waits, without a poller, until the bell rings or the deadline has come. A signal may end it early.
    public func wait(until deadline: Instant) {
        let timeout = deadline == .never ? -1 : max(0, (deadline - Clock.now()).nanoseconds)
        _ = parley_wait_readable(descriptor.number, timeout)
    }
}

/// A bounded queue from any number of threads to one, which is woken through its event loop.
///
/// The bell rings only when an element comes into an empty queue, so a busy receiver costs its senders no
/// system calls. The queue holds what it has until it is drained; what is in it at the end is dropped.
public final class Mailbox<Element: Sendable>: Sendable {
    /// Rings while there may be something to drain.
    public let bell: Bell
    /// How many elements wait at most.
    public let capacity: Int
    private let elements = Mutex<[Element]>([])

    /// Makes an empty mailbox with room for `capacity` elements.
    public init(capacity: Int) throws(SystemError) {
        precondition(capacity > 0, "a mailbox must hold something")
        self.capacity = capacity
        bell = try Bell()
    }

    /// Puts an element in, or says no: a full mailbox is the sender's to handle.
    public func post(_ element: Element) -> Bool {
        let (accepted, wasEmpty) = elements.withLock { elements in
            guard elements.count < capacity else { return (false, false) }
            elements.append(element)
            return (true, elements.count == 1)
        }
        if wasEmpty { bell.ring() }
        return accepted
    }

    /// Puts in as many of a turn's elements as there is room for, under one lock and with one ring, and
    /// answers how many of them, counted from the first, went in.
    public func post(contentsOf batch: some Collection<Element>) -> Int {
        let (accepted, wasEmpty) = elements.withLock { elements in
            let accepted = min(batch.count, capacity - elements.count)
            let wasEmpty = elements.isEmpty
            elements.append(contentsOf: batch.prefix(accepted))
            return (accepted, wasEmpty)
        }
        if wasEmpty && accepted > 0 { bell.ring() }
        return accepted
    }

    /// Takes everything out at once, so that one wake-up pays for many elements.
    ///
    /// The batch must come in empty: its storage becomes the queue's. Call it when the bell rings; each call
    /// costs one system call.
    public func drain(into batch: inout [Element]) {
        precondition(batch.isEmpty, "the batch's storage becomes the queue's, so it must be empty")
        // Before the swap: after it, this could silence the ring of an element that stays behind.
        bell.silence()
        elements.withLock { swap(&$0, &batch) }
    }

    /// For a thread without a poller: waits until there is something or the deadline has come, then drains.
    public func wait(until deadline: Instant, into batch: inout [Element]) {
        drain(into: &batch)
        while batch.isEmpty {
            bell.wait(until: deadline)
            drain(into: &batch)
            if batch.isEmpty && deadline != .never && Clock.now() >= deadline { return }
        }
    }
}
