// Requests between nodes, as the transport of production carries them: a POST with a batch of messages, whose
// answer may hold messages too.
//
// A request takes at most two seconds. When connecting to a peer has failed, requests to it fail at once for
// a little while. A sender is told that a request certainly never arrived only if that is so; it is often
// not told although it is so.

import NodeCore
import Primitives
import Wire

extension Simulation {
    private static var sendTimeout: Int64 { 2_000_000_000 }
    private static var connectTimeout: Int64 { 1_000_000_000 }

    func post(_ envelope: Envelope, from node: SimulatedNode) {
        let (from, to) = (node.index, Int(envelope.to.rawValue) - 1)
        guard nodes.indices.contains(to), to != from else { return }
        let link = network.place(from, to)
        let body = envelope.encode()
        statistics.posts += 1
        statistics.bytes += body.count
        hash.add(from << 48 | to << 32 | body.count)
        hash.add(Int(body[body.count - 1]) | Int(body[body.count - 2]) << 8 | Int(body[body.count - 3]) << 16)
        let id = network.posts.insert(
            Post(from: from, to: to, life: node.life, batch: envelope.batch, sent: time, body: body))
        track(id, on: link)
        if network.links[link].restsUntil > time { return breaks(id, after: 1_000, reached: false) }
        let target = nodes[to]
        let isThere = target.isAlive
        let isEstablished = network.links[link].isEstablished
        if network.isCut(from, to) || (target.isDark && !isThere) {
            // Nothing passes: connecting fails after a second, what goes over a connection after two.
            if !isEstablished { breaks(id, after: Self.connectTimeout, reached: false) }
            return lose(id, .request)
        }
        guard isThere else {
            let arrival = network.arrival(on: link, at: time)
            return breaks(id, after: arrival - time, reached: isEstablished)
        }
        send(id, on: link)
    }

    private func send(_ id: PostID, on link: Int) {
        let plan = network.plan
        if network.loses(on: link) {
            // Half of what is lost breaks the connection, the other half is waited for in vain.
            if network.links[link].random.coin() {
                breaks(id, after: network.arrival(on: link, at: time) - time, reached: true)
            }
            return lose(id, .request)
        }
        let arrival = network.arrival(on: link, at: time)
        travel(.request(post: id.place, generation: id.generation, copy: 0), id, on: link, at: arrival)
        if plan.breaks > 0, network.links[link].random.chance(plan.breaks) {
            // The sender gives the connection up, perhaps before the request arrives.
            let after = network.links[link].random.span(.zero, .milliseconds(20))
            breaks(id, after: after.nanoseconds, reached: true)
        }
        if let span = network.extraCopies.last {
            travel(
                Due.request(post: id.place, generation: id.generation, copy: 1), id, on: link,
                at: arrival + span.nanoseconds)
            if isObserved { emit(.duplicated(transit(id, .request))) }
        } else if plan.duplicates > 0, network.links[link].random.chance(plan.duplicates) {
            var later = network.arrival(on: link, at: time)
            if network.links[link].random.chance(200_000) {
                later += network.links[link].random.magnitude(.milliseconds(1), .seconds(60)).nanoseconds
            }
            let copy = Due.request(post: id.place, generation: id.generation, copy: 1)
            travel(copy, id, on: link, at: later)
            if isObserved { emit(.duplicated(transit(id, .request))) }
        }
    }

    /// Puts something on its way, or holds it up.
    private func travel(_ due: Due, _ id: PostID, on link: Int, at arrival: Int64) {
        network.posts[id].underWay += 1
        if network.links[link].clogs > 0 {
            network.links[link].held.append(due)
        } else {
            queue.add(due, at: arrival)
        }
    }

    private func transit(_ id: PostID, _ kind: Transit.Kind) -> Transit {
        let post = network.posts[id]
        return Transit(
            from: kind == .request ? post.from : post.to, to: kind == .request ? post.to : post.from,
            number: post.batch, kind: kind)
    }

