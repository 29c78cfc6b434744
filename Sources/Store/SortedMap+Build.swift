// Building a map from elements that come in order, from the leaves up.

extension SortedMap {
    /// Collects elements in ascending order and makes a map of them.
    struct Builder: Sendable {
        private let leafCapacity, innerCapacity: Int
        /// Leaves are not filled to the brim, so that the first writes afterwards do not divide all of them.
        private let filling: Int
        /// Written to only where they are not shared: see `Node`.
        nonisolated(unsafe) private var leaves: [Node] = []
        nonisolated(unsafe) private var leaf: Node
        private var count = 0

        init(leafCapacity: Int = 64, innerCapacity: Int = 64) {
            self.leafCapacity = leafCapacity
            self.innerCapacity = innerCapacity
            filling = max(1, leafCapacity * 7 / 8)
            unsafe leaf = Node.make(isLeaf: true, capacity: leafCapacity)
        }

        /// The element that was appended last, nil at the beginning.
        var last: Element? {
            let view = unsafe NodeView(leaf)
            guard unsafe view.count > 0 else { return nil }
            return unsafe withExtendedLifetime(leaf) {
                unsafe SortedMap.element(view.reference(view.count - 1)).takeUnretainedValue()
            }
        }

        /// Appends an element; false if it does not stand after the last one.
        mutating func append(_ element: Element) -> Bool {
            if unsafe NodeView(leaf).count == filling { startLeaf() }
            if unsafe !isKnownUniquelyReferenced(&leaf) { unsafe leaf = unsafe leaf.copy() }
            let view = unsafe NodeView(leaf)
            if unsafe view.count > 0 {
                let previous = unsafe SortedMap.place(view.reference(view.count - 1))
                guard unsafe Place.compare(previous, Order.place(of: element)) < 0 else { return false }
            } else if let before = unsafe leaves.last.map({ unsafe NodeView($0) }) {
                let previous = unsafe SortedMap.place(before.reference(before.count - 1))
                guard unsafe Place.compare(previous, Order.place(of: element)) < 0 else { return false }
            }
            unsafe view.setReference(view.count, Unmanaged.passRetained(element).toOpaque())
            unsafe view.count += 1
            count += 1
            return true
        }

        private mutating func startLeaf() {
            unsafe SortedMap.refresh(NodeView(leaf))
            unsafe leaves.append(leaf)
            unsafe leaf = Node.make(isLeaf: true, capacity: leafCapacity)
        }

        /// The map of all elements; the builder is empty afterwards.
        mutating func finish() -> SortedMap {
            unsafe SortedMap.refresh(NodeView(leaf))
            var level = unsafe leaves + (NodeView(leaf).count > 0 || leaves.isEmpty ? [leaf] : [])
            var separators = zip(level, level.dropFirst()).map { left, right in
                let (left, right) = unsafe (NodeView(left), NodeView(right))
                return unsafe Separator.between(
                    SortedMap.place(in: left, left.count - 1), SortedMap.place(in: right, 0))
            }
            while level.count > 1 { (level, separators) = raise(level, separators) }
            let map = SortedMap(
                root: level[0], count: count, leafCapacity: leafCapacity, innerCapacity: innerCapacity)
            self = Builder(leafCapacity: leafCapacity, innerCapacity: innerCapacity)
            return map
        }

        /// The nodes above a level, of like sizes, and what divides them.
        private func raise(_ level: [Node], _ separators: [Separator]) -> ([Node], [Separator]) {
            let parents = (level.count + innerCapacity - 1) / innerCapacity
            var nodes: [Node] = []
            var between: [Separator] = []
            for index in 0..<parents {
                let children = index * level.count / parents..<(index + 1) * level.count / parents
                let node = Node.make(isLeaf: false, capacity: innerCapacity)
                let view = unsafe NodeView(node)
                for (slot, child) in children.enumerated() {
                    unsafe view.setReference(slot, Unmanaged.passRetained(level[child]).toOpaque())
                    if slot > 0 {
                        let separator = separators[child - 1]
                        unsafe view.setSeparator(slot, Unmanaged.passRetained(separator).toOpaque())
                    }
                }
                unsafe view.count = children.count
                unsafe SortedMap.refresh(view)
                if index > 0 { between.append(separators[children.lowerBound - 1]) }
                nodes.append(node)
            }
            return (nodes, between)
        }
    }
}
