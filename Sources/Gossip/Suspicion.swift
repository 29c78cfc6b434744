internal import Primitives

/// How long a suspected member has to object: less, the more others have found it unreachable themselves
/// (Lifeguard, section IV-B, "Dogpile").
struct Suspicion: Sendable {
    var member: NodeID
    /// Who found it unreachable, the first one first.
    private(set) var confirmers: [NodeID]
    private var start: Instant
    private let shortest, longest: Instant.Span
    /// Confirmations beyond the first statement that bring the time down to the shortest.
    private let needed: Int

    init(of member: NodeID, by first: NodeID, members: Int, options: MembershipOptions, at now: Instant) {
        self.member = member
        confirmers = [first]
        start = now
        // In a small cluster there is nobody who could confirm (memberlist does the same).
        needed = members - 2 < options.confirmations ? 0 : options.confirmations
        let scale = max(1, binaryLogarithm(Double(max(2, members))))
        shortest = options.period * (options.suspicionPeriods * scale)
        longest = shortest * max(1, options.suspicionStretch)
    }

    /// How many of the confirmations that shorten the time have come.
    private var counted: Int { min(confirmers.count - 1, needed) }

    /// When the time to object is over.
    var deadline: Instant {
        guard needed > 0 else { return start + shortest }
        let share = naturalLogarithm(Double(counted + 1)) / naturalLogarithm(Double(needed + 1))
        return start + longest - (longest - shortest) * share
    }

    /// Notes who else says so. True if that one is new and shortens the time, so that others should hear it
    /// too.
    mutating func confirm(by node: NodeID) -> Bool {
        guard !confirmers.contains(node), confirmers.count < MembershipOptions.mostConfirmers else {
            return false
        }
        confirmers.append(node)
        return confirmers.count - 1 <= needed
    }

    /// This node stood still for so long, and can't blame others for it.
    mutating func postpone(by span: Instant.Span) { start = start + span }
}

extension Instant {
    static func - (a: Instant, span: Span) -> Instant {
        Instant(nanoseconds: a.nanoseconds - span.nanoseconds)
    }
}

extension Instant.Span {
    static func * (a: Instant.Span, factor: Double) -> Instant.Span {
        Instant.Span(nanoseconds: Int64((Double(a.nanoseconds) * factor).rounded()))
    }
}
