import Consensus
import Primitives

extension SmallScope {
    /// The search itself. States are numbered in the order in which they are found, and of each only its
    /// digest, its parent and the step from there are kept: 24 bytes and the room in the table. A state is
    /// made again by the steps that led to it; since those of one depth come in the order of their parents,
    /// that is little more than one step for each state.
    struct Explorer: ~Copyable {
        let bounds: Bounds
        /// The names under which states count as equal; the first are the nodes' own.
        let names: [UInt64]
        var members: Catalogue<Member>
        var summaries: [Summary] = []
        var messages: Catalogue<Message>
        var headers: [Header] = []
        var outcomes = OutcomeTable()

        private var visited = VisitedSet()
        /// The state that each state was found from, and by which step.
        private(set) var parents: [UInt32] = []
        private(set) var actions: [UInt32] = []
        /// The steps before the first state, if the start is given.
        private(set) var prelude: [Action] = []
        /// The worlds from the first state to the one being expanded.
        private var path: [(state: Int, world: World)] = []
        /// The nodes of the world being expanded.
        private var scene: [Summary] = []
        /// The outcome of the last step taken, here to spare an allocation each time.
        var change: Change
        /// Room for digests, likewise.
        var order: [UInt64] = []
        var newGhostSums: [UInt64] = []

        private(set) var depth = 0
        private(set) var expanded = 0
        var transitions = 0
        private(set) var violation: (state: Int, action: Action?, breach: Breach)?
        /// A further check of each new world, for tests.
        var furtherCheck: ((borrowing WorldView) -> String?)?
        /// Told before the core runs: the state and the step from there. If the core stops the process, these
        /// are the last words.
        var beforeRun: ((_ state: Int, _ step: UInt32) -> Void)?

        init(_ bounds: Bounds, _ search: Search = Search()) {
            self.bounds = bounds
            furtherCheck = search.furtherCheck
            beforeRun = search.beforeRun
            change = Change(bounds.order)
            names = Self.names(of: bounds.nodes, merging: bounds.mergesMirrorImages)
            members = Catalogue(names: names)
            messages = Catalogue(names: names)
            order = [UInt64](repeating: 0, count: 2 * names.count)
            prepare()
        }

        var states: Int { parents.count }

        /// All ways to name the nodes, their own first.
        private static func names(of count: Int, merging: Bool) -> [UInt64] {
            guard merging && count <= 4 else { return [StateHasher.ownNames] }
            var result: [UInt64] = []
            func extend(_ chosen: [UInt64]) {
                if chosen.count == count {
                    var names = StateHasher.ownNames
                    for (place, name) in chosen.enumerated() {
                        let shift = UInt64(8 * (place + 1))
                        names = names & ~(0xff << shift) | name << shift
                    }
                    result.append(names)
                }
                for name in 1...UInt64(count) where !chosen.contains(name) { extend(chosen + [name]) }
            }
            extend([])
            return result
        }
    }
}

// MARK: The search

extension SmallScope.Explorer {
    /// The first state.
    private mutating func prepare() {
        var world = SmallScope.World(bounds.order)
        for node in 1...UInt64(bounds.nodes) {
            world.members.append(UInt32(number(of: SmallScope.Member(founding: NodeID(node), bounds))))
        }
        world.sums = [UInt64](repeating: 0, count: members.stride)
        for member in world.members {
            for half in 0..<members.stride {
                world.sums[half] &+= members.digests[Int(member) * members.stride + half]
            }
        }
        world.ghost.digests(bounds.nodes, under: names, into: &world.ghostSums)
        if bounds.start == .led { elect(&world) }
        parents.append(0)
        actions.append(0)
        _ = visited.insert(digest(of: world))
        path = [(0, world)]
    }

    /// Lets node 1 win an election and all messages arrive in order, until nothing is in flight.
    private mutating func elect(_ world: inout SmallScope.World) {
        func take(_ action: SmallScope.Action, _ explorer: inout SmallScope.Explorer) -> Bool {
            guard explorer.evaluate(world, action) else { return false }
            if let breach = explorer.change.breach { explorer.violation = (0, nil, breach) }
            explorer.apply(to: &world)
            explorer.prelude.append(action)
            return true
        }
        _ = take(SmallScope.Action(.timeout, node: 0), &self)
        while let flight = world.network.flights.first, violation == nil {
            guard !take(SmallScope.Action(delivering: flight), &self) else { continue }
            // It changes nothing, so it may as well be lost.
            drop(flight, from: &world)
        }
        world.ghost.forgetSpending()
        world.ghost.digests(bounds.nodes, under: names, into: &world.ghostSums)
    }

