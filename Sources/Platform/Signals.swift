import CPlatform
import Glibc

/// Turns the signals that ask a process to end, or tell of the end of one, into something a poller can wait
/// for.
public struct SignalSource: ~Copyable, Sendable {
    /// A request from outside.
    public enum Signal: Sendable, Hashable, CaseIterable {
        /// SIGTERM, from a supervisor.
        case terminate
        /// SIGINT, from a terminal.
        case interrupt
        /// SIGHUP, from a terminal that goes away.
        case hangUp
        /// SIGCHLD: a process that this one started has ended.
        case childEnded

        /// The system's number of the signal.
        public var number: Int32 {
            switch self {
            case .terminate: SIGTERM
            case .interrupt: SIGINT
            case .hangUp: SIGHUP
            case .childEnded: SIGCHLD
            }
        }
    }

    /// For ``Poller/add(_:token:for:)``; readable while a signal is pending.
    public let descriptor: Descriptor

    /// Blocks the signals in the calling thread and collects them here instead.
    ///
    /// Call it on the main thread before any thread is started by other means than
    /// ``startThread(named:owning:_:)``: a thread that does not block a signal would die of it.
    public init(_ signals: [Signal] = [.terminate, .interrupt]) throws(SystemError) {
        let numbers = signals.map(\.number)
        descriptor = Descriptor(
            owning: try attempt("signalfd") { parley_signal_descriptor(numbers, Int32(numbers.count)) })
    }

    /// Takes the next pending signal, if there is one.
    public func next() -> Signal? {
        let number = parley_next_signal(descriptor.number)
        return Signal.allCases.first { $0.number == number }
    }

    /// Makes writes to a closed connection fail with `EPIPE` instead of ending the process.
    public static func ignoreBrokenPipes() { parley_ignore_broken_pipes() }
}
