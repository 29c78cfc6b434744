public import Platform
public import Primitives
import Synchronization

/// Carries bytes to the other nodes: one thread that drives libcurl for all peers.
///
/// Commands go in through a bounded queue from any thread; reports come out through a closure that is called
/// on the transport's thread and should do no more than post them.
public final class PeerTransport: Sendable {
    /// Bounds of time and memory.
    public struct Limits: Sendable {
        /// Commands that may wait to be looked at.
        public var commands = 16 * 1024
        /// Batches to one peer that may be under way at a time, each on a connection of its own.
        public var inFlightPerPeer = 4
        /// Batches to one peer that may wait for a connection; beyond that the oldest fails.
        public var queuedPerPeer = 64
        /// Bytes of batches to one peer that may wait for a connection; beyond that the oldest fails.
        public var queuedBytesPerPeer = 32 * 1024 * 1024
        /// How long connecting may take.
        public var connectTimeout = Instant.Span.seconds(1)
        /// How long a batch may be under way, connecting included. After a network fault heals, this bounds
        /// how long connections that TCP still retries slowly hold up the peer.
        public var sendTimeout = Instant.Span.seconds(2)
        /// The longest answer to a batch, in bytes.
        public var answer = 64 * 1024 * 1024
        /// How long batches to a peer fail at once after connecting to it failed: at first, and doubled each
        /// time up to ``retryAtMost``.
        public var retryAtLeast = Instant.Span.milliseconds(20)
        /// The longest time for which batches to a peer fail at once.
        public var retryAtMost = Instant.Span.milliseconds(100)
        /// Bytes in one range of a fetch, and so in one report.
        public var fetchChunk = 4 * 1024 * 1024
        /// How long one range of a fetch may take.
        public var fetchTimeout = Instant.Span.seconds(30)
        /// Fetches that may be under way at a time; further ones fail.
        public var fetches = 4

        /// The defaults.
        public init() {}
    }

    private let commands: Mailbox<PeerCommand>
    private let isStopping: Stop
    private let thread: Mutex<OwnedThread?>

    /// Starts the thread.
    ///
    /// `headers` are header lines of every request, as in `Authorization: Bearer x`; they must be free of
    /// control characters. `report` is called on the transport's thread.
    public init(
        limits: Limits = Limits(), headers: [String] = [], threadName: String = "peers",
        report: @escaping @Sendable (PeerReport) -> Void
    ) throws(SystemError) {
        commands = try Mailbox(capacity: limits.commands)
        isStopping = Stop()
        let loop = try TransportLoop(
            limits: limits, headers: headers, commands: commands, stop: isStopping, report: report)
        thread = Mutex(try startThread(named: threadName, owning: loop) { $0.run() })
    }

    /// Hands a command over; false if too many wait, and then nothing will come of it.
    public func post(_ command: PeerCommand) -> Bool { commands.post(command) }

    /// Hands a turn's commands over and answers how many, counted from the first, were taken.
    public func post(contentsOf batch: some Collection<PeerCommand>) -> Int {
        commands.post(contentsOf: batch)
    }

    /// Ends the thread and waits for it; what was under way is reported as failed first. Later commands are
    /// ignored.
    public func stop() {
        isStopping.flag.store(true, ordering: .releasing)
        commands.bell.ring()
        thread.withLock { $0.take() }?.join()
    }

    deinit { stop() }
}

/// Tells the thread to end even if its mailbox is full.
final class Stop: Sendable {
    let flag = Atomic<Bool>(false)
}
