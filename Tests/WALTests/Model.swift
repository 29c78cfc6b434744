import Consensus
import Primitives
import Simulator
import Testing
import WAL

let directory = "/data/log"
let identity = FolderIdentity(
    cluster: ClusterID(0xc0ffee), node: NodeID(3), nodeName: "n3", group: .first, salt: 0x5eed_5a17)
let small = Limits(segmentBytes: 4096, spareSliceBytes: 2048, markSpacing: 700, readBytes: 1024)

func index(_ number: Int) -> LogIndex { LogIndex(UInt64(number)) }

func entry(_ index: Int, term: Int = 1, bytes: Int = 20, kind: Entry.Kind = .command) -> Entry {
    let payload = (0..<bytes).map { UInt8(truncatingIfNeeded: index &* 31 &+ term &* 7 &+ $0) }
    return Entry(index: LogIndex(UInt64(index)), term: Term(UInt64(term)), kind: kind, payload: payload)
}

func entries(_ range: ClosedRange<Int>, term: Int = 1, bytes: Int = 20) -> [Entry] {
    range.map { entry($0, term: term, bytes: bytes) }
}

/// An empty log on a new disk.
func makeDisk(limits: Limits = small) throws -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1, folders: [directory])
    try WriteAheadLog.create(disk: disk, directory: directory, identity: identity, limits: limits)
    return disk
}

func openLog(_ disk: SimulatedDisk, limits: Limits = small) throws(WALError) -> WriteAheadLog<SimulatedDisk> {
    try WriteAheadLog(disk: disk, directory: directory, identity: identity, limits: limits)
}

/// All entries the log has.
func contents(_ wal: borrowing WriteAheadLog<SimulatedDisk>) throws -> [Entry] {
    try wal.entries(from: wal.terms.firstIndex, to: wal.terms.lastIndex.next)
}

/// What a log should hold.
struct Model: Equatable {
    var base = LogPosition.origin
    var entries: [Entry] = []
    var hardState = HardState()

    var last: LogPosition { entries.last.map { LogPosition(index: $0.index, term: $0.term) } ?? base }

    mutating func add(_ entry: Entry) {
        entries.removeLast(Int(last.index.next - entry.index))
        entries.append(entry)
    }

    /// The hard state as recovery gives it: never behind the last entry's term.
    var recoveredState: HardState {
        guard hardState.term < last.term else { return hardState }
        return HardState(term: last.term, vote: nil, commit: hardState.commit)
    }

    /// Whether an opened log holds this, beginning no later than after a cut below `cut`.
    func matches(_ wal: borrowing WriteAheadLog<SimulatedDisk>, cut: LogIndex) -> Bool {
        let log = wal.recovered.log
        guard log.lastIndex == last.index, wal.recovered.hardState == recoveredState,
            log.base.index >= base.index, log.firstIndex <= max(cut, base.index.next)
        else { return false }
        let skipped = Int(log.base.index - base.index)
        let before = skipped == 0 ? base.term : entries[skipped - 1].term
        guard log.base.term == before else { return false }
        let wanted = Array(entries[skipped...])
        return (try? contents(wal)) == wanted && log.last == last
    }
}

/// One thing done to a log.
enum Step {
    case append(HardState?, [Entry])
    case sync
    case cut(LogIndex)
    case reset(LogPosition)
    case spare
}

/// Follows a log through its steps and knows what may be found after a crash.
struct Tracker {
    /// What the log holds, pending included.
    var current = Model()
    /// What it may hold after a crash: the first is durable, each next one has a record more.
    var possible = [Model()]
    var cut = LogIndex.zero

    mutating func perform(_ step: Step, on wal: inout WriteAheadLog<SimulatedDisk>) throws(WALError) {
        switch step {
        case .append(let state, let entries):
            for entry in entries {
                current.add(entry)
                possible.append(current)
            }
            if let state {
                current.hardState = state
                possible.append(current)
            }
            try wal.append(hardState: state, entries: entries)
        case .sync:
            try wal.sync()
            possible = [current]
        case .cut(let index):
            cut = max(cut, index)
            try wal.cut(below: index)
            possible = [current]
        case .reset(let position):
            var next = Model(base: position, hardState: current.hardState)
            next.hardState.commit = min(next.hardState.commit, position.index)
            possible.append(next)
            try wal.reset(to: position)
            current = next
            possible = [next]
        case .spare:
            while try wal.prepareSpare() {}
        }
    }

    /// Demands that the log is one of those possible, and goes on from there.
    mutating func expect(_ wal: borrowing WriteAheadLog<SimulatedDisk>, _ context: @autoclosure () -> String)
        -> Bool
    {
        for model in possible.reversed() where model.matches(wal, cut: cut) {
            current = model
            current.hardState = model.recoveredState
            let skipped = Int(wal.recovered.log.base.index - model.base.index)
            current.base = wal.recovered.log.base
            current.entries.removeFirst(skipped)
            possible = [current]
            return true
        }
        Issue.record("\(context()): found \(wal.recovered), expected one of \(possible.map(\.last))")
        return false
    }
}

/// Opens the log; crashes at each operation of that, too, one after the other, if asked to.
func reopen(_ disk: SimulatedDisk, limits: Limits = small, crashing seed: UInt64? = nil) throws
    -> WriteAheadLog<
        SimulatedDisk
    >
{
    guard let seed else { return try openLog(disk, limits: limits) }
    for operation in 0... {
        disk.die(after: operation)
        do {
            return try openLog(disk, limits: limits)
        } catch {
            guard disk.isDead else { throw error }
            var random = SeededGenerator(seed: seed &+ UInt64(operation))
            disk.crash(using: &random, power: true)
        }
    }
    fatalError("unreachable")
}
