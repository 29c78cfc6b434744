// Faults: which happen, and what they do.

import Primitives
import WAL

extension DiskCore {
    /// A fault that will happen once.
    struct OneShot {
        var fault: DiskFault
        var skipping: Int
        var kinds: FileKinds
    }

    mutating func inject(_ fault: DiskFault, skipping: Int, in kinds: FileKinds) {
        oneShots.append(OneShot(fault: fault, skipping: skipping, kinds: kinds))
        updateArmed()
    }

    mutating func cancelInjections() {
        oneShots.removeAll()
        updateArmed()
    }

    mutating func updateArmed() {
        isArmed = !oneShots.isEmpty || !faults.isNone
        isRotting =
            faults[.bitRot] + faults[.unreadableSector] > 0
            || oneShots.contains { $0.fault == .bitRot || $0.fault == .unreadableSector }
    }

    mutating func note(
        _ fault: DiskFault, _ path: String, _ bytes: Range<Int> = 0..<0, isCounted: Bool = true
    ) {
        if isCounted { counters[fault] += 1 }
        injuries.append(DiskInjury(fault: fault, path: path, bytes: bytes))
    }

    // MARK: - Whether one happens

    /// Which of these faults happens to an operation on a file of this kind (or on a folder), if any. Ask
    /// only for those that can happen.
    mutating func fault(among group: [DiskFault], kind: FileKinds?) -> DiskFault? {
        let kind = kind ?? []
        if !oneShots.isEmpty, let fault = oneShot(among: group, kind: kind) { return fault }
        guard faults.kinds.contains(kind) else { return nil }
        let total = group.reduce(0) { $0 + faults[$1] }
        guard total > 0 else { return nil }
        var drawn = Int(chance.next(below: 1_000_000))
        for fault in group {
            if drawn < faults[fault] { return fault }
            drawn -= faults[fault]
        }
        return nil
    }

    /// Whether it is worth while to find out if this fault can happen.
    private func mayHappen(_ fault: DiskFault) -> Bool { faults[fault] > 0 || !oneShots.isEmpty }

    private mutating func oneShot(among group: [DiskFault], kind: FileKinds) -> DiskFault? {
        for place in oneShots.indices {
            let next = oneShots[place]
            guard group.contains(next.fault), next.kinds.contains(kind) else { continue }
            if next.skipping > 0 {
                oneShots[place].skipping -= 1
                continue
            }
            oneShots.remove(at: place)
            updateArmed()
            return next.fault
        }
        return nil
    }

    // MARK: - What they do

    /// Some of `count`, possibly none or all.
    mutating func part(of count: Int) -> Int { Int(chance.next(below: UInt64(count + 1))) }

    /// A read got the `count` bytes at `offset` of a file.
    mutating func troubleRead(
        _ number: Int, at offset: Int, count: Int, _ buffer: inout [UInt8]
    ) throws(DiskError) {
        let bytes = offset..<offset + count
        let path = state.files[number].path
        if state.files[number].isUnreadable(bytes) {
            throw DiskError(.read, path, code: DiskError.inputOutput)
        }
        guard isArmed, count > 0 else { return }
        var group: [DiskFault] = [.readError, .flippedRead]
        if mayHappen(.staleRead), state.files[number].hasOlder(bytes) { group.append(.staleRead) }
        switch fault(among: group, kind: state.files[number].kind) {
        case .readError:
            note(.readError, path, bytes)
            throw DiskError(.read, path, code: DiskError.inputOutput)
        case .flippedRead:
            let bit = Int(chance.next(below: UInt64(8 * count)))
            buffer[bit / 8] ^= 1 << UInt8(bit % 8)
            note(.flippedRead, path, offset + bit / 8..<offset + bit / 8 + 1)
        case .staleRead:
            state.files[number].showOlder(bytes, in: &buffer)
            note(.staleRead, path, bytes)
        default: break
        }
    }

    /// The fault that befalls a write of these bytes, if any.
    mutating func troubleOfWrite(_ number: Int, _ bytes: Range<Int>) -> DiskFault? {
        guard !bytes.isEmpty else { return nil }
        var group: [DiskFault] = [.writeError, .noSpace, .lostWrite]
        if mayHappen(.misdirectedWrite), otherPlaces(number, bytes) > 0 { group.append(.misdirectedWrite) }
        return fault(among: group, kind: state.files[number].kind)
    }

