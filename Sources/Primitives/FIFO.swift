/// First in, first out.
public struct FIFO<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var head = 0

    /// Nothing waits.
    public init() {}

    /// Whether nothing waits.
    public var isEmpty: Bool { head == elements.count }
    /// How many wait.
    public var count: Int { elements.count - head }

    /// Adds an element behind all others.
    public mutating func append(_ element: Element) { elements.append(element) }

    /// Takes the element that has waited longest.
    public mutating func next() -> Element? {
        guard head < elements.count else { return nil }
        let element = elements[head]
        head += 1
        // Moving the rest costs no more than what was taken since.
        if head == elements.count || head > 4096 && head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}
