// Putting elements in and taking them out. Both change the path from the root to one leaf, whose nodes are
// copied first where another copy of the map shares them.

extension SortedMap {
    /// A node that had to be divided: what stands right of it now.
    struct Split {
        let separator: Separator
        let right: Node
    }

    /// Where an element is, or where it would be, in a leaf that no other map shares. Good until the next
    /// change of the map.
    @unsafe struct Spot {
        fileprivate let leaf: NodeView
        fileprivate let slot: Int
        fileprivate let isTaken: Bool
    }

    /// The spot of a place.
    mutating func spot(at target: Place) -> Spot {
        let leaf = unsafe ownLeaf(at: target)
        let (slot, found) = unsafe Self.lowerBound(leaf, target)
        return unsafe Spot(leaf: leaf, slot: slot, isTaken: found)
    }

    /// The element at a spot, if there is one.
    func element(at spot: Spot) -> Unmanaged<Element>? {
        unsafe spot.isTaken ? Self.element(spot.leaf.reference(spot.slot)) : nil
    }

    /// Puts in an element, which must stand at the spot's place, and takes over the reference to it. The
    /// reference to the element that was there goes to whoever calls.
    mutating func put(_ element: Unmanaged<Element>, at spot: Spot) {
        if unsafe spot.isTaken { return unsafe spot.leaf.setReference(spot.slot, element.toOpaque()) }
        if unsafe spot.leaf.count < spot.leaf.capacity {
            unsafe Self.insertElement(element, into: spot.leaf, at: spot.slot)
        } else {
            unsafe insertDividing(element, at: Self.place(element.toOpaque()))
        }
        changeCount(by: 1)
    }

    /// Puts in an element, in place of the one that stands there, which is returned.
    @discardableResult mutating func insert(_ element: Element) -> Element? {
        let element = unsafe Unmanaged.passRetained(element)
        let spot = unsafe spot(at: Self.place(element.toOpaque()))
        let old = unsafe self.element(at: spot)
        unsafe put(element, at: spot)
        return unsafe old?.takeRetainedValue()
    }

    /// The leaf in whose part of the order `target` lies, on a path that no other map shares.
    private mutating func ownLeaf(at target: Place) -> NodeView {
        if unsafe !isKnownUniquelyReferenced(&root) { unsafe root = unsafe root.copy() }
        var node = unsafe NodeView(root)
        while unsafe !node.isLeaf { unsafe node = unsafe Self.ownChild(node, Self.childIndex(node, target)) }
        return unsafe node
    }

    /// A child of a node that no other map shares, made such a node itself.
    private static func ownChild(_ node: NodeView, _ index: Int) -> NodeView {
        let slot = unsafe node.childSlot(index)
        if unsafe !isKnownUniquelyReferenced(&slot.pointee) {
            unsafe slot.pointee = unsafe slot.pointee.copy()
        }
        return unsafe node.child(index)
    }

    // MARK: Dividing

    /// Puts in an element where the leaf is full. The path to it is the map's own already.
    private mutating func insertDividing(_ element: Unmanaged<Element>, at target: Place) {
        guard let split = unsafe Self.insert(element, at: target, into: NodeView(root), isLast: true) else {
            return
        }
        let node = Node.make(isLeaf: false, capacity: innerCapacity)
        let view = unsafe NodeView(node)
        unsafe view.count = 1
        unsafe view.setReference(0, Unmanaged.passRetained(root).toOpaque())
        unsafe Self.insertChild(split, into: view, at: 1)
        unsafe root = node
    }

    private static func insert(
        _ element: Unmanaged<Element>, at target: Place, into node: NodeView, isLast: Bool
    ) -> Split? {
        guard unsafe !node.isLeaf else {
            return unsafe insert(element, into: node, at: lowerBound(node, target).slot, isLast: isLast)
        }
        let index = unsafe childIndex(node, target)
        let isLastChild = unsafe isLast && index == node.count - 1
        let split = unsafe insert(element, at: target, into: node.child(index), isLast: isLastChild)
        return split.flatMap { unsafe insert($0, into: node, after: index, isLast: isLast) }
    }

