// The operations that the node's code calls.

import Primitives
import WAL

extension DiskCore {
    private static let exists: Int32 = 17
    private static let isAFolder: Int32 = 21
    private static let readOnly: Int32 = 30

    // MARK: - Every operation

    private func died(_ operation: DiskError.Operation, _ path: String) -> DiskError {
        DiskError(operation, path, code: SimulatedDisk.crashed)
    }

    private mutating func enter(_ operation: DiskError.Operation, _ path: String) throws(DiskError) {
        if isDead { throw died(operation, path) }
        spend(latency.call)
        stallPerhaps()
        if isRotting { age() }
    }

    /// Counts a change; true if the process dies at it.
    private mutating func enterChange(_ operation: DiskError.Operation, _ path: String) throws(DiskError)
        -> Bool
    {
        try enter(operation, path)
        if isReadOnly && operation != .sync { throw DiskError(operation, path, code: Self.readOnly) }
        changes += 1
        guard changes == deathAt else { return false }
        isDead = true
        counters.deathsInside += 1
        return true
    }

    /// The file that a handle stands for. The handles of a dead process stand for none; to use one that was
    /// given back is a bug of the caller and stops the simulation.
    private func number(
        _ file: DiskFile, _ operation: DiskError.Operation
    ) throws(DiskError) -> Int {
        guard file.number >= firstHandle else { throw died(operation, file.path) }
        let place = Int(file.number - firstHandle)
        precondition(place < handles.count && handles[place] >= 0, "\(file) is not open")
        return Int(handles[place])
    }

    private mutating func handle(_ number: Int, _ path: String) -> DiskFile {
        state.open(number)
        openFiles += 1
        handles.append(Int32(number))
        return DiskFile(number: firstHandle + Int32(handles.count - 1), path: path)
    }

    // MARK: - Names

    private func place(_ path: String, _ operation: DiskError.Operation) throws(DiskError) -> DiskState.Place
    {
        guard let place = state.place(of: path), !place.name.isEmpty else {
            throw DiskError(operation, path, code: DiskError.noEntry)
        }
        return place
    }

    /// The file of that name.
    private func existing(_ path: String, _ operation: DiskError.Operation) throws(DiskError) -> Int {
        guard let target = state.target(try place(path, operation)) else {
            throw DiskError(operation, path, code: DiskError.noEntry)
        }
        guard target >= 0 else { throw DiskError(operation, path, code: Self.isAFolder) }
        return Int(target)
    }

    /// The error that an operation on a name is going to end with, if any. Half of these throw it at once;
    /// the others do what they should and are then to throw it.
    private mutating func trouble(
        _ operation: DiskError.Operation, _ path: String, dies: Bool
    ) throws(DiskError) -> DiskError? {
        var trouble: DiskError?
        if dies {
            trouble = died(operation, path)
        } else if isArmed, fault(among: [.nameError], kind: FileKinds(path: path)) != nil {
            note(.nameError, path)
            trouble = DiskError(operation, path, code: DiskError.inputOutput)
        }
        if let trouble, luck.next(below: 2) == 0 { throw trouble }
        return trouble
    }

    /// Throws if there is no room for another name.
    private mutating func needRoom(_ operation: DiskError.Operation, _ path: String) throws(DiskError) {
        if isArmed, fault(among: [.noSpace], kind: FileKinds(path: path)) != nil {
            note(.noSpace, path)
        } else if freeBytes < SimulatedFile.blockBytes && luck.next(below: 4) == 0 {
            counters.spaceRefusals += 1
        } else {
            return
        }
        throw DiskError(operation, path, code: DiskError.noSpaceLeft)
    }

    mutating func create(_ path: String) throws(DiskError) -> DiskFile {
        let dies = try enterChange(.create, path)
        counters.creates += 1
        let place = try place(path, .create)
        let target = state.target(place)
        if let target, target < 0 { throw DiskError(.create, path, code: Self.isAFolder) }
        if !dies && target == nil { try needRoom(.create, path) }
        let trouble = try trouble(.create, path, dies: dies)
        let number: Int
        if let target {
            number = Int(target)
            state.change(number) { $0.truncate() }
        } else {
            number = state.makeFile(place)
        }
        if let trouble { throw trouble }
        return handle(number, path)
    }

    mutating func open(_ path: String) throws(DiskError) -> DiskFile {
        try enter(.open, path)
        counters.opens += 1
        let number = try existing(path, .open)
        if let trouble = try trouble(.open, path, dies: false) { throw trouble }
        return handle(number, path)
    }

