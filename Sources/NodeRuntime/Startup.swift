import Consensus
import NodeCore
import Primitives
import Replication
import WAL

/// Opens the data folder as the configuration says.
func restore<D: Disk>(
    _ configuration: NodeConfiguration, _ roster: Roster, disk: D, seed: UInt64, now: Instant
) throws(StartError) -> Restored<D> {
    var options = Raft.Options(id: roster.own)
    options.heartbeatInterval = configuration.heartbeat
    options.electionTimeout = configuration.electionTimeout..<(configuration.electionTimeout * 2)
    var settings = RestoreSettings(
        dataDirectory: configuration.dataDirectory, nodeName: configuration.name, cluster: roster.cluster,
        voters: roster.members.map(\.id), options: options)
    settings.replicaLimits.checkpointLogBytes = configuration.checkpointLogBytes
    settings.replicaLimits.leaderWait = configuration.electionTimeout * 4
    do throws(RestoreError) {
        return try restore(settings, disk: disk, seed: seed, now: now)
    } catch {
        throw .failure(error.description)
    }
}
