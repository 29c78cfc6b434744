// From flags and environment to a configuration that makes sense, or to one line that says what does not.

import Client
import Links
import Logging
import NodeRuntime
import Platform
import Primitives

extension Serve {
    /// The configuration that the flags and the environment ask for.
    func configuration(_ environment: Environment) throws(CommandFailure) -> NodeConfiguration {
        let name = try required(environment.value(identity.name, "PARLEY_NAME"), "--name", "PARLEY_NAME")
        guard Serve.isNodeName(name) else {
            throw .usage("--name \"\(name)\": 1 to 63 letters, digits, dots, hyphens or underscores")
        }
        let listen = try environment.value(identity.listen, "PARLEY_LISTEN") ?? "127.0.0.1:7071"
        guard let address = SocketAddress.split(listen) else {
            throw .usage("--listen \"\(listen)\" is not of the form host:port")
        }
        let folder = try required(
            environment.value(identity.dataDir, "PARLEY_DATA_DIR"), "--data-dir", "PARLEY_DATA_DIR")
        let host =
            address.host.isEmpty
            ? "127.0.0.1" : address.host.contains(":") ? "[\(address.host)]" : address.host
        let alone = "\(name)=http://\(host):\(address.port)"
        let members = try Serve.members(environment.value(identity.cluster, "PARLEY_CLUSTER") ?? alone)
        guard members.contains(where: { $0.name == name }) else {
            let names = members.map(\.name).joined(separator: ", ")
            throw .usage("--cluster names \(names), but this node's --name is \(name)")
        }
        let advertise = try environment.value(identity.advertise, "PARLEY_ADVERTISE")
        if let advertise, Endpoint(advertise) == nil {
            throw .usage("--advertise \"\(advertise)\" is not of the form http://host:port")
        }
        let heartbeat = try span(
            environment, timing.heartbeatInterval, "--heartbeat-interval", .milliseconds(100))
        let election = try span(environment, timing.electionTimeout, "--election-timeout", .milliseconds(500))
        guard election.nanoseconds / 3 >= heartbeat.nanoseconds else {
            throw .usage("--election-timeout must be at least three times --heartbeat-interval")
        }
        var configuration = NodeConfiguration(
            name: name, listen: listen, dataDirectory: folder, members: members)
        configuration.advertise = advertise
        configuration.heartbeat = heartbeat
        configuration.electionTimeout = election
        configuration.allowHosts = environment.list(http.allowHost, "PARLEY_ALLOW_HOST")
        configuration.corsOrigins = environment.list(http.corsOrigin, "PARLEY_CORS_ORIGIN")
        if let level = try environment.value(logging.logLevel, "PARLEY_LOG_LEVEL") {
            configuration.logLevel = level.rawValue
        }
        if let name = try environment.value(identity.clusterName, "PARLEY_CLUSTER_NAME") {
            configuration.clusterName = name
        }
        if let path = try environment.value(identity.clusterKeyFile, "PARLEY_CLUSTER_KEY_FILE") {
            configuration.clusterKey = try Serve.key(inFile: path)
        }
        configuration.enablesFaults = logging.enableFaults || environment["PARLEY_ENABLE_FAULTS"] != nil
        if let size = try environment.value(timing.snapshotLogSize, "PARLEY_SNAPSHOT_LOG_SIZE") {
            guard size.bytes >= 1 << 20 else { throw .usage("--snapshot-log-size must be at least 1MiB") }
            configuration.checkpointLogBytes = size.bytes
        }
        if let connections = try environment.value(http.maxConnections, "PARLEY_MAX_CONNECTIONS") {
            guard (1...1_000_000).contains(connections) else {
                throw .usage("--max-connections \(connections): it must be from 1 to 1000000")
            }
            configuration.httpMaxConnections = connections
        }
        return configuration
    }

    /// Reads the key that all nodes of the cluster share.
    private static func key(inFile path: String) throws(CommandFailure) -> SharedKey {
        let bytes: [UInt8]?
        do throws(SystemError) {
            let file = try Files.open(path, .read)
            bytes = try Terminal.readAll(file.number, limit: 4_096)
        } catch {
            throw .usage("--cluster-key-file: cannot read \(path): \(error.reason)")
        }
        let text = String(decoding: bytes ?? [], as: UTF8.self).drop { $0.isWhitespace }
        guard let key = SharedKey(hexadecimal: text.prefix { !$0.isWhitespace }),
            text.drop(while: { !$0.isWhitespace }).allSatisfy(\.isWhitespace)
        else {
            throw .usage(
                "--cluster-key-file \(path): a key is 32 hexadecimal digits, as of openssl rand -hex 16")
        }
        return key
    }

    /// Reads `n1=http://host:port,n2=…`.
    static func members(_ text: String) throws(CommandFailure) -> [(name: String, url: String)] {
        var members: [(name: String, url: String)] = []
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2, isNodeName(pair[0]), let endpoint = Endpoint(pair[1]) else {
                throw .usage("--cluster: \"\(part)\" is not of the form name=http://host:port")
            }
            guard !members.contains(where: { $0.name == pair[0] }) else {
                throw .usage("--cluster names \(pair[0]) twice")
            }
            guard !members.contains(where: { $0.url == endpoint.url }) else {
                throw .usage("--cluster gives the URL \(endpoint) twice")
            }
            members.append((pair[0], endpoint.url))
        }
        guard !members.isEmpty else { throw .usage("--cluster names no member") }
        return members
    }

    static func isNodeName(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45
                    || $0 == 46
                    || $0 == 95
            }
    }

    private func required(
        _ value: String?, _ flag: String, _ variable: String
    ) throws(CommandFailure) -> String {
        guard let value, !value.isEmpty else { throw .usage("\(flag) (or \(variable)) is needed") }
        return value
    }

    private func span(
        _ environment: Environment, _ flag: TimeSpan?, _ name: String, _ fallback: Instant.Span
    ) throws(CommandFailure) -> Instant.Span {
        let variable = "PARLEY_" + name.dropFirst(2).uppercased().split(separator: "-").joined(separator: "_")
        guard let given = try environment.value(flag, variable) else { return fallback }
        guard given.span > .zero else { throw .usage("\(name) must be more than nothing") }
        return given.span
    }
}
