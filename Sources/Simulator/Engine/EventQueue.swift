import Primitives

/// Something that is due at some moment of virtual time. Small and without references, since every step of a
/// run goes through the queue.
enum Due: Sendable {
    /// A node loop has something to do: its deadline, or the end of being busy.
    case wake(node: Int32, life: Int32)
    /// A disk thread carries out what it took.
    case log(node: Int32, life: Int32)
    /// The disk has done it.
    case logDone(node: Int32, life: Int32)
    /// A disk thread looks whether there is something to do without a command.
    case logWake(node: Int32, life: Int32)
    /// A checkpoint thread carries out what it took.
    case checkpoint(node: Int32, life: Int32)
    /// The disk has done it.
    case checkpointDone(node: Int32, life: Int32)
    /// A checkpoint thread looks whether there is something to do without a command.
    case checkpointWake(node: Int32, life: Int32)
    /// A process starts.
    case start(node: Int32, life: Int32)
    /// A process has read its disk.
    case started(node: Int32, life: Int32)
    /// A paused process goes on.
    case resume(node: Int32, life: Int32)

    /// A request of a peer arrives; `copy` is 1 for a second copy.
    case request(post: Int32, generation: Int32, copy: Int32)
    /// Its answer arrives.
    case answer(post: Int32, generation: Int32)
    /// The sender hears that its connection is broken.
    case broken(post: Int32, generation: Int32)
    /// The receiver hears that the connection is gone.
    case gone(post: Int32, generation: Int32, copy: Int32)
    /// The oldest requests on a link may have timed out.
    case sweep(link: Int32)
    /// A node sees the connections of a peer closed.
    case disconnected(node: Int32, life: Int32, peer: Int32)
    /// A question for a part of a snapshot arrives.
    case ask(fetch: Int32, generation: Int32)
    /// A part of a snapshot arrives.
    case part(fetch: Int32, generation: Int32)
    /// A fetch has failed or timed out; `attempt` tells a late one.
    case fetchFailed(fetch: Int32, generation: Int32, attempt: Int32)

    /// A client has thought.
    case client(Int32)
    /// A client's request arrives at its node.
    case call(operation: Int32)
    /// The answer arrives at the client.
    case reply(operation: Int32)
    /// The client does not wait any longer.
    case giveUp(operation: Int32)

    /// A planned fault begins.
    case fault(Int32)
    /// A planned fault ends.
    case faultEnds(Int32)
    /// A flapping partition changes.
    case flap(Int32)
    /// The safety phase is over.
    case heal
    /// Time to look how far the cluster has come.
    case look
}

/// What is due, earliest first; what is due at the same moment comes in the order in which it was put in.
struct EventQueue: Sendable {
    private struct Entry: Sendable {
        var time: Int64
        var order: UInt64
        var due: Due

        func precedes(_ other: Entry) -> Bool {
            time != other.time ? time < other.time : order < other.order
        }
    }

    /// A heap whose nodes have four children.
    private var heap: [Entry] = []
    private var lastOrder: UInt64 = 0

    var count: Int { heap.count }
    var nextTime: Int64? { heap.first?.time }

    mutating func add(_ due: Due, at time: Int64) {
        lastOrder += 1
        let entry = Entry(time: time, order: lastOrder, due: due)
        var place = heap.count
        heap.append(entry)
        while place > 0 {
            let parent = (place - 1) >> 2
            guard entry.precedes(heap[parent]) else { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = entry
    }

    mutating func take() -> (time: Int64, due: Due)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        let count = heap.count
        guard count > 0 else { return (first.time, first.due) }
        var place = 0
        while true {
            let child = place << 2 + 1
            guard child < count else { break }
            var least = child
            for other in child + 1..<max(child + 1, min(child + 4, count))
            where heap[other].precedes(heap[least]) { least = other }
            guard heap[least].precedes(last) else { break }
            heap[place] = heap[least]
            place = least
        }
        heap[place] = last
        return (first.time, first.due)
    }
}