    private func lose(_ id: PostID, _ kind: Transit.Kind) {
        if isObserved { emit(.lost(transit(id, kind))) }
    }

    /// The sender will see its connection broken.
    private func breaks(_ id: PostID, after span: Int64, reached: Bool) {
        network.posts[id].reached = reached
        network.posts[id].underWay += 1
        queue.add(.broken(post: id.place, generation: id.generation), at: time + span)
    }

    // MARK: - At the receiver

    func arriveRequest(_ id: PostID, copy: Int) {
        guard network.posts.contains(id) else { return }
        network.posts[id].underWay -= 1
        defer { network.posts.release(id) }
        let post = network.posts[id]
        let link = network.place(post.from, post.to)
        let target = nodes[post.to]
        // What is cut or switched off on its way is waited for in vain.
        guard network.links[link].cuts == 0, !(target.isDark && !target.isAlive) else {
            return lose(id, .request)
        }
        guard target.isAlive else {
            if !post.isClosed {
                let back = network.arrival(on: network.place(post.to, post.from), at: time)
                breaks(id, after: back - time, reached: true)
            }
            return
        }
        var body = post.body
        if network.plan.corruption > 0, network.links[link].random.chance(network.plan.corruption) {
            body[network.links[link].random.below(body.count)] ^=
                1 << UInt8(network.links[link].random.below(8))
        }
        let envelope: Envelope
        do throws(WireError) {
            envelope = try Envelope(decoding: body)
        } catch {
            network.posts[id].isDamaged = true
            return sendAnswer(id)
        }
        network.links[link].isSeen = true
        let number = UInt64(UInt32(bitPattern: id.place)) << 32 | UInt64(id.generation) << 1 | UInt64(copy)
        if copy == 0 {
            network.posts[id].taken.first = target.life
        } else {
            network.posts[id].taken.second = target.life
        }
        deliver(.event(.peerRequest(PeerRequestID(number), envelope, wantsJSON: false)), to: target)
    }

    func answer(_ request: PeerRequestID, _ envelope: Envelope, from node: SimulatedNode) {
        let id = PostID(
            place: Int32(truncatingIfNeeded: request.rawValue >> 32),
            generation: Int32(truncatingIfNeeded: (request.rawValue & 0xffff_ffff) >> 1))
        // The sender may have given up long ago.
        guard network.posts.contains(id) else { return }
        if request.rawValue & 1 == 0 {
            network.posts[id].isAnswered.first = true
        } else {
            network.posts[id].isAnswered.second = true
        }
        guard !network.posts[id].isClosed, network.posts[id].answer == nil else { return }
        if !envelope.messages.isEmpty {
            let body = envelope.encode()
            statistics.bytes += body.count
            hash.add(Int(body[body.count - 1]) | Int(body[body.count - 2]) << 8 | body.count << 16)
            network.posts[id].answer = body
        }
        sendAnswer(id)
    }

    private func sendAnswer(_ id: PostID) {
        let post = network.posts[id]
        let link = network.place(post.to, post.from)
        if network.loses(on: link) {
            if network.links[link].cuts == 0, network.links[link].random.coin() {
                breaks(id, after: network.arrival(on: link, at: time) - time, reached: true)
            }
            return lose(id, .answer)
        }
        let arrival = network.arrival(on: link, at: time)
        travel(.answer(post: id.place, generation: id.generation), id, on: link, at: arrival)
    }

    // MARK: - At the sender

    func arriveAnswer(_ id: PostID) {
        guard network.posts.contains(id) else { return }
        network.posts[id].underWay -= 1
        defer { network.posts.release(id) }
        let post = network.posts[id]
        let node = nodes[post.from]
        guard !post.isClosed else { return }
        guard !network.isCut(post.to, post.from) else { return lose(id, .answer) }
        guard node.isAlive, node.life == post.life else { return }
        network.posts[id].isClosed = true
        let link = network.place(post.from, post.to)
        network.links[link].becomeReachable()
        if post.isDamaged {
            // The peer has refused the whole batch; but another copy of it may have come before.
            return deliver(
                .event(.peerFailed(nodes[post.to].id, batch: post.batch, reached: true)), to: node)
        }
        let envelope = post.answer.flatMap { try? Envelope(decoding: $0) }
        deliver(.event(.peerAnswered(nodes[post.to].id, batch: post.batch, envelope)), to: node)
    }

