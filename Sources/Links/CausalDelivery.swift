// Causal order by waiting (Cachin, Guerraoui and Rodrigues, Algorithm 3.13): a message bears how many of
// whose messages its sender had delivered, and waits until as many are delivered here.

internal import Primitives

/// How many messages of a node's process were delivered.
struct CausalEntry: Equatable, Sendable {
    var node: NodeID
    var process: UInt64
    var count: UInt64
}

/// Holds messages back until all that may have caused them are delivered.
///
/// A node counts with its latest process only. What can't come any more, be it of an ended process, from
/// before this process began, or lost, is given up when somebody has waited for it too long: the vector leaps
/// over it, and it is not delivered if it comes after all. So the order is never broken, whatever is missing.
struct CausalDelivery: Sendable {
    struct Message: Equatable, Sendable {
        var id: BroadcastID
        var vector: [CausalEntry]
        var bytes: [UInt8]
    }

    private struct Held {
        var message: Message
        var since: Instant
    }

    private let most: Int
    private let patience: Instant.Span
    /// What was delivered here, by origin.
    private var vector: [NodeID: CausalEntry]
    /// What waits, by origin, in the order of process and number.
    private var held: [NodeID: [Held]] = [:]
    private(set) var heldCount = 0
    private(set) var late: UInt64 = 0, skipped: UInt64 = 0
    private(set) var deadline = Instant.never

    init(own: NodeID, process: UInt64, most: Int, patience: Instant.Span) {
        self.most = most
        self.patience = patience
        vector = [own: CausalEntry(node: own, process: process, count: 0)]
    }

    /// What a message that is sent now may depend on, by node.
    var dependencies: [CausalEntry] { vector.values.filter { $0.count > 0 }.sorted { $0.node < $1.node } }

    /// The node's own message was delivered at once: it depends on nothing that was not.
    mutating func noteOwn(_ id: BroadcastID) {
        vector[id.origin] = CausalEntry(node: id.origin, process: id.process, count: id.number)
    }

    /// Takes a message that has come for the first time.
    mutating func receive(_ message: Message, at now: Instant, into delivered: inout [Message]) {
        if isLate(message.id) {
            late += 1
            return
        }
        if heldCount >= most { leap(into: &delivered) }
        let origin = message.id.origin
        let place = held[origin]?.firstIndex { $0.message.id > message.id } ?? held[origin]?.count ?? 0
        held[origin, default: []].insert(Held(message: message, since: now), at: place)
        heldCount += 1
        drain(into: &delivered)
        reckon()
    }

    /// Gives up what was waited for too long.
    mutating func wake(at now: Instant, into delivered: inout [Message]) {
        while deadline <= now {
            leap(into: &delivered)
            reckon()
        }
    }

    private mutating func reckon() {
        var earliest = Instant.never
        for queue in held.values { for entry in queue { earliest = min(earliest, entry.since + patience) } }
        deadline = earliest
    }

    private func isLate(_ id: BroadcastID) -> Bool {
        guard let have = vector[id.origin] else { return false }
        return (id.process, id.number) <= (have.process, have.count)
    }

    private func isNext(_ id: BroadcastID) -> Bool {
        guard let have = vector[id.origin], have.process == id.process else { return id.number == 1 }
        return id.number == have.count + 1
    }

    private func isKnown(_ entry: CausalEntry) -> Bool {
        if isPlanted(.causalDoesNotWait) { return true }
        guard let have = vector[entry.node] else { return false }
        return (entry.process, entry.count) <= (have.process, have.count)
    }

    /// Delivers what waits for nothing, until all that is left waits.
    private mutating func drain(into delivered: inout [Message]) {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for origin in held.keys.sorted() {
                while let head = held[origin]?.first?.message {
                    let isLate = isLate(head.id)
                    guard isLate || isNext(head.id) && head.vector.allSatisfy(isKnown) else { break }
                    remove(head.id.origin)
                    hasMoved = true
                    if isLate { late += 1 } else { deliver(head, into: &delivered) }
                }
            }
        }
    }

    private mutating func remove(_ origin: NodeID) {
        held[origin]?.removeFirst()
        if held[origin]?.isEmpty == true { held[origin] = nil }
        heldCount -= 1
    }

    private mutating func deliver(_ message: Message, into delivered: inout [Message]) {
        let id = message.id
        vector[id.origin] = CausalEntry(node: id.origin, process: id.process, count: id.number)
        delivered.append(message)
    }

    /// Delivers one message that waits for none of the others that wait, as if all before it had come.
    private mutating func leap(into delivered: inout [Message]) {
        let heads = held.keys.sorted().compactMap { held[$0]?.first }
        // There is such a one, unless somebody sent vectors that no history has.
        let free = heads.filter { head in !head.message.vector.contains { isHeld($0) } }
        guard let first = (free.isEmpty ? heads : free).min(by: { $0.since < $1.since }) else { return }
        let message = first.message
        let before = CausalEntry(
            node: message.id.origin, process: message.id.process, count: message.id.number - 1)
        for entry in message.vector + [before] where !isKnown(entry) {
            let have = vector[entry.node]
            // Wraps around, if it must: who sends us vectors may name any number.
            skipped &+= have?.process == entry.process ? entry.count - (have?.count ?? 0) : entry.count
            vector[entry.node] = entry
        }
        remove(message.id.origin)
        deliver(message, into: &delivered)
        drain(into: &delivered)
    }

    /// Whether a message waits here that this entry counts.
    private func isHeld(_ entry: CausalEntry) -> Bool {
        guard let head = held[entry.node]?.first?.message.id else { return false }
        return (head.process, head.number) <= (entry.process, entry.count)
    }
}