    mutating func close(_ file: DiskFile) {
        guard file.number >= firstHandle else { return }
        let place = Int(file.number - firstHandle)
        precondition(place < handles.count && handles[place] >= 0, "\(file) is closed twice")
        let number = Int(handles[place])
        handles[place] = -1
        openFiles -= 1
        if !locks.isEmpty { locks.removeAll { $0.handle == file.number } }
        state.close(number)
    }

    mutating func rename(_ path: String, to newPath: String) throws(DiskError) {
        let dies = try enterChange(.rename, path)
        counters.renames += 1
        let number = try existing(path, .rename)
        let place = try place(newPath, .rename)
        precondition(
            state.place(of: path)?.folder == place.folder, "\(path) is renamed to another folder: \(newPath)")
        if let target = state.target(place), target < 0 {
            throw DiskError(.rename, newPath, code: Self.isAFolder)
        }
        if !dies { try needRoom(.rename, path) }
        let trouble = try trouble(.rename, path, dies: dies)
        state.link(number, place)
        if let trouble { throw trouble }
    }

    mutating func remove(_ path: String) throws(DiskError) {
        let dies = try enterChange(.remove, path)
        counters.removes += 1
        let number = try existing(path, .remove)
        let folder = try place(path, .remove).folder
        let trouble = try trouble(.remove, path, dies: dies)
        state.unlink(number, in: folder)
        if let trouble { throw trouble }
    }

    mutating func list(_ directory: String) throws(DiskError) -> [String] {
        try enter(.read, directory)
        counters.looks += 1
        let folder = try folder(directory, .read)
        if let trouble = try trouble(.read, directory, dies: false) { throw trouble }
        var names = state.folders[folder].names.rows.map(\.name)
        for place in stride(from: names.count - 1, to: 0, by: -1) {
            names.swapAt(place, Int(luck.next(below: UInt64(place + 1))))
        }
        return names
    }

    private func folder(_ path: String, _ operation: DiskError.Operation) throws(DiskError) -> Int {
        guard let folder = state.folder(DiskState.absolute(path)[...]) else {
            throw DiskError(operation, path, code: DiskError.noEntry)
        }
        return folder
    }

    mutating func createDirectory(_ path: String) throws(DiskError) {
        let dies = try enterChange(.create, path)
        counters.creates += 1
        if state.folder(DiskState.absolute(path)[...]) != nil {
            if dies { throw died(.create, path) }
            return
        }
        let place = try place(path, .create)
        guard state.target(place) == nil else { throw DiskError(.create, path, code: Self.exists) }
        if !dies { try needRoom(.create, path) }
        let trouble = try trouble(.create, path, dies: dies)
        state.makeFolder(place)
        if let trouble { throw trouble }
    }

    mutating func lock(_ path: String) throws(DiskError) -> DiskFile {
        try enter(.lock, path)
        counters.opens += 1
        let place = try place(path, .lock)
        if let trouble = try trouble(.lock, path, dies: false) { throw trouble }
        let number: Int
        if let target = state.target(place) {
            guard target >= 0 else { throw DiskError(.lock, path, code: Self.isAFolder) }
            number = Int(target)
            if locks.contains(where: { $0.file == target }) {
                throw DiskError(.lock, path, code: DiskError.wouldBlock)
            }
        } else {
            if isReadOnly { throw DiskError(.lock, path, code: Self.readOnly) }
            try needRoom(.lock, path)
            number = state.makeFile(place)
        }
        let file = handle(number, path)
        locks.append((Int32(number), file.number))
        return file
    }

    mutating func syncDirectory(_ path: String) throws(DiskError) {
        let dies = try enterChange(.sync, path)
        counters.folderSyncs += 1
        let folder = try folder(path, .sync)
        spendSync(bytes: 0)
        if dies {
            state.flushSomeOfFolder(folder, using: &luck)
            throw died(.sync, path)
        }
        if isArmed, fault(among: [.folderSyncError], kind: nil) != nil {
            note(.folderSyncError, path)
            state.flushSomeOfFolder(folder, using: &chance)
            throw DiskError(.sync, path, code: DiskError.inputOutput)
        }
        state.flushFolder(folder)
    }

    // MARK: - Bytes

    mutating func size(of file: DiskFile) throws(DiskError) -> Int {
        try enter(.read, file.path)
        counters.looks += 1
        return state.files[try number(file, .read)].bytes.count
    }

