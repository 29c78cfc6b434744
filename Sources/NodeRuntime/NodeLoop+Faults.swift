// Faults on purpose: what they do to what the peers are told, and how all nodes come to have the same ones.
// Nothing of this is reached unless faults were enabled.
import API
import Faults
import HTTP
import HTTPServer
import NodeCore
import PeerTransport
import Platform
import Primitives
import Replication
import Wire

// MARK: - What they do

extension NodeLoop {
    /// Whether a batch goes out now. Else it was lost, which its receiver can't know and this node's
    /// consensus is not told, or it goes out later.
    mutating func passesFaults(_ envelope: Envelope) -> Bool {
        let bytes = envelope.messages.reduce(64) { $0 + $1.encodedSizeHint }
        let verdict = faults?.table.decide(from: roster.own, to: envelope.to, bytes: bytes, at: now)
        switch verdict {
        case .pass, nil: return true
        case .drop(let isCut): node.lose(envelope.batch, to: envelope.to, isCut: isCut)
        case .deliver(let delay, let copies):
            // Copies are the same batch once more: its receiver knows it by its number.
            for _ in 0..<copies {
                if delay == .zero {
                    transmit(envelope)
                } else if !holdUp(.batch(envelope), bytes, for: delay) {
                    node.lose(envelope.batch, to: envelope.to, isCut: false)
                }
            }
        }
        return false
    }

    private mutating func holdUp(
        _ transfer: FaultControl.Held, _ bytes: Int, for delay: Instant.Span
    ) -> Bool {
        if faults?.held.hold(transfer, bytes: bytes, until: now + delay) == true { return true }
        faults?.table.noteOverflow()
        return false
    }

    /// Whether the way from a peer to this node is cut.
    mutating func isCut(from peer: NodeID) -> Bool { faults?.table.cuts(peer, roster.own, at: now) ?? false }

    /// Whether a batch that came is lost after all: its sender did not know that the way is cut.
    mutating func isLost(_ envelope: Envelope) -> Bool {
        guard isCut(from: envelope.from) else { return false }
        faults?.table.noteCut(envelope.from, roster.own, at: now)
        return true
    }

    /// Whether the question for a snapshot gets to its source. Who asks waits in vain, and gives up in time.
    mutating func asks(_ source: NodeID, in fetch: UInt64) -> Bool {
        faults?.fetch = (fetch, source)
        if case .drop = faults?.table.decide(from: roster.own, to: source, bytes: 256, at: now) {
            return false
        }
        return true
    }

    /// Whether the node gets to know now what the transport reports.
    mutating func arrives(_ news: PeerReport) -> Bool {
        switch news {
        case .answered(_, let batch, let status, _) where batch >= FaultControl.firstBatch:
            heard(batch, status: status)
            return false
        case .failed(_, let batch, _, _) where batch >= FaultControl.firstBatch:
            heard(batch, status: nil)
            return false
        case .answered(let peer, let batch, _, let body):
            guard isCut(from: peer) else { return true }
            if !body.isEmpty { faults?.table.noteCut(peer, roster.own, at: now) }
            node.lose(batch, to: peer, isCut: true)
            return false
        case .fetched(let id, let offset, let bytes, let isLast):
            guard let fetch = faults?.fetch, fetch.id == id else { return true }
            return arrives(id, offset, bytes, isLast: isLast, from: fetch.source)
        case .failed, .fetchFailed: return true
        }
    }

    /// The same about a part of a snapshot. After a lost one the rest is of no use: the fetch ends, and the
    /// node finds out by waiting.
    private mutating func arrives(
        _ id: UInt64, _ offset: UInt64, _ bytes: [UInt8], isLast: Bool, from source: NodeID
    ) -> Bool {
        switch faults?.table.decide(from: source, to: roster.own, bytes: bytes.count, at: now) {
        case .pass, nil: return true
        case .deliver(.zero, _): return true
        case .deliver(let delay, _):
            let part = FaultControl.Held.part(id: id, offset: offset, bytes: bytes, isLast: isLast)
            if holdUp(part, bytes.count, for: delay) { return false }
        case .drop: break
        }
        _ = peers.post(.cancelFetch(id: id))
        return false
    }

    /// Ends what has lasted long enough, and carries on what was held up.
    mutating func progressFaults() {
        guard let deadline = faults?.deadline, deadline <= now else { return }
        for fault in faults?.table.expire(at: now) ?? [] {
            tell(fault.id, fault.kind, "has healed by itself")
        }
        while let held = faults?.held.next(at: now) {
            switch held {
            case .batch(let envelope): transmit(envelope)
            case .part(let id, let offset, let bytes, let isLast):
                receive(.fetched(id: id, offset: offset, bytes: bytes, isLast: isLast))
            }
        }
    }

