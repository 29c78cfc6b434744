internal import Primitives

/// Believing, doubting and objecting (SWIM, section 4.2).
extension Membership {
    /// Takes over what was claimed of a member, if it is news.
    mutating func take(_ claim: Claim, from peer: NodeID, at now: Instant, into effects: inout [Effect]) {
        if claim.member == own {
            object(to: claim, at: now, into: &effects)
            return
        }
        guard let place = place(of: claim.member) else {
            counters.unknownMembers += 1
            return
        }
        let member = members[place]
        guard claim.overrides(member.state, member.incarnation) else {
            if claim.state == .suspect, member.state == .suspect, claim.incarnation == member.incarnation {
                confirm(claim, at: place)
            }
            return
        }
        if claim.state == .suspect {
            suspect(claim, cause: .rumour(from: peer, source: claim.source), at: now, into: &effects)
        } else {
            adopt(claim, at: place, cause: cause(of: claim, from: peer, after: member), now, into: &effects)
        }
    }

    private func cause(of claim: Claim, from peer: NodeID, after member: Member) -> TransitionCause {
        guard claim.state == .alive else {
            return claim.state == .left && claim.source == peer && claim.member == peer
                ? .ownWord : .rumour(from: peer, source: claim.source)
        }
        return claim.incarnation.process > member.incarnation.process
            ? .restarted(from: peer) : .refuted(from: peer)
    }

    /// Makes the claim this node's own opinion and passes it on.
    private mutating func adopt(
        _ claim: Claim, at place: Int, cause: TransitionCause, _ now: Instant, into effects: inout [Effect]
    ) {
        let before = members[place]
        members[place].incarnation = claim.incarnation
        members[place].state = claim.state
        rumours.add(claim)
        if claim.state != .suspect { suspicions.removeAll { $0.member == claim.member } }
        if claim.state == .alive || claim.state == .left { members[place].confirmers = [] }
        if claim.state == .alive, claim.incarnation.process == before.incarnation.process {
            if before.state == .suspect { counters.suspicionsRefuted += 1 }
            if before.state == .dead { counters.deathsRefuted += 1 }
        }
        let isNewProcess = before.incarnation.process != claim.incarnation.process
        guard before.state != claim.state || isNewProcess else { return }
        members[place].since = now
        if claim.state == .dead { counters.deaths += 1 }
        effects.append(
            .transition(
                MemberTransition(
                    member: claim.member, from: before.state, to: claim.state, incarnation: claim.incarnation,
                    cause: cause, at: now)))
    }

    /// A member was found unreachable, by this node or by another one.
    mutating func suspect(
        _ claim: Claim, cause: TransitionCause, at now: Instant, into effects: inout [Effect]
    ) {
        guard let place = place(of: claim.member) else { return }
        guard claim.overrides(members[place].state, members[place].incarnation) else {
            confirm(claim, at: place)
            return
        }
        counters.suspicions += 1
        suspicions.removeAll { $0.member == claim.member }
        suspicions.append(
            Suspicion(
                of: claim.member, by: claim.source, members: members.count + 1, options: options, at: now))
        members[place].confirmers = [claim.source]
        adopt(claim, at: place, cause: cause, now, into: &effects)
    }

    /// Another one says the same of a member that is suspect.
    private mutating func confirm(_ claim: Claim, at place: Int) {
        guard let suspicion = suspicions.firstIndex(where: { $0.member == claim.member }) else { return }
        if suspicions[suspicion].confirm(by: claim.source) { rumours.add(claim) }
        members[place].confirmers = suspicions[suspicion].confirmers
    }

    /// Those whose time to object is over are dead.
    mutating func endSuspicions(at now: Instant, into effects: inout [Effect]) {
        for suspicion in suspicions where suspicion.deadline <= now {
            guard let place = place(of: suspicion.member) else { continue }
            let claim = Claim(
                member: suspicion.member, state: .dead, incarnation: members[place].incarnation, source: own)
            adopt(
                claim, at: place, cause: .suspicionExpired(by: suspicion.confirmers), now, into: &effects)
        }
    }

    /// Something was said of this node itself. If it is wrong, a greater incarnation says so.
    private mutating func object(to claim: Claim, at now: Instant, into effects: inout [Effect]) {
        guard claim.overrides(isLeaving ? .left : .alive, incarnation), !isPlanted(.nobodyObjects) else {
            return
        }
        // The number of an earlier process may be the greater one if the clock was set back.
        incarnation = Incarnation(
            process: claim.incarnation.process, refutation: claim.incarnation.refutation + 1)
        rumours.add(ownClaim)
        guard claim.state != .alive, !isLeaving else { return }
        counters.objections += 1
        health.note(1)
        effects.append(
            .transition(
                MemberTransition(
                    member: own, from: claim.state, to: .alive, incarnation: incarnation,
                    cause: .objected(to: claim.state, source: claim.source), at: now)))
    }
}
