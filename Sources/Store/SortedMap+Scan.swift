// Walking through a map in order. Nodes shared between copies can't be linked to their neighbours, so a
// walk remembers the path from the root.

extension SortedMap {
    /// A position in a map, or beyond one of its ends. It must not outlive the map.
    @unsafe struct Cursor {
        private var path: [(node: NodeView, slot: Int)] = unsafe []
        private let root: NodeView
        /// The leaf of the position.
        private(set) var leaf: NodeView
        /// The slot in the leaf; the cursor is beyond an end if the leaf has no such slot.
        var slot = 0

        init(_ map: borrowing SortedMap) {
            unsafe root = unsafe NodeView(map.root)
            unsafe leaf = unsafe root
            unsafe slot = -1
        }

        /// The element at the position, not retained; nil beyond the ends.
        var element: Unmanaged<Element>? {
            guard unsafe slot >= 0, unsafe slot < leaf.count else { return nil }
            return unsafe SortedMap.element(leaf.reference(slot))
        }

        /// Where the element stands; nil beyond the ends.
        var place: Place? {
            guard unsafe slot >= 0, unsafe slot < leaf.count else { return nil }
            return unsafe SortedMap.place(leaf.reference(slot))
        }

        /// Goes to the first element that is not before `target`.
        mutating func seek(atOrAfter target: Place) {
            unsafe descend(to: target)
            if unsafe slot == leaf.count { _ = unsafe nextLeaf() }
        }

        /// Goes to the last element before `target`; to the last of all without one.
        mutating func seek(before target: Place?) {
            if let target = unsafe target { unsafe descend(to: target) } else { unsafe descendToEnd() }
            unsafe slot -= 1
            if unsafe slot < 0 { _ = unsafe previousLeaf() }
        }

        mutating func next() {
            unsafe slot += 1
            if unsafe slot == leaf.count { _ = unsafe nextLeaf() }
            unsafe request(slot + Prefetch.distance)
        }

        mutating func previous() {
            unsafe slot -= 1
            if unsafe slot < 0 { _ = unsafe previousLeaf() }
            unsafe request(slot - Prefetch.distance)
        }

        /// Asks for an element of the leaf that is looked at soon.
        private func request(_ coming: Int) {
            guard coming >= 0, unsafe coming < leaf.count else { return }
            unsafe Prefetch.request(leaf.reference(coming), lines: Prefetch.fewLines)
        }

        private mutating func descend(to target: Place) {
            unsafe path.removeAll(keepingCapacity: true)
            unsafe leaf = unsafe root
            while unsafe !leaf.isLeaf {
                let index = unsafe SortedMap.childIndex(leaf, target)
                unsafe path.append((leaf, index))
                unsafe leaf = unsafe leaf.child(index)
            }
            unsafe slot = unsafe SortedMap.lowerBound(leaf, target).slot
        }

        private mutating func descendToEnd() {
            unsafe path.removeAll(keepingCapacity: true)
            unsafe leaf = unsafe root
            while unsafe !leaf.isLeaf {
                unsafe path.append((leaf, leaf.count - 1))
                unsafe leaf = unsafe leaf.child(leaf.count - 1)
            }
            unsafe slot = unsafe leaf.count
        }

        /// Goes to the first slot of the leaf to the right; beyond the end if there is none.
        mutating func nextLeaf() -> Bool {
            var level = unsafe path.count - 1
            while level >= 0, unsafe path[level].slot + 1 >= path[level].node.count { level -= 1 }
            guard level >= 0 else {
                unsafe slot = unsafe leaf.count
                return false
            }
            unsafe path.removeLast(path.count - 1 - level)
            unsafe path[level].slot += 1
            unsafe leaf = unsafe path[level].node.child(path[level].slot)
            while unsafe !leaf.isLeaf {
                unsafe path.append((leaf, 0))
                unsafe leaf = unsafe leaf.child(0)
            }
            unsafe slot = 0
            return true
        }

