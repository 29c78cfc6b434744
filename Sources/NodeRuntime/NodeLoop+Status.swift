// The node's state as plain values, for `/state`, `/cluster`, `/members`, `/raft` and the probes.
import API
import Consensus
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store

extension NodeLoop {
    func status() -> NodeStatus {
        let raft = node.replica.raft
        let keyspace = node.replica.keyspace
        var status = NodeStatus()
        status.id = roster.own
        status.clusterID = roster.cluster
        status.role = role(raft.role)
        status.term = raft.term
        status.votedFor = raft.vote.flatMap { roster.member($0)?.name }
        status.leader = leaderHint
        status.leaderSince = leaderSince
        status.uptime = now - startedAt
        status.commitIndex = raft.commit
        status.appliedIndex = keyspace.appliedIndex
        status.lastIndex = raft.lastIndex
        status.firstIndex = raft.firstIndex
        status.durableIndex = raft.durableIndex
        status.checkpointIndex = node.replica.checkpoint.position.index
        status.revision = keyspace.revision
        status.compactRevision = keyspace.compactRevision
        status.keyCount = keyspace.count
        status.logicalBytes = keyspace.logicalBytes
        status.logBytes = metrics.logBytes
        status.lag = raft.isReady ? .zero : now - node.replica.currentAsOf
        status.isShortOfSpace = node.replica.isShortOfSpace
        status.isShuttingDown = drain != nil
        status.heartbeatInterval = configuration.heartbeat
        status.electionTimeoutLeast = configuration.electionTimeout
        status.electionTimeoutMost = configuration.electionTimeout * 2
        status.deadlineIn = raft.deadline == .never ? nil : raft.deadline - now
        status.transferTarget = raft.transferTarget.flatMap { roster.member($0)?.name }
        status.voters = names(raft.configuration.voters)
        status.outgoingVoters = names(raft.configuration.outgoing)
        status.learners = names(raft.configuration.learners)
        status.members = members()
        status.links = node.links.map { view(of: $0) }
        status.inboxDepth = inboxes[configuration.name].messages.count
        status.checks = checks()
        status.faults = faults?.status(roster, at: now, wall: wall)
        return status
    }

    private func names(_ nodes: [NodeID]) -> [String] { nodes.map { roster.member($0)?.name ?? "\($0)" } }

    private func role(_ role: Role) -> NodeStatus.Role {
        switch role {
        case .leader: .leader
        case .candidate, .preCandidate: .candidate
        case .follower: node.replica.raft.configuration.isVoter(roster.own) ? .follower : .learner
        }
    }

    private func members() -> [NodeStatus.Member] {
        let progress = node.replica.raft.peers
        return roster.members.map { known in
            var member = NodeStatus.Member(name: known.name, id: known.id, url: known.url, peerURL: known.url)
            member.role = node.replica.raft.configuration.learners.contains(known.id) ? .learner : .voter
            if known.name == leaderHint?.name {
                member.state = .leader
            } else if member.role == .learner {
                member.state = .learner
            }
            if known.id == roster.own {
                member.state = role(node.replica.raft.role)
                member.version = parleyVersion
                member.lastContact = .zero
                if node.replica.raft.role == .leader {
                    member.matchIndex = node.replica.raft.durableIndex
                    member.nextIndex = node.replica.raft.lastIndex.next
                    member.lagEntries = 0
                }
                return member
            }
            if let place = node.linkPlace(known.id) {
                member.roundTrip = node.links[place].roundTrip
                member.lastContact = node.links[place].lastHeard.map { now - $0 }
                member.alive = aliveness(of: node.links[place])
            }
            if let view = progress.first(where: { $0.id == known.id }), node.replica.raft.role == .leader {
                member.matchIndex = view.match
                member.nextIndex = view.next
                member.lagEntries = node.replica.raft.lastIndex.rawValue &- view.match.rawValue
            }
            return member
        }
    }

    /// A node that was not heard for an election timeout is suspect, for three of them dead. Followers don't
    /// talk to each other all the time, so they only count what fails.
    private func aliveness(of link: PeerLink) -> NodeStatus.Member.Alive {
        let hears = node.replica.raft.role == .leader || name(of: link.id) == leaderHint?.name
        guard hears || link.isFailing else { return .alive }
        guard let heard = link.lastHeard else { return link.isFailing ? .dead : .suspect }
        let silence = now - heard
        if silence > configuration.electionTimeout * 6 { return .dead }
        return silence > configuration.electionTimeout * 2 ? .suspect : .alive
    }

    private func view(of link: PeerLink) -> NodeStatus.Link {
        var view = NodeStatus.Link(name: name(of: link.id), state: link.isFailing ? "down" : "up")
        view.roundTrip = link.roundTrip
        view.sent = link.sent
        view.received = link.received
        view.failed = link.failures
        view.dropped = link.dropped
        view.queued = link.outbox.count
        return view
    }

    private func checks() -> [NodeStatus.Check] {
        let behind = node.replica.raft.commit.rawValue - node.replica.keyspace.appliedIndex.rawValue
        let lag = node.replica.raft.isReady ? .zero : now - node.replica.currentAsOf
        let isFresh = lag <= configuration.electionTimeout * 4
        return [
            .init(name: "loop", probes: [.livez, .readyz, .startupz], isPassing: true),
            .init(
                name: "disk", probes: [.readyz], isPassing: !node.replica.isShortOfSpace,
                reason: "the disk is full"),
            .init(
                name: "leader", probes: [.readyz, .startupz], isPassing: leaderHint != nil,
                reason: "no leader is known"),
            .init(
                name: "current", probes: [.readyz, .startupz], isPassing: isFresh,
                reason: "last known to be current \(lag.milliseconds) ms ago"),
            .init(
                name: "applied", probes: [.readyz], isPassing: behind < 10_000,
                reason: "\(behind) committed entries are not applied"),
            .init(
                name: "clock", probes: [], isPassing: !clockWatch.isWrong,
                reason: "this machine's clock is far from what most of the nodes agree on"),
            .init(
                name: "draining", probes: [.readyz], isPassing: drain == nil, reason: "the node is stopping"),
        ]
    }
}
