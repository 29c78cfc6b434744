// A command that runs for as long as something is held: a lock, the lead in an election, permits of a
// semaphore.
//
// What is held hangs on a lease of its own, which is renewed by whichever node answers. So it survives the
// death of any node, and when this program is killed it ends with the lease's time.

import ArgumentParser
import Client
import Glibc
import Platform
import Primitives

/// What all commands that run something take.
struct HeldRunOptions: ParsableArguments {
    @Option(help: ArgumentHelp("For how long it is held after this program was killed.", valueName: "time"))
    var ttl = TimeSpan(.seconds(15))
    @Option(help: ArgumentHelp("How long to wait for it. (default: until it is had)", valueName: "time"))
    var wait: TimeSpan?
    @Option(help: ArgumentHelp("From SIGTERM to SIGKILL when it is lost.", valueName: "time"))
    var grace = TimeSpan(.seconds(5))
    @Argument(parsing: .postTerminator, help: "What to run, after --.") var command: [String] = []

    func check() throws {
        guard !command.isEmpty else { throw ValidationError("there is no command after --") }
        guard ttl.span >= .seconds(1), ttl.span <= .seconds(86_400) else {
            throw ValidationError("--ttl is 1s to 24h")
        }
        if let wait, wait.span > .seconds(86_400) { throw ValidationError("--wait is up to 24h") }
        guard grace.span <= .seconds(3_600) else { throw ValidationError("--grace is up to 1h") }
    }

    /// Who holds something, if nobody says: this process.
    static var owner: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return "\(host):\(getpid())"
    }
}

/// Waits for something, runs a command while it is held, and gives it back.
struct HeldRun: ~Copyable {
    private let kind: ClaimKind
    private let name: String
    private let query: [(name: String, value: String?)]
    private let options: HeldRunOptions
    private let signals: SignalSource
    private var poller: Poller
    private var client: ClusterClient<CurlTransport>
    /// Asks for what is wanted, in parts that leave time to renew the lease and to hear signals.
    private var asker: ClusterClient<CurlTransport>
    private var renewAt = Instant.zero
    /// Until when it is certain that the lease has not ended.
    private var safeUntil = Instant.zero

    /// What the command is to be told about.
    private var variable: String {
        switch kind {
        case .lock: "PARLEY_LOCK"
        case .election: "PARLEY_ELECTION"
        case .semaphore: "PARLEY_SEMAPHORE"
        }
    }

    /// What it is held with, as a `Parley-Fence` header has it.
    private func fence(_ token: UInt64) -> String {
        let encoded = percentEncoded(Array(name.utf8))
        return switch kind {
        case .lock: "\(encoded)=\(token)"
        case .election: "elections/\(encoded)=\(token)"
        case .semaphore: "semaphores/\(encoded)=\(token)"
        }
    }

    private var timeToLive: Instant.Span { options.ttl.span }
    private var interval: Instant.Span { min(.milliseconds(Int(timeToLive.milliseconds / 3)), .seconds(3)) }

    /// Waits for a thing, runs the command and answers its exit code. `query` is what else to ask for it
    /// with.
    static func run(
        _ kind: ClaimKind, _ name: String, query: [(name: String, value: String?)], _ options: HeldRunOptions,
        _ connection: ClientOptions
    ) throws {
        let signals = try system("cannot take signals") { () throws(SystemError) in
            try SignalSource([.terminate, .interrupt, .hangUp, .childEnded])
        }
        let poller = try system("cannot wait") { () throws(SystemError) in try Poller() }
        try system("cannot wait for signals") { () throws(SystemError) in
            try poller.add(signals.descriptor, token: 1, for: .read)
        }
        var run = HeldRun(
            kind, name, query, options, client: try connection.client(), signals: signals, poller: poller)
        let code = try run.run()
        if code != 0 { throw ExitCode(code) }
    }

    private init(
        _ kind: ClaimKind, _ name: String, _ query: [(name: String, value: String?)],
        _ options: HeldRunOptions, client: ClusterClient<CurlTransport>, signals: consuming SignalSource,
        poller: consuming Poller
    ) {
        (self.kind, self.name, self.query, self.options) = (kind, name, query, options)
        self.client = client
        let part = min(Instant.Span.milliseconds(Int(options.ttl.span.milliseconds / 3)), .seconds(2))
        asker = ClusterClient(endpoints: client.endpoints, timeout: part, carrier: CurlTransport())
        self.signals = signals
        self.poller = poller
    }

    private mutating func run() throws -> Int32 {
        var asked = Clock.now()
        let wish = LeaseWish(timeToLive: timeToLive, name: "\(variable) \(name)")
        let lease = try calling { () throws(ClientError) in try client.grant(wish) }.id
        safeUntil = asked + timeToLive
        renewAt = asked + interval
        // From here on renewals must leave time for others to be tried before the lease ends.
        client = ClusterClient(endpoints: client.endpoints, timeout: interval, carrier: CurlTransport())
        let token: UInt64
        do {
            switch try waitForIt(under: lease) {
            case .token(let had): token = had
            case .signal(let number):
                giveBack(lease)
                return 128 + number
            }
            // The answer may be older than its coming: it is certain now.
            asked = Clock.now()
            try calling { () throws(ClientError) in try client.renew(kind, name, token: token) }
            safeUntil = asked + timeToLive
        } catch {
            giveBack(lease)
            throw error
        }
        let ending = try runCommand(token: token, lease)
        guard case .ended(let code) = ending else {
            throw CommandFailure(.lost, "\(name) was lost, and the command stopped")
        }
        return code
    }