        /// Goes to the last slot of the leaf to the left; beyond the end if there is none.
        mutating func previousLeaf() -> Bool {
            var level = unsafe path.count - 1
            while level >= 0, unsafe path[level].slot == 0 { level -= 1 }
            guard level >= 0 else {
                unsafe slot = -1
                return false
            }
            unsafe path.removeLast(path.count - 1 - level)
            unsafe path[level].slot -= 1
            unsafe leaf = unsafe path[level].node.child(path[level].slot)
            while unsafe !leaf.isLeaf {
                unsafe path.append((leaf, leaf.count - 1))
                unsafe leaf = unsafe leaf.child(leaf.count - 1)
            }
            unsafe slot = unsafe leaf.count - 1
            return true
        }
    }

    /// Calls `body` with each element from `start` up to but not including `end` until it says false.
    /// Elements are lent: they live as long as this map does. Bounds are looked at once a leaf. `body` will
    /// look at about so many cache `lines` of each element.
    func scan(
        from start: Place, to end: Place?, descending: Bool = false, lines: Int = Prefetch.fewLines,
        _ body: (Element) -> Bool
    ) {
        unsafe withExtendedLifetime(root) {
            var cursor = unsafe Cursor(self)
            if descending {
                unsafe cursor.seek(before: end)
                while unsafe cursor.slot >= 0 {
                    let first = unsafe Self.lowerBound(cursor.leaf, start).slot
                    let slots = unsafe first..<max(first, cursor.slot + 1)
                    guard unsafe Self.walk(cursor.leaf, slots, step: -1, lines: lines, body) else { return }
                    if unsafe first > 0 || !cursor.previousLeaf() { return }
                }
                return
            }
            unsafe cursor.seek(atOrAfter: start)
            while unsafe cursor.slot < cursor.leaf.count {
                let last = unsafe Self.limit(of: cursor.leaf, end)
                let slots = unsafe cursor.slot..<max(cursor.slot, last)
                guard unsafe Self.walk(cursor.leaf, slots, step: 1, lines: lines, body) else { return }
                if unsafe last < cursor.leaf.count || !cursor.nextLeaf() { return }
            }
        }
    }

    /// Calls `body` with the elements of a leaf, forwards or backwards; false if it said so.
    @inline(__always) private static func walk(
        _ leaf: NodeView, _ slots: Range<Int>, step: Int, lines: Int, _ body: (Element) -> Bool
    ) -> Bool {
        var slot = step > 0 ? slots.lowerBound : slots.upperBound - 1
        for distance in 0..<min(Prefetch.distance, slots.count) {
            unsafe Prefetch.request(leaf.reference(slot + distance * step), lines: lines)
        }
        var left = slots.count
        while left > 0 {
            if left > Prefetch.distance {
                unsafe Prefetch.request(leaf.reference(slot + Prefetch.distance * step), lines: lines)
            }
            guard unsafe element(leaf.reference(slot))._withUnsafeGuaranteedRef(body) else { return false }
            slot += step
            left -= 1
        }
        return true
    }

    /// How many of a leaf's slots stand before `end`.
    private static func limit(of leaf: NodeView, _ end: Place?) -> Int {
        guard let end = unsafe end else { return unsafe leaf.count }
        return unsafe lowerBound(leaf, end).slot
    }

    /// How many elements stand from `start` up to but not including `end`. Looks only at the leaves' sizes
    /// and at the elements next to the bounds.
    func count(from start: Place, to end: Place?) -> Int {
        unsafe withExtendedLifetime(root) {
            var cursor = unsafe Cursor(self)
            unsafe cursor.seek(atOrAfter: start)
            var total = 0
            while unsafe cursor.slot >= 0, unsafe cursor.slot < cursor.leaf.count {
                let leaf = unsafe cursor.leaf
                let last = unsafe Self.limit(of: leaf, end)
                unsafe total += max(0, last - cursor.slot)
                if unsafe last < leaf.count || !cursor.nextLeaf() { break }
            }
            return total
        }
    }
}
