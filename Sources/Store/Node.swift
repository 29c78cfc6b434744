// The memory of a tree node. All arrays of a node stand behind its header in one allocation:
//
//     prefix of slot 0 … | reference of slot 0 … | separator of slot 0 … (inner nodes) | 32 common bytes
//
// A leaf's references are elements. An inner node's are children, and separator i (there is none at 0)
// is above everything in child i - 1 and not above anything in child i. `common` bytes that all texts of
// the node begin with are kept apart, so that the prefixes hold the bytes in which the texts differ.

/// A node of a `SortedMap`: shared between copies of the map, changed only while it has one owner.
///
/// No `ManagedBuffer` can be declared sendable, so whoever holds a node says `nonisolated(unsafe)`. That is
/// true because a node is written to only by the map that found it uniquely referenced, or before anyone
/// else has it.
final class Node: ManagedBuffer<Node.Header, UInt64> {
    struct Header {
        var count: Int32
        let capacity: Int32
        var common: UInt8
        let isLeaf: Bool
    }

    /// The most bytes that are stripped from the texts of a node.
    static let commonLimit = 32

    static func make(isLeaf: Bool, capacity: Int) -> Node {
        let words = capacity * (isLeaf ? 2 : 3) + commonLimit / 8
        let buffer = Node.create(minimumCapacity: words) { _ in
            Header(count: 0, capacity: Int32(capacity), common: 0, isLeaf: isLeaf)
        }
        return unsafe unsafeDowncast(buffer, to: Node.self)
    }

    deinit {
        let view = unsafe NodeView(self)
        unsafe view.releaseReferences(0..<view.count)
    }

    /// A node of its own with the same slots.
    func copy() -> Node {
        let source = unsafe NodeView(self)
        let node = unsafe Node.make(isLeaf: source.isLeaf, capacity: source.capacity)
        let target = unsafe NodeView(node)
        unsafe target.append(source, source.slots)
        unsafe target.setCommon(source.commonBytes)
        return node
    }
}

/// Direct access to the memory of a node, without counting references: it must not outlive the node.
@unsafe struct NodeView {
    let header: UnsafeMutablePointer<Node.Header>
    let words: UnsafeMutablePointer<UInt64>
    let capacity: Int
    let isLeaf: Bool

    init(_ node: Node) {
        unsafe (header, words) = unsafe node.withUnsafeMutablePointers { unsafe ($0, $1) }
        unsafe capacity = unsafe Int(header.pointee.capacity)
        unsafe isLeaf = unsafe header.pointee.isLeaf
    }

    /// The node that a reference of an inner node points to.
    init(reference: UnsafeRawPointer) {
        unsafe self = unsafe Unmanaged<Node>.fromOpaque(reference)._withUnsafeGuaranteedRef {
            unsafe NodeView($0)
        }
    }

    var count: Int {
        get { unsafe Int(header.pointee.count) }
        nonmutating set { unsafe header.pointee.count = Int32(newValue) }
    }
    var slots: Range<Int> { unsafe 0..<count }
    /// The first slot that has a text to compare with: an inner node's child 0 has none.
    var firstText: Int { unsafe isLeaf ? 0 : 1 }

