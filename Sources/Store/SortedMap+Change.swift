// Putting elements in and taking them out. Both change the path from the root to one leaf, whose nodes are
// copied first where another copy of the map shares them.

extension SortedMap {
    /// A node that had to be divided: what stands right of it now.
    struct Split {
        let separator: Separator
        let right: Node
    }

    /// Puts in an element, in place of the one that stands there, which is returned.
    @discardableResult mutating func insert(_ element: Element) -> Element? {
        withExtendedLifetime(element) { unsafe update(at: Order.place(of: element)) { _ in element } }
    }

    /// Puts in what `make` makes of the element at a place (nil if there is none), which is returned.
    /// The new element must stand at that very place.
    mutating func update(at target: Place, _ make: (Element?) -> Element) -> Element? {
        var replaced: Element?
        let split = unsafe withUnsafeMutablePointer(to: &root) {
            unsafe Self.insert(at: target, into: $0, isLast: true, replaced: &replaced, make)
        }
        if let split {
            let node = Node.make(isLeaf: false, capacity: innerCapacity)
            let view = unsafe NodeView(node)
            unsafe view.count = 1
            unsafe view.setReference(0, Unmanaged.passRetained(root).toOpaque())
            unsafe Self.insertChild(split, into: view, at: 1)
            unsafe root = node
        }
        if replaced == nil { changeCount(by: 1) }
        return replaced
    }

    private static func insert(
        at target: Place, into slot: UnsafeMutablePointer<Node>, isLast: Bool, replaced: inout Element?,
        _ make: (Element?) -> Element
    ) -> Split? {
        unsafe makeUnique(slot)
        let node = unsafe NodeView(slot.pointee)
        guard unsafe node.isLeaf else {
            let index = unsafe childIndex(node, target)
            let isLastChild = unsafe isLast && index == node.count - 1
            let split = unsafe insert(
                at: target, into: node.childSlot(index), isLast: isLastChild, replaced: &replaced, make)
            guard let split else { return nil }
            return unsafe insert(split, into: node, after: index, isLast: isLast)
        }
        let (index, found) = unsafe lowerBound(node, target)
        if found {
            let old = unsafe element(node.reference(index)).takeRetainedValue()
            unsafe node.setReference(index, Unmanaged.passRetained(make(old)).toOpaque())
            replaced = old
            return nil
        }
        return unsafe insert(make(nil), into: node, at: index, isLast: isLast)
    }

    /// Puts a new element into a leaf, which is divided if it is full.
    private static func insert(_ element: Element, into leaf: NodeView, at index: Int, isLast: Bool) -> Split?
    {
        guard unsafe leaf.count == leaf.capacity else {
            unsafe insertElement(element, into: leaf, at: index)
            return nil
        }
        // Ascending insertions fill the last leaf to the brim instead of leaving halves behind.
        let middle = unsafe isLast && index == leaf.count ? leaf.count : leaf.count / 2
        let right = unsafe divide(leaf, at: middle)
        let rightView = unsafe NodeView(right)
        if unsafe index < middle || (index == middle && rightView.count > 0) {
            unsafe insertElement(element, into: leaf, at: index)
        } else {
            unsafe insertElement(element, into: rightView, at: index - middle)
        }
        let separator = unsafe Separator.between(place(in: leaf, leaf.count - 1), place(in: rightView, 0))
        return Split(separator: separator, right: right)
    }

    private static func insertElement(_ element: Element, into leaf: NodeView, at index: Int) {
        let text = unsafe Order.place(of: element).text
        unsafe admit(text, to: leaf)
        unsafe leaf.open(index)
        unsafe leaf.words[index] = unsafe Place.prefix(of: text, skipping: leaf.common)
        unsafe leaf.setReference(index, Unmanaged.passRetained(element).toOpaque())
    }

    /// Puts the right half of child `index` beside it, and divides the node if it is full.
    private static func insert(_ split: Split, into node: NodeView, after index: Int, isLast: Bool) -> Split?
    {
        guard unsafe node.count == node.capacity else {
            unsafe insertChild(split, into: node, at: index + 1)
            return nil
        }
        let middle = unsafe isLast && index == node.count - 1 ? index : node.count / 2
        let separator = unsafe Unmanaged<Separator>.fromOpaque(node.separator(middle)).takeUnretainedValue()
        let right = unsafe divide(node, at: middle)
        if index < middle {
            unsafe insertChild(split, into: node, at: index + 1)
        } else {
            unsafe insertChild(split, into: NodeView(right), at: index + 1 - middle)
        }
        return Split(separator: separator, right: right)
    }

