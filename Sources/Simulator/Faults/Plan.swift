public import Primitives

/// Everything about a run that is decided before it begins: it follows from the seed and the profile, and can
/// be read and reduced.
public struct Plan: Sendable {
    /// The seed it was drawn from.
    public let seed: UInt64
    /// The profile.
    public let profile: Profile
    /// How many nodes there are, all of them voters.
    public let nodeCount: Int
    /// How long anything may go wrong. Then the faults end, and progress is demanded.
    public internal(set) var safety: Instant.Span
    /// The kinds of faults that were drawn.
    public internal(set) var families: [FaultFamily] = []
    /// Limits of the product.
    public internal(set) var knobs = Knobs()
    /// The links between nodes.
    public internal(set) var network = NetworkPlan()
    /// The nodes' disks and processors.
    public internal(set) var machines: [MachinePlan] = []
    /// Who asks what.
    public internal(set) var clients: [ClientPlan] = []
    /// What the clients' keys are.
    public internal(set) var keys = KeyPlan()
    /// What else clients use.
    public internal(set) var coordination = CoordinationPlan()
    /// What goes wrong, in the order of time.
    public internal(set) var faults: [PlannedFault] = []
    /// The nodes on which what is durable may go bad, fewer than half: so that of everything acknowledged a
    /// majority has a copy that is intact or known not to be.
    public internal(set) var fragile: [Int] = []
    /// The nodes that are healed at the end, at least a majority; the rest stays as it is.
    public internal(set) var core: [Int] = []
    /// Whether leadership is handed over when all is well again.
    public internal(set) var endsWithTransfer = false
    /// Whether one link is cut when all is well again.
    public internal(set) var endsWithCut = false
    /// How it was reduced.
    public internal(set) var reduction = Reduction()

    /// Seeds of what is drawn during the run.
    var seeds = Seeds()

    struct Seeds: Sendable {
        var network: UInt64 = 0
        var disks: UInt64 = 0
        var clocks: UInt64 = 0
        var clients: UInt64 = 0
        var faults: UInt64 = 0
        var nodes: UInt64 = 0
    }

    /// Draws the plan of a seed.
    ///
    /// - Parameter nodes: how many nodes, at most 64; nil for as many as the profile has.
    public init(seed: UInt64, profile: Profile, nodes: Int? = nil, reduction: Reduction = Reduction()) {
        var random = SeededGenerator(seed: seed ^ fnv1a(profile.rawValue.utf8))
        // Mostly as many as the profile has; but what is wrong about even numbers shows with even ones only.
        let drawn = [3, 4][random.below(2)]
        let isOther = profile == .std && random.chance(250_000)
        let count = min(64, max(1, nodes ?? (isOther ? drawn : profile.nodeCount)))
        self.seed = seed
        self.profile = profile
        nodeCount = count
        safety = profile.safety
        seeds = Seeds(
            network: random.next(), disks: random.next(), clocks: random.next(), clients: random.next(),
            faults: random.next(), nodes: random.next())
        var draw = PlanDrawing(
            swarm: random.split(), network: random.split(), machines: random.split(),
            clients: random.split(), faults: random.split(), knobs: random.split(),
            coordination: random.split())
        draw.fill(&self)
        self.reduction = reduction
        reduction.apply(to: &self)
    }

    /// The plan in lines for people.
    public var description: [String] {
        var lines = [
            "seed 0x\(hexadecimal(seed, digits: 16)), profile \(profile.rawValue), \(nodeCount) nodes, "
                + "\(seconds(safety.nanoseconds)) s of faults",
            "kinds of faults: "
                + (families.isEmpty ? "none" : families.map(\.rawValue).joined(separator: " ")),
            "network: \(network)",
            "clients: \(clients.count), keys: \(keys.plain) plain, \(keys.counters) counters",
            "leases, locks, queues: \(coordination)",
        ]
        lines += clients.map { "  \($0)" }
        if !knobs.notes.isEmpty {
            lines.append("small limits: " + knobs.notes.map(\.text).joined(separator: ", "))
        }
        if !fragile.isEmpty {
            lines.append("damage only on: " + fragile.map { "n\($0 + 1)" }.joined(separator: " "))
        }
        let lazy = machines.indices.filter { machines[$0].isLazy }
        if !lazy.isEmpty {
            lines.append("few checkpoints on: " + lazy.map { "n\($0 + 1)" }.joined(separator: " "))
        }
        lines.append(
            "healed at the end: " + core.map { "n\($0 + 1)" }.joined(separator: " ")
                + (endsWithTransfer ? ", then a transfer" : "") + (endsWithCut ? ", then a link cut" : ""))
        lines.append("faults: \(faults.count)")
        lines += faults.map { "  \($0)" }
        return lines
    }
}

/// How links behave when nothing particular is wrong with them.
public struct NetworkPlan: Sendable, CustomStringConvertible {
    /// The least that a message takes.
    public internal(set) var least = Instant.Span.microseconds(60)
    /// What it takes beyond that, on average.
    public internal(set) var mean = Instant.Span.microseconds(60)
    /// Messages of a million that take fifty times as long.
    public internal(set) var heavyTail = 0
    /// Messages of a million that are lost.
    public internal(set) var loss = 0
    /// Requests of a million that arrive a second time.
    public internal(set) var duplicates = 0
    /// Connections of a million requests that break.
    public internal(set) var breaks = 0
    /// Bodies of a million that arrive with a wrong bit.
    public internal(set) var corruption = 0
    /// Whether messages of a link overtake each other.
    public internal(set) var reorders = false
    /// Parts of snapshots of a million that don't arrive.
    public internal(set) var fetchFailures = 0

    /// A line for people.
    public var description: String {
        "delay \(least.microseconds)+\(mean.microseconds) us, heavy tail \(heavyTail), loss \(loss), "
            + "duplicates \(duplicates), breaks \(breaks), corruption \(corruption), "
            + "fetch failures \(fetchFailures) of a million\(reorders ? ", reorders" : "")"
    }
}

/// A node's machine.
public struct MachinePlan: Sendable {
    /// What a turn of the node loop costs.
    public internal(set) var turn = Instant.Span.microseconds(15)
    /// What each event of a turn costs.
    public internal(set) var event = Instant.Span.microseconds(4)
    /// What a sync takes.
    public internal(set) var sync = Instant.Span.microseconds(400)
    /// How long a process takes to start.
    public internal(set) var start = Instant.Span.milliseconds(20)
    /// Whether it writes checkpoints as rarely as in production.
    public internal(set) var isLazy = false
    /// How far its wall clock is ahead, in milliseconds.
    public internal(set) var wallOffset = 0
    /// How much its clock is fast, in millionths.
    public internal(set) var drift = 0
}

/// The keys that clients use.
public struct KeyPlan: Sendable {
    /// Keys that hold values.
    public internal(set) var plain = 4
    /// Keys that hold numbers.
    public internal(set) var counters = 1
}
