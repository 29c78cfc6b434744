// Questions about the node itself, moves of leadership, and messages from node to node.
import API
import Consensus
import HTTP
import HTTPServer
import NodeCore
import Primitives
import Replication
import Store

extension NodeLoop {
    mutating func local(_ plan: LocalPlan, on connection: ConnectionID) {
        switch plan.freshness.level {
        case .linearizable:
            let token = requests.insert(.local(connection, plan))
            step(.read(token: token, deadline: now + plan.freshness.timeout))
        case .stale:
            attempt(plan, on: connection)
        }
    }

    /// Answers a question, or holds it back until what it asks about has come.
    mutating func attempt(_ plan: LocalPlan, on connection: ConnectionID) {
        if let wanted = plan.freshness.minRevision, node.replica.keyspace.revision < wanted {
            return hold(
                connection, .localRevision(wanted, plan), until: now + plan.freshness.timeout, plan.traits)
        }
        if let name = plan.view.participant, plan.freshness.level != .linearizable, home(of: name) == nil {
            // It may have come just now, and this node not have heard of it yet.
            var plan = plan
            plan.freshness.level = .linearizable
            return local(plan, on: connection)
        }
        switch plan.view {
        case .transitions(_, let wait?):
            hold(connection, .transition(plan, known: trail.last(of: .raft)), until: now + wait, plan.traits)
        case .inbox(let query) where query.wait != nil && !hasNews(for: plan):
            hold(connection, .message(plan), until: now + (query.wait ?? .zero), plan.traits)
        case .raftLog(let from, let limit):
            let first = max(from ?? node.replica.raft.firstIndex, node.replica.raft.firstIndex)
            let end = min(first + UInt64(limit), node.replica.raft.durableIndex.next)
            let token = requests.insert(.log(connection, plan))
            guard first < end else { return showLog(token, []) }
            disk.deliver(.show(token: token, first..<end))
        default:
            show(plan, on: connection)
        }
    }

    mutating func show(_ plan: LocalPlan, on connection: ConnectionID) {
        var status = status()
        if let name = plan.view.participant {
            status.whereabouts = whereabouts(of: name)
            if status.whereabouts == .here, !attend(plan, &status, on: connection) { return }
        }
        switch plan.view {
        case .transitions(let limit, _): status.transitions = trail.newest(limit, of: .raft)
        case .state:
            status.clock = clockStatus(after: .read)
            datagrams.links.show(in: &status, roster)
        case .clock(let question): status.clock = clockStatus(after: question)
        case .gossip, .detector: status.gossip = datagrams.status(roster, at: now)
        case .metrics(let openMetrics):
            metrics.note(watches, claimWatches)
            metrics.note(clockWatch)
            metrics.note(datagrams.links, datagrams.events, outbox)
            metrics.note(datagrams.status(roster, at: now))
            if let faults { metrics.note(faults.table) }
            status.metrics = metrics.exposition(
                openMetrics: openMetrics, status: status, server: server.counters,
                openConnections: server.openConnections, requests: requests.count, waiters: waiters.count,
                links: node.links.map { (name: name(of: $0.id), link: $0) })
        default: break
        }
        answer(connection, api.render(local: plan, status: status, context: context()))
    }

    /// Does what is asked of the inbox or the state of a participant whose home this is. Answers false if it
    /// was refused, or is answered later.
    private mutating func attend(
        _ plan: LocalPlan, _ status: inout NodeStatus, on connection: ConnectionID
    ) -> Bool {
        switch plan.view {
        case .inbox(let query): fill(&status, query)
        case .acknowledge(let name, let id, let andAllBefore):
            if take(logged: id, of: name, andAllBefore: andAllBefore, for: plan, on: connection) {
                return false
            }
            status.acknowledgedCount = take(id, of: name, andAllBefore: andAllBefore)
            status.inboxDepth = depth(of: inboxName(name))
        case .showState(let name, let json):
            guard show(json, of: name) else {
                refuse(connection, .quotaExceeded, plan.traits)
                return false
            }
            status.participantState = inboxes.state(of: name)
        case .participantState(let name): status.participantState = inboxes.state(of: name)
        default: break
        }
        return true
    }

