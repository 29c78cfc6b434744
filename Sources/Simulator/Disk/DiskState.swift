// All files and folders of a simulated disk, as a value: a copy is an image of the disk and shares what
// isn't changed.

import Primitives
import WAL

/// Files and folders.
struct DiskState: Sendable {
    /// The place of a name.
    struct Place {
        var folder: Int
        var name: String
    }

    private(set) var folders = [SimulatedFolder(path: "")]
    var files: [SimulatedFile] = []
    private var free: [NameTarget] = []
    /// How many handles each file is open under; those beyond the end, none.
    private var opens: [Int32] = []
    /// What the files take that have a name or are open.
    private(set) var used = 0
    /// How many files have no name any more in the cache, but are open or may come back in a crash.
    private var unlinked = 0

    // MARK: - Names

    /// The folder with this path.
    func folder(_ path: Substring) -> Int? {
        var path = path
        while path.utf8.last == 47 { path.removeLast() }
        return folders.firstIndex { $0.isThere && $0.path == path }
    }

    /// Paths begin at the root, with a slash or without.
    static func absolute(_ path: String) -> String {
        if path.utf8.first == 47 { return path }
        return path == "." ? "/" : "/" + path
    }

    /// The folder and name that a path says; nil if there is no such folder.
    func place(of path: String) -> Place? {
        let path = Self.absolute(path)
        guard let slash = path.utf8.lastIndex(of: 47), let folder = folder(path[..<slash]) else {
            return nil
        }
        return Place(folder: folder, name: String(path[path.utf8.index(after: slash)...]))
    }

    func target(_ place: Place) -> NameTarget? { folders[place.folder].names[place.name] }

    /// The file with this path, as the cache shows it.
    func file(_ path: String) -> Int? {
        guard let place = place(of: path), let target = target(place), target >= 0 else { return nil }
        return Int(target)
    }

    private func path(_ place: Place) -> String { folders[place.folder].path + "/" + place.name }

    mutating func makeFolder(_ place: Place, isDurable: Bool = false) {
        let change = NameChange.put(place.name, ~NameTarget(folders.count))
        folders.append(SimulatedFolder(path: path(place)))
        if isDurable { folders[place.folder].settle(change) } else { folders[place.folder].change(change) }
    }

    mutating func makeFile(_ place: Place, _ bytes: [UInt8] = [], isDurable: Bool = false) -> Int {
        let number: Int
        if let target = free.popLast() {
            number = Int(target)
            files[number] = SimulatedFile(bytes)
        } else {
            number = files.count
            files.append(SimulatedFile(bytes))
        }
        used += files[number].space
        link(number, place, isDurable: isDurable)
        return number
    }

    /// Gives a file a name; whatever had it loses it.
    mutating func link(_ number: Int, _ place: Place, isDurable: Bool = false) {
        if let replaced = target(place), replaced != NameTarget(number) { unlinked(Int(replaced)) }
        let change = NameChange.put(place.name, NameTarget(number))
        if isDurable { folders[place.folder].settle(change) } else { folders[place.folder].change(change) }
        files[number].isLinked = true
        files[number].path = path(place)
        files[number].kind = FileKinds(path: files[number].path)
    }

    mutating func unlink(_ number: Int, in folder: Int) {
        folders[folder].change(.drop(NameTarget(number)))
        unlinked(number)
    }

    private mutating func unlinked(_ number: Int) {
        files[number].isLinked = false
        unlinked += 1
        if !isOpen(number) { used -= files[number].space }
    }

    mutating func flushFolder(_ number: Int) {
        folders[number].flush()
        if unlinked > 0 { sweep() }
    }

    mutating func flushSomeOfFolder(_ number: Int, using random: inout SeededGenerator) {
        let isFlushed = folders[number].pending.map { _ in random.next(below: 2) == 0 }
        folders[number].flushSome(isFlushed)
    }

    // MARK: - Files

    /// Runs `body` on a file and keeps account of the space it takes.
    @inline(__always)
    mutating func change(_ number: Int, _ body: (inout SimulatedFile) -> Void) {
        let before = files[number].space
        body(&files[number])
        used += files[number].space - before
    }

    private func isOpen(_ number: Int) -> Bool { number < opens.count && opens[number] > 0 }

    mutating func open(_ number: Int) {
        while opens.count <= number { opens.append(0) }
        opens[number] += 1
    }

    mutating func close(_ number: Int) {
        opens[number] -= 1
        guard opens[number] == 0, !files[number].isLinked else { return }
        used -= files[number].space
        sweep()
    }

