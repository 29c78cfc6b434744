import Primitives

/// What is to happen when, in the order of time and then of arrival: a binary heap.
struct TimeQueue<Item> {
    private var slots: [(time: Instant, order: UInt64, item: Item)] = []
    private var added: UInt64 = 0

    var nextTime: Instant? { slots.first?.time }

    mutating func add(_ item: Item, at time: Instant) {
        added += 1
        slots.append((time, added, item))
        var place = slots.count - 1
        while place > 0, isBefore(place, (place - 1) / 2) {
            slots.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func take() -> (time: Instant, item: Item)? {
        guard let first = slots.first, let last = slots.popLast() else { return nil }
        guard !slots.isEmpty else { return (first.time, first.item) }
        slots[0] = last
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < slots.count && isBefore(child, least) {
                least = child
            }
            if least == place { return (first.time, first.item) }
            slots.swapAt(place, least)
            place = least
        }
    }

    private func isBefore(_ a: Int, _ b: Int) -> Bool {
        (slots[a].time, slots[a].order) < (slots[b].time, slots[b].order)
    }
}