    /// Does nothing for as long as was asked: no timer, no message, no client is looked at.
    mutating func standStill() {
        guard let span = faults?.pause else { return }
        faults?.pause = nil
        CurrentThread.sleep(for: span)
    }
}

// MARK: - Setting and healing them

extension NodeLoop {
    mutating func fault(_ plan: FaultPlan, on connection: ConnectionID) {
        guard let control = faults else {
            return refuse(
                connection, .featureDisabled, plan.traits,
                detail: "faults were not enabled: start the nodes with --enable-faults")
        }
        let action: FaultOrder.Action
        switch resolve(plan.action) {
        case .list:
            let status = control.status(roster, at: now, wall: wall)
            return answer(connection, api.render(fault: plan, status: status, context: context()))
        case .order(let order): action = order
        case .stranger(let name):
            return refuse(
                connection, .memberNotFound, plan.traits, detail: "no member is called '\(name)'")
        }
        if case .heal(let id?) = action, !control.table.faults.contains(where: { $0.fault.id == id }) {
            return refuse(connection, .faultNotFound, plan.traits, detail: "no fault has the id '\(id)'")
        }
        guard control.changes.count < FaultControl.mostChanges else {
            return refuse(connection, .overloaded, plan.traits, detail: "too many changes are under way")
        }
        var status = FaultStatus(items: [], total: control.table.total)
        // A node that is to stand still does so when it has told the others and its client.
        if !action.pauses(roster.own) {
            guard let done = obey(action) else { return refuse(connection, .tooManyFaults, plan.traits) }
            (status.isNew, status.healed) = done
        } else if control.table.count >= FaultTable.most {
            return refuse(connection, .tooManyFaults, plan.traits)
        }
        status.appliedOn = [configuration.name]
        spread(FaultControl.Change(connection: connection, plan: plan, action: action, status: status))
    }

    private enum Resolved { case list, order(FaultOrder.Action), stranger(String) }

    /// Puts numbers in the place of names.
    private mutating func resolve(_ action: FaultPlan.Action) -> Resolved {
        let roster = roster
        var stranger: String?
        func node(_ name: String) -> NodeID {
            if let member = roster.member(named: name) { return member.id }
            stranger = stranger ?? name
            return .zero
        }
        var kind: Fault.Kind
        let span: Instant.Span
        switch action {
        case .list: return .list
        case .heal(let id): return .order(.heal(id: id))
        case .link(let from, let to, var effect, let hasSeed, let ttl):
            if !hasSeed { effect.seed = spans.next() >> 11 }
            kind = .link(from: from == "*" ? nil : node(from), to: to == "*" ? nil : node(to), effect)
            span = ttl
        case .groups(let groups, let bridge, let ttl):
            var numbers = groups.map { $0.map(node) }
            let between = bridge.map(node)
            let named = Set(numbers.joined()).union(between)
            let others = roster.members.map(\.id).filter { !named.contains($0) }
            if !others.isEmpty { numbers.append(others) }
            kind = .partition(.groups(numbers, bridge: between))
            span = ttl
        case .oneWay(let from, let to, let ttl):
            kind = .partition(.oneWay(from: from.map(node), to: to.map(node)))
            span = ttl
        case .pause(let name, let length):
            kind = .pause(node(name))
            span = length
        }
        if let stranger { return .stranger(stranger) }
        var id: String?
        // A link has one fault of its own: a new one takes the place of the old.
        if case .link(let from, let to, _) = kind { id = faults?.table.fault(from: from, to: to)?.id }
        let own = configuration.name
        return .order(.set(id: id ?? faults?.nextID(own) ?? own, kind, ttl: span))
    }

    /// Makes a change on this node: whether a fault was added, and which have ended. Nil if there are too
    /// many.
    private mutating func obey(_ action: FaultOrder.Action) -> (isNew: Bool, healed: [String])? {
        switch action {
        case .heal(let id):
            let healed = faults?.table.heal(id) ?? []
            for fault in healed { tell(fault.id, fault.kind, "was ended") }
            return (false, healed.map(\.id))
        case .set(let id, let kind, let ttl):
            let replaced: Fault?
            do throws(FaultError) {
                replaced = try faults?.table.set(Fault(id: id, kind: kind, expires: now + ttl), at: now)
            } catch { return nil }
            tell(id, kind, "acts for \(ttl.milliseconds) ms")
            if case .pause(roster.own) = kind { faults?.pause = ttl }
            return (replaced == nil, [])
        }
    }

