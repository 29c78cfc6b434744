// The steps that the node's algorithms take are written down, and streams are told of them; and what all
// streams that follow a log have in common.
import API
import Clocks
import HTTP
import HTTPServer
import Primitives
import Store
import Watches

extension NodeLoop {
    /// Writes a step down.
    mutating func tell(_ step: TransitionTrail.Step) {
        trail.note(step, time: wall, hybrid: clocks.departure(at: wall), at: now)
    }

    mutating func follow(_ plan: TransitionPlan, on connection: ConnectionID) {
        let start = trail.place(after: plan.query.after)
        let follower = Followers<TransitionQuery>.Follower(
            query: plan.query, place: start.place, left: plan.most ?? .max,
            until: plan.wait.map { now + $0 } ?? .never, format: plan.format, hasMissed: !start.isKnown)
        begin(
            follower, of: trail, api.transitionStream(of: plan, context: context()), plan.traits, connection)
    }

    /// Begins a stream; its first lines come at the end of the turn.
    mutating func begin<Log: FollowedLog>(
        _ follower: Followers<Log.Query>.Follower, of log: Log, _ head: consuming HTTP.Response,
        _ traits: RequestTraits, _ connection: ConnectionID
    ) {
        if drain?.handedOver == true { return refuse(connection, .shuttingDown, traits) }
        guard !log.followers.isFull else { return refuse(connection, .tooManyWatchers, traits) }
        guard !traits.flags.contains(.isHead) else { return answer(connection, head) }
        metrics.answered(connection, head.status, at: now)
        dress(&head, for: connection)
        guard server.beginStream(connection, head, at: now) else { return }
        log.followers.add(connection, follower, at: now)
    }

    /// Tells the streams of a log what they do not know yet.
    mutating func progress<Log: FollowedLog>(_ log: Log) {
        guard log.followers.due <= now else { return }
        log.followers.due = .never
        for connection in log.followers.connections {
            let (lines, isOver) = log.followers.step(
                connection, of: log, canTake: server.outputCount(of: connection) <= FollowerLimits.unsent,
                isStopping: drain?.handedOver == true, at: now, api)
            if isOver {
                server.endStream(connection, lines, at: now, into: &inbound)
            } else if !lines.isEmpty, !server.write(connection, lines, at: now) {
                log.followers.remove(connection)
                server.endStream(connection, at: now, into: &inbound)
            }
        }
    }
}

extension TransitionTrail.Step {
    /// What a command did to a lease, or to somebody who wants to hold something.
    init(_ step: CoordinationStep) {
        switch step {
        case .lease(let id, let cause):
            self.init(
                .lease, of: id, from: cause == .granted ? .absent : .running,
                to: cause == .granted ? .running : .absent, cause)
        case .claim(let claim, let owner, let token, let from, let to, let cause):
            self.init(.claims[claim.kind] ?? .claim(claim.kind), of: claim.name, from: from, to: to, cause)
            if !owner.isEmpty { details.append(("owner", .text(owner))) }
            if token > 0 { details.append(("token", .number(token))) }
        case .task(let id, let worker, let token, let from, let to, let cause):
            self.init(.task, of: id.description, from: from, to: to, cause)
            if !worker.isEmpty { details.append(("worker", .text(worker))) }
            if token > 0 { details.append(("token", .number(token))) }
        }
    }
}

extension AlgorithmSpecification {
    /// Made once: they are asked for with each step.
    static let claims = Dictionary(uniqueKeysWithValues: ClaimKind.allCases.map { ($0, claim($0)) })
}
