import CMemory

// Records stand wherever the allocator put them, so whoever visits many of them in a row would wait for
// memory at each. Asking for the next ones while busy with the present one halves the time.

/// Memory that is soon to be looked at.
enum Prefetch {
    /// How many elements ahead of a walk memory is asked for.
    static let distance = 8
    /// How many cache lines of an element a walk asks for that looks at no more than its beginning.
    static let fewLines = 2
    /// More would push out what was asked for before.
    static let mostLines = 8

    /// How many cache lines `count` bytes take, within reason.
    static func lines(_ count: Int) -> Int { min(max(count / 64 + 1, fewLines), mostLines) }

    /// Asks the processor to bring the cache lines from `address` on near. Nothing is read, any address will
    /// do.
    @inline(__always) static func request(_ address: UnsafeRawPointer, lines: Int = 1) {
        for line in 0..<lines { unsafe parley_prefetch(address + line &* 64) }
    }
}