    /// Puts a new element into a leaf, which is divided if it is full.
    private static func insert(
        _ element: Unmanaged<Element>, into leaf: NodeView, at index: Int, isLast: Bool
    ) -> Split? {
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

    private static func insertElement(_ element: Unmanaged<Element>, into leaf: NodeView, at index: Int) {
        let text = unsafe place(element.toOpaque()).text
        unsafe admit(text, to: leaf)
        unsafe leaf.open(index)
        unsafe leaf.setPrefix(index, Place.prefix(of: text, skipping: leaf.common))
        unsafe leaf.setReference(index, element.toOpaque())
    }

    /// Puts the right half of child `index` beside it, and divides the node if it is full.
    private static func insert(_ split: Split, into node: NodeView, after index: Int, isLast: Bool) -> Split?
    {
        guard unsafe node.count == node.capacity else {
            unsafe insertChild(split, into: node, at: index + 1)
            return nil
        }
        let middle = unsafe isLast && index == node.count - 1 ? index : node.count / 2
        // The right half needs none in its slot 0: it goes up.
        let separator = unsafe Unmanaged<Separator>.fromOpaque(node.separator(middle)).takeRetainedValue()
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
        unsafe node.setPrefix(index, Place.prefix(of: text, skipping: node.common))
        unsafe node.setReference(index, Unmanaged.passRetained(split.right).toOpaque())
        unsafe node.setSeparator(index, Unmanaged.passRetained(split.separator).toOpaque())
    }

    /// Moves the slots from `middle` on, without the separator of the first of them, into a new node.
    private static func divide(_ node: NodeView, at middle: Int) -> Node {
        let right = unsafe Node.make(isLeaf: node.isLeaf, capacity: node.capacity)
        let rightView = unsafe NodeView(right)
        unsafe rightView.move(node, middle..<node.count)
        unsafe rightView.setCommon(node.commonBytes)
        unsafe node.count = middle
        unsafe refreshIfBlunt(node)
        unsafe refreshIfBlunt(rightView)
        return right
    }

    // MARK: Removing

    /// Takes out the element at a place, which is returned; nil if there is none.
    @discardableResult mutating func remove(at target: Place) -> Element? {
        unsafe find(target) == nil ? nil : removeExisting(at: target).takeRetainedValue()
    }

    /// Takes out the element at a place, where there must be one. The reference goes to whoever calls.
    mutating func removeExisting(at target: Place) -> Unmanaged<Element> {
        let leaf = unsafe ownLeaf(at: target)
        let (slot, found) = unsafe Self.lowerBound(leaf, target)
        precondition(found)
        let removed = unsafe Self.element(leaf.reference(slot))
        unsafe leaf.close(slot)
        changeCount(by: -1)
        if unsafe Self.isTooEmpty(leaf) {
            unsafe Self.fill(at: target, in: NodeView(root))
            shortenPath()
        }
        return unsafe removed
    }

    /// A root with one child gives way to the child.
    private mutating func shortenPath() {
        while true {
            let view = unsafe NodeView(root)
            guard unsafe !view.isLeaf, unsafe view.count == 1 else { return }
            unsafe root = unsafe Unmanaged<Node>.fromOpaque(view.reference(0)).takeUnretainedValue()
        }
    }

    private static func isTooEmpty(_ node: NodeView) -> Bool {
        unsafe node.count < max(node.isLeaf ? 1 : 2, node.capacity / 3)
    }

    /// Combines the nodes on the path to `target` that are too empty with their neighbours, from below. The
    /// path is the map's own already.
    private static func fill(at target: Place, in node: NodeView) {
        guard unsafe !node.isLeaf else { return }
        let index = unsafe childIndex(node, target)
        unsafe fill(at: target, in: node.child(index))
        if unsafe isTooEmpty(node.child(index)) { unsafe combine(node, max(index, 1)) }
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
        let isAlike = unsafe Place.compare(left.commonBytes, right.commonBytes) == 0
        if isAlike { unsafe all.setCommon(left.commonBytes) }
        if unsafe !all.isLeaf {
            // The separator between the two comes down; the right one had none in its slot 0.
            let between = unsafe Unmanaged<Separator>.fromOpaque(node.separator(index)).takeUnretainedValue()
            unsafe replaceSeparator(all, left.count, by: between, hadOne: false)
        }
        if isAlike { unsafe refreshIfBlunt(all) } else { unsafe refresh(all) }
        if wanted <= capacity {
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
            unsafe replaceSeparator(node, index, by: separator, hadOne: true)
        }
    }

    /// Sets a separator and its prefix.
    private static func replaceSeparator(
        _ node: NodeView, _ index: Int, by separator: Separator, hadOne: Bool
    ) {
        if hadOne { unsafe Unmanaged<Separator>.fromOpaque(node.separator(index)).release() }
        unsafe node.setSeparator(index, Unmanaged.passRetained(separator).toOpaque())
        let text = unsafe separator.place.text
        unsafe admit(text, to: node)
        unsafe node.setPrefix(index, Place.prefix(of: text, skipping: node.common))
    }

    private static func part(of node: NodeView, _ range: Range<Int>, capacity: Int) -> Node {
        let part = unsafe Node.make(isLeaf: node.isLeaf, capacity: capacity)
        let view = unsafe NodeView(part)
        unsafe view.append(node, range)
        unsafe view.setCommon(node.commonBytes)
        unsafe refreshIfBlunt(view)
        return part
    }

    private static func replaceChild(_ node: NodeView, _ index: Int, by child: Node) {
        let old = unsafe Unmanaged<Node>.fromOpaque(node.reference(index))
        unsafe node.setReference(index, Unmanaged.passRetained(child).toOpaque())
        unsafe old.release()
    }
}
