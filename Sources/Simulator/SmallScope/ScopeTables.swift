import Consensus
import Primitives

extension SmallScope {
    /// Things that are given numbers in the order in which they are first seen, with their digests under each
    /// set of names.
    struct Catalogue<Item> {
        private(set) var items: [Item] = []
        /// For each item, the digest under each set of names, half by half.
        private(set) var digests: [UInt64] = []
        private var numbers: [StateDigest: UInt32] = [:]
        private let names: [UInt64]

        init(names: [UInt64]) { self.names = names }

        var count: Int { items.count }
        subscript(_ number: Int) -> Item { items[number] }
        /// How many halves of digests each item has.
        var stride: Int { 2 * names.count }

        /// The number of `item`, and whether it is new.
        mutating func number(
            of item: Item, _ feed: (Item, inout StateHasher) -> Void
        ) -> (number: Int, isNew: Bool) {
            var hasher = StateHasher(names: names[0])
            feed(item, &hasher)
            let own = hasher.digest
            if let known = numbers[own] { return (Int(known), false) }
            let number = items.count
            numbers[own] = UInt32(number)
            items.append(item)
            for names in self.names {
                var hasher = StateHasher(names: names)
                feed(item, &hasher)
                let digest = hasher.digest
                digests.append(digest.high)
                digests.append(digest.low)
            }
            return (number, true)
        }
    }

    /// What comes of a step of one node, remembered so that the core runs once for each node state and event.
    struct Outcome {
        /// The number of the node's state after it.
        let member: UInt32
        /// Where its messages begin in the list of all, and how many there are.
        let firstSend: UInt32
        let sendCount: UInt16
        let isOutOfBounds: Bool
        let hasWritten: Bool
        let isElected: Bool
        /// Where answers of reads, or a breach, are kept; -1 if there are none.
        let answers: Int32
        let breach: Int32
    }

    /// The outcomes by node state and event.
    struct OutcomeTable {
        private(set) var outcomes: [Outcome] = []
        private(set) var sends: [Flight] = []
        private(set) var answers: [[(token: Int, index: Int?)]] = []
        private(set) var breaches: [Breach] = []
        private var keys = [UInt64](repeating: .max, count: 1 << 12)
        private var values = [UInt32](repeating: 0, count: 1 << 12)

        var count: Int { outcomes.count }

        private static func spread(_ key: UInt64) -> Int {
            let product = key.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
            return Int(truncatingIfNeeded: product.high ^ product.low)
        }

        /// The outcome of `event` in the node state `member`, if it was found out before.
        func find(_ member: UInt32, _ event: UInt32) -> Int? {
            let key = UInt64(member) << 32 | UInt64(event)
            let mask = keys.count - 1
            var place = Self.spread(key) & mask
            while true {
                if keys[place] == key { return Int(values[place]) }
                if keys[place] == .max { return nil }
                place = (place + 1) & mask
            }
        }

        mutating func add(
            _ member: UInt32, _ event: UInt32, sends: [Flight], answers: [(token: Int, index: Int?)],
            breach: Breach?, _ make: (_ firstSend: UInt32, _ answers: Int32, _ breach: Int32) -> Outcome
        ) -> Int {
            let outcome = make(
                UInt32(self.sends.count), answers.isEmpty ? -1 : Int32(self.answers.count),
                breach == nil ? -1 : Int32(breaches.count))
            self.sends += sends
            if !answers.isEmpty { self.answers.append(answers) }
            if let breach { breaches.append(breach) }
            outcomes.append(outcome)
            if 2 * outcomes.count > keys.count { grow() }
            insert(UInt64(member) << 32 | UInt64(event), UInt32(outcomes.count - 1))
            return outcomes.count - 1
        }

        private mutating func insert(_ key: UInt64, _ value: UInt32) {
            let mask = keys.count - 1
            var place = Self.spread(key) & mask
            while keys[place] != .max { place = (place + 1) & mask }
            keys[place] = key
            values[place] = value
        }

        private mutating func grow() {
            let (oldKeys, oldValues) = (keys, values)
            keys = [UInt64](repeating: .max, count: 2 * oldKeys.count)
            values = [UInt32](repeating: 0, count: 2 * oldKeys.count)
            for place in oldKeys.indices where oldKeys[place] != .max {
                insert(oldKeys[place], oldValues[place])
            }
        }
    }
}
