import ArgumentParser
import Simulator

/// Bounds on the command line: each replaces the scope's.
struct ExploreBounds: ParsableArguments {
    @Option(help: ArgumentHelp("Nodes, from 1 to 5.", valueName: "number")) var nodes: Int?
    @Option(help: ArgumentHelp("The highest term.", valueName: "number")) var terms: Int?
    @Option(help: ArgumentHelp("Proposals.", valueName: "number")) var entries: Int?
    @Option(help: ArgumentHelp("Election timeouts.", valueName: "number")) var timeouts: Int?
    @Option(help: ArgumentHelp("Timeouts of leaders.", valueName: "number")) var heartbeats: Int?
    @Option(help: ArgumentHelp("Reads.", valueName: "number")) var reads: Int?
    @Option(help: ArgumentHelp("Transfers of leadership.", valueName: "number")) var transfers: Int?
    @Option(help: ArgumentHelp("Checkpoints.", valueName: "number")) var checkpoints: Int?
    @Option(help: ArgumentHelp("Crashes.", valueName: "number")) var crashes: Int?
    @Option(help: ArgumentHelp("Messages that arrive twice.", valueName: "number")) var duplicates: Int?
    @Option(help: ArgumentHelp("Messages that leave their order, if there is one.", valueName: "number"))
    var delays: Int?
    @Option(help: ArgumentHelp("Appends whose last entry is cut off.", valueName: "number"))
    var shortened: Int?
    @Option(help: ArgumentHelp("Nodes that go to the other side of a partition.", valueName: "number"))
    var partitions: Int?
    @Option(help: ArgumentHelp("Writes that are not durable at once.", valueName: "number"))
    var slowPersists: Int?
    @Option(help: ArgumentHelp("Events that share a turn with the next.", valueName: "number"))
    var sharedTurns: Int?
    @Option(help: ArgumentHelp("Peers found unreachable.", valueName: "number")) var unreachables: Int?
    @Option(help: ArgumentHelp("Acts that do not wait for messages in flight.", valueName: "number"))
    var haste: Int?
    @Option(help: ArgumentHelp("All that goes wrong, together.", valueName: "number")) var faults: Int?
    @Option(help: ArgumentHelp("The most entries in one append.", valueName: "number"))
    var entriesPerAppend: Int?
    @Option(help: ArgumentHelp("How messages arrive: any, link or whole.", valueName: "order"))
    var order: ExploreOrder?
    @Option(help: ArgumentHelp("Where to begin: fresh or led.", valueName: "start")) var start: ExploreStart?
    @Flag(help: "Count states apart that differ only in the names of the nodes.") var mirrorImages = false

    /// The numbers: the option, what was given, and the bound that it replaces.
    private var numbers: [(name: String, value: Int?, bound: WritableKeyPath<SmallScope.Bounds, Int>)] {
        [
            ("nodes", nodes, \.nodes), ("terms", terms, \.terms), ("entries", entries, \.entries),
            ("timeouts", timeouts, \.timeouts), ("heartbeats", heartbeats, \.heartbeats),
            ("reads", reads, \.reads), ("transfers", transfers, \.transfers),
            ("checkpoints", checkpoints, \.checkpoints), ("crashes", crashes, \.crashes),
            ("duplicates", duplicates, \.duplicates), ("delays", delays, \.delays),
            ("shortened", shortened, \.shortened), ("partitions", partitions, \.partitions),
            ("slow-persists", slowPersists, \.slowPersists), ("shared-turns", sharedTurns, \.sharedTurns),
            ("unreachables", unreachables, \.unreachables), ("faults", faults, \.faults),
            ("entries-per-append", entriesPerAppend, \.entriesPerAppend),
        ]
    }

    /// Whether none was given.
    var isEmpty: Bool { arguments.isEmpty }

    /// The arguments that mean these bounds.
    var arguments: [String] {
        var words: [String] = []
        for number in numbers { if let value = number.value { words += ["--\(number.name)", "\(value)"] } }
        if let haste { words += ["--haste", "\(haste)"] }
        if let order { words += ["--order", order.order.rawValue] }
        if let start { words += ["--start", start.start.rawValue] }
        if mirrorImages { words.append("--mirror-images") }
        return words
    }

    func apply(to bounds: inout SmallScope.Bounds) {
        for number in numbers { if let value = number.value { bounds[keyPath: number.bound] = value } }
        if let haste { bounds.haste = haste }
        if let order { bounds.order = order.order }
        if let start { bounds.start = start.start }
        if mirrorImages { bounds.mergesMirrorImages = false }
    }
}

/// An order of messages on the command line.
struct ExploreOrder: ExpressibleByArgument {
    var order: SmallScope.Order

    init?(argument: String) {
        guard let order = SmallScope.Order(rawValue: argument) else { return nil }
        self.order = order
    }

    static var allValueStrings: [String] { SmallScope.Order.allCases.map(\.rawValue) }
}

/// The beginning of a search on the command line.
struct ExploreStart: ExpressibleByArgument {
    var start: SmallScope.Start

    init?(argument: String) {
        guard let start = SmallScope.Start(rawValue: argument) else { return nil }
        self.start = start
    }

    static var allValueStrings: [String] { SmallScope.Start.allCases.map(\.rawValue) }
}
