import Primitives

/// The links between the nodes, and what is on its way.
struct Network {
    let count: Int
    /// How links behave; plain after healing.
    var plan: NetworkPlan
    var links: [Link] = []
    var posts = Posts()
    var fetches: [FetchState] = []
    /// Losses by planned faults, beyond the links' own: in a million.
    var extraLoss = 0
    /// After how long requests come once more, by planned faults.
    var extraCopies: [Instant.Span] = []
    /// Delays by planned faults.
    var extraDelay = Instant.Span.zero

    init(count: Int, plan: NetworkPlan, seed: UInt64) {
        self.count = count
        self.plan = plan
        var random = SeededGenerator(seed: seed)
        for _ in 0..<count * count { links.append(Link(seed: random.next())) }
    }

    func place(_ from: Int, _ to: Int) -> Int { from * count + to }

    /// Whether nothing at all passes.
    func isCut(_ from: Int, _ to: Int) -> Bool { links[place(from, to)].cuts > 0 }

    /// When something that is sent now arrives.
    mutating func arrival(on link: Int, at time: Int64) -> Int64 {
        var delay = plan.least + links[link].random.exponential(plan.mean)
        if plan.heavyTail > 0, links[link].random.chance(plan.heavyTail) { delay = delay * 50 }
        if extraDelay > .zero { delay = delay + links[link].random.exponential(extraDelay) }
        var arrival = time + delay.nanoseconds
        if !plan.reorders { arrival = max(arrival, links[link].lastArrival + 1) }
        links[link].lastArrival = max(links[link].lastArrival, arrival)
        return arrival
    }

    /// Whether a message that is sent now is lost.
    mutating func loses(on link: Int) -> Bool {
        let rate = plan.loss + extraLoss
        return links[link].cuts > 0 || (rate > 0 && links[link].random.chance(rate))
    }
}
