import API
import Clocks
import Consensus
import Gossip
import HTTP
import HTTPServer
import Links
import NodeCore
import PeerTransport
import Platform
import Primitives
import Replication
import Store
import WAL
import Watches
import Wire

/// Runs one node until it is told to stop by SIGTERM or SIGINT and has handed over, or until it can't go on.
///
/// `report` is called on the node's own thread and must not block.
public func runNode(
    _ configuration: NodeConfiguration, onEvent report: @escaping @Sendable (NodeNews) -> Void
) throws(StartError) {
    let roster = try Roster(configuration)
    SignalSource.ignoreBrokenPipes()
    let seed = Entropy.seed()
    do {
        let signals = try SignalSource()
        let server = try HTTPServer(
            listeningOn: configuration.listen, limits: httpLimits(),
            maxConnections: configuration.httpMaxConnections, name: "parley/\(parleyVersion)")
        let socket = try UDPSocket(on: configuration.listen)
        let restored = try restore(
            configuration, roster, disk: PosixDisk(), seed: seed, now: Clock.now())
        for note in restored.notes { report(.warning(note)) }
        try run(configuration, roster, signals, server, socket, restored, seed: seed, report)
    } catch let error as StartError {
        throw error
    } catch {
        throw .failure("\(error)")
    }
}

/// Larger bodies are for peers and imports only.
private func httpLimits() -> HTTP.Limits {
    var limits = HTTP.Limits()
    limits.bodyLimits = [
        .init(prefix: "/peer/", bytes: 64 << 20),
        .init(prefix: "/kv/", bytes: 2 << 20),
        .init(prefix: "/kv", bytes: 64 << 20),
    ]
    return limits
}

/// Starts the threads, runs the node loop on this one, and ends the threads.
private func run(
    _ configuration: NodeConfiguration, _ roster: Roster, _ signals: consuming SignalSource,
    _ server: consuming HTTPServer, _ socket: consuming UDPSocket,
    _ restored: consuming Restored<PosixDisk>, seed: UInt64,
    _ report: @escaping @Sendable (NodeNews) -> Void
) throws {
    let mailbox = try Mailbox<NodeInput>(capacity: 65_536)
    let poller = try Poller()
    try poller.add(mailbox.bell.descriptor, token: NodeLoop.Token.mailbox, for: .read)
    try poller.add(signals.descriptor, token: NodeLoop.Token.signals, for: .read)
    try poller.add(socket.descriptor, token: NodeLoop.Token.datagrams, for: .read)
    try server.register(with: poller)
    let disk = try Mailbox<LogCommand>(capacity: 65_536)
    let checkpoints = try Mailbox<CheckpointCommand>(capacity: 4_096)
    let peers = try PeerTransport { mailbox.deliver(.peer($0)) }
    let replica = restored.replica
    let store = restored.checkpoints
    let folder = restored.folder
    let diskThread = try startThread(
        named: "disk", owning: DiskLoop(log: restored.log, inbox: disk, reports: mailbox)
    ) { $0.run() }
    let checkpointThread = try startThread(
        named: "checkpoint",
        owning: CheckpointLoop(store: store, cluster: roster.cluster, inbox: checkpoints, reports: mailbox)
    ) { $0.run() }
    let addresses = try AddressFinder.start(for: roster.peers, reports: mailbox)
    var loop = NodeLoop(
        configuration: configuration, roster: roster, poller: poller, signals: signals, server: server,
        socket: socket, mailbox: mailbox, disk: disk, checkpoints: checkpoints, peers: peers,
        replica: replica, seed: seed, report: report)
    report(.listening(url: loop.url))
    var failure: StartError?
    do throws(StartError) {
        try loop.run()
    } catch {
        failure = error
    }
    peers.stop()
    _ = addresses?.post(())
    checkpoints.deliver(.stop)
    disk.deliver(.stop)
    checkpointThread.join()
    diskThread.join()
    _ = folder.path  // The folder stays locked until here.
    if let failure { throw failure }
}

extension NodeLoop {
    fileprivate init(
        configuration: NodeConfiguration, roster: Roster, poller: consuming Poller,
        signals: consuming SignalSource, server: consuming HTTPServer, socket: consuming UDPSocket,
        mailbox: Mailbox<NodeInput>, disk: Mailbox<LogCommand>,
        checkpoints: Mailbox<CheckpointCommand>, peers: PeerTransport,
        replica: Replica, seed: UInt64, report: @escaping @Sendable (NodeNews) -> Void
    ) {
        self.configuration = configuration
        self.roster = roster
        self.report = report
        var settings = NativeAPI.Settings(
            nodeName: configuration.name, advertisedURL: configuration.advertise ?? roster.ownMember.url,
            clusterName: configuration.clusterName, version: parleyVersion)
        settings.corsOrigins = configuration.corsOrigins
        settings.allowedHosts = configuration.allowHosts
        settings.memberNames = roster.members.map(\.name)
        settings.algorithms =
            [.raft, .membership, .link, .clock, .event, .broadcast, .lease]
            + ClaimKind.allCases.map { .claim($0) } + [.task]
        api = NativeAPI(settings: settings)
        now = Clock.now()
        wall = Clock.wallTime()
        startedAt = now
        incarnation = Entropy.seed()
        self.poller = poller
        self.server = server
        self.signals = signals
        self.mailbox = mailbox
        self.disk = disk
        self.checkpoints = checkpoints
        self.peers = peers
        node = Node(
            cluster: roster.cluster, peers: roster.peers.map(\.id), replica: replica,
            incarnation: incarnation)
        peerConnections = [Set<ConnectionID>](repeating: [], count: roster.peers.count)
        requestIDs = RequestIDs(seed: seed)
        spans = SeededGenerator(seed: Entropy.seed())
        inboxes = Inboxes(own: configuration.name)
        let process = UInt64(clamping: Clock.wallMicroseconds())
        datagrams = Datagrams(
            socket: socket,
            seal: DatagramSeal(
                cluster: roster.cluster.rawValue, own: roster.own, peers: roster.peers.map(\.id),
                key: configuration.clusterKey),
            roster: roster, process: process, at: now)
        trail = TransitionTrail(process: process)
        clocks = ProcessClocks(name: configuration.name)
        // The first event is the start.
        clocks.tick(at: wall)
        metrics = NodeMetrics()
        watches = WatchTable(at: startedAt)
        faults = configuration.enablesFaults ? FaultControl() : nil
    }

    fileprivate var url: String { roster.ownMember.url }
}
