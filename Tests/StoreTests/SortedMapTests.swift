import Testing

@testable import Store

/// An element for tests: text, and a number that says which of several at the same place it is.
final class Word {
    let bytes: [UInt8]
    let mark: Int
    init(_ bytes: [UInt8], mark: Int = 0) {
        self.bytes = bytes
        self.mark = mark
    }
}

enum ByWord: SortOrder {
    static func place(of word: Word) -> Place {
        // The array lives as long as the word, and an array's bytes do not move while nobody writes to it.
        Place(word.bytes.withUnsafeBytes { $0 })
    }
}

extension SortedMap where Order == ByWord {
    func get(_ bytes: [UInt8]) -> Word? {
        bytes.withUnsafeBytes { find(Place($0))?.takeUnretainedValue() }
    }

    @discardableResult mutating func remove(_ bytes: [UInt8]) -> Word? {
        bytes.withUnsafeBytes { remove(at: Place($0)) }
    }

    func words(from start: [UInt8] = [], to end: [UInt8]? = nil, descending: Bool = false) -> [[UInt8]] {
        var found: [[UInt8]] = []
        KeyRange(start: start, end: end).withPlaces { start, end in
            scan(from: start, to: end, descending: descending) {
                found.append($0.bytes)
                return true
            }
        }
        return found
    }

    /// Looks at every node: order, prefixes, common bytes, separators, depth and sizes.
    func check() -> String? {
        var depths: [Int] = []
        var total = 0
        let problem = SortedMap.check(NodeView(root), isRoot: true, depth: 0, &depths, &total)
        if let problem { return problem }
        if Set(depths).count > 1 { return "leaves at depths \(depths)" }
        return total == count ? nil : "\(total) elements, but count is \(count)"
    }

    private static func check(
        _ node: NodeView, isRoot: Bool, depth: Int, _ depths: inout [Int], _ total: inout Int
    ) -> String? {
        if node.count > node.capacity { return "too full" }
        if !isRoot && node.count < (node.isLeaf ? 1 : 2) { return "too empty" }
        for slot in node.firstText..<max(node.firstText, node.count) {
            let text = place(in: node, slot).text
            if !text.starts(with: node.commonBytes) { return "common bytes are not common" }
            if Place.prefix(of: text, skipping: node.common) != node.prefix(slot) { return "wrong prefix" }
            if slot > node.firstText, Place.compare(place(in: node, slot - 1), place(in: node, slot)) >= 0 {
                return "out of order"
            }
        }
        if node.isLeaf {
            depths.append(depth)
            total += node.count
            return nil
        }
        for slot in 0..<node.count {
            let child = node.child(slot)
            if let problem = check(child, isRoot: false, depth: depth + 1, &depths, &total) { return problem }
            let ends = (edge(child, first: true), edge(child, first: false))
            if slot > 0, Place.compare(node.separatorPlace(slot), ends.0) > 0 { return "separator too high" }
            if slot + 1 < node.count, Place.compare(node.separatorPlace(slot + 1), ends.1) <= 0 {
                return "separator too low"
            }
        }
        return nil
    }

    private static func edge(_ node: NodeView, first: Bool) -> Place {
        var node = node
        while !node.isLeaf { node = node.child(first ? 0 : node.count - 1) }
        return place(node.reference(first ? 0 : node.count - 1))
    }
}

/// Every order of `elements`, one after another (Heap's algorithm).
func forEachPermutation(_ elements: [Int], _ body: ([Int]) -> Void) {
    var elements = elements
    func permute(_ count: Int) {
        if count <= 1 { return body(elements) }
        for place in 0..<count {
            permute(count - 1)
            elements.swapAt(count % 2 == 0 ? place : 0, count - 1)
        }
    }
    permute(elements.count)
}

@Suite struct SortedMapTests {
    /// Keys that are prefixes of each other, that end in zeros, and that differ late.
    static let keys: [[UInt8]] = [
        [], [0], [0, 0], [1], Array("aaaaaaaaaaaaaaaa".utf8), Array("aaaaaaaaaaaaaaaab".utf8),
        Array("aaaaaaaaaaaaaaaab".utf8) + [0], [255],
    ]

