import ArgumentParser
import Glibc
import JSON
import Links
import Platform
import Primitives
import Telemetry

/// Measures links between two threads of this machine.
struct LinksBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "links",
        abstract: "Measure how many messages a link carries, how fast, and at what cost.",
        discussion: """
            Sends messages from one thread to another by datagrams over this machine's loopback, \
            over the same links as between nodes; no server is needed. With --rate a message is \
            due at a fixed time and its latency counts from then.

              parley bench links --rung perfect --rate 25000
              parley bench links --rung fairLoss --rate 200000 --sealed
            """)

    @Option(help: ArgumentHelp("fairLoss, perfect or fifo.", valueName: "rung")) var rung = "perfect"
    @Option(help: ArgumentHelp("How many bytes a message has.", valueName: "number")) var size = 100
    @Option(
        help: ArgumentHelp("Messages a second, at fixed times; else as many as go.", valueName: "number"))
    var rate: Double?
    @Option(help: ArgumentHelp("How long to send.", valueName: "time")) var duration = TimeSpan(.seconds(5))
    @Flag(help: "Seal datagrams with a key instead of a checksum.") var sealed = false
    @Flag(help: "Print one JSON object.") var json = false

    private static let rungs: [String: LinkRung] = [
        "fairLoss": .fairLoss, "perfect": .perfect, "fifo": .fifo,
    ]

    func validate() throws {
        try check(Self.rungs[rung] != nil, "--rung must be fairLoss, perfect or fifo")
        try check((8...Link.longestMessage).contains(size), "--size must be from 8 to \(Link.longestMessage)")
        try check(rate.map { $0 >= 1 && $0 <= 10_000_000 } ?? true, "--rate must be from 1 to 10000000")
        try check(
            (.milliseconds(10)...(.seconds(600))).contains(duration.span),
            "--duration must be from 10ms to 10m")
    }

    private func check(_ isRight: Bool, _ message: String) throws {
        guard isRight else { throw ValidationError(message) }
    }

    func run() throws {
        let trial = LinkTrial(
            rung: trialRung, size: size, rate: rate, duration: duration.span,
            isSealed: sealed)
        let result: LinkTrial.Result
        do {
            result = try trial.run()
        } catch {
            throw CommandFailure(.unavailable, "cannot measure links: \(error)")
        }
        var writer = JSONWriter()
        let fields = figures(result)
        if json {
            writer.beginObject()
            for (name, value) in fields { writer.field(name, value) }
            writer.endObject()
            return Terminal.write(writer.take() + [10])
        }
        Terminal.write(
            Terminal.table(fields.map { [$0.0, String(($0.1 * 100).rounded() / 100)] }), to: STDOUT_FILENO)
    }

    private func figures(_ result: LinkTrial.Result) -> [(String, Double)] {
        let (sender, receiver) = (result.sender, result.receiver)
        let count = Double(max(1, receiver.messages))
        let latency = receiver.latency
        return [
            ("sent", Double(sender.messages)), ("delivered", Double(receiver.messages)),
            ("messages_per_second", count * 1e9 / Double(duration.span.nanoseconds)),
            ("p50_us", Double(latency.quantile(0.5)) / 1_000),
            ("p99_us", Double(latency.quantile(0.99)) / 1_000),
            ("max_us", Double(latency.max) / 1_000),
            ("sender_cpu_us_per_message", Double(sender.processorTime.nanoseconds) / 1_000 / count),
            ("receiver_cpu_us_per_message", Double(receiver.processorTime.nanoseconds) / 1_000 / count),
            ("datagrams_sent", Double(sender.datagrams)), ("datagrams_back", Double(receiver.datagrams)),
            ("datagrams_not_taken", Double(sender.unsent)),
            ("retransmitted", Double(sender.counters[trialRung].retransmitted)),
            ("found_full", Double(sender.refused)),
            ("round_trip_us", Double(sender.roundTrip?.nanoseconds ?? 0) / 1_000),
        ]
    }

    private var trialRung: LinkRung { Self.rungs[rung] ?? .perfect }
}
