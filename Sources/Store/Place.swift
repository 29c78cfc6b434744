// The order of a `SortedMap`: bytes first, a number second. Compared eight bytes at a time, since the
// standard library's lexicographic comparison goes byte by byte.

/// Where an element stands in the order of a map: first by its text, then by its rank.
///
/// It points into the element, or into whatever bytes are looked for, and must not outlive them.
@unsafe struct Place {
    var text: UnsafeRawBufferPointer
    var rank: UInt64

    init(_ text: UnsafeRawBufferPointer, rank: UInt64 = 0) {
        unsafe self.text = unsafe text
        unsafe self.rank = rank
    }

    /// Less than zero if `a` comes first, zero if the places are the same. The texts are known to be equal
    /// in the first `start` bytes, and neither is shorter.
    static func compare(_ a: Place, _ b: Place, from start: Int = 0) -> Int {
        let order = unsafe compare(a.text, b.text, from: start)
        if order != 0 { return order }
        return unsafe a.rank == b.rank ? 0 : a.rank < b.rank ? -1 : 1
    }

    /// Less than zero if `a` comes before `b` in the order of bytes.
    static func compare(
        _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, from start: Int = 0
    ) -> Int {
        let shared = min(a.count, b.count)
        var place = start
        while place + 8 <= shared {
            let x = unsafe a.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            let y = unsafe b.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            if x != y { return x.bigEndian < y.bigEndian ? -1 : 1 }
            place += 8
        }
        while place < shared {
            if unsafe a[place] != b[place] { return unsafe a[place] < b[place] ? -1 : 1 }
            place += 1
        }
        return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
    }

    /// How many bytes `a` and `b` begin with in common, but at most `limit`.
    static func commonCount(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, limit: Int) -> Int {
        let shared = min(a.count, b.count, limit)
        var place = 0
        while place + 8 <= shared {
            let x = unsafe a.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            let y = unsafe b.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            if x != y { return place + (x ^ y).littleEndian.trailingZeroBitCount / 8 }
            place += 8
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
final class Separator: ManagedBuffer<Separator.Header, UInt8> {
    struct Header {
        var rank: UInt64
        var count: Int
    }

    /// The shortest text above `left` and not above `right`.
    static func between(_ left: Place, _ right: Place) -> Separator {
        let shared = unsafe Place.commonCount(left.text, right.text, limit: .max)
        let sameText = unsafe shared == left.text.count && shared == right.text.count
        let text = unsafe UnsafeRawBufferPointer(rebasing: right.text[..<(sameText ? shared : shared + 1)])
        let buffer = Separator.create(minimumCapacity: text.count) { _ in
            unsafe Header(rank: sameText ? right.rank : 0, count: text.count)
        }
        unsafe buffer.withUnsafeMutablePointerToElements {
            unsafe UnsafeMutableRawBufferPointer(start: $0, count: text.count).copyMemory(from: text)
        }
        return unsafe unsafeDowncast(buffer, to: Separator.self)
    }

    var place: Place {
        unsafe withUnsafeMutablePointers { header, bytes in
            unsafe Place(
                UnsafeRawBufferPointer(start: bytes, count: header.pointee.count), rank: header.pointee.rank)
        }
    }
}
