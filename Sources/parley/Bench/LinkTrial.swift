// Two ends of a link in two threads, over real datagrams on this machine's loopback: how many messages pass,
// how long they take, and what they cost.

import Links
import Platform
import Primitives
import Synchronization
import Telemetry

/// What is measured.
struct LinkTrial: Sendable {
    /// The promise that messages are sent with.
    var rung = LinkRung.perfect
    /// Bytes of each message; eight at least, for when it was due.
    var size = 100
    /// Messages a second; nil for as many as go.
    var rate: Double?
    /// How long messages are sent.
    var duration = Instant.Span.seconds(5)
    /// Whether datagrams bear a tag instead of a checksum.
    var isSealed = false

    /// What one end counted.
    struct Side: Sendable {
        var messages = 0
        /// Messages that were due and found the link full.
        var refused = 0
        var processorTime = Instant.Span.zero
        var datagrams = 0
        var unsent = 0
        var counters = LinkCounters()
        var roundTrip: Instant.Span?
        /// From when a message was due until it was delivered, in nanoseconds.
        var latency = LatencyHistogram()
    }

    struct Result: Sendable {
        var sender = Side(), receiver = Side()
    }

    private final class Box: Sendable {
        let side = Mutex(Side())
    }

    func run() throws(SystemError) -> Result {
        let here = try socket()
        let there = try socket()
        let (hereAddress, thereAddress) = (here.address, there.address)
        let start = Clock.now() + .milliseconds(20)
        let sender = LinkTrialEnd(
            self, 1, to: 2, here, thereAddress, try Poller(), start: start, isSender: true)
        let receiver = LinkTrialEnd(
            self, 2, to: 1, there, hereAddress, try Poller(), start: start, isSender: false)
        let (sent, received) = (Box(), Box())
        let first = try startThread(named: "link-sender", owning: sender) { end in
            let side = end.run()
            sent.side.withLock { $0 = side }
        }
        let second = try startThread(named: "link-receiver", owning: receiver) { end in
            let side = end.run()
            received.side.withLock { $0 = side }
        }
        first.join()
        second.join()
        return Result(sender: sent.side.withLock { $0 }, receiver: received.side.withLock { $0 })
    }

    private func socket() throws(SystemError) -> UDPSocket {
        do throws(ListenError) {
            return try UDPSocket(on: "127.0.0.1:0", buffer: 4 << 20)
        } catch {
            throw SystemError(code: 0, call: "bind: \(error)")
        }
    }
}

/// One end, in its thread.
struct LinkTrialEnd: ~Copyable, Sendable {
    /// Fair-loss messages that may leave in one turn: what is more would only fill the receiver's buffer.
    private static let mostInTurn = 512

    private let trial: LinkTrial
    private let socket: UDPSocket
    private var poller: Poller
    private let peer: SocketAddress
    private let peerID: NodeID
    private let seal: DatagramSeal
    private let isSender: Bool
    private let start: Instant
    private var link: Link
    private var side = LinkTrial.Side()
    private var effects: [Link.Effect] = []
    private var outgoing = OutgoingDatagrams()
    private var incoming = IncomingDatagrams(room: DatagramSeal.longestDatagram + 1)

    init(
        _ trial: LinkTrial, _ own: UInt64, to other: UInt64, _ socket: consuming UDPSocket,
        _ peer: SocketAddress, _ poller: consuming Poller, start: Instant, isSender: Bool
    ) {
        self.trial = trial
        self.socket = socket
        self.poller = poller
        self.peer = peer
        self.start = start
        self.isSender = isSender
        peerID = NodeID(other)
        let key = trial.isSealed ? SharedKey(hexadecimal: String(repeating: "5a", count: 16)) : nil
        seal = DatagramSeal(cluster: 1, own: NodeID(own), peers: [NodeID(other)], key: key)
        link = Link(incarnation: own, seed: own)
    }

    consuming func run() -> LinkTrial.Side {
        let before = Clock.threadTime()
        guard (try? poller.add(socket.descriptor, token: 1, for: .read)) != nil else { return side }
        var ready: [Poller.Ready] = []
        // Whatever is under way at the end may still arrive.
        let end = start + trial.duration + .milliseconds(500)
        var now = Clock.now()
        while now < end {
            let next = isSender ? offer(at: now) : .never
            if link.deadline <= now { link.wake(at: now, into: &effects) }
            link.flush(at: now, into: &effects)
            carryOut(at: now)
            ready.removeAll(keepingCapacity: true)
            poller.wait(until: min(end, link.deadline, next), into: &ready)
            now = Clock.now()
            if !ready.isEmpty { receive(at: now) }
        }
        side.processorTime = Clock.threadTime() - before
        side.counters = link.counters
        side.roundTrip = link.roundTrip
        return side
    }

    /// Sends what is due; when the next message is.
    private mutating func offer(at now: Instant) -> Instant {
        guard now >= start, now < start + trial.duration else { return now < start ? start : .never }
        let elapsed = Double((now - start).nanoseconds)
        let due = trial.rate.map { Int(elapsed * $0 / 1e9) + 1 } ?? .max
        var burst = 0
        while side.messages < due, burst < Self.mostInTurn {
            let dueAt =
                trial.rate.map {
                    start.nanoseconds + Int64(Double(side.messages) * 1e9 / $0)
                } ?? now.nanoseconds
            var writer = ByteWriter(capacity: trial.size)
            writer.fixed(dueAt)
            let content = writer.take() + [UInt8](repeating: 7, count: max(0, trial.size - 8))
            let number = try? link.send(
                content, kind: 1, on: trial.rung, expires: now + .seconds(60), at: now)
            guard number != nil else {
                side.refused += 1
                // Room comes with an acknowledgement.
                return .never
            }
            side.messages += 1
            burst += 1
        }
        if let rate = trial.rate, side.messages >= due {
            return Instant(nanoseconds: start.nanoseconds + Int64(Double(side.messages) * 1e9 / rate))
        }
        return now
    }

    private mutating func receive(at now: Instant) {
        var turns = 0
        repeat {
            socket.receive(into: &incoming)
            for place in 0..<incoming.count {
                guard let datagram = try? seal.open(incoming[place]) else { continue }
                link.receive(datagram.content[...], at: now, into: &effects)
            }
            turns += 1
        } while incoming.isFull && turns < 4
    }

    private mutating func carryOut(at now: Instant) {
        for effect in effects {
            switch effect {
            case .transmit(let content):
                outgoing.append(seal.seal(content, for: .links, to: peerID), to: peer)
            case .deliver(let message):
                side.messages += 1
                var reader = ByteReader(message.bytes)
                guard let due = try? reader.fixed(Int64.self) else { continue }
                side.latency.record(UInt64(max(0, now.nanoseconds - due)))
            case .acknowledged, .expired, .lost, .connected: break
            }
        }
        effects.removeAll(keepingCapacity: true)
        guard outgoing.count > 0 else { return }
        let count = outgoing.count
        let taken = socket.send(&outgoing)
        side.datagrams += taken
        side.unsent += count - taken
    }
}
