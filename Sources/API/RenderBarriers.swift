// Answers about barriers.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    func render(
        _ outcome: BarrierOutcome, of name: String, plan: WritePlan, context: AnswerContext
    ) -> HTTP.Response {
        switch outcome {
        case .configured(let barrier, let isNew):
            var response = answer(
                plan, status: isNew ? 201 : 200, revision: context.revision, context: context
            ) { json in write(barrier, to: &json) }
            if isNew { addLocation("/barriers/", name, to: &response) }
            return response
        case .reset(let barrier):
            return answer(plan, revision: context.revision, context: context) { json in
                write(barrier, to: &json)
            }
        case .released(let generation, let index, let parties):
            return answer(plan, revision: context.revision, context: context) { json in
                json.field("released", true)
                json.field("generation", generation)
                if let index { json.field("index", index) }
                json.field("parties", parties)
            }
        case .arrived(let generation, let arrived, let parties),
            .waiting(let generation, let arrived, let parties):
            return answer(plan, status: 202, revision: context.revision, context: context) { json in
                json.field("released", false)
                json.field("generation", generation)
                json.field("arrived", arrived)
                json.field("parties", parties)
            }
        case .left(let generation, let left, let parties), .leaving(let generation, let left, let parties):
            let isOver = left == parties
            return answer(plan, status: isOver ? 200 : 202, revision: context.revision, context: context) {
                json in
                json.field("all_left", isOver)
                json.field("generation", generation)
                json.field("left", left)
                json.field("parties", parties)
            }
        case .withdrawn(let generation, let arrived, let parties):
            return answer(plan, revision: context.revision, context: context) { json in
                json.field("withdrawn", true)
                json.field("generation", generation)
                json.field("arrived", arrived)
                json.field("parties", parties)
            }
        case .broken(let broken):
            return problem(Self.problem(broken), traits: plan.traits, context: context)
        case .deleted:
            return answer(plan, revision: context.revision, context: context) { json in
                json.field("deleted", true)
            }
        }
    }

    func render(
        _ query: BarrierQuery, keyspace: borrowing Keyspace, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        let revision = keyspace.revision
        guard let name = query.name else {
            let barriers = keyspace.barriers(after: query.after, limit: query.limit + 1)
            let last = barriers.count > query.limit ? barriers[query.limit - 1].name : nil
            return page(last, BarrierQuery.fingerprint, query.link, revision, traits, context) { json in
                for barrier in barriers.prefix(query.limit) {
                    json.beginObject()
                    write(barrier, to: &json)
                    json.endObject()
                }
            }
        }
        guard let barrier = keyspace.barrier(name) else {
            return problem(Self.problem(BarrierRefusal.notFound(name)), traits: traits, context: context)
        }
        let members = keyspace.members(of: barrier, generation: barrier.generation)
        return json(revision: revision, traits: traits, context: context) { json in
            json.beginObject()
            write(barrier, to: &json)
            json.name("members")
            json.beginArray()
            for member in members {
                json.beginObject()
                json.field("member", member.name)
                json.field("since", member.since.rfc3339)
                json.field("waiting", member.isWaiting)
                if member.index > 0 { json.field("index", member.index) }
                if let lease = member.lease { json.field("lease", lease) }
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
    }

    private func write(_ barrier: Barrier, to json: inout JSONWriter) {
        json.field("name", barrier.name)
        json.field("parties", barrier.terms.parties)
        json.field("generations", barrier.terms.isOnce ? "once" : "cyclic")
        if barrier.terms.timeToLive > 0 { json.field("ttl_ms", barrier.terms.timeToLive) }
        json.field("generation", barrier.generation)
        json.field("arrived", barrier.arrived)
        if barrier.terms.isOnce { json.field("open", barrier.isOpen) }
        json.field("broken", barrier.broken != nil)
        if case .leaseEnded(let member)? = barrier.broken { json.field("broken_by", member) }
        if barrier.released > 0 {
            json.field("released_generation", barrier.released)
            json.field("left", barrier.left)
        }
        json.field("created_at", barrier.createdAt.rfc3339)
    }

    private static func problem(_ broken: BarrierBreak) -> Problem {
        let reason =
            switch broken.cause {
            case .leaseEnded(let member): "the lease of '\(member)' ended before all had arrived"
            case .reset: "it was reset"
            case .deleted: "it was deleted"
            case .overtaken: "the next generation was released before all of this one had left"
            }
        let problem = Problem(
            .barrierBroken,
            "generation \(broken.generation) of the barrier '\(broken.barrier)' is broken: \(reason)"
        )
        .with("barrier", .text(broken.barrier)).with("generation", .number(broken.generation))
        guard case .leaseEnded(let member) = broken.cause else { return problem }
        return problem.with("broken_by", .text(member))
    }

    /// Why nothing was changed at a barrier, as a problem.
    static func problem(_ refusal: BarrierRefusal) -> Problem {
        switch refusal {
        case .notFound(let name):
            Problem(.barrierNotFound, "there is no barrier '\(name)'").with("barrier", .text(name))
        case .broken(let broken): problem(broken)
        case .otherParties(let name, let parties):
            Problem(
                .alreadyExists, "there is a barrier '\(name)' already, of another kind or number of parties"
            )
            .with("barrier", .text(name)).with("parties", .number(UInt64(parties)))
        case .otherGeneration(let name, let current):
            Problem(
                .otherGeneration,
                "'\(name)' is at generation \(current), and remembers who arrived in the one before"
            )
            .with("barrier", .text(name)).with("generation", .number(current))
        case .notArrived(let name, let member):
            Problem(.notArrived, "'\(member)' has not arrived at the barrier '\(name)'")
                .with("barrier", .text(name)).with("member", .text(member))
        }
    }
}
