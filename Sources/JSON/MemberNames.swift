/// The member names of the objects that are open, to find a name that occurs twice (RFC 7493, section 2.3).
///
/// Names are compared byte by byte after unescaping, not as Swift compares strings: two normalisations of one
/// text are two names. Small objects are searched, large ones hashed, so that a hostile object costs no more
/// than its length.
struct MemberNames: Sendable {
    private static let searchLimit = 16

    private var names: [String] = []
    private var starts: [Int] = []
    private var sets: [(depth: Int, names: Set<[UInt8]>)] = []

    mutating func open() { starts.append(names.count) }

    mutating func close() {
        let start = starts.removeLast()
        names.removeLast(names.count - start)
        if sets.last?.depth == starts.count + 1 { sets.removeLast() }
    }

    /// Adds a name to the innermost object; false if it is there already.
    mutating func insert(_ name: String) -> Bool {
        let depth = starts.count
        if let last = sets.indices.last, sets[last].depth == depth {
            return sets[last].names.insert(Array(name.utf8)).inserted
        }
        let start = starts[depth - 1]
        for other in names[start...] where isSame(name, other) { return false }
        names.append(name)
        if names.count - start > MemberNames.searchLimit {
            sets.append((depth, Set(names[start...].map { Array($0.utf8) })))
        }
        return true
    }

    private func isSame(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && a == b && a.utf8.elementsEqual(b.utf8)
    }
}
