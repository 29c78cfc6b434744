// What this node sent to inboxes over links, and what became of it.
import API
import Primitives
import Store

/// The newest messages that clients had this node send, with what is known of each recipient.
///
/// An object of the node loop's, and of nobody else.
final class Outbox {
    /// So many are remembered.
    static let most = 10_000

    /// A part of a message on its way.
    private struct Way: Hashable {
        var peer: NodeID
        var number: UInt64
    }

    private var records: [RequestID: MessageRecord] = [:]
    /// The oldest first; those that are gone are passed over.
    private var order = FIFO<RequestID>()
    private var ways: [Way: (id: RequestID, place: Int)] = [:]
    /// Parts that are not acknowledged yet, by recipient; the numbers of stubborn messages stay.
    private var open: [RequestID: [Int: [UInt64]]] = [:]
    /// Logged messages that are in an inbox, by their numbers.
    private var logged: [UInt64: (id: RequestID, place: Int)] = [:]
    private var kept: [RequestID: [UInt64]] = [:]
    /// Messages of which somebody wants to know the end.
    private var awaited: Set<RequestID> = []
    /// Whether something became of one of these.
    var isStirred = false
    private(set) var counters: [MessageDelivery: [MessageRecord.State: UInt64]] = [:]

    func record(_ id: RequestID) -> MessageRecord? { records[id] }

    /// Remembers a message whose recipients stand as it says; the oldest gives way.
    func add(_ record: MessageRecord) {
        records[record.id] = record
        order.append(record.id)
        while records.count > Self.most, let oldest = order.next() {
            records[oldest] = nil
            open[oldest] = nil
            for number in kept.removeValue(forKey: oldest) ?? [] { logged[number] = nil }
            awaited.remove(oldest)
        }
        for recipient in record.recipients { count(record.delivery, recipient.state) }
    }

    /// The message goes to this recipient in parts with these numbers.
    func expect(_ numbers: [UInt64], of id: RequestID, to peer: NodeID, place: Int) {
        for number in numbers { ways[Way(peer: peer, number: number)] = (id, place) }
        open[id, default: [:]][place] = numbers
    }

    /// A part came to its end.
    func end(_ number: UInt64, _ outcome: LinkLayer.Outcome, to peer: NodeID, at wall: WallTime) {
        guard let (id, place) = ways.removeValue(forKey: Way(peer: peer, number: number)) else { return }
        switch outcome {
        case .acknowledged:
            open[id]?[place]?.removeAll { $0 == number }
            if open[id]?[place]?.isEmpty == true { move(id, place, to: .delivered, at: wall) }
        case .expired: move(id, place, to: .expired, at: wall)
        case .lost: move(id, place, to: .lost, at: wall)
        }
    }

    /// A peer tells what became of a message in an inbox there. Answers the numbers that need not be sent any
    /// more.
    func settle(
        _ id: RequestID, _ verdict: Inboxes.Verdict, in inbox: String, of peer: NodeID, at wall: WallTime
    ) -> [UInt64] {
        guard let record = records[id],
            let place = record.recipients.firstIndex(where: { $0.node == peer && $0.inbox == inbox })
        else { return [] }
        let state: MessageRecord.State =
            switch verdict {
            case .taken: .acked
            case .full: .refused
            case .absent: .lost
            }
        move(id, place, to: state, at: wall)
        guard record.delivery == .stubborn, let numbers = open[id]?.removeValue(forKey: place) else {
            return []
        }
        // Nobody tells the end of what is stopped.
        for number in numbers { ways[Way(peer: peer, number: number)] = nil }
        return numbers
    }

    // MARK: Logged messages

    /// A message is in the state, with these numbers in the inboxes of its recipients.
    func add(_ record: MessageRecord, _ deliveries: [LoggedDelivery]) {
        add(record)
        for (place, delivery) in deliveries.enumerated() {
            guard case .kept(let number) = delivery else { continue }
            logged[number] = (record.id, place)
            kept[record.id, default: []].append(number)
        }
    }

    /// A logged message is in no inbox any more.
    func end(logged number: UInt64, wasTaken: Bool, at wall: WallTime) {
        guard let (id, place) = logged.removeValue(forKey: number) else { return }
        move(id, place, to: wasTaken ? .acked : .expired, at: wall)
    }

    /// Those that are in an inbox as far as is known here: the number, the inbox, and until when.
    var expectedLogged: [(number: UInt64, inbox: String, until: WallTime)] {
        logged.compactMap { number, at in
            records[at.id].map { (number, $0.recipients[at.place].inbox, $0.until) }
        }
    }

    // MARK: Waiting

    /// Somebody wants to know the end of a message.
    func await(_ id: RequestID) { awaited.insert(id) }

    func endAwaiting(_ id: RequestID) { awaited.remove(id) }

    /// Parts that are on their way.
    var wayCount: Int { ways.count }

    private func move(_ id: RequestID, _ place: Int, to state: MessageRecord.State, at wall: WallTime) {
        guard let record = records[id], state.follows(record.recipients[place].state) else { return }
        records[id]?.recipients[place].step(to: state, at: wall)
        if awaited.contains(id) { isStirred = true }
        count(record.delivery, state)
    }

    private func count(_ delivery: MessageDelivery, _ state: MessageRecord.State) {
        counters[delivery, default: [:]][state, default: 0] += 1
    }
}
