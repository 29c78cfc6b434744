import Glibc
import Platform
import Primitives
import Testing

@Suite struct SystemTests {
    @Test func `an interrupted call is made again`() throws {
        var calls = 0
        let answer = try attempt("test") { () -> Int32 in
            calls += 1
            errno = EINTR
            return calls < 3 ? -1 : 7
        }
        #expect(answer == 7)
        #expect(calls == 3)
    }

    @Test func `a failed call says its name, its number and the system's words`() {
        let error = #expect(throws: SystemError.self) {
            try attempt("bind") { () -> Int32 in
                errno = EADDRINUSE
                return -1
            }
        }
        #expect(error?.description == "bind: Address already in use (errno \(EADDRINUSE))")
    }

    @Test func `a lost descriptor stops the process`() async {
        await #expect(processExitsWith: .failure) {
            try attempt("write") { write(9999, "x", 1) }
        }
        await #expect(processExitsWith: .failure) {
            let descriptor = try Files.open("/dev/null", .read)
            close(descriptor.number)
            _ = consume descriptor
        }
    }

    @Test func `a descriptor is closed when its owner is done, unless it was given away`() throws {
        var number: Int32
        do {
            let descriptor = try Files.open("/dev/null", .read)
            number = descriptor.number
            #expect(fcntl(number, F_GETFD) >= 0)
        }
        // Another test may have got the number meanwhile; then it is not /dev/null any more.
        number = try Files.open("/dev/null", .read).release()
        #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
        close(number)
    }

    @Test func `the clocks agree with each other`() {
        let before = Clock.now()
        let wall = Clock.wallTime()
        usleep(20_000)
        let passed = Clock.now() - before
        #expect(passed >= .milliseconds(20))
        #expect(abs((Clock.wallTime().milliseconds - wall.milliseconds) - passed.milliseconds) < 1000)
        #expect(Clock.threadTime() > .zero)
    }

    @Test func `randomness differs`() {
        #expect(Entropy.bytes(0).isEmpty)
        #expect(Entropy.bytes(32).count == 32)
        #expect(Entropy.bytes(32) != Entropy.bytes(32))
        #expect(Entropy.seed() != Entropy.seed())
    }

    @Test func `a requested end comes as a value`() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalSource()
            guard signals.next() == nil else { exit(2) }
            raise(SIGTERM)
            var poller = try Poller()
            try poller.add(signals.descriptor, token: 5, for: .read)
            var ready: [Poller.Ready] = []
            poller.wait(until: Clock.now() + .seconds(5), into: &ready)
            guard ready.first?.token == 5, signals.next() == .terminate, signals.next() == nil else {
                exit(3)
            }
            raise(SIGINT)
            guard signals.next() == .interrupt else { exit(4) }
        }
    }

    @Test func `writing to a broken pipe is an error, not an end`() async {
        await #expect(processExitsWith: .success) {
            SignalSource.ignoreBrokenPipes()
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            close(ends[0])
            guard write(ends[1], "x", 1) == -1, errno == EPIPE else { exit(2) }
        }
    }
}

@Suite struct FileTests {
    @Test func `files keep what is written, and folders what is renamed`() throws {
        let folder = "/tmp/parley-files-\(Entropy.seed())"
        try Files.makeFolder("\(folder)/a/b")
        try Files.makeFolder("\(folder)/a/b")
        defer {
            try? Files.remove("\(folder)/a/b/new")
            for path in ["\(folder)/a/b", "\(folder)/a", folder] { rmdir(path) }
        }
        let path = "\(folder)/a/b/old"
        do {
            let file = try Files.open(path, .create)
            try file.write(Array("hello".utf8), at: 0)
            try file.write([1, 2, 3], at: 10)
            try file.syncData()
            try file.sync()
            #expect(try file.size() == 13)
            #expect(try file.read(at: 3, count: 4) == [108, 111, 0, 0])
            #expect(try file.read(at: 11, count: 100) == [2, 3])
            #expect(try file.lock())
            let other = try Files.open(path, .update)
            #expect(try other.lock() == false)
            try file.resize(to: 5)
            try file.allocate(from: 0, count: 4096)
            #expect(try file.size() == 4096)
        }
        #expect(throws: SystemError(code: EEXIST, call: "open")) { _ = try Files.open(path, .create) }
        try Files.rename(path, to: "\(folder)/a/b/new")
        try Files.syncFolder("\(folder)/a/b")
        #expect(try Files.list("\(folder)/a/b") == ["new"])
        #expect(throws: SystemError(code: ENOENT, call: "open")) { _ = try Files.open(path, .read) }
        #expect(throws: SystemError(code: ENOENT, call: "opendir")) { try Files.list("\(folder)/none") }
    }
}