    private static func insertChild(_ split: Split, into node: NodeView, at index: Int) {
        let text = unsafe split.separator.place.text
        unsafe admit(text, to: node)
        unsafe node.open(index)
        unsafe node.words[index] = unsafe Place.prefix(of: text, skipping: node.common)
        unsafe node.setReference(index, Unmanaged.passRetained(split.right).toOpaque())
        unsafe node.setSeparator(index, Unmanaged.passRetained(split.separator).toOpaque())
    }

    /// Moves the slots from `middle` on into a new node.
    private static func divide(_ node: NodeView, at middle: Int) -> Node {
        let right = unsafe Node.make(isLeaf: node.isLeaf, capacity: node.capacity)
        let rightView = unsafe NodeView(right)
        unsafe rightView.append(node, middle..<node.count)
        unsafe node.releaseReferences(middle..<node.count)
        unsafe node.count = middle
        if unsafe rightView.count > 0 {
            unsafe refresh(node)
            unsafe refresh(rightView)
        }
        return right
    }

    // MARK: Removing

    /// Takes out the element at a place, which is returned; nil if there is none.
    @discardableResult mutating func remove(at target: Place) -> Element? {
        unsafe find(target) == nil ? nil : removeExisting(at: target)
    }

    /// Takes out the element at a place, where there must be one.
    mutating func removeExisting(at target: Place) -> Element {
        let removed = unsafe withUnsafeMutablePointer(to: &root) { unsafe Self.remove(at: target, from: $0) }
        changeCount(by: -1)
        while true {
            let view = unsafe NodeView(root)
            guard unsafe !view.isLeaf, unsafe view.count == 1 else { return removed }
            unsafe root = unsafe Unmanaged<Node>.fromOpaque(view.reference(0)).takeUnretainedValue()
        }
    }

    private static func remove(at target: Place, from slot: UnsafeMutablePointer<Node>) -> Element {
        unsafe makeUnique(slot)
        let node = unsafe NodeView(slot.pointee)
        guard unsafe node.isLeaf else {
            let index = unsafe childIndex(node, target)
            let removed = unsafe remove(at: target, from: node.childSlot(index))
            let child = unsafe node.child(index)
            let minimum = unsafe max(child.isLeaf ? 1 : 2, child.capacity / 3)
            if unsafe child.count < minimum { unsafe combine(node, max(index, 1)) }
            return removed
        }
        let (index, found) = unsafe lowerBound(node, target)
        precondition(found)
        let removed = unsafe element(node.reference(index)).takeRetainedValue()
        unsafe node.close(index)
        return removed
    }

    /// Makes one child of the children `index - 1` and `index`, or two of like size.
    private static func combine(_ node: NodeView, _ index: Int) {
        let (left, right) = unsafe (node.child(index - 1), node.child(index))
        let (capacity, wanted) = unsafe (left.capacity, left.count + right.count)
        let roomy = unsafe Node.make(isLeaf: left.isLeaf, capacity: max(wanted, capacity))
        defer { withExtendedLifetime(roomy) {} }
        let all = unsafe NodeView(roomy)
        unsafe all.append(left, left.slots)
        unsafe all.append(right, right.slots)
        if unsafe !all.isLeaf {
            // The separator between the two comes down; the right one had none in its slot 0.
            let between = unsafe Unmanaged<AnyObject>.fromOpaque(node.separator(index)).retain()
            unsafe all.setSeparator(left.count, between.toOpaque())
        }
        if wanted <= capacity {
            unsafe refresh(all)
            unsafe replaceChild(node, index - 1, by: roomy)
            unsafe node.releaseReferences(index..<(index + 1))
            unsafe node.close(index)
        } else {
            let middle = wanted / 2
            let separator =
                unsafe all.isLeaf
                ? Separator.between(place(in: all, middle - 1), place(in: all, middle))
                : Unmanaged<Separator>.fromOpaque(all.separator(middle)).takeUnretainedValue()
            unsafe replaceChild(node, index - 1, by: part(of: all, 0..<middle, capacity: capacity))
            unsafe replaceChild(node, index, by: part(of: all, middle..<wanted, capacity: capacity))
            unsafe Unmanaged<Separator>.fromOpaque(node.separator(index)).release()
            unsafe node.setSeparator(index, Unmanaged.passRetained(separator).toOpaque())
        }
        unsafe refresh(node)
    }

    private static func part(of node: NodeView, _ range: Range<Int>, capacity: Int) -> Node {
        let part = unsafe Node.make(isLeaf: node.isLeaf, capacity: capacity)
        unsafe NodeView(part).append(node, range)
        unsafe refresh(NodeView(part))
        return part
    }

    private static func replaceChild(_ node: NodeView, _ index: Int, by child: Node) {
        let old = unsafe Unmanaged<Node>.fromOpaque(node.reference(index))
        unsafe node.setReference(index, Unmanaged.passRetained(child).toOpaque())
        unsafe old.release()
    }
}