    @Test(arguments: [(2, 4), (3, 4), (4, 5)])
    func `every order of insertion and then of deletion keeps a valid tree`(leaf: Int, inner: Int) {
        let indices = Array(0..<6)
        forEachPermutation(indices) { insertion in
            var map = SortedMap<ByWord>(leafCapacity: leaf, innerCapacity: inner)
            for index in insertion { map.insert(Word(Self.keys[index])) }
            let problem = map.check()
            if problem != nil || map.words() != Array(Self.keys[0..<6]) {
                Issue.record("\(insertion): \(problem ?? "wrong words")")
            }
            // All orders of deletion for each order of insertion would be 518,400: the first and last
            // deletions tell most, so rotate instead.
            for turn in 0..<6 {
                var copy = map
                for step in 0..<6 {
                    let index = insertion[(turn + step * 5) % 6]
                    if copy.remove(Self.keys[index]) == nil { Issue.record("\(insertion) lost \(index)") }
                    if let problem = copy.check() { Issue.record("\(insertion), \(turn): \(problem)") }
                }
                if copy.count != 0 || map.count != 6 { Issue.record("counts after \(insertion)") }
            }
        }
    }

    @Test(arguments: [(2, 4), (3, 4), (5, 4)])
    func `every order of deletion empties a deep tree`(leaf: Int, inner: Int) {
        // 24 elements make three levels; the seven deleted are spread over it.
        var full = SortedMap<ByWord>(leafCapacity: leaf, innerCapacity: inner)
        let keys = (0..<24).map { Array("key".utf8) + [UInt8($0)] }
        for key in keys { full.insert(Word(key)) }
        #expect(full.check() == nil)
        forEachPermutation([0, 1, 2, 11, 12, 23]) { order in
            var map = full
            for index in order { map.remove(keys[index]) }
            if let problem = map.check() { Issue.record("\(order): \(problem)") }
            if map.count != 18 { Issue.record("\(order): count \(map.count)") }
        }
        #expect(full.words() == keys)
        #expect(full.check() == nil)
    }