    // MARK: Waiting

    private enum Had {
        case token(UInt64)
        case signal(Int32)
    }

    private mutating func waitForIt(under lease: String) throws -> Had {
        let key = "run-" + String(UInt64.random(in: .min ... .max), radix: 36) + "-\(getpid())"
        let wait = options.wait?.span ?? .seconds(86_400)
        let query = query + [("lease", lease), ("wait", "\(wait.milliseconds)ms")]
        var place = 0
        while true {
            let begun = Clock.now()
            let endpoint = asker.endpoints[place]
            let answer = try calling { () throws(ClientError) in
                try asker.acquire(kind, name, query: query, key: key, at: endpoint)
            }
            switch answer {
            case .held(let token, _): return .token(token)
            case .inVain(let problem):
                throw CommandFailure(.notHad, "\(name) was not to be had: \(problem)")
            case .open(let reason):
                place = (place + 1) % asker.endpoints.count
                if let number = stopSignal() { return .signal(number) }
                guard Clock.now() < safeUntil else { throw CommandFailure(.unavailable, reason) }
                if Clock.now() < begun + .milliseconds(100) { pause(until: begun + .milliseconds(100)) }
            }
            try keep { client throws(ClientError) in _ = try client.renew(lease: lease) }
        }
    }

    /// The signal that asks this program to end, if one came.
    private func stopSignal() -> Int32? {
        while let signal = signals.next() { if signal != .childEnded { return signal.number } }
        return nil
    }

    private mutating func pause(until instant: Instant) {
        var ready: [Poller.Ready] = []
        poller.wait(until: instant, into: &ready)
    }

    /// Renews if it is time to. Throws when it was refused, or may have ended meanwhile.
    private mutating func keep(
        _ renew: (inout ClusterClient<CurlTransport>) throws(ClientError) -> Void
    ) throws {
        let asked = Clock.now()
        guard asked >= renewAt else { return }
        do throws(ClientError) {
            try renew(&client)
            safeUntil = asked + timeToLive
            renewAt = asked + interval
        } catch {
            if case .refused = error { throw CommandFailure(error) }
            let now = Clock.now()
            guard now < safeUntil else { throw CommandFailure(error) }
            renewAt = min(now + .milliseconds(200), safeUntil)
        }
    }

    /// Ends the lease, and with it what is held. If that fails its time ends it.
    private mutating func giveBack(_ lease: String) {
        do throws(ClientError) {
            _ = try client.revoke(lease: lease)
        } catch {
            let most = options.ttl.defaultValueDescription
            let text = "parley: \(name) ends with its lease, at most \(most) from now: \(error)\n"
            Terminal.write(text, to: STDERR_FILENO)
        }
    }

    // MARK: Running

    private enum End {
        case ended(Int32)
        case lost
    }

    private mutating func runCommand(token: UInt64, _ lease: String) throws -> End {
        // On a terminal it stays in the group that the terminal's keys reach, together with this program.
        let isOnTerminal = isatty(STDIN_FILENO) == 1
        let environment = Spawn.environment(with: [
            (variable, name), ("PARLEY_TOKEN", "\(token)"), ("PARLEY_FENCE", fence(token)),
        ])
        let process: pid_t
        do throws(SystemError) {
            process = try Spawn.start(
                options.command[0], options.command, environment: environment, searchesPath: true,
                hasOwnGroup: !isOnTerminal)
        } catch {
            giveBack(lease)
            Terminal.write("parley: \(options.command[0]): \(error)\n", to: STDERR_FILENO)
            return .ended(error.code == ENOENT ? 127 : 126)
        }
        let target = isOnTerminal ? process : -process
        var isLost = false
        var killAt = Instant.never
        while true {
            pause(until: isLost ? killAt : min(renewAt, safeUntil))
            while let signal = signals.next() {
                // The terminal's own signals have reached the command already.
                if signal != .childEnded, !(isOnTerminal && signal == .interrupt) {
                    kill(target, signal.number)
                }
            }
            if let ending = Ending.look(at: process) {
                if isLost { return .lost }
                giveBack(lease)
                return .ended(ending.shellCode)
            }
            if isLost {
                if Clock.now() >= killAt {
                    kill(target, SIGKILL)
                    killAt = .never
                }
                continue
            }
            do {
                try keep { [kind, name] client throws(ClientError) in
                    try client.renew(kind, name, token: token)
                }
            } catch {
                isLost = true
                killAt = Clock.now() + options.grace.span
                let reason = (error as? CommandFailure)?.message ?? "\(error)"
                Terminal.write("parley: \(name) was lost: \(reason)\n", to: STDERR_FILENO)
                kill(target, SIGTERM)
            }
        }
    }
}