    /// Expands states until there are none left, one breaks an invariant, `limit` of them are known, they
    /// take more than `bytes`, or `goesOn` says no; it is asked every few thousand states.
    mutating func run(
        states limit: Int, bytes: Int, _ goesOn: (SmallScope.Progress) -> Bool
    ) -> SmallScope.Ending {
        var end = 1
        while violation == nil {
            if expanded == states { return .complete }
            if states >= limit { return .states }
            if expanded == end {
                depth += 1
                end = states
            }
            if expanded & 0xfff == 0 {
                let progress = progress
                if progress.bytes > bytes { return .memory }
                if !goesOn(progress) { return .interrupted }
            }
            visit(expanded)
            expand(expanded)
            expanded += 1
        }
        return .violation
    }

    /// Makes the world of `state` again, at the end of the path.
    private mutating func visit(_ state: Int) {
        var steps: [(state: Int, action: SmallScope.Action)] = []
        var ancestor = state
        var place = depth
        while path.count <= place || path[place].state != ancestor {
            steps.append((ancestor, SmallScope.Action(code: actions[ancestor])))
            ancestor = Int(parents[ancestor])
            place -= 1
        }
        for step in steps.reversed() {
            place += 1
            if path.count == place { path.append(path[place - 1]) }
            var world = SmallScope.World(bounds.order)
            swap(&world, &path[place].world)
            world.become(path[place - 1].world)
            _ = evaluate(world, step.action)
            apply(to: &world)
            swap(&world, &path[place].world)
            path[place].state = step.state
        }
    }

    private mutating func expand(_ state: Int) {
        var world = SmallScope.World(bounds.order)
        swap(&world, &path[depth].world)
        scene.removeAll(keepingCapacity: true)
        for member in world.members { scene.append(summaries[Int(member)]) }
        chooseNodeSteps(world, from: state)
        chooseArrivals(world, from: state)
        swap(&world, &path[depth].world)
    }

    /// Takes a step and notes the state that it leads to, if that is new. Returns whether it led anywhere.
    @discardableResult
    mutating func attempt(_ action: SmallScope.Action, in world: SmallScope.World, from state: Int) -> Bool {
        guard violation == nil else { return false }
        transitions += 1
        guard evaluate(world, action) else { return false }
        if let breach = change.breach {
            violation = (state, action, breach)
            return true
        }
        guard visited.insert(changedDigest(of: world)) else { return true }
        parents.append(UInt32(state))
        actions.append(action.code)
        scene[change.node] = summaries[Int(change.member)]
        if let breach = SmallScope.Invariants.breach(in: scene, changed: change.node, change.ghost) {
            violation = (state, action, breach)
        }
        scene[change.node] = summaries[Int(world.members[change.node])]
        if furtherCheck != nil && violation == nil { checkFurther(world, action, from: state) }
        return true
    }

    private mutating func checkFurther(
        _ world: SmallScope.World, _ action: SmallScope.Action, from state: Int
    ) {
        var next = world
        apply(to: &next)
        let view = SmallScope.WorldView(
            nodes: next.members.map { members[Int($0)].raft }, committed: next.ghost.ledgerCount,
            messages: next.network.flights.map { messages[$0.message] })
        if let text = furtherCheck?(view) {
            violation = (state, action, SmallScope.Breach(invariant: "further check", text: text))
        }
    }

    /// The steps from the first state to `state`.
    func steps(to state: Int) -> [SmallScope.Action] {
        var result: [SmallScope.Action] = []
        var ancestor = state
        while ancestor != 0 {
            result.append(SmallScope.Action(code: actions[ancestor]))
            ancestor = Int(parents[ancestor])
        }
        return result.reversed()
    }

    /// Roughly how many bytes the search holds: a number that depends on nothing but what was found.
    var bytes: Int {
        let perMember = 8 * members.stride + 2500
        return visited.bytes + 12 * states + 60 * outcomes.count + perMember * members.count
            + 400 * messages.count
    }
}