    mutating func read(_ file: DiskFile, at offset: Int, into buffer: inout [UInt8]) throws(DiskError) -> Int
    {
        precondition(offset >= 0)
        try enter(.read, file.path)
        let number = try number(file, .read)
        let count = state.files[number].read(at: offset, into: &buffer)
        counters.reads += 1
        counters.bytesRead += count
        spend(.zero, bytes: count)
        if isArmed || state.files[number].hasUnreadable {
            try troubleRead(number, at: offset, count: count, &buffer)
        }
        return count
    }

    mutating func write(_ bytes: [UInt8], to file: DiskFile, at offset: Int) throws(DiskError) {
        precondition(offset >= 0)
        let dies = try enterChange(.write, file.path)
        let number = try number(file, .write)
        counters.writes += 1
        var count = bytes.count
        var fault: DiskFault?
        if dies {
            count = Int(luck.next(below: UInt64(count + 1)))
        } else if isArmed {
            fault = troubleOfWrite(number, offset..<offset + count)
            if fault == .writeError || fault == .noSpace { count = part(of: count) }
        }
        let room = room(number, offset, count)
        let isFull = room < count
        count = min(count, room)
        state.change(number) { $0.write(bytes, count: count, at: offset) }
        counters.bytesWritten += count
        if let last = synced, last.file == number, last.offset >= offset { synced = nil }
        if state.files[number].kind == .segments { written = (number, offset) }
        if dies { throw died(.write, file.path) }
        switch fault {
        case .writeError?, .noSpace?:
            note(fault ?? .writeError, file.path, offset..<offset + count)
            let code = fault == .noSpace ? DiskError.noSpaceLeft : DiskError.inputOutput
            throw DiskError(.write, file.path, code: code)
        case let fault? where count > 0: mislay(number, offset..<offset + count, fault)
        default: break
        }
        if isFull { throw full(.write, file.path) }
    }

    private mutating func full(_ operation: DiskError.Operation, _ path: String) -> DiskError {
        counters.spaceRefusals += 1
        return DiskError(operation, path, code: DiskError.noSpaceLeft)
    }

    /// How many of `count` bytes at `offset` there is room for.
    private func room(_ number: Int, _ offset: Int, _ count: Int) -> Int {
        let before = state.files[number].space
        let free = freeBytes
        guard SimulatedFile.space(offset + count) - before > free else { return count }
        return max(0, min(count, before + free & ~(SimulatedFile.blockBytes - 1) - offset))
    }

    mutating func allocate(_ file: DiskFile, count: Int) throws(DiskError) {
        let dies = try enterChange(.allocate, file.path)
        let number = try number(file, .allocate)
        counters.allocations += 1
        var end = count
        let isRefused = !dies && isArmed && fault(among: [.noSpace], kind: state.files[number].kind) != nil
        if isRefused { note(.noSpace, file.path) }
        if dies || isRefused { end = Int(luck.next(below: UInt64(count + 1))) }
        let room = room(number, 0, end)
        let isFull = room < end
        state.change(number) { $0.extend(to: min(end, room)) }
        if dies { throw died(.allocate, file.path) }
        if isRefused { throw DiskError(.allocate, file.path, code: DiskError.noSpaceLeft) }
        if isFull { throw full(.allocate, file.path) }
    }

    mutating func sync(_ file: DiskFile) throws(DiskError) {
        _ = try syncFile(file)
    }

    mutating func settle(_ file: DiskFile) throws(DiskError) {
        let number = try syncFile(file)
        if state.files[number].hasDetached { state.files[number].dropClean() }
    }

    private mutating func syncFile(_ file: DiskFile) throws(DiskError) -> Int {
        let dies = try enterChange(.sync, file.path)
        let number = try number(file, .sync)
        counters.syncs += 1
        spendSync(bytes: state.files[number].saved.count * SimulatedFile.sectorBytes)
        if dies {
            if luck.next(below: 4) == 0 {
                state.files[number].flush()
            } else {
                state.files[number].flushSome(using: &luck, fails: false)
            }
            throw died(.sync, file.path)
        }
        if state.files[number].hasLateError {
            state.files[number].hasLateError = false
            state.files[number].flushSome(using: &chance, fails: true)
            throw DiskError(.sync, file.path, code: DiskError.inputOutput)
        }
        if isArmed, try troubleSync(number) { return number }
        if state.files[number].isUnsettled { state.files[number].flush() }
        if let last = written, last.file == number { synced = last }
        return number
    }
}
