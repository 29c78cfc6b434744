import Primitives
import WAL

/// A disk with a page cache that forgets: on a crash each 512-byte sector and each name that was not synced is kept, lost
/// or (sectors) turned to rubbish, as a seed decides. Every call counts as one operation, at which a crash or an
/// error can be asked for.
final class MemoryDisk: Disk {
    /// What a file holds, in the cache and on the platter.
    final class Node {
        var cached: [UInt8] = []
        var durable: [UInt8] = []
        var dirty: Set<Int> = []
    }

    private enum NameChange {
        case link(String, Node)
        case unlink(String)
        case move(from: String, to: String, Node)
    }

    static let sector = 512
    /// The error of every call after the crash.
    static let crashed: Int32 = 999

    private(set) var names: [String: Node] = [:]
    private var durableNames: [String: Node] = [:]
    private var changes: [(directory: String, change: NameChange)] = []
    private var directories: Set<String> = []
    private var open: [Int32: Node] = [:]
    private var nextHandle: Int32 = 3
    private var locks: [String: Int32] = [:]

    /// Operations that change something, so far.
    private(set) var operations = 0
    /// The process dies at this operation, which may still happen in part.
    var crashAt: Int?
    private(set) var isDead = false
    /// These operations fail with this code.
    var failures: (range: Range<Int>, code: Int32)?
    /// A failing sync marks the pages clean, as ext4 does.
    var failOnlySync = false
    private var partial = SeededGenerator(seed: 1)
    private(set) var syncs = 0
    private(set) var writes = 0

    // MARK: - Crashing

    /// The disk as the next boot finds it.
    func afterCrash(seed: UInt64, garble: Bool = true) -> MemoryDisk {
        var random = SeededGenerator(seed: seed)
        let next = MemoryDisk()
        next.directories = directories
        var survived = durableNames
        for (_, change) in changes where random.next(below: 2) == 0 { Self.apply(change, to: &survived) }
        var copies: [ObjectIdentifier: Node] = [:]
        for name in survived.keys.sorted() {
            guard let node = survived[name] else { continue }
            let copy = copies[ObjectIdentifier(node)] ?? Self.platter(of: node, &random, garble: garble)
            copies[ObjectIdentifier(node)] = copy
            next.names[name] = copy
            next.durableNames[name] = copy
        }
        return next
    }

    /// The disk as the next process finds it after `kill -9`: nothing in the cache is lost.
    func afterKill() -> MemoryDisk {
        let next = MemoryDisk()
        (next.directories, next.names, next.durableNames, next.changes) = (
            directories, names, durableNames, changes
        )
        return next
    }

    /// A disk with the same files, all durable.
    func copy() -> MemoryDisk {
        let next = MemoryDisk()
        next.directories = directories
        for (name, node) in names { next.put(name, node.cached) }
        return next
    }

    private static func platter(of node: Node, _ random: inout SeededGenerator, garble: Bool) -> Node {
        let result = Node()
        result.durable = node.durable
        if node.cached.count != node.durable.count && random.next(below: 2) == 0 {
            let kept = min(node.cached.count, node.durable.count)
            result.durable =
                Array(node.durable[..<kept]) + [UInt8](repeating: 0, count: node.cached.count - kept)
        }
        for sector in node.dirty.sorted() {
            let choice = random.next(below: garble ? 5 : 4)
            let start = sector * Self.sector
            let end = min(start + Self.sector, node.cached.count, result.durable.count)
            guard choice >= 2, start < end else { continue }
            for place in start..<end {
                result.durable[place] =
                    choice == 4 ? UInt8(truncatingIfNeeded: random.next()) : node.cached[place]
            }
        }
        result.cached = result.durable
        return result
    }

    private static func apply(_ change: NameChange, to names: inout [String: Node]) {
        switch change {
        case .link(let name, let node): names[name] = node
        case .unlink(let name): names[name] = nil
        case .move(let old, let new, let node):
            names[old] = nil
            names[new] = node
        }
    }

    // MARK: - For tests

    func contents(_ path: String) -> [UInt8]? { names[path]?.cached }

    func put(_ path: String, _ bytes: [UInt8]) {
        let node = Node()
        node.cached = bytes
        node.durable = bytes
        names[path] = node
        durableNames[path] = node
    }

    func paths(ending suffix: String) -> [String] { names.keys.filter { $0.hasSuffix(suffix) }.sorted() }

    var openHandles: Int { open.count }

    // MARK: - Disk

    /// Counts an operation; returns whether it is the one at which the process dies.
    private func count(_ operation: DiskError.Operation, _ path: String) throws(DiskError) -> Bool {
        if isDead { throw DiskError(operation, path, code: Self.crashed) }
        operations += 1
        if operations == crashAt {
            isDead = true
            return true
        }
        if let failures, failures.range.contains(operations), !failOnlySync || operation == .sync {
            throw DiskError(operation, path, code: failures.code)
        }
        return false
    }

    private func die(_ operation: DiskError.Operation, _ path: String) -> DiskError {
        DiskError(operation, path, code: Self.crashed)
    }

    private func handle(_ node: Node, _ path: String) -> DiskFile {
        nextHandle += 1
        open[nextHandle] = node
        return DiskFile(number: nextHandle, path: path)
    }

    private func node(_ file: DiskFile) -> Node {
        guard let node = open[file.number] else { fatalError("\(file) is not open") }
        return node
    }

    private func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    private func record(_ change: NameChange, in path: String) {
        changes.append((directory(of: path), change))
        Self.apply(change, to: &names)
    }

