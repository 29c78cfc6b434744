import Glibc
import Platform
import Primitives
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct MailboxTests {
    @Test func `a full mailbox refuses, and a drained one has room again`() throws {
        let mailbox = try Mailbox<Int>(capacity: 2)
        #expect(mailbox.post(1))
        #expect(mailbox.post(2))
        #expect(!mailbox.post(3))
        var batch: [Int] = []
        mailbox.drain(into: &batch)
        #expect(batch == [1, 2])
        #expect(mailbox.post(4))
        #expect(mailbox.post(contentsOf: [5, 6, 7]) == 1)
        batch.removeAll()
        mailbox.drain(into: &batch)
        #expect(batch == [4, 5])
        batch.removeAll()
        #expect(mailbox.post(contentsOf: []) == 0)
        mailbox.drain(into: &batch)
        #expect(batch.isEmpty)
    }

    @Test func `the bell rings in the poller while something waits, and not after a drain`() throws {
        let mailbox = try Mailbox<Int>(capacity: 10)
        var poller = try Poller()
        try poller.add(mailbox.bell.descriptor, token: 42, for: .read)
        var ready: [Poller.Ready] = []
        poller.wait(until: Clock.now(), into: &ready)
        #expect(ready.isEmpty)
        #expect(mailbox.post(1))
        #expect(mailbox.post(2))
        poller.wait(until: .never, into: &ready)
        #expect(ready.map(\.token) == [42])
        #expect(ready[0].isReadable && !ready[0].isWritable && !ready[0].hasFailed)
        var batch: [Int] = []
        mailbox.drain(into: &batch)
        poller.wait(until: Clock.now(), into: &ready)
        #expect(ready.isEmpty)
    }

    @Test func `no element and no wake-up is lost between threads`() throws {
        let mailbox = try Mailbox<UInt64>(capacity: 64)
        let perThread: UInt64 = 20_000
        var threads: [UInt64: UInt64] = [:]
        let senders = (0..<3).map { _ in Sender(mailbox: mailbox, count: perThread) }
        var running: [Running] = []
        for sender in senders {
            running.append(Running(try startThread(named: "sender", owning: sender) { $0.run() }))
        }
        var batch: [UInt64] = []
        var sum: UInt64 = 0
        var count: UInt64 = 0
        while count < perThread * 3 {
            batch.removeAll(keepingCapacity: true)
            mailbox.wait(until: Clock.now() + .seconds(20), into: &batch)
            guard !batch.isEmpty else { break }
            count += UInt64(batch.count)
            for element in batch { sum += element }
        }
        #expect(count == perThread * 3)
        #expect(sum == 3 * perThread * (perThread - 1) / 2)
        threads[0] = count
        for thread in running { thread.join() }
    }

    @Test func `a thread without a poller waits until the deadline and no longer`() throws {
        let mailbox = try Mailbox<Int>(capacity: 1)
        var batch: [Int] = []
        let start = Clock.now()
        mailbox.wait(until: start + .milliseconds(30), into: &batch)
        let waited = Clock.now() - start
        #expect(batch.isEmpty)
        #expect(waited >= .milliseconds(30) && waited < .seconds(5))
        // A ring without an element does not end the wait.
        mailbox.bell.ring()
        mailbox.wait(until: Clock.now() + .milliseconds(10), into: &batch)
        #expect(batch.isEmpty)
    }
}

private struct Sender: Sendable {
    let mailbox: Mailbox<UInt64>
    let count: UInt64

    func run() {
        for number in 0..<count {
            while !mailbox.post(number) { sched_yield() }
        }
    }
}

/// Holds a thread where only copyable values can be.
private final class Running: Sendable {
    private let thread: Mutex<OwnedThread?>
    init(_ thread: consuming sending OwnedThread) { self.thread = Mutex(thread) }
    func join() { thread.withLock { $0.take() }?.join() }
}

@Suite(.timeLimit(.minutes(1))) struct ThreadTests {
    /// Something that cannot be copied and is not `Sendable`.
    private struct Loop: ~Copyable {
        var memory = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        let out: Mailbox<String>
        deinit {
            memory.deallocate()
            _ = out.post("gone")
        }
        consuming func run() {
            memory.pointee = 3
            _ = out.post("\(CurrentThread.name) \(memory.pointee)")
        }
    }

    @Test func `a thread consumes the state that it is given`() throws {
        let out = try Mailbox<String>(capacity: 10)
        let thread = try startThread(named: "a-name-that-is-too-long", owning: Loop(out: out)) { $0.run() }
        thread.join()
        var said: [String] = []
        out.drain(into: &said)
        #expect(said == ["a-name-that-is- 3", "gone"])
    }

    @Test func `a thread's priority is its own, and signals pass it by`() throws {
        let out = try Mailbox<String>(capacity: 10)
        let thread = try startThread(named: "low", owning: out) { out in
            do {
                try CurrentThread.lowerPriority(to: 7)
            } catch {
                _ = out.post("\(error)")
            }
            _ = out.post("\(getpriority(Int32(PRIO_PROCESS.rawValue), 0))")
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            _ = out.post("\(sigismember(&mask, SIGTERM)) \(sigismember(&mask, SIGSEGV))")
        }
        thread.join()
        var said: [String] = []
        out.drain(into: &said)
        #expect(said == ["7", "1 0"])
        #expect(getpriority(Int32(PRIO_PROCESS.rawValue), 0) != 7)
    }

    @Test func `a thread that nobody joins runs to its end`() throws {
        let out = try Mailbox<Int>(capacity: 1)
        do { _ = try startThread(named: "alone", owning: out) { _ = $0.post(1) } }
        var said: [Int] = []
        out.wait(until: Clock.now() + .seconds(10), into: &said)
        #expect(said == [1])
    }
}
