import ArgumentParser
import Client
import Glibc
import JSON
import Platform
import Primitives

/// Under which lease a key is put.
struct KeyLeaseOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The key ends after this time unless it is put again.", valueName: "time"))
    var ttl: TimeSpan?
    @Option(help: ArgumentHelp("The key ends with this lease.", valueName: "id")) var lease: String?
    @Flag(help: "The key stays under the lease that it is under.") var keepLease = false

    var choice: KeyLease? {
        if let ttl { return .own(ttl.span) }
        if let lease { return .existing(lease) }
        return keepLease ? .kept : nil
    }

    func check() throws {
        guard [ttl != nil, lease != nil, keepLease].count(where: \.self) < 2 else {
            throw ValidationError("--ttl, --lease and --keep-lease exclude each other")
        }
    }
}

/// What can be done with leases.
struct LeaseCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease",
        abstract: "Rights that end unless they are renewed, and keys that end with them.",
        discussion: """
            parley lease grant --ttl 30s --id web1
              parley put alive/web1 --lease web1 up
              parley lease renew web1
              parley lease hold --ttl 10s --id web2     keeps it until it is interrupted

            Exits with 3 if there is no such lease, and with 5 if the cluster is unavailable \
            or the outcome is unknown.
            """,
        subcommands: [
            LeaseGrant.self, LeaseRenew.self, LeaseRevoke.self, LeaseList.self, LeaseShow.self,
            LeaseHold.self,
        ])
}

/// What a new lease takes.
struct LeaseWishOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How long it lasts unless it is renewed, 1s to 24h.", valueName: "time"))
    var ttl: TimeSpan
    @Option(help: ArgumentHelp("Its id; without this it is given one.", valueName: "id")) var id: String?
    @Option(help: ArgumentHelp("What it is called.", valueName: "text")) var name: String?
    @Flag(help: "Its keys stay when it ends, under no lease.") var releaseKeys = false

    var wish: LeaseWish { LeaseWish(timeToLive: ttl.span, id: id, name: name, releasesKeys: releaseKeys) }
}

/// Asks for a lease.
struct LeaseGrant: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Ask for a new lease, and print its id.")

    @OptionGroup var options: LeaseWishOptions
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let lease = try calling { () throws(ClientError) in try client.grant(options.wish) }
        if connection.json { return printAnswer(lease.body) }
        Terminal.line(Terminal.printable(Array(lease.id.utf8)))
    }
}

/// Starts a lease's time again.
struct LeaseRenew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew", abstract: "Start a lease's time again.")

    @Argument(help: "The lease.") var id: String
    @Option(help: ArgumentHelp("From now on it lasts so long.", valueName: "time")) var ttl: TimeSpan?
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let lease = try calling { () throws(ClientError) in try client.renew(lease: id, timeToLive: ttl?.span)
        }
        if connection.json { return printAnswer(lease.body) }
        Terminal.line("renewed for \(TimeSpan(lease.timeToLive).defaultValueDescription)")
    }
}

/// Ends a lease.
struct LeaseRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a lease now, and its keys with it.")

    @Argument(help: "The lease.") var id: String
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let ended = try calling { () throws(ClientError) in try client.revoke(lease: id) }
        if connection.json { return printAnswer(ended.body) }
        Terminal.line("ended with \(ended.keys) \(ended.keys == 1 ? "key" : "keys")")
    }
}

/// Lists leases.
struct LeaseList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List leases by their ids.",
        discussion: "With --json, one JSON object for each page.")

    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        var cursor: String?
        var rows = [["LEASE", "TTL", "LEFT", "NAME"]]
        repeat {
            let page = try calling { () throws(ClientError) in
                try client.leases(limit: 1_000, cursor: cursor)
            }
            cursor = page.leases.isEmpty ? nil : page.next
            if connection.json { printAnswer(page.body) }
            for lease in page.leases {
                rows.append([
                    Terminal.printable(Array(lease.id.utf8)), text(lease.timeToLive),
                    lease.remaining.map(text) ?? "-",
                    Terminal.printable(Array((lease.json.text("name") ?? "").utf8)),
                ])
            }
        } while cursor != nil
        if !connection.json { Terminal.write(Terminal.table(rows), to: STDOUT_FILENO) }
    }

    private func text(_ span: Instant.Span) -> String { TimeSpan(span).defaultValueDescription }
}

/// Shows a lease.
struct LeaseShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a lease and the keys under it.")

    @Argument(help: "The lease.") var id: String
    @OptionGroup(title: "Connection") var connection: ClientOptions

    func run() throws {
        var client = try connection.client()
        let lease = try calling { () throws(ClientError) in try client.lease(id) }
        if connection.json { return printAnswer(lease.body) }
        var rows = [["lease", Terminal.printable(Array(lease.id.utf8))]]
        rows.append(["ttl", TimeSpan(lease.timeToLive).defaultValueDescription])
        if let left = lease.remaining { rows.append(["left", TimeSpan(left).defaultValueDescription]) }
        for name in ["name", "meta", "on_expire", "granted_at"] {
            if let text = lease.json.text(name) { rows.append([name, Terminal.printable(Array(text.utf8))]) }
        }
        for key in lease.json.items("keys") ?? [] {
            rows.append([
                "key", Terminal.printable(key.string.map { Array($0.utf8) } ?? key.bytes("key") ?? []),
            ])
        }
        Terminal.write(Terminal.table(rows), to: STDOUT_FILENO)
    }
}

/// Keeps a lease while the program runs.
struct LeaseHold: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Keep a lease until this program ends.",
        discussion: """
            Asks for a lease and renews it every third of its time, by whichever node \
            answers; prints its id once it has it. When it is interrupted or terminated it \
            ends the lease; when it is killed, the lease's time runs out. Exits with 3 if the \
            lease has ended, and with 5 if it could not be renewed in time.
            """)

    @OptionGroup var options: LeaseWishOptions
    @OptionGroup(title: "Connection") var connection: ClientOptions

    private static let signalToken: UInt64 = 1

    func run() throws {
        let signals = try system("cannot take signals") { () throws(SystemError) in
            try SignalSource([.terminate, .interrupt, .hangUp])
        }
        var poller = try system("cannot wait") { () throws(SystemError) in try Poller() }
        try system("cannot wait for signals") { () throws(SystemError) in
            try poller.add(signals.descriptor, token: Self.signalToken, for: .read)
        }
        var client = try connection.client()
        var asked = Clock.now()
        let lease = try calling { () throws(ClientError) in try client.grant(options.wish) }
        if connection.json {
            printAnswer(lease.body)
        } else {
            Terminal.line(Terminal.printable(Array(lease.id.utf8)))
        }
        let interval = Instant.Span.milliseconds(Int(lease.timeToLive.milliseconds / 3))
        var safeUntil = asked + lease.timeToLive
        var ready: [Poller.Ready] = []
        while true {
            poller.wait(until: asked + interval, into: &ready)
            if !ready.isEmpty, signals.next() != nil { break }
            asked = Clock.now()
            do throws(ClientError) {
                let renewed = try client.renew(lease: lease.id)
                safeUntil = asked + lease.timeToLive
                if connection.json { printAnswer(renewed.body) }
            } catch {
                if case .refused = error { throw CommandFailure(error) }
                guard Clock.now() < safeUntil else { throw CommandFailure(error) }
            }
        }
        _ = try calling { () throws(ClientError) in try client.revoke(lease: lease.id) }
    }
}
