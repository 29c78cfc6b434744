// What can be done to a simulated cluster. A run's faults are drawn up before it begins, so that they can be
// read, and left out one by one.

public import Primitives

/// Which node a fault befalls.
public enum Target: Sendable, Equatable, CustomStringConvertible {
    /// The node with this index.
    case node(Int)
    /// The node that leads in the latest term when the fault begins; the given one if none does.
    case leader(otherwise: Int)
    /// The node that comes so many after the leader, or after node 0.
    case follower(Int)
    /// Every node.
    case all
    /// A majority of the nodes: this many from the given index on.
    case several(from: Int, count: Int)

    /// As in `n3`, `the leader`, `all nodes`.
    public var description: String {
        switch self {
        case .node(let index): "n\(index + 1)"
        case .leader: "the leader"
        case .follower(let offset): "follower \(offset)"
        case .all: "all nodes"
        case .several(let from, let count): "\(count) nodes from n\(from + 1) on"
        }
    }
}

/// Which links a partition cuts.
public enum Partition: Sendable, Equatable, CustomStringConvertible {
    /// One node can send to nobody, or hear nobody, or both.
    case isolate(Target, sends: Bool, hears: Bool)
    /// The nodes whose bit is set can't talk with the others; one way only if `oneWay`: they can't send.
    case halves(UInt64, oneWay: Bool)
    /// Two halves that only this node can reach.
    case bridge(Int, UInt64)
    /// A node and the one that comes so many after it are cut off from the others, and have each other.
    case duo(Target, Int)
    /// Two nodes can't talk with each other, but with all others; one way if `oneWay`.
    case pair(Int, Int, oneWay: Bool)
    /// Each node can only talk with its neighbours on a ring, which are a majority with itself.
    case ring

    /// As in `n3 cut off`, `n1 n2 | n3 n4 n5`.
    public var description: String {
        func list(_ mask: UInt64) -> String {
            (0..<64).filter { mask >> UInt64($0) & 1 == 1 }.map { "n\($0 + 1)" }.joined(separator: " ")
        }
        switch self {
        case .isolate(let target, true, true): return "\(target) cut off"
        case .isolate(let target, false, _): return "\(target) hears nobody"
        case .isolate(let target, true, _): return "\(target) can send to nobody"
        case .halves(let mask, let oneWay): return "\(list(mask)) \(oneWay ? "-/->" : "|") the others"
        case .bridge(let node, let mask): return "\(list(mask)) | n\(node + 1) sees all | the others"
        case .duo(let target, let offset): return "\(target) and the one \(offset) on | the others"
        case .pair(let a, let b, let oneWay): return "n\(a + 1) \(oneWay ? "-/->" : "|") n\(b + 1)"
        case .ring: return "each hears only its neighbours on a ring"
        }
    }
}

/// Something that goes wrong, or is done on purpose.
public enum FaultAction: Sendable, Equatable {
    /// The process ends at once; what the kernel has in its cache survives. It starts again at the end.
    case kill(Target)
    /// The power fails: what was not synced is lost, kept, torn or garbled. It starts again at the end.
    case powerCut(Target)
    /// As one of these, in the middle of the disk operation that comes after so many others.
    case dieAtOperation(Target, operations: Int, power: Bool)
    /// The process stands still, and its sockets fill.
    case pause(Target)
    /// The disk thread stands still; the node loop goes on.
    case stallDisk(Target)
    /// The node loop stands still; disk and checkpoint threads go on.
    case stallLoop(Target)
    /// The disk takes so many times as long.
    case slowDisk(Target, factor: Int)
    /// The disk is full but for so many bytes.
    case diskFull(Target, left: Int)
    /// The next call of this kind fails, after so many others.
    case diskError(Target, DiskFault, skipping: Int)
    /// Something durable goes bad, and nobody is told.
    case damage(Target, Damage)
    /// The wall clock jumps by so many milliseconds, for good.
    case stepWall(Target, milliseconds: Int)
    /// The monotonic clock runs fast by so many millionths (slow if negative).
    case drift(Target, millionths: Int)
    /// An operator asks a node to move leadership to another one, or to the most advanced one.
    case transfer(to: Int?, asking: Target)
    /// Links are cut.
    case partition(Partition)
    /// Links are cut and joined, cut and joined.
    case flapping(Partition, period: Instant.Span)
    /// Nothing passes from one node to another; what was sent arrives at the end all at once.
    case clog(from: Int, to: Int)
    /// All connections between two nodes break.
    case reset(Int, Int)
    /// Many messages are lost: so many in a million.
    case loss(perMillion: Int)
    /// Everything takes longer by about so much.
    case delay(Instant.Span)
    /// Clients can't reach this node; the other nodes can.
    case cutClients(Target)
    /// Requests between nodes come once more after so long.
    case repeats(after: Instant.Span)
    /// Clients ask so many times as often, all of the same node if one is named; if they are impatient, they
    /// give up soon.
    case rush(factor: Int, impatient: Bool, Target?)
    /// The disk is lost with all that is on it, and the node with it: see `Engine.md`.
    case loseDisk(Target)

