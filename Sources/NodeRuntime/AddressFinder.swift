// Peers are given by URLs whose hosts may be names, and names are looked up by blocking: so a thread does
// that, again and again, because addresses change where containers come and go.
import Platform
import Primitives

/// The thread that looks the peers' names up.
struct AddressFinder: ~Copyable {
    /// How long it waits before it looks again: for a name that was not found, and for one that was.
    private static let retry = Instant.Span.seconds(1), renewal = Instant.Span.seconds(30)

    private let peers: [(id: NodeID, place: String)]
    private let inbox: Mailbox<Void>
    private let reports: Mailbox<NodeInput>

    /// Starts it; whatever is posted to its mailbox ends it. Nil if there are no peers. Nobody waits for its
    /// end: to look a name up may take longer than a node may take to stop.
    static func start(
        for peers: [Roster.Member], reports: Mailbox<NodeInput>
    ) throws(SystemError) -> Mailbox<Void>? {
        guard !peers.isEmpty else { return nil }
        let inbox = try Mailbox<Void>(capacity: 1)
        let finder = AddressFinder(
            peers: peers.map { (id: $0.id, place: String($0.url.dropFirst("http://".count))) }, inbox: inbox,
            reports: reports)
        _ = try startThread(named: "names", owning: finder) { $0.run() }
        return inbox
    }

    private init(
        peers: [(id: NodeID, place: String)], inbox: Mailbox<Void>, reports: Mailbox<NodeInput>
    ) {
        self.peers = peers
        self.inbox = inbox
        self.reports = reports
    }

    private consuming func run() {
        var known: [NodeID: String] = [:]
        var batch: [Void] = []
        while batch.isEmpty {
            for peer in peers {
                guard let address = try? SocketAddress.resolve(peer.place).first else { continue }
                guard known[peer.id] != address.description else { continue }
                known[peer.id] = address.description
                reports.deliver(.address(peer.id, address))
            }
            let pause = known.count == peers.count ? Self.renewal : Self.retry
            inbox.wait(until: Clock.now() + pause, into: &batch)
        }
    }
}
