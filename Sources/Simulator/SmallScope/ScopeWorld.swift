import Consensus

extension SmallScope {
    /// A state of the whole: each node by the number of its state, the messages in flight, and the memory.
    struct World {
        var members: [UInt32] = []
        var network: Network
        var ghost = Ghost()
        /// The digests of nodes and messages under each set of names, half by half: sums, so that a step adds
        /// and takes away what it changes.
        var sums: [UInt64] = []
        /// The digests of the memory, likewise.
        var ghostSums: [UInt64] = []

        init(_ order: Order) { network = Network(order) }

        /// Takes the place of another without a new allocation.
        mutating func become(_ other: World) {
            members.replaceSubrange(0..<members.count, with: other.members)
            network.become(other.network)
            ghost = other.ghost
            sums.replaceSubrange(0..<sums.count, with: other.sums)
            ghostSums.replaceSubrange(0..<ghostSums.count, with: other.ghostSums)
        }
    }

    /// The messages in flight, each once: in the order in which they were sent, line by line, or by number if
    /// order is of no meaning; at the end those that were delayed.
    struct Network {
        private(set) var flights: [Flight] = []
        /// How many of them were not delayed.
        private(set) var queued = 0
        private let order: Order

        init(_ order: Order = .any) { self.order = order }

        mutating func become(_ other: Network) {
            flights.replaceSubrange(0..<flights.count, with: other.flights)
            queued = other.queued
        }

        func carries(_ flight: Flight) -> Bool { flights.contains { $0.isSame(as: flight) } }

        /// The place of a message in flight.
        func place(of message: Int) -> Int? { flights.firstIndex { $0.message == message } }

        /// A number for each line in which messages wait behind each other.
        private func line(_ flight: Flight) -> UInt32 { order == .link ? flight.link : 0 }

        /// Whether the message at `place` is in the same line as the one before it.
        func follows(_ place: Int) -> Bool {
            order != .any && place > 0 && place < queued && line(flights[place]) == line(flights[place - 1])
        }

        /// Whether a message waits behind the one at `place`.
        func isAwaited(_ place: Int) -> Bool { follows(place + 1) }

        /// Puts a message in flight.
        mutating func add(_ flight: Flight) {
            var place = flight.isLoose ? flights.count : queued
            let first = flight.isLoose ? queued : 0
            let isOrdered = order != .any && !flight.isLoose
            while place > first {
                let before = flights[place - 1]
                if isOrdered ? line(before) <= line(flight) : before < flight { break }
                place -= 1
            }
            flights.insert(flight, at: place)
            if !flight.isLoose { queued += 1 }
        }

        mutating func remove(_ flight: Flight) {
            guard let place = flights.firstIndex(where: { $0.isSame(as: flight) }) else { return }
            flights.remove(at: place)
            if place < queued { queued -= 1 }
        }

        /// Puts a message in the place of another from the same sender.
        mutating func replace(_ flight: Flight, by other: Flight) {
            guard let place = flights.firstIndex(of: flight) else { return }
            if order != .any && !flight.isLoose { return flights[place] = other }
            remove(flight)
            add(flight.isLoose ? other.loosened : other)
        }

        /// Takes a message out of its line.
        mutating func delay(_ flight: Flight) {
            remove(flight)
            add(flight.loosened)
        }
    }

    /// What a step changes in a world.
    struct Change {
        var node = 0
        var member: UInt32 = 0
        var ghost = Ghost()
        var isGhostChanged = false
        var network: Network
        var added: [Flight] = []
        var removed: [Flight] = []
        var breach: Breach?

        init(_ order: Order) { network = Network(order) }
    }
}
