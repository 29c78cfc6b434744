// What `parley dev` is going to run, decided before anything is started.

import Glibc
import Platform

/// The nodes of a cluster on this machine, and the folder that keeps their data.
struct DevPlan {
    /// One node.
    struct Node {
        var name: String
        var port: UInt16
        var folder: String
        var url: String { "http://127.0.0.1:\(port)" }
    }

    var folder: String
    var nodes: [Node]
    /// Passed on to every node.
    var extra: [String]

    init(nodes count: Int, port: Int, folder: String, extra: [String]) throws(CommandFailure) {
        guard (1...9).contains(count) else { throw .usage("--nodes \(count): it must be from 1 to 9") }
        guard port > 0, port + count - 1 <= 65535 else {
            throw .usage("--port \(port): \(count) ports from there on must lie between 1 and 65535")
        }
        self.folder = folder
        self.extra = extra
        nodes = (0..<count).map { place in
            Node(name: "n\(place + 1)", port: UInt16(port + place), folder: "\(folder)/n\(place + 1)")
        }
    }

    /// The members as `--cluster` wants them.
    var cluster: String { nodes.map { "\($0.name)=\($0.url)" }.joined(separator: ",") }

    /// The command line of one node.
    func arguments(of node: Node) -> [String] {
        [
            "serve", "--name", node.name, "--listen", "127.0.0.1:\(node.port)", "--advertise", node.url,
            "--data-dir", node.folder, "--cluster", cluster, "--log-format", "json", "--exit-with-stdin",
        ] + extra
    }

    /// Makes the folder, checks that what it holds is this cluster's, and takes its lock, which lasts as long
    /// as the descriptor.
    func claimFolder() throws(CommandFailure) -> Descriptor {
        let purpose = "cannot use \(folder)"
        let lock = try system(purpose) { () throws(SystemError) in
            try Files.makeFolder(folder)
            return try Files.open(folder + "/lock", .createOrUpdate)
        }
        guard try system(purpose, { () throws(SystemError) in try lock.lock() }) else {
            throw CommandFailure(.failure, "another parley dev uses \(folder)")
        }
        let known = try system(purpose) { () throws(SystemError) in try noteCluster() }
        guard known == cluster else {
            throw CommandFailure(
                .failure,
                "\(folder) holds another cluster (\(known)); give its --nodes and --port, or "
                    + "another --data-dir"
            )
        }
        return lock
    }

    /// What the folder says it holds; it is told this cluster if it holds nothing yet.
    private func noteCluster() throws(SystemError) -> String {
        let note = try Files.open(folder + "/cluster", .createOrUpdate)
        let known = String(decoding: try note.read(at: 0, count: Int(try note.size())), as: UTF8.self)
        guard known.isEmpty else { return known }
        try note.write(Array(cluster.utf8), at: 0)
        return cluster
    }

    /// Says so if a port that is needed is taken.
    func checkPorts() throws(CommandFailure) {
        for node in nodes {
            do throws(ListenError) {
                _ = try TCPListener(on: "127.0.0.1:\(node.port)")
            } catch {
                throw CommandFailure(
                    .failure, "port \(node.port) of \(node.name): \(error); choose others with --port")
            }
        }
    }
}