    /// How damage is done to what is durable.
    public enum Damage: String, Sendable {
        /// A bit flips in an older segment of the log.
        case rotOldSegment
        /// A bit flips in the newest segment, before its last sync: what follows proves that it was durable.
        case rotNewestSegment
        /// A bit flips in a checkpoint.
        case rotCheckpoint
        /// A bit flips in the newest checkpoint.
        case rotNewestCheckpoint
        /// The next write to the log goes to another place of the platter.
        case misdirectedWrite
        /// The next write to the log never reaches the platter.
        case lostWrite
        /// A sector of a checkpoint can't be read any more.
        case unreadableCheckpoint
        /// The next read of the log has one wrong bit.
        case flippedRead

        /// Whether a node that starts can't find it by itself.
        var isSilent: Bool {
            switch self {
            case .misdirectedWrite, .lostWrite, .flippedRead: true
            case .rotOldSegment, .rotNewestSegment, .rotCheckpoint, .rotNewestCheckpoint,
                .unreadableCheckpoint:
                false
            }
        }
    }
}

extension FaultAction: CustomStringConvertible {
    /// A few words.
    public var description: String {
        switch self {
        case .kill(let target): "kill \(target)"
        case .powerCut(let target): "power cut of \(target)"
        case .dieAtOperation(let target, let count, let power):
            "\(power ? "power cut" : "kill") of \(target) at its disk's change \(count) from now"
        case .pause(let target): "pause \(target)"
        case .stallDisk(let target): "disk thread of \(target) stalls"
        case .stallLoop(let target): "node loop of \(target) stalls"
        case .slowDisk(let target, let factor): "disk of \(target) takes \(factor) times as long"
        case .diskFull(let target, let left): "disk of \(target) full but for \(left) bytes"
        case .diskError(let target, let fault, let skipping): "\(fault) on \(target) after \(skipping) others"
        case .damage(let target, let damage): "\(damage) on \(target)"
        case .stepWall(let target, let amount): "wall clock of \(target) jumps by \(amount) ms"
        case .drift(let target, let amount): "clock of \(target) runs \(amount) ppm fast"
        case .transfer(let node, let asked):
            "ask \(asked) to transfer leadership to \(node.map { "n\($0 + 1)" } ?? "anyone")"
        case .partition(let partition): "partition: \(partition)"
        case .flapping(let partition, let period):
            "partition that flaps each \(period.milliseconds) ms: \(partition)"
        case .clog(let from, let to): "n\(from + 1) to n\(to + 1) clogged"
        case .reset(let a, let b): "connections between n\(a + 1) and n\(b + 1) break"
        case .loss(let rate): "\(rate) of a million messages lost"
        case .delay(let span): "all messages delayed by about \(span.milliseconds) ms"
        case .cutClients(let target): "clients cut off from \(target)"
        case .repeats(let span): "all requests come once more after \(span.milliseconds) ms"
        case .rush(let factor, let impatient, let target):
            "clients ask \(target.map { "\($0) " } ?? "")\(factor) times as often"
                + (impatient ? ", and give up soon" : "")
        case .loseDisk(let target): "disk of \(target) lost for good"
        }
    }

    /// The first word or two, to count by.
    public var kind: String {
        switch self {
        case .kill(.all), .powerCut(.all), .kill(.several), .powerCut(.several): "mass crash"
        case .kill: "kill"
        case .powerCut: "power cut"
        case .dieAtOperation: "crash at disk operation"
        case .pause: "pause"
        case .stallDisk: "disk thread stall"
        case .stallLoop: "node loop stall"
        case .slowDisk: "slow disk"
        case .diskFull: "full disk"
        case .diskError: "disk error"
        case .damage: "damage"
        case .stepWall: "wall clock step"
        case .drift: "drift"
        case .transfer: "transfer"
        case .partition: "partition"
        case .flapping: "flapping"
        case .clog: "clog"
        case .reset: "reset"
        case .loss: "loss"
        case .delay: "delay"
        case .cutClients: "clients cut off"
        case .repeats: "repeats"
        case .rush: "rush"
        case .loseDisk: "lost disk"
        }
    }
}

/// A fault of a run's schedule.
public struct PlannedFault: Sendable, Equatable, CustomStringConvertible {
    /// Its number in the plan as it was drawn, whatever is left out.
    public var number: Int
    /// When it begins.
    public var at: Instant
    /// How long it lasts; zero if that has no meaning.
    public var lasts: Instant.Span
    /// What happens.
    public var action: FaultAction

    /// As in `[12] 3.250 s, for 1.500 s: pause the leader`.
    public var description: String {
        let duration = lasts > .zero ? ", for \(seconds(lasts.nanoseconds)) s" : ""
        return "[\(number)] \(seconds(at.nanoseconds)) s\(duration): \(action)"
    }
}

/// Nanoseconds as seconds with three digits after the point.
func seconds(_ nanoseconds: Int64) -> String {
    let milliseconds = nanoseconds / 1_000_000
    let fraction = String(1000 + abs(milliseconds % 1000)).dropFirst()
    return "\(nanoseconds < 0 && milliseconds / 1000 == 0 ? "-" : "")\(milliseconds / 1000).\(fraction)"
}
