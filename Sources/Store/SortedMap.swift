/// A sorted map whose copies cost nothing: a B+tree with shared nodes.
///
/// Copying the map copies one reference. A change copies the nodes on the path to the leaf that are shared
/// with another copy and writes in place where they are not. Elements are objects that carry their own key;
/// `Order` says what it is.
struct SortedMap<Order: SortOrder>: Sendable {
    typealias Element = Order.Element

    /// How many elements there are.
    private(set) var count = 0
    /// Written to only where it is not shared: see `Node`.
    nonisolated(unsafe) var root: Node
    /// How many elements a leaf and how many children an inner node may have.
    let leafCapacity, innerCapacity: Int

    /// An empty map. Small capacities are for tests.
    init(leafCapacity: Int = 64, innerCapacity: Int = 64) {
        precondition(leafCapacity >= 2 && innerCapacity >= 4)
        self.leafCapacity = leafCapacity
        self.innerCapacity = innerCapacity
        unsafe root = Node.make(isLeaf: true, capacity: leafCapacity)
    }

    /// A map made of a whole tree.
    init(root: Node, count: Int, leafCapacity: Int, innerCapacity: Int) {
        unsafe self.root = root
        self.count = count
        self.leafCapacity = leafCapacity
        self.innerCapacity = innerCapacity
    }

    // MARK: Searching

    static func element(_ reference: UnsafeRawPointer) -> Unmanaged<Element> {
        unsafe Unmanaged<Element>.fromOpaque(reference)
    }

    static func place(_ reference: UnsafeRawPointer) -> Place {
        unsafe element(reference)._withUnsafeGuaranteedRef { unsafe Order.place(of: $0) }
    }

    /// The place that a slot's prefix is taken from.
    static func place(in node: NodeView, _ slot: Int) -> Place {
        unsafe node.isLeaf ? place(node.reference(slot)) : node.separatorPlace(slot)
    }

    /// The first slot, of those that have texts, whose place is not before `target`; and whether it is at it.
    static func lowerBound(_ node: NodeView, _ target: Place) -> (slot: Int, found: Bool) {
        let common = unsafe node.common
        let first = unsafe node.firstText
        let count = unsafe node.count
        if common > 0 {
            let bytes = unsafe node.commonBytes
            let shared = unsafe Place.commonCount(bytes, target.text, limit: common)
            if shared < common {
                let isBefore = unsafe shared == target.text.count || target.text[shared] < bytes[shared]
                return (isBefore ? first : max(first, count), false)
            }
        }
        let prefix = unsafe Place.prefix(of: target.text, skipping: common)
        var low = unsafe node.firstSlot(in: first..<max(first, count), notBelow: prefix)
        guard low < count, unsafe node.prefix(low) == prefix else { return (low, false) }
        // Equal prefixes: the rest decides. Almost always there is one slot of these.
        var high = low + 1
        if high < count, unsafe node.prefix(high) == prefix {
            high = unsafe prefix == .max ? count : node.firstSlot(in: high..<count, notBelow: prefix + 1)
        }
        while low < high {
            let middle = (low + high) >> 1
            let order = unsafe Place.compare(place(in: node, middle), target, from: common)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    /// The child in whose part of the order `target` lies.
    static func childIndex(_ node: NodeView, _ target: Place) -> Int {
        let (slot, found) = unsafe lowerBound(node, target)
        return found ? slot : slot - 1
    }

    /// The element at a place, not retained: it lives as long as this map does.
    func find(_ target: Place) -> Unmanaged<Element>? {
        var node = unsafe NodeView(root)
        while unsafe !node.isLeaf { unsafe node = unsafe node.child(Self.childIndex(node, target)) }
        let (slot, found) = unsafe Self.lowerBound(node, target)
        return unsafe found ? Self.element(node.reference(slot)) : nil
    }

    // MARK: Prefixes

    /// Makes the common bytes of a node what its first and last text say, and the prefixes accordingly.
    static func refresh(_ node: NodeView) {
        let first = unsafe node.firstText
        let last = unsafe node.count - 1
        guard last >= first else { return unsafe node.shortenCommon(to: 0) }
        let text = unsafe place(in: node, first).text
        let common = unsafe Place.commonCount(text, place(in: node, last).text, limit: Node.commonLimit)
        unsafe node.setCommon(UnsafeRawBufferPointer(rebasing: text[..<common]))
        unsafe setPrefixes(node)
    }

    /// As `refresh`, for a node whose prefixes are right, but only if they don't tell its texts apart: to
    /// look at all of its texts is dear.
    static func refreshIfBlunt(_ node: NodeView) {
        var slot = unsafe node.firstText + 1
        while unsafe slot < node.count {
            if unsafe node.prefix(slot - 1) == node.prefix(slot) { return unsafe refresh(node) }
            slot += 1
        }
    }

    /// Shortens the common bytes of a node to what `text` shares, before it becomes one of its texts.
    static func admit(_ text: UnsafeRawBufferPointer, to node: NodeView) {
        if unsafe node.count <= node.firstText {
            return unsafe node.setCommon(UnsafeRawBufferPointer(rebasing: text.prefix(Node.commonLimit)))
        }
        let shared = unsafe Place.commonCount(node.commonBytes, text, limit: node.common)
        guard unsafe shared < node.common else { return }
        unsafe node.shortenCommon(to: shared)
        unsafe setPrefixes(node)
    }

    private static func setPrefixes(_ node: NodeView) {
        let common = unsafe node.common
        for slot in unsafe node.firstText..<max(node.firstText, node.count) {
            let text = unsafe place(in: node, slot).text
            unsafe node.setPrefix(slot, Place.prefix(of: text, skipping: common))
        }
    }

    mutating func changeCount(by difference: Int) { count += difference }
}