    func create(_ path: String) throws(DiskError) -> DiskFile {
        let dies = try count(.create, path)
        if dies && partial.next(below: 2) == 0 { throw die(.create, path) }
        if let node = names[path] {
            node.cached = []
            node.dirty = []
            if dies { throw die(.create, path) }
            return handle(node, path)
        }
        let node = Node()
        record(.link(path, node), in: path)
        if dies { throw die(.create, path) }
        return handle(node, path)
    }

    func open(_ path: String) throws(DiskError) -> DiskFile {
        if isDead { throw die(.open, path) }
        guard let node = names[path] else { throw DiskError(.open, path, code: DiskError.noEntry) }
        return handle(node, path)
    }

    func close(_ file: DiskFile) {
        guard open.removeValue(forKey: file.number) != nil else { fatalError("\(file) is closed twice") }
        if locks[file.path] == file.number { locks[file.path] = nil }
    }

    func size(of file: DiskFile) throws(DiskError) -> Int {
        if isDead { throw die(.read, file.path) }
        return node(file).cached.count
    }

    func read(_ file: DiskFile, at offset: Int, into buffer: inout [UInt8]) throws(DiskError) -> Int {
        if isDead { throw die(.read, file.path) }
        let bytes = node(file).cached
        guard offset < bytes.count else { return 0 }
        let end = min(bytes.count, offset + buffer.count)
        buffer.replaceSubrange(0..<end - offset, with: bytes[offset..<end])
        return end - offset
    }

    func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(DiskError) {
        let before = operations
        do throws(DiskError) {
            let dies = try count(.write, file.path)
            writes += 1
            let kept = dies ? Int(partial.next(below: UInt64(bytes.count + 1))) : bytes.count
            store(bytes[..<kept], in: node(file), at: offset)
            if dies { throw die(.write, file.path) }
        } catch {
            // A write that fails may have written a part.
            if operations > before && !isDead {
                store(bytes[..<(bytes.count / 2)], in: node(file), at: offset)
            }
            throw error
        }
    }

    private func store(_ bytes: ArraySlice<UInt8>, in node: Node, at offset: Int) {
        guard !bytes.isEmpty else { return }
        let end = offset + bytes.count
        if node.cached.count < end {
            node.cached.append(contentsOf: repeatElement(0, count: end - node.cached.count))
        }
        node.cached.replaceSubrange(offset..<end, with: bytes)
        for sector in offset / Self.sector...(end - 1) / Self.sector { node.dirty.insert(sector) }
    }

    func allocate(_ file: DiskFile, count wanted: Int) throws(DiskError) {
        if try count(.allocate, file.path) { throw die(.allocate, file.path) }
        let node = node(file)
        if node.cached.count < wanted {
            node.cached.append(contentsOf: repeatElement(0, count: wanted - node.cached.count))
        }
    }

    func sync(_ file: DiskFile) throws(DiskError) {
        let node = node(file)
        let before = operations
        do throws(DiskError) {
            if try count(.sync, file.path) {
                if partial.next(below: 2) == 0 { flush(node) }
                throw die(.sync, file.path)
            }
        } catch {
            if operations > before && !isDead { node.dirty = [] }
            throw error
        }
        syncs += 1
        flush(node)
    }

    private func flush(_ node: Node) {
        if node.durable.count > node.cached.count {
            node.durable.removeLast(node.durable.count - node.cached.count)
        } else if node.durable.count < node.cached.count {
            node.durable.append(contentsOf: repeatElement(0, count: node.cached.count - node.durable.count))
        }
        for sector in node.dirty {
            let start = sector * Self.sector
            let end = min(start + Self.sector, node.cached.count)
            if start < end { node.durable.replaceSubrange(start..<end, with: node.cached[start..<end]) }
        }
        node.dirty = []
    }

    func settle(_ file: DiskFile) throws(DiskError) {
        try sync(file)
        node(file).cached = node(file).durable
    }

    func syncDirectory(_ path: String) throws(DiskError) {
        if try count(.sync, path) { throw die(.sync, path) }
        for (directory, change) in changes where directory == path { Self.apply(change, to: &durableNames) }
        changes.removeAll { $0.directory == path }
    }

    func rename(_ path: String, to newPath: String) throws(DiskError) {
        let dies = try count(.rename, path)
        guard let node = names[path] else { throw DiskError(.rename, path, code: DiskError.noEntry) }
        if dies && partial.next(below: 2) == 0 { throw die(.rename, path) }
        record(.move(from: path, to: newPath, node), in: path)
        if dies { throw die(.rename, path) }
    }

    func remove(_ path: String) throws(DiskError) {
        let dies = try count(.remove, path)
        guard names[path] != nil else { throw DiskError(.remove, path, code: DiskError.noEntry) }
        record(.unlink(path), in: path)
        if dies { throw die(.remove, path) }
    }

    func list(_ directory: String) throws(DiskError) -> [String] {
        if isDead { throw die(.read, directory) }
        return names.keys.filter { self.directory(of: $0) == directory }
            .map { String($0.dropFirst(directory.count + 1)) }
    }

    func createDirectory(_ path: String) throws(DiskError) {
        if try count(.create, path) { throw die(.create, path) }
        directories.insert(path)
    }

    func lock(_ path: String) throws(DiskError) -> DiskFile {
        if isDead { throw die(.lock, path) }
        if locks[path] != nil { throw DiskError(.lock, path, code: DiskError.wouldBlock) }
        if names[path] == nil { record(.link(path, Node()), in: path) }
        guard let node = names[path] else { throw die(.lock, path) }
        let file = handle(node, path)
        locks[path] = file.number
        return file
    }
}
