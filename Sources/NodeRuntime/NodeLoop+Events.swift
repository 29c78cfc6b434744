// Requests about events, and the streams that follow them.
import API
import Clocks
import Gossip
import HTTP
import HTTPServer
import Primitives
import Watches

extension NodeLoop {
    mutating func handleEvents(_ plan: EventPlan, on connection: ConnectionID) {
        let layer = datagrams.events
        switch plan.question {
        case .publish(let topic, let body, let ttl):
            clocks.tick(at: wall)
            let stamp = clocks.stamp
            var outcome: EventOutcome
            do throws(EventRefusal) {
                let sealed = EventStamp.seal(stamp, before: body)
                outcome = .published(try layer.publish(topic: topic, sealed, ttl: ttl, at: now), stamp)
            } catch {
                outcome = .refused(error)
            }
            answer(connection, api.render(event: plan, outcome: outcome, context: context()))
        case .list(let query, let limit):
            let start = layer.place(after: query.after)
            let found = layer.events.stored(topic: query.topic, after: start.place, limit: limit)
            let views = found.compactMap { layer.view(of: $0) }
            answer(
                connection, api.render(events: views, of: plan, isWhole: start.isKnown, context: context()))
        case .show(let id):
            let roster = roster
            answer(
                connection,
                api.render(
                    event: id, layer.events.event(id).flatMap { layer.view(of: $0) },
                    coverage: layer.events.coverage(of: id), of: plan, names: { roster.name(of: $0) },
                    isOrigin: id.origin == roster.own, context: context()))
        case .follow(let query, let format, let most, let wait):
            follow(query, format, plan, most: most, wait: wait, on: connection)
        }
    }

    private mutating func follow(
        _ query: EventQuery, _ format: WatchFormat, _ plan: EventPlan, most: Int?, wait: Instant.Span?,
        on connection: ConnectionID
    ) {
        let start = datagrams.events.place(after: query.after)
        let follower = Followers<EventQuery>.Follower(
            query: query, place: start.place, left: most ?? .max, until: wait.map { now + $0 } ?? .never,
            format: format, hasMissed: !start.isKnown)
        begin(
            follower, of: datagrams.events, api.eventStream(format, of: plan, context: context()),
            plan.traits,
            connection)
    }

    /// Follows the clocks of others' events.
    mutating func followClocksOfEvents() {
        for (origin, stamp) in datagrams.events.takeArrived() {
            do throws(ClockError) {
                try clocks.observe(stamp, at: wall)
            } catch {
                clockWatch.refuse(error, of: name(of: origin), at: now)
            }
        }
    }
}