    /// How many other places on the platter as many sectors of the file have.
    private func otherPlaces(_ number: Int, _ bytes: Range<Int>) -> Int {
        let first = bytes.lowerBound / SimulatedFile.sectorBytes
        let count = SimulatedFile.sectors(bytes.upperBound) - first
        let size = min(state.files[number].durableSize, state.files[number].bytes.count)
        let places = SimulatedFile.sectors(size) - count + 1
        return first < places ? places - 1 : places
    }

    /// These bytes were just written to the cache; the platter gets them elsewhere, or not at all.
    mutating func mislay(_ number: Int, _ bytes: Range<Int>, _ fault: DiskFault) {
        let path = state.files[number].path
        note(fault, path, bytes)
        guard fault == .misdirectedWrite else {
            state.files[number].lose(bytes)
            return
        }
        let sector = SimulatedFile.sectorBytes
        let first = bytes.lowerBound / sector
        let others = otherPlaces(number, bytes)
        guard others > 0 else { return state.files[number].lose(bytes) }
        var target = Int(chance.next(below: UInt64(others)))
        if target >= first { target += 1 }
        state.files[number].misdirect(bytes, to: target)
        let count = SimulatedFile.sectors(bytes.upperBound) - first
        note(fault, path, target * sector..<(target + count) * sector, isCounted: false)
    }

    /// What befalls a sync; throws if the caller is told. True if the sync is over, and nothing is durable.
    mutating func troubleSync(_ number: Int) throws(DiskError) -> Bool {
        var group: [DiskFault] = [.syncErrorKept, .syncErrorReverted, .syncNoSpace]
        if !state.files[number].saved.isEmpty { group.append(.syncErrorLater) }
        guard let fault = fault(among: group, kind: state.files[number].kind) else { return false }
        let path = state.files[number].path
        note(fault, path)
        switch fault {
        case .syncErrorReverted:
            state.change(number) { $0.revertAll() }
        case .syncErrorLater:
            state.files[number].flushNothing()
            state.files[number].hasLateError = true
            return true
        default:
            state.files[number].flushSome(using: &chance, fails: true)
        }
        let code = fault == .syncNoSpace ? DiskError.noSpaceLeft : DiskError.inputOutput
        throw DiskError(.sync, path, code: code)
    }

    // MARK: - Rot

    /// What happens to the platter while nobody looks.
    mutating func age() {
        for fault in [DiskFault.bitRot, .unreadableSector] {
            var kinds: FileKinds?
            if let place = oneShots.firstIndex(where: { $0.fault == fault }) {
                if oneShots[place].skipping > 0 {
                    oneShots[place].skipping -= 1
                } else {
                    kinds = oneShots.remove(at: place).kinds
                    updateArmed()
                }
            }
            if kinds == nil, faults[fault] > 0, chance.next(below: 1_000_000) < UInt64(faults[fault]) {
                kinds = faults.kinds
            }
            guard let kinds else { continue }
            var random = chance.split()
            if fault == .bitRot { rot(kinds, using: &random) } else { spoil(kinds, using: &random) }
        }
    }

    @discardableResult
    mutating func rot(_ kinds: FileKinds, using random: inout SeededGenerator) -> Bool {
        guard let (number, offset) = durableByte(kinds, using: &random) else { return false }
        state.files[number].flip(bit: Int(random.next(below: 8)), ofByte: offset)
        note(.bitRot, state.files[number].path, offset..<offset + 1)
        return true
    }

    @discardableResult
    mutating func spoil(_ kinds: FileKinds, using random: inout SeededGenerator) -> Bool {
        guard let (number, offset) = durableByte(kinds, using: &random) else { return false }
        let sector = offset / SimulatedFile.sectorBytes
        state.files[number].makeUnreadable(sector)
        let start = sector * SimulatedFile.sectorBytes
        note(.unreadableSector, state.files[number].path, start..<start + SimulatedFile.sectorBytes)
        return true
    }

    /// A byte of the platter, each as likely as any other.
    private func durableByte(
        _ kinds: FileKinds, using random: inout SeededGenerator
    ) -> (number: Int, offset: Int)? {
        func weight(_ file: SimulatedFile) -> Int {
            file.isLinked && kinds.contains(file.kind) ? file.durableSize : 0
        }
        let total = state.files.reduce(0) { $0 + weight($1) }
        guard total > 0 else { return nil }
        var drawn = Int(random.next(below: UInt64(total)))
        for number in state.files.indices {
            let count = weight(state.files[number])
            if drawn < count { return (number, drawn) }
            drawn -= count
        }
        return nil
    }
}
