// The memory of a tree node. All of a node stands behind its header in one allocation:
//
//     32 common bytes | prefix and reference of slot 0, of slot 1 … | separator of slot 0 … (inner nodes)
//
// A leaf's references are elements. An inner node's are children, and separator i (there is none at 0)
// is above everything in child i - 1 and not above anything in child i. `common` bytes that all texts of
// the node begin with are kept apart, so that the prefixes hold the bytes in which the texts differ.
//
// A prefix stands beside its reference because a search ends at both: one cache line less to wait for.

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

    /// What a node knows of one element or child.
    @unsafe struct Slot {
        /// Eight bytes of its text, after the common ones: see `Place.prefix(of:skipping:)`.
        var prefix: UInt64
        /// The element or child, which the node owns.
        var reference: UnsafeRawPointer
    }

    /// The most bytes that are stripped from the texts of a node.
    static let commonLimit = 32

    static func make(isLeaf: Bool, capacity: Int) -> Node {
        let words = commonLimit / 8 + capacity * (isLeaf ? 2 : 3)
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
    private let memory: UnsafeMutableRawPointer
    let capacity: Int
    let isLeaf: Bool

    init(_ node: Node) {
        unsafe self = unsafe NodeView(reference: Unmanaged.passUnretained(node).toOpaque())
    }

    /// The node that a reference of an inner node points to.
    init(reference: UnsafeRawPointer) {
        unsafe (header, memory) = unsafe Unmanaged<Node>.fromOpaque(reference)._withUnsafeGuaranteedRef {
            unsafe $0.withUnsafeMutablePointers { unsafe ($0, UnsafeMutableRawPointer($1)) }
        }
        unsafe capacity = unsafe Int(header.pointee.capacity)
        unsafe isLeaf = unsafe header.pointee.isLeaf
    }

    var count: Int {
        get { unsafe Int(header.pointee.count) }
        nonmutating set { unsafe header.pointee.count = Int32(truncatingIfNeeded: newValue) }
    }
    var slots: Range<Int> { unsafe 0..<count }
    /// The first slot that has a text to compare with: an inner node's child 0 has none.
    var firstText: Int { unsafe isLeaf ? 0 : 1 }

    // MARK: Common bytes

    var common: Int { unsafe Int(header.pointee.common) }
    var commonBytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: memory, count: common)
    }

    /// Takes `text` as the common bytes. It may be the ones that are there already.
    func setCommon(_ text: UnsafeRawBufferPointer) {
        unsafe header.pointee.common = UInt8(text.count)
        if text.count > 0 { unsafe memory.copyMemory(from: text.baseAddress!, byteCount: text.count) }
    }

    /// Takes fewer of the common bytes.
    func shortenCommon(to count: Int) { unsafe header.pointee.common = UInt8(count) }

    // MARK: Slots

    private var table: UnsafeMutablePointer<Node.Slot> {
        unsafe (memory + Node.commonLimit).assumingMemoryBound(to: Node.Slot.self)
    }
    private var separators: UnsafeMutablePointer<UnsafeRawPointer> {
        unsafe (memory + Node.commonLimit + capacity * MemoryLayout<Node.Slot>.stride)
            .assumingMemoryBound(to: UnsafeRawPointer.self)
    }

    func prefix(_ slot: Int) -> UInt64 { unsafe table[slot].prefix }
    func setPrefix(_ slot: Int, _ prefix: UInt64) { unsafe table[slot].prefix = prefix }

    /// An element or a child, not retained.
    func reference(_ slot: Int) -> UnsafeRawPointer { unsafe table[slot].reference }
    func setReference(_ slot: Int, _ reference: UnsafeRawPointer) {
        unsafe table[slot].reference = unsafe reference
    }
    /// A separator, not retained. There is none in slot 0.
    func separator(_ slot: Int) -> UnsafeRawPointer { unsafe separators[slot] }
    func setSeparator(_ slot: Int, _ separator: UnsafeRawPointer) {
        unsafe separators[slot] = unsafe separator
    }
    func child(_ slot: Int) -> NodeView { unsafe NodeView(reference: reference(slot)) }

    /// The place in memory where a child is referred to, so that it can be replaced by its copy.
    func childSlot(_ slot: Int) -> UnsafeMutablePointer<Node> {
        let place = unsafe UnsafeMutableRawPointer(table + slot) + MemoryLayout<UInt64>.stride
        return unsafe place.assumingMemoryBound(to: Node.self)
    }

    func separatorPlace(_ slot: Int) -> Place {
        unsafe Unmanaged<Separator>.fromOpaque(separator(slot))._withUnsafeGuaranteedRef { unsafe $0.place }
    }

    /// The first slot of `range` whose prefix is not below `prefix`, the range's end if there is none.
    ///
    /// It looks at the last slot of every four, which is one of each cache line, and then at the four in
    /// question. The slots that are looked at don't depend on what is found: the processor waits for all of
    /// these lines at once, where a search by halves would wait for one after another.
    func firstSlot(in range: Range<Int>, notBelow prefix: UInt64) -> Int {
        var result = range.lowerBound
        var place = range.lowerBound &+ 3
        while place < range.upperBound {
            unsafe result &+= table[place].prefix < prefix ? 4 : 0
            place &+= 4
        }
        let end = min(result &+ 4, range.upperBound)
        place = result
        while place < end {
            unsafe result &+= table[place].prefix < prefix ? 1 : 0
            place &+= 1
        }
        return result
    }

    // MARK: Moving slots

    /// Makes room for one slot; prefix, reference and separator of it are then undefined.
    func open(_ slot: Int) {
        let moved = unsafe count - slot
        unsafe (table + slot + 1).update(from: table + slot, count: moved)
        if unsafe !isLeaf { unsafe (separators + slot + 1).update(from: separators + slot, count: moved) }
        unsafe count += 1
    }

    /// Takes one slot away; whoever calls has taken over its references.
    func close(_ slot: Int) {
        let moved = unsafe count - slot - 1
        unsafe (table + slot).update(from: table + slot + 1, count: moved)
        if unsafe !isLeaf { unsafe (separators + slot).update(from: separators + slot + 1, count: moved) }
        unsafe count -= 1
    }

    /// Appends slots of another node of the same kind, which keeps its own. If its slot 0 does not become
    /// slot 0 here, the separator that is then needed is left for the caller to set.
    func append(_ source: NodeView, _ range: Range<Int>) {
        let start = unsafe count
        unsafe move(source, range)
        for slot in unsafe start..<count { unsafe Prefetch.request(reference(slot)) }
        for slot in unsafe start..<count {
            _ = unsafe Unmanaged<AnyObject>.fromOpaque(reference(slot)).retain()
            let hasSeparator = unsafe !isLeaf && slot > 0 && slot - start + range.lowerBound > 0
            if hasSeparator { _ = unsafe Unmanaged<AnyObject>.fromOpaque(separator(slot)).retain() }
        }
    }

    /// As `append`, but the references change hands: whoever calls takes the slots out of `source`.
    func move(_ source: NodeView, _ range: Range<Int>) {
        unsafe precondition(count + range.count <= capacity)
        let start = unsafe count
        unsafe (table + start).update(from: source.table + range.lowerBound, count: range.count)
        if unsafe !isLeaf {
            unsafe (separators + start).update(from: source.separators + range.lowerBound, count: range.count)
        }
        unsafe count = start + range.count
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
