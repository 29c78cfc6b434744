// A run in lines: one for each step, for people.

import Consensus
import NodeCore
import Primitives
import Replication
import Store
import Wire

/// Writes a line for each step, to a closure or into a bounded memory.
public final class TraceLines: Observer {
    /// What the columns mean.
    public static let legend = [
        "step    counts from 1",
        "time    true time since the run began, in seconds; no node knows it",
        "who     n1, n2, … nodes; c0, c1, … clients; -- the world",
        "role    L leader, C candidate, P pre-candidate, F follower; then term, commit index and last index",
        "what    came in: >peer asks, <peer answers, !failure, disk and checkpoint reports;"
            + " then after -> what was asked for",
    ]

    private let sink: ((String) -> Void)?
    private let limit: Int
    private var kept: [String] = []

    /// Hands each line to `sink`.
    public init(sink: @escaping (String) -> Void) {
        self.sink = sink
        limit = 0
    }

    /// Keeps the last lines.
    public init(keeping limit: Int) {
        sink = nil
        self.limit = limit
    }

    /// The lines that were kept, oldest first.
    public var lines: [String] { Array(kept.suffix(limit)) }

    /// Writes a line.
    public func observe(_ step: borrowing Step, in simulation: Simulation) throws(Violation) {
        let line =
            "\(padded("\(step.number)", 7)) \(stamp(step.time)) " + Self.text(step.what, in: simulation)
        guard let sink else {
            kept.append(line)
            if kept.count >= 2 * limit + 16 { kept.removeFirst(kept.count - limit) }
            return
        }
        sink(line)
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.utf8.count))
    }

    private func stamp(_ time: Instant) -> String {
        let microseconds = time.nanoseconds / 1000
        let fraction = String(1_000_000 + microseconds % 1_000_000).dropFirst()
        let whole = "\(microseconds / 1_000_000)"
        return String(repeating: " ", count: max(0, 4 - whole.utf8.count)) + whole + ".\(fraction)"
    }

    private static func text(_ what: borrowing Step.What, in simulation: Simulation) -> String {
        switch copy what {
        case .started(let node):
            return "\(who(node, simulation)) started, life \(simulation.nodes[node].life)"
        case .refusedToStart(let node, let reason): return "n\(node + 1) can't start: \(reason)"
        case .died(let node, let death): return "n\(node + 1) died: \(death)"
        case .paused(let node): return "\(who(node, simulation)) paused"
        case .resumed(let node): return "\(who(node, simulation)) resumed"
        case .turn(let turn):
            let events = turn.events.map(TraceText.text).joined(separator: ", ")
            let effects = turn.effects.map(TraceText.text).joined(separator: ", ")
            return "\(who(turn.node, simulation)) \(events)\(effects.isEmpty ? "" : " -> \(effects)")"
        case .logTurn(let turn):
            let commands = turn.commands.map(TraceText.text).joined(separator: ", ")
            let reports = turn.reports.map(TraceText.text).joined(separator: ", ")
            return "\(who(turn.node, simulation)) disk: \(commands) -> \(reports)"
        case .checkpointTurn(let turn):
            let commands = turn.commands.map(TraceText.text).joined(separator: ", ")
            let reports = turn.reports.map(TraceText.text).joined(separator: ", ")
            return "\(who(turn.node, simulation)) checkpoint: \(commands) -> \(reports)"
        case .invoked(let number):
            let operation = simulation.operations[number]
            return "c\(operation.client) #\(number) to n\(operation.node + 1): "
                + TraceText.text(operation.action)
        case .returned(let number):
            let operation = simulation.operations[number]
            return "c\(operation.client) #\(number) "
                + (operation.outcome.map(TraceText.text) ?? "without outcome")
        case .lost(let transit): return "-- lost: \(TraceText.text(transit))"
        case .duplicated(let transit): return "-- sent twice: \(TraceText.text(transit))"
        case .timedOut(let transit): return "-- timed out: \(TraceText.text(transit))"
        case .broke(let transit): return "-- connection broke: \(TraceText.text(transit))"
        case .fault(let index, let begins):
            return "-- \(begins ? "FAULT" : "fault ends:") \(simulation.plan.faults[index])"
        case .phase(let phase): return "-- PHASE \(phase.rawValue)"
        }
    }

    private static func who(_ node: Int, _ simulation: Simulation) -> String {
        guard let raft = simulation.nodes[node].core?.replica.raft else { return "n\(node + 1)" }
        let role =
            switch raft.role {
            case .leader: "L"
            case .candidate: "C"
            case .preCandidate: "P"
            case .follower: "F"
            }
        return "n\(node + 1) \(role)\(raft.term) \(raft.commit)/\(raft.lastIndex)"
    }
}