    @Test(arguments: [(2, 4, 1), (3, 5, 2), (8, 8, 3), (64, 64, 4)])
    func `a map agrees with a sorted array while copies are held`(leaf: Int, inner: Int, seed: Int) {
        var random = TestRandom(seed: UInt64(seed))
        var map = SortedMap<ByWord>(leafCapacity: leaf, innerCapacity: inner)
        var model: [[UInt8]: Int] = [:]
        var copies: [(map: SortedMap<ByWord>, words: [[UInt8]])] = []
        for step in 0..<3000 {
            let key = random.key()
            // Phases of growth and of shrinking.
            if random.below(10) < (step / 500 % 2 == 0 ? 7 : 3) {
                let old = map.insert(Word(key, mark: step))
                if old?.mark != model.updateValue(step, forKey: key) { Issue.record("replaced at \(step)") }
            } else {
                let old = map.remove(key)
                if old?.mark != model.removeValue(forKey: key) { Issue.record("removed at \(step)") }
            }
            if map.get(key)?.mark != model[key] { Issue.record("found at \(step)") }
            guard step % 100 == 0 else { continue }
            let words = model.keys.sorted { $0.lexicographicallyPrecedes($1) }
            if let problem = map.check() { Issue.record("step \(step): \(problem)") }
            #expect(map.words() == words)
            let (a, b) = (random.key(), random.key())
            let inside = words.filter { KeyRange(start: a, end: b).contains($0) }
            #expect(map.words(from: a, to: b) == inside)
            #expect(map.words(from: a, to: b, descending: true) == inside.reversed())
            let count = KeyRange(start: a, end: b).withPlaces { map.count(from: $0, to: $1) }
            #expect(count == inside.count)
            copies.append((map, words))
            if copies.count > 5 { copies.remove(at: random.below(5)) }
            for copy in copies { #expect(copy.map.words() == copy.words) }
        }
    }

    @Test(arguments: [2, 3, 5, 64], [0, 1, 2, 3, 7, 8, 9, 100, 1000])
    func `a map built in bulk equals one filled one by one`(capacity: Int, count: Int) {
        var builder = SortedMap<ByWord>.Builder(leafCapacity: capacity, innerCapacity: max(4, capacity))
        let keys = (0..<count).map { Array("k".utf8) + [UInt8($0 / 256), UInt8($0 % 256)] }
        for key in keys {
            let accepted = builder.append(Word(key))
            #expect(accepted)
        }
        var map = builder.finish()
        #expect(map.check() == nil)
        #expect(map.words() == keys)
        for key in keys.reversed() { map.remove(key) }
        #expect(map.count == 0)
        #expect(map.check() == nil)
    }

    @Test func `a bulk build refuses what is out of order`() {
        var builder = SortedMap<ByWord>.Builder()
        let results = [[1], [2], [2], [1], [3]].map { builder.append(Word($0)) }
        #expect(results == [true, true, false, false, true])
    }

    @Test func `ascending insertion fills the leaves`() {
        var map = SortedMap<ByWord>(leafCapacity: 8, innerCapacity: 8)
        for number in 0..<80 { map.insert(Word([UInt8(number)])) }
        #expect(map.check() == nil)
        var leaf = NodeView(map.root)
        while !leaf.isLeaf { leaf = leaf.child(0) }
        #expect(leaf.count == 8)
    }

    @Test func `the first slot that is not below a prefix is found in every part of a node`() {
        var random = TestRandom(seed: 9)
        for count in 0...64 {
            let node = Node.make(isLeaf: true, capacity: 64)
            let view = NodeView(node)
            // Small numbers, so that there are equal ones; the last ones at the very end.
            var prefixes = (0..<count).map { _ in UInt64(random.below(max(1, count))) * 2 + 1 }.sorted()
            for place in prefixes.indices.suffix(random.below(3)) { prefixes[place] = .max }
            for (slot, prefix) in prefixes.enumerated() { view.setPrefix(slot, prefix) }
            for _ in 0..<60 {
                let low = random.below(count + 1)
                let range = low..<(low + random.below(count - low + 1))
                let wanted = [UInt64(random.below(2 * count + 3)), 0, .max][min(2, random.below(20))]
                let expected = range.first { prefixes[$0] >= wanted } ?? range.upperBound
                let found = view.firstSlot(in: range, notBelow: wanted)
                if found != expected { Issue.record("\(wanted) in \(range) of \(prefixes): \(found)") }
            }
        }
    }

    /// Without the first key, the bytes that all have in common would be stripped.
    @Test(arguments: [[], [0], [255]] as [[UInt8]])
    func `keys whose prefixes are equal, and the greatest there are, are told apart`(first: [UInt8]) {
        var map = SortedMap<ByWord>(leafCapacity: 16, innerCapacity: 4)
        let keys = [first] + (0..<120).map { [UInt8](repeating: 255, count: 8 + $0 / 40) + [UInt8($0)] }
        for step in keys.indices { map.insert(Word(keys[step * 50 % keys.count])) }
        #expect(map.check() == nil)
        let sorted = keys.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(map.words() == sorted)
        for (place, key) in sorted.enumerated() {
            if map.get(key)?.bytes != key { Issue.record("\(key) is lost") }
            if map.get(key + [0]) != nil { Issue.record("\(key) is found in another's place") }
            if map.words(from: key + [0]).first != sorted.dropFirst(place + 1).first {
                Issue.record("what follows \(key)")
            }
        }
        for key in keys { map.remove(key) }
        #expect(map.count == 0 && map.check() == nil)
    }

    @Test func `elements are freed with the last map that holds them`() {
        weak var probe: Word?
        var copy: SortedMap<ByWord>?
        do {
            var map = SortedMap<ByWord>(leafCapacity: 2, innerCapacity: 4)
            for number in 0..<50 {
                let word = Word([UInt8(number)])
                if number == 20 { probe = word }
                map.insert(word)
            }
            copy = map
            for number in 0..<50 { map.remove([UInt8(number)]) }
            #expect(probe != nil)
        }
        #expect(copy?.count == 50)
        copy = nil
        #expect(probe == nil)
    }
}