    /// Frees the files that no name stands for, nor may after a crash.
    private mutating func sweep() {
        var isNeeded = files.indices.map { files[$0].isLinked || isOpen($0) || files[$0].isFree }
        for folder in folders {
            for row in folder.durable.rows where row.target >= 0 { isNeeded[Int(row.target)] = true }
            for change in folder.pending where change.target >= 0 { isNeeded[Int(change.target)] = true }
        }
        for number in files.indices where !isNeeded[number] {
            release(number)
            unlinked -= 1
        }
    }

    private mutating func release(_ number: Int) {
        files[number] = SimulatedFile()
        files[number].isFree = true
        free.append(NameTarget(number))
    }

    // MARK: - The end of a process

    /// The process is gone, and its handles with it.
    mutating func endProcess() {
        let wasOpen = opens
        opens = []
        guard unlinked > 0 else { return }
        for number in wasOpen.indices where wasOpen[number] > 0 && !files[number].isLinked {
            used -= files[number].space
        }
        sweep()
    }

    /// The power fails; afterwards cache and platter are the same.
    mutating func loseUnsynced(_ fate: inout CrashFate) {
        opens = []
        // What isn't changed is shared with the disk that this is a copy of: so nothing is touched in vain.
        if unlinked > 0 || folders.contains(where: { !$0.pending.isEmpty }) { loseNames(&fate) }
        for number in files.indices where files[number].isUnsettled || files[number].hasLateError {
            change(number) { $0.crash(&fate) }
        }
    }

    private mutating func loseNames(_ fate: inout CrashFate) {
        for number in folders.indices where !folders[number].pending.isEmpty { folders[number].crash(&fate) }
        var isNamed = [Bool](repeating: false, count: files.count)
        var isReached = [Bool](repeating: false, count: folders.count)
        isReached[0] = true
        // A folder comes after the one that it is in.
        for number in folders.indices where isReached[number] {
            for row in folders[number].names.rows {
                if row.target < 0 {
                    isReached[Int(~row.target)] = true
                    continue
                }
                isNamed[Int(row.target)] = true
                relink(Int(row.target), Place(folder: number, name: row.name))
            }
        }
        for number in folders.indices where !isReached[number] && folders[number].isThere {
            folders[number] = SimulatedFolder(path: "")
            folders[number].isThere = false
        }
        used = 0
        for number in files.indices where !files[number].isFree {
            if isNamed[number] { used += files[number].space } else { release(number) }
        }
        unlinked = 0
    }

    private mutating func relink(_ number: Int, _ place: Place) {
        let path = path(place)
        guard !files[number].isLinked || files[number].path != path else { return }
        files[number].isLinked = true
        files[number].path = path
        files[number].kind = FileKinds(path: path)
    }

    // MARK: - Looking

    /// The files and folders (these with a slash at the end and no file) that are there, or would be if all
    /// that isn't synced were lost, by path.
    func paths(durable: Bool) -> [(path: String, file: Int?)] {
        var result: [(path: String, file: Int?)] = []
        var isReached = [Bool](repeating: false, count: folders.count)
        isReached[0] = true
        for number in folders.indices where isReached[number] {
            result.append((folders[number].path + "/", nil))
            let names = durable ? folders[number].durable : folders[number].names
            for row in names.rows {
                if row.target < 0 {
                    isReached[Int(~row.target)] = true
                } else {
                    result.append((folders[number].path + "/" + row.name, Int(row.target)))
                }
            }
        }
        return result.sorted { $0.path < $1.path }
    }

    /// What the platter holds of a file.
    func platter(of number: Int) -> [UInt8] {
        guard files[number].isUnsettled else { return files[number].bytes }
        var platter = files[number]
        platter.revertAll()
        return platter.bytes
    }

    /// A number that two disks share if the same files and bytes are durable on both.
    func durableDigest() -> UInt64 {
        var digest: UInt64 = 0
        for (path, number) in paths(durable: true) {
            mix(Array(path.utf8), into: &digest)
            if let number { mix(platter(of: number), into: &digest) }
        }
        return digest
    }
}

/// Adds bytes and their number to a digest.
private func mix(_ bytes: [UInt8], into digest: inout UInt64) {
    func add(_ word: UInt64) {
        digest = (digest ^ word) &* 0x9e37_79b9_7f4a_7c15
        digest ^= digest >> 29
    }
    add(UInt64(bytes.count))
    unsafe bytes.withUnsafeBytes { bytes in
        var place = 0
        while place + 8 <= bytes.count {
            add(UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
            place += 8
        }
        while place < bytes.count {
            add(UInt64(unsafe bytes[place]))
            place += 1
        }
    }
}