    var common: Int { unsafe Int(header.pointee.common) }
    private var commonStart: UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(words + capacity * (isLeaf ? 2 : 3))
    }
    var commonBytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: commonStart, count: common)
    }

    /// Takes the first bytes of `text` as the common ones. They may be the ones that are there already.
    func setCommon(_ text: UnsafeRawBufferPointer) {
        unsafe header.pointee.common = UInt8(text.count)
        if text.count > 0 { unsafe commonStart.copyMemory(from: text.baseAddress!, byteCount: text.count) }
    }

    private func referenceStart(_ slot: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(words + (capacity + slot))
    }
    private func separatorStart(_ slot: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(words + (2 * capacity + slot))
    }

    /// An element or a child, not retained.
    func reference(_ slot: Int) -> UnsafeRawPointer {
        unsafe referenceStart(slot).load(as: UnsafeRawPointer.self)
    }
    /// A separator, not retained. There is none in slot 0.
    func separator(_ slot: Int) -> UnsafeRawPointer {
        unsafe separatorStart(slot).load(as: UnsafeRawPointer.self)
    }
    func setReference(_ slot: Int, _ reference: UnsafeRawPointer) {
        unsafe referenceStart(slot).storeBytes(of: reference, as: UnsafeRawPointer.self)
    }
    func setSeparator(_ slot: Int, _ separator: UnsafeRawPointer) {
        unsafe separatorStart(slot).storeBytes(of: separator, as: UnsafeRawPointer.self)
    }
    func child(_ slot: Int) -> NodeView { unsafe NodeView(reference: reference(slot)) }

    /// The place in memory where a child is referred to, so that it can be replaced by its copy.
    func childSlot(_ slot: Int) -> UnsafeMutablePointer<Node> {
        unsafe referenceStart(slot).assumingMemoryBound(to: Node.self)
    }

    func separatorPlace(_ slot: Int) -> Place {
        unsafe Unmanaged<Separator>.fromOpaque(separator(slot))._withUnsafeGuaranteedRef { unsafe $0.place }
    }

    /// Makes room for one slot; prefix, reference and separator of it are then undefined.
    func open(_ slot: Int) {
        let moved = unsafe count - slot
        unsafe (words + slot + 1).update(from: words + slot, count: moved)
        unsafe referenceStart(slot + 1).copyMemory(from: referenceStart(slot), byteCount: 8 * moved)
        if unsafe !isLeaf {
            unsafe separatorStart(slot + 1).copyMemory(from: separatorStart(slot), byteCount: 8 * moved)
        }
        unsafe count += 1
    }

    /// Takes one slot away; whoever calls has taken over its references.
    func close(_ slot: Int) {
        let moved = unsafe count - slot - 1
        unsafe (words + slot).update(from: words + slot + 1, count: moved)
        unsafe referenceStart(slot).copyMemory(from: referenceStart(slot + 1), byteCount: 8 * moved)
        if unsafe !isLeaf {
            unsafe separatorStart(slot).copyMemory(from: separatorStart(slot + 1), byteCount: 8 * moved)
        }
        unsafe count -= 1
    }

    /// Appends slots of another node of the same kind, which keeps its own. If its slot 0 does not become
    /// slot 0 here, the separator that is then needed is left for the caller to set.
    func append(_ source: NodeView, _ range: Range<Int>) {
        unsafe precondition(count + range.count <= capacity)
        let start = unsafe count
        unsafe (words + start).update(from: source.words + range.lowerBound, count: range.count)
        let length = 8 * range.count
        unsafe referenceStart(start).copyMemory(
            from: source.referenceStart(range.lowerBound), byteCount: length)
        if unsafe !isLeaf {
            unsafe separatorStart(start).copyMemory(
                from: source.separatorStart(range.lowerBound), byteCount: length)
        }
        unsafe count = start + range.count
        for slot in unsafe start..<count {
            _ = unsafe Unmanaged<AnyObject>.fromOpaque(reference(slot)).retain()
            let hasSeparator = unsafe !isLeaf && slot > 0 && slot - start + range.lowerBound > 0
            if hasSeparator { _ = unsafe Unmanaged<AnyObject>.fromOpaque(separator(slot)).retain() }
        }
    }

    /// Gives up the references of some slots.
    func releaseReferences(_ range: Range<Int>) {
        for slot in range {
            unsafe Unmanaged<AnyObject>.fromOpaque(reference(slot)).release()
            if unsafe !isLeaf && slot > 0 {
                unsafe Unmanaged<AnyObject>.fromOpaque(separator(slot)).release()
            }
        }
    }
}
