extension SmallScope {
    /// One step from a world to the next: what happens to which node. Four bytes, because every state keeps
    /// the one that led to it.
    struct Action: Equatable {
        enum Kind: UInt32 {
            case deliver, timeout, propose, read, transfer, persisted, crash, checkpoint, fetched, unreachable
            case delay, shorten, isolate, rejoin

            /// Whether a node does this by itself, and need not wait for anything.
            var isAct: Bool {
                switch self {
                case .deliver, .persisted, .fetched, .delay, .shorten, .isolate, .rejoin: false
                case .timeout, .propose, .read, .transfer, .crash, .checkpoint, .unreachable: true
                }
            }
        }

        /// Variants of a step.
        struct Manner: OptionSet {
            let rawValue: UInt32
            /// The persist that it leads to is not durable at once.
            static let slow = Manner(rawValue: 1)
            /// The message arrives when the receiver no longer hears its leader.
            static let late = Manner(rawValue: 2)
            /// The message arrives and stays in flight.
            static let kept = Manner(rawValue: 4)
            /// The turn goes on with the node's next event.
            static let open = Manner(rawValue: 8)
        }

        /// From the highest bit down: kind (4 bits), manner (4), node counted from zero (3), operand (21).
        let code: UInt32

        static let operandBits: UInt32 = 21
        static let operandMask: UInt32 = 1 << operandBits - 1

        init(code: UInt32) { self.code = code }

        init(_ kind: Kind, node: Int, operand: UInt32 = 0, manner: Manner = []) {
            code =
                kind.rawValue << 28 | manner.rawValue << 24 | UInt32(node) << Self.operandBits | operand
        }

        /// The arrival of a message.
        init(delivering flight: Flight, manner: Manner = []) {
            self.init(.deliver, node: flight.receiver, operand: UInt32(flight.message), manner: manner)
        }

        var kind: Kind { Kind(rawValue: code >> 28) ?? .deliver }
        var manner: Manner { Manner(rawValue: code >> 24 & 15) }
        var node: Int { Int(code >> Self.operandBits & 7) }
        var operand: UInt32 { code & Self.operandMask }

        /// The same step in another manner.
        func inManner(_ manner: Manner) -> Action {
            Action(code: code & ~(15 << 24) | manner.rawValue << 24)
        }

        /// Whether it happens to messages, and the node does not notice.
        var isOfNetwork: Bool { kind.rawValue >= Kind.delay.rawValue }

        /// What the node sees of it.
        var event: UInt32 { code & ~(7 << Self.operandBits | Manner.kept.rawValue << 24) }
    }

    /// A message in flight: its number, who sent it to whom, and whether a later one has overtaken it.
    struct Flight: Equatable, Comparable {
        let code: UInt32

        private static let looseBit: UInt32 = 1 << 31

        init(code: UInt32) { self.code = code }

        /// Nodes counted from zero.
        init(message: Int, from sender: Int, to receiver: Int) {
            let link = UInt32(receiver) << 3 | UInt32(sender)
            code = link << Action.operandBits | UInt32(message)
        }

        var message: Int { Int(code & Action.operandMask) }
        /// The receiver, counted from zero.
        var receiver: Int { Int(code >> (Action.operandBits + 3) & 7) }
        /// The sender, counted from zero.
        var sender: Int { Int(code >> Action.operandBits & 7) }
        /// A number for each pair of sender and receiver.
        var link: UInt32 { code >> Action.operandBits & 63 }
        /// Whether it has been overtaken, so that it stands in nobody's way any more.
        var isLoose: Bool { code & Self.looseBit != 0 }
        var loosened: Flight { Flight(code: code | Self.looseBit) }
        /// The flight of the same message, loose or not.
        func isSame(as other: Flight) -> Bool { (code ^ other.code) & ~Self.looseBit == 0 }

        static func < (a: Flight, b: Flight) -> Bool { a.code < b.code }
    }
}
