public import Links
public import Primitives

/// What an operator decides about a node.
public struct NodeConfiguration: Sendable {
    /// The node's name in the cluster.
    public var name: String
    /// Where it listens, `host:port`.
    public var listen: String
    /// The URL that clients and peers reach it at; nil: what the member list says.
    public var advertise: String?
    /// Where its data lies.
    public var dataDirectory: String
    /// All members, this node among them, each with the URL that the others reach it at.
    public var members: [(name: String, url: String)]
    /// What the cluster is called.
    public var clusterName = "parley"
    /// What seals the datagrams between the nodes; nil: only a checksum does.
    public var clusterKey: SharedKey?
    /// How often a leader tells its followers that it lives.
    public var heartbeat = Instant.Span.milliseconds(100)
    /// After how long without a leader a follower campaigns at the earliest; at the latest after twice that.
    public var electionTimeout = Instant.Span.milliseconds(500)
    /// Bytes of log after which a checkpoint is due, if the data is not larger.
    public var checkpointLogBytes = 64 << 20
    /// Connections that may be open.
    public var httpMaxConnections = 12_000
    /// `Host` values that are answered; empty: all.
    public var allowHosts: [String] = []
    /// Origins whose pages may use the node.
    public var corsOrigins: [String] = []
    /// Whether faults may be set on the links between nodes.
    public var enablesFaults = false
    /// The least severe messages that are logged.
    public var logLevel = "info"

    /// A node with the default settings.
    public init(name: String, listen: String, dataDirectory: String, members: [(name: String, url: String)]) {
        self.name = name
        self.listen = listen
        self.dataDirectory = dataDirectory
        self.members = members
    }
}

/// Why a node could not start or go on. One clear line each.
public enum StartError: Error, Sendable, Equatable {
    /// The operator asked for something impossible.
    case usage(String)
    /// What was asked for failed.
    case failure(String)
}

/// What a running node tells the program around it.
public enum NodeNews: Sendable {
    /// It takes connections at this URL.
    case listening(url: String)
    /// Its role changed, in words.
    case transition(String)
    /// What it believes of a member has changed, in words.
    case member(String)
    /// Another leader is known, or none.
    case leader(name: String?, term: UInt64)
    /// Something that an operator should know.
    case warning(String)
    /// Something was done for a request that its caller traces.
    case request(RequestNews)
    /// It was told to stop and hands over.
    case stopping
}

/// The version of this build.
public let parleyVersion = "0.1.0"

/// Who is who: names, numbers and URLs of the members of a cluster that was given as a list.
struct Roster: Sendable {
    struct Member: Sendable {
        var id: NodeID
        var name: String
        var url: String
    }

    /// By number, which is also by name.
    let members: [Member]
    let own: NodeID
    /// Follows from the names, so that nodes that were given different lists refuse each other.
    let cluster: ClusterID

    init(_ configuration: NodeConfiguration) throws(StartError) {
        let sorted = configuration.members.sorted { $0.name < $1.name }
        guard !sorted.isEmpty else { throw .usage("the cluster has no members") }
        var members: [Member] = []
        for (place, member) in sorted.enumerated() {
            guard Self.isName(member.name) else {
                throw .usage(
                    "'\(member.name)' is not a name: use letters, digits, '-', '_' and '.', 64 at most")
            }
            guard members.last?.name != member.name else {
                throw .usage("the cluster names '\(member.name)' twice")
            }
            guard let url = Self.normalised(member.url) else {
                throw .usage("'\(member.url)' is not a URL of the form http://host:port")
            }
            if let other = members.first(where: { $0.url == url }) {
                throw .usage("members '\(other.name)' and '\(member.name)' have the same URL \(url)")
            }
            members.append(Member(id: NodeID(UInt64(place + 1)), name: member.name, url: url))
        }
        guard let own = members.first(where: { $0.name == configuration.name }) else {
            let names = members.map(\.name).joined(separator: ", ")
            throw .usage("node '\(configuration.name)' is not a member of the cluster (\(names))")
        }
        self.members = members
        self.own = own.id
        let identity = "\(configuration.clusterName)\n" + members.map(\.name).joined(separator: "\n")
        cluster = ClusterID(fnv1a(identity.utf8))
    }

    func member(_ id: NodeID) -> Member? { members.first { $0.id == id } }
    func member(named name: String) -> Member? { members.first { $0.name == name } }
    var ownMember: Member { members[Int(own.rawValue) - 1] }
    var peers: [Member] { members.filter { $0.id != own } }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 48...57, 65...90, 97...122, 45, 46, 95: true
                default: false
                }
            }
    }

    /// The URL without a slash at the end; nil unless it is `http://host:port`.
    private static func normalised(_ url: String) -> String? {
        var text = Substring(url)
        while text.hasSuffix("/") { text.removeLast() }
        guard text.hasPrefix("http://"), let colon = text.lastIndex(of: ":"),
            text[text.index(after: colon)...].utf8.allSatisfy({ (48...57).contains($0) }),
            let port = UInt16(text[text.index(after: colon)...]), port > 0,
            text.distance(from: text.startIndex, to: colon) > 7,
            text.dropFirst(7).utf8.allSatisfy({ $0 > 32 && $0 < 127 && !"/?#@".utf8.contains($0) })
        else { return nil }
        return String(text)
    }
}