    func hearBroken(_ id: PostID) {
        guard network.posts.contains(id) else { return }
        network.posts[id].underWay -= 1
        defer { network.posts.release(id) }
        let post = network.posts[id]
        guard !post.isClosed else { return }
        if isObserved { emit(.broke(transit(id, .request))) }
        giveUp(id, reached: post.reached)
    }

    /// The sender has no hope any more.
    private func giveUp(_ id: PostID, reached: Bool) {
        let post = network.posts[id]
        network.posts[id].isClosed = true
        let link = network.place(post.from, post.to)
        if !reached {
            network.links[link].becomeUnreachable(at: time)
        } else {
            network.links[link].isEstablished = false
        }
        tellReceiver(id)
        let node = nodes[post.from]
        guard node.isAlive, node.life == post.life else { return }
        deliver(.event(.peerFailed(nodes[post.to].id, batch: post.batch, reached: reached)), to: node)
    }

    /// The receiver of a request that is not answered yet sees its connection closed.
    private func tellReceiver(_ id: PostID) {
        let post = network.posts[id]
        let link = network.place(post.from, post.to)
        for copy in 0...1 {
            let (life, isAnswered) =
                copy == 0
                ? (post.taken.first, post.isAnswered.first) : (post.taken.second, post.isAnswered.second)
            guard life > 0, life == nodes[post.to].life, !isAnswered, !network.isCut(post.from, post.to)
            else { continue }
            network.posts[id].underWay += 1
            let gone = Due.gone(post: id.place, generation: id.generation, copy: Int32(copy))
            queue.add(gone, at: network.arrival(on: link, at: time))
        }
    }

    func hearGone(_ id: PostID, copy: Int) {
        guard network.posts.contains(id) else { return }
        network.posts[id].underWay -= 1
        defer { network.posts.release(id) }
        let post = network.posts[id]
        let node = nodes[post.to]
        let life = copy == 0 ? post.taken.first : post.taken.second
        guard node.isAlive, node.life == life else { return }
        let number = UInt64(UInt32(bitPattern: id.place)) << 32 | UInt64(id.generation) << 1 | UInt64(copy)
        deliver(.event(.peerRequestGone(PeerRequestID(number))), to: node)
        // With luck it was the last connection, and the node takes the peer for gone.
        let link = network.place(post.from, post.to)
        if network.links[link].random.chance(300_000), node.isAlive {
            network.links[link].isSeen = false
            deliver(.event(.peerDisconnected(nodes[post.from].id)), to: node)
        }
    }

    // MARK: - Time-outs

    private func track(_ id: PostID, on link: Int) {
        network.links[link].open.append(id)
        guard !network.links[link].isSwept else { return }
        network.links[link].isSwept = true
        queue.add(.sweep(link: Int32(link)), at: time + Self.sendTimeout)
    }

    /// Gives up what is too old, and looks again when the next request may be.
    func sweep(_ link: Int) {
        var rest: [PostID] = []
        var late: [PostID] = []
        for id in network.links[link].open where network.posts.contains(id) && !network.posts[id].isClosed {
            if network.posts[id].sent + Self.sendTimeout <= time { late.append(id) } else { rest.append(id) }
        }
        network.links[link].open = rest
        network.links[link].isSwept = !rest.isEmpty
        if let first = rest.first {
            queue.add(.sweep(link: Int32(link)), at: network.posts[first].sent + Self.sendTimeout)
        }
        for id in late where network.posts.contains(id) && !network.posts[id].isClosed {
            if isObserved { emit(.timedOut(transit(id, .request))) }
            giveUp(id, reached: true)
            network.posts.release(id)
        }
    }
}
