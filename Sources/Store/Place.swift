// The order of a `SortedMap`: that of bytes. Compared eight at a time, since the standard library's
// lexicographic comparison goes byte by byte.

/// Where an element stands in the order of a map.
///
/// It points into the element, or into whatever bytes are looked for, and must not outlive them.
@unsafe struct Place {
    var text: UnsafeRawBufferPointer

    init(_ text: UnsafeRawBufferPointer) { unsafe self.text = unsafe text }

    /// Less than zero if `a` comes first, zero if the places are the same. The texts are known to be equal
    /// in the first `start` bytes, and neither is shorter.
    static func compare(_ a: Place, _ b: Place, from start: Int = 0) -> Int {
        unsafe compare(a.text, b.text, from: start)
    }

    /// Less than zero if `a` comes before `b` in the order of bytes.
    static func compare(
        _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, from start: Int = 0
    ) -> Int {
        let shared = unsafe commonCount(a, b, from: start)
        if shared < min(a.count, b.count) { return unsafe a[shared] < b[shared] ? -1 : 1 }
        return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
    }

    /// How many bytes `a` and `b` begin with in common, but at most `limit`. The first `start` are known to
    /// be so.
    @inline(__always) static func commonCount(
        _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, from start: Int = 0, limit: Int = .max
    ) -> Int {
        let shared = min(a.count, b.count, limit)
        var place = start
        while place < shared {
            // Eight bytes at a time; the last ones together with some that were looked at before.
            guard shared >= 8 else { break }
            let from = min(place, shared - 8)
            let x = unsafe a.loadUnaligned(fromByteOffset: from, as: UInt64.self)
            let y = unsafe b.loadUnaligned(fromByteOffset: from, as: UInt64.self)
            if x != y { return from + (x ^ y).littleEndian.trailingZeroBitCount / 8 }
            place = from + 8
        }
        while place < shared, unsafe a[place] == b[place] { place += 1 }
        return place
    }

    /// Eight bytes of `text` after the first `skipped`, as a number that sorts as they do; zeros where the
    /// text has ended.
    static func prefix(of text: UnsafeRawBufferPointer, skipping skipped: Int) -> UInt64 {
        let left = text.count - skipped
        if left >= 8 { return unsafe text.loadUnaligned(fromByteOffset: skipped, as: UInt64.self).bigEndian }
        var prefix: UInt64 = 0
        var place = 0
        while place < left {
            unsafe prefix |= UInt64(text[skipped + place]) << UInt64(56 - 8 * place)
            place += 1
        }
        return prefix
    }
}

/// The order in which a map keeps its elements, and the elements' type.
protocol SortOrder {
    associatedtype Element: AnyObject
    /// Where the element stands; the pointer is good as long as the element is.
    static func place(of element: Element) -> Place
}

/// What divides two children of a node: no more text than it takes, so that it pins no element.
final class Separator: ManagedBuffer<Int, UInt8> {
    /// The shortest text above `left` and not above `right`.
    static func between(_ left: Place, _ right: Place) -> Separator {
        let shared = unsafe Place.commonCount(left.text, right.text, limit: .max)
        let text = unsafe UnsafeRawBufferPointer(rebasing: right.text[...shared])
        let buffer = Separator.create(minimumCapacity: text.count) { _ in text.count }
        unsafe buffer.withUnsafeMutablePointerToElements {
            unsafe UnsafeMutableRawBufferPointer(start: $0, count: text.count).copyMemory(from: text)
        }
        return unsafe unsafeDowncast(buffer, to: Separator.self)
    }

    var place: Place {
        unsafe withUnsafeMutablePointers { count, bytes in
            unsafe Place(UnsafeRawBufferPointer(start: bytes, count: count.pointee))
        }
    }
}