    private mutating func tell(_ id: String, _ kind: Fault.Kind, _ what: String) {
        report(.warning("fault \(id) (\(roster.words(kind))) \(what)"))
    }

    /// Tells all peers of a change, over a way that no fault concerns.
    private mutating func spread(_ change: FaultControl.Change) {
        var change = change
        for peer in roster.peers {
            guard let batch = faults?.nextBatch() else { return }
            let order = FaultOrder(
                cluster: roster.cluster, from: roster.own, to: peer.id, action: change.action)
            let url = peer.url + "/peer/faults"
            if peers.post(.send(peer: peer.id, batch: batch, url: url, body: order.encode())) {
                change.open[batch] = peer.id
            } else {
                change.status.unreachable.append(peer.name)
            }
        }
        guard let number = faults?.add(change) else { return }
        finish(number)
    }

    /// A peer has answered an order, or has not.
    private mutating func heard(_ batch: UInt64, status: Int?) {
        guard let number = faults?.change(of: batch), var change = faults?.changes[number],
            let peer = change.open.removeValue(forKey: batch)
        else { return }
        let name = name(of: peer)
        switch status {
        case 200?: change.status.appliedOn.append(name)
        case nil: change.status.unreachable.append(name)
        default: change.status.refused.append(name)
        }
        faults?.changes[number] = change
        finish(number)
    }

    /// Answers the client once all peers are through with a change.
    private mutating func finish(_ number: UInt64) {
        guard var change = faults?.changes[number], change.open.isEmpty else { return }
        faults?.changes[number] = nil
        if change.action.pauses(roster.own) {
            guard let done = obey(change.action) else {
                return refuse(change.connection, .tooManyFaults, change.plan.traits)
            }
            change.status.isNew = done.isNew
        }
        change.status.appliedOn.sort()
        change.status.unreachable.sort()
        change.status.refused.sort()
        if case .set(let id, let kind, let ttl) = change.action {
            let known = faults?.table.faults.first { $0.fault.id == id }
            let fault = known?.fault ?? Fault(id: id, kind: kind, expires: now + ttl)
            let hits = known?.hits ?? FaultHits()
            change.status.items = [FaultControl.item(fault, hits, roster, at: now, wall: wall)]
        }
        answer(
            change.connection, api.render(fault: change.plan, status: change.status, context: context()))
    }

    /// An order of a peer.
    mutating func takeFaultOrder(_ request: Request, on connection: ConnectionID) {
        guard faults != nil else {
            return refusePeer(connection, .featureDisabled, "faults were not enabled on this node")
        }
        let order: FaultOrder
        do throws(ByteReaderError) {
            order = try FaultOrder(decoding: request.body)
        } catch { return refusePeer(connection, .badRequest, "the body is no order about faults") }
        guard order.cluster == roster.cluster, order.to == roster.own, roster.member(order.from) != nil else {
            return refusePeer(connection, .misdirectedHost, "the order is not meant for this node")
        }
        guard obey(order.action) != nil else {
            return refusePeer(connection, .tooManyFaults, "the fault was not taken")
        }
        server.respond(to: connection, Response(status: 200), at: now, into: &inbound)
    }
}

// MARK: - Showing them

// Not on the loop: each function that borrows it takes the compiler seconds.
extension FaultControl {
    /// The faults that act.
    func status(_ roster: Roster, at now: Instant, wall: WallTime) -> FaultStatus {
        let acting = table.faults.filter { $0.fault.expires > now }
        return FaultStatus(
            items: acting.map { Self.item($0.fault, $0.hits, roster, at: now, wall: wall) },
            total: table.total)
    }

    /// One of them as it is shown.
    static func item(
        _ fault: Fault, _ hits: FaultHits, _ roster: Roster, at now: Instant, wall: WallTime
    ) -> FaultStatus.Item {
        let left = fault.expires - now
        return FaultStatus.Item(
            id: fault.id, kind: roster.view(fault.kind),
            expires: WallTime(milliseconds: wall.milliseconds + left.milliseconds),
            left: left, hits: hits)
    }
}

extension FaultOrder.Action {
    /// Whether this node is to stand still.
    fileprivate func pauses(_ own: NodeID) -> Bool {
        if case .set(_, .pause(own), _) = self { true } else { false }
    }
}
