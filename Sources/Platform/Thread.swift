// Threads that own their state. A loop is a noncopyable value that is consumed into its thread: afterwards
// nobody else can name it, so it needs no lock and no isolation, and the compiler proves it.

import CPlatform
import Glibc

/// A thread that was started here. Dropping the value without ``join()`` lets the thread run on by itself.
public struct OwnedThread: ~Copyable, Sendable {
    private let thread: UInt

    fileprivate init(_ thread: UInt) { self.thread = thread }

    deinit { _ = parley_detach_thread(thread) }

    /// Waits until the thread has ended.
    public consuming func join() {
        let failure = parley_join_thread(thread)
        precondition(failure == 0, "pthread_join: errno \(failure)")
        discard self
    }
}

/// Starts a thread that owns `state` and runs `body` on it.
///
/// The first 15 bytes of the name are visible in `top -H` and `/proc`. Every signal is blocked in the thread,
/// so that only a ``SignalSource`` gets them.
public func startThread<State: ~Copyable>(
    named name: String, owning state: consuming sending State,
    _ body: @escaping @Sendable (consuming State) -> Void
) throws(SystemError) -> OwnedThread {
    // pthread takes a C function and a pointer, so the state and the closure travel in heap cells.
    let cell = UnsafeMutablePointer<State>.allocate(capacity: 1)
    cell.initialize(to: state)
    let entry = UnsafeMutablePointer<() -> Void>.allocate(capacity: 1)
    entry.initialize(to: {
        let state = cell.move()
        cell.deallocate()
        body(state)
    })
    var thread: UInt = 0
    let failure = parley_start_thread(
        &thread, name,
        { context in
            guard let entry = context?.assumingMemoryBound(to: (() -> Void).self) else { return }
            let run = entry.move()
            entry.deallocate()
            run()
        }, entry)
    guard failure == 0 else {
        entry.deinitialize(count: 1)
        entry.deallocate()
        cell.deinitialize(count: 1)
        cell.deallocate()
        throw SystemError(code: failure, call: "pthread_create")
    }
    return OwnedThread(thread)
}

/// The thread that runs the caller.
public enum CurrentThread {
    /// Its name, as given to ``startThread(named:owning:_:)``.
    public static var name: String {
        var buffer = [CChar](repeating: 0, count: 16)
        parley_thread_name(&buffer, buffer.count)
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Gives way to the process's other threads: a nice value of 1 to 19, for this thread alone.
    public static func lowerPriority(to nice: Int32 = 10) throws(SystemError) {
        try attempt("setpriority") { parley_set_nice(nice) }
    }
}