    mutating func showLog(_ token: UInt64, _ entries: [Entry]) {
        guard case .log(let connection, let plan) = requests.remove(token) else { return }
        var status = status()
        status.logEntries = entries.map { entry in
            NodeStatus.LogEntry(
                index: entry.index, term: entry.term, kind: "\(entry.kind)", size: entry.payload.count,
                summary: summary(of: entry),
                requestID: entry.kind == .command ? Command.requestID(of: entry.payload) : nil)
        }
        answer(connection, api.render(local: plan, status: status, context: context()))
    }

    private func summary(of entry: Entry) -> String? {
        switch entry.kind {
        case .noop: return nil
        case .configuration: return (try? Configuration(decoding: entry.payload))?.description
        case .command: return (try? Command(decoding: entry.payload))?.summary
        }
    }

    // MARK: Leadership

    mutating func transfer(_ plan: TransferPlan, on connection: ConnectionID) {
        func finish(_ outcome: API.TransferOutcome) {
            answer(connection, api.render(transfer: plan, outcome: outcome, context: context()))
        }
        var target: NodeID?
        if let name = plan.to {
            guard let member = roster.member(named: name) else { return finish(.unknownMember(name)) }
            target = member.id
        }
        guard let leader = leaderHint else { return refuse(connection, .noLeader, plan.traits) }
        if plan.to == leader.name {
            return finish(.transferred(from: leader.name, to: leader.name, term: node.replica.raft.term))
        }
        if node.replica.raft.role == .leader {
            guard roster.members.count > 1 else { return finish(.refused("there is no other member")) }
            step(.transferLeadership(to: target))
        } else {
            switch plan.routing {
            case .redirect:
                return answer(
                    connection, api.redirect(target: plan.target, traits: plan.traits, context: context()))
            case .never: return refuse(connection, .notLeader, plan.traits)
            case .forward:
                guard let member = roster.member(named: leader.name) else { return finish(.timedOut) }
                send(.transfer(to: target), to: member.id)
            }
        }
        hold(
            connection, .transfer(plan, from: leader.name, term: node.replica.raft.term),
            until: now + plan.wait,
            plan.traits)
    }

    mutating func settleTransfer(
        _ plan: TransferPlan, from: String, term: Term, _ waiter: Waiter, isOver: Bool
    ) {
        let outcome: API.TransferOutcome
        if let leader = leaderHint, leader.name != from, node.replica.keyspace.appliedTerm > term {
            outcome = .transferred(from: from, to: leader.name, term: node.replica.raft.term)
        } else if let reason = failedTransfer, node.replica.raft.term == term {
            outcome = .refused(reason)
        } else if isOver {
            outcome = .timedOut
        } else {
            return waiters.insert(waiter)
        }
        answer(waiter.connection, api.render(transfer: plan, outcome: outcome, context: context()))
    }

    mutating func endTransfer(to target: NodeID?, _ outcome: Consensus.TransferOutcome) {
        let name = target.flatMap { roster.member($0)?.name } ?? "no member"
        switch outcome {
        case .newTerm, .alreadyLeader, .superseded, .steppedDown: return
        case .notLeader: failedTransfer = "this node does not lead"
        case .noSuchVoter: failedTransfer = "\(name) can't lead"
        case .timedOut: failedTransfer = "\(name) did not take over within an election timeout"
        }
        waiters.isStirred = true
        settleWaiters()
        failedTransfer = nil
    }

    /// The role, the term or the leader changed.
    mutating func note(_ transition: Consensus.Transition) {
        let leader = transition.leader.flatMap { roster.member($0) }
        if leader?.name != leaderHint?.name || transition.to == .leader {
            leaderSince = leader == nil ? nil : wall
        }
        leaderHint = leader.map { AnswerContext.Leader(name: $0.name, url: $0.url) }
        var reason = transition.reason.description
        for member in roster.members {
            for word in ["leader", "from", "by"] where reason.hasSuffix("\(word) \(member.id)") {
                reason = reason.dropLast("\(member.id)".count) + member.name
            }
        }
        var step = TransitionTrail.Step(
            .raft, of: configuration.name, from: transition.from, to: transition.to, transition.reason.cause,
            reason: reason
        ).with("term", .number(transition.term.rawValue))
        if let leader { step = step.with("leader", .text(leader.name)) }
        tell(step)
        waiters.isStirred = true
        metrics.transitioned(transition)
        if transition.from != transition.to {
            report(
                .transition(
                    "\(transition.from) -> \(transition.to), term \(transition.term): \(reason)"))
        }
        report(.leader(name: leader?.name, term: transition.term.rawValue))
    }
}
