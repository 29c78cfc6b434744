public import Primitives

/// What was delayed and has not arrived yet, up to a number and to a sum of bytes.
public struct DelayLine<Element: Sendable>: Sendable {
    private let most: Int
    private let mostBytes: Int
    private var agenda = Agenda<(element: Element, bytes: Int)>()
    /// The bytes of what waits.
    public private(set) var bytes = 0

    /// Nothing waits; no more than so much ever will.
    public init(most: Int = 4_096, bytes: Int = 64 << 20) {
        self.most = most
        mostBytes = bytes
    }

    /// How many elements wait.
    public var count: Int { agenda.count }
    /// When the next one arrives.
    public var deadline: Instant { agenda.first?.at ?? .never }

    /// Keeps an element until then; false, and it is lost, if there is no room.
    public mutating func hold(_ element: Element, bytes size: Int, until due: Instant) -> Bool {
        guard agenda.count < most, size <= mostBytes - bytes else { return false }
        agenda.insert((element, size), at: due)
        bytes += size
        return true
    }

    /// The next element whose time has come.
    public mutating func next(at now: Instant) -> Element? {
        guard let first = agenda.first, first.at <= now else { return nil }
        agenda.removeFirst()
        bytes -= first.id.bytes
        return first.id.element
    }
}
