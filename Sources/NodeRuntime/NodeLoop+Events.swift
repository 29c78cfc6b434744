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
            let views = found.compactMap { view(of: $0, roster) }
            answer(
                connection, api.render(events: views, of: plan, isWhole: start.isKnown, context: context()))
        case .show(let id):
            let roster = roster
            answer(
                connection,
                api.render(
                    event: id, layer.events.event(id).flatMap { view(of: $0, roster) },
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
        let layer = datagrams.events
        if drain?.handedOver == true { return refuse(connection, .shuttingDown, plan.traits) }
        guard layer.followers.count < EventLayer.mostFollowers else {
            return refuse(connection, .tooManyWatchers, plan.traits)
        }
        var head = api.eventStream(format, of: plan, context: context())
        guard !plan.traits.flags.contains(.isHead) else { return answer(connection, head) }
        metrics.answered(connection, head.status, at: now)
        dress(&head, for: connection)
        guard server.beginStream(connection, head, at: now) else { return }
        let start = layer.place(after: query.after)
        layer.followers[connection] = EventLayer.Follower(
            topic: query.topic, place: start.place, left: most ?? .max,
            until: wait.map { now + $0 } ?? .never, format: format, told: now, hasMissed: !start.isKnown)
        layer.followersDue = now
    }

    /// Follows the clocks of others' events, and tells the streams what they do not know yet.
    mutating func progressEvents() {
        let layer = datagrams.events
        for (origin, stamp) in layer.takeArrived() {
            do throws(ClockError) {
                try clocks.observe(stamp, at: wall)
            } catch {
                clockWatch.refuse(error, of: name(of: origin), at: now)
            }
        }
        guard layer.followersDue <= now else { return }
        layer.followersDue = .never
        for connection in Array(layer.followers.keys) { progress(connection, layer) }
    }

    private mutating func progress(_ connection: ConnectionID, _ layer: EventLayer) {
        guard var follower = layer.followers[connection] else { return }
        var lines: [UInt8] = []
        let canTake = server.outputCount(of: connection) <= EventLayer.mostUnsent
        var isBehind = false
        if canTake, follower.hasMissed || follower.place < layer.events.placed {
            // What was forgotten while the stream was not read.
            if !follower.isNew, follower.place < layer.events.dropped { follower.hasMissed = true }
            follower.isNew = false
            if follower.hasMissed { lines += api.missedEvents(follower.format) }
            follower.hasMissed = false
            let found = layer.events.stored(
                topic: follower.topic, after: follower.place, limit: min(64, follower.left))
            isBehind = found.count == 64
            if !isBehind { follower.place = layer.events.placed }
            for event in found {
                if isBehind { follower.place = event.place }
                guard let view = view(of: event, roster) else { continue }
                lines += api.line(of: view, follower.format)
                follower.left -= 1
                guard lines.count > EventLayer.mostUnsent else { continue }
                (follower.place, isBehind) = (event.place, true)
                break
            }
        }
        let isOver = follower.left == 0 || follower.until <= now || drain?.handedOver == true
        if lines.isEmpty, !isOver, canTake, follower.told + EventLayer.silence <= now {
            lines = api.eventSign(follower.format)
        }
        if isOver {
            layer.followers[connection] = nil
            return server.endStream(connection, lines, at: now, into: &inbound)
        }
        if !lines.isEmpty {
            follower.told = now
            guard server.write(connection, lines, at: now) else {
                layer.followers[connection] = nil
                return server.endStream(connection, at: now, into: &inbound)
            }
        }
        layer.followers[connection] = follower
        let next = canTake ? min(follower.until, follower.told + EventLayer.silence) : now + EventLayer.pause
        layer.followersDue = min(layer.followersDue, isBehind ? now + .milliseconds(1) : next)
    }
}
