public import Primitives

// Time in the replicated state. No replica may decide by its own clock that something is over, or replicas
// would differ; and the leader's wall clock, which commands carry, may be set. So whatever lasts for a while
// is a timer: a row with a duration. The leader measures it with its monotonic clock and, when it has run
// out, proposes that it fires, naming its number and its own term. Whatever prolongs a timer gives it a new
// number, so that a firing under way hits nothing, and what a deposed leader proposed is of another term.

/// What happens when a timer has run out.
enum TimerTarget: Equatable, Sendable {
    /// The lease with this id expires.
    case lease(String)
    /// The wait is over of whom this row is about.
    case claimWait(RowKey)
    /// The delay is over after which the thing with this row is given to others.
    case claimDelay(RowKey)
    /// An hour of remembering outcomes is over.
    case outcomes
    /// Something about a queue is due.
    case queue(QueueTimer)
    /// Something about a barrier is due.
    case barrier(BarrierTimer)
    /// Something about tasks is due.
    case task(TaskTimer)
    /// The time of a logged message in this inbox is over.
    case inbox(String)
}

/// A running timer.
struct TimerRow: RowValue, Equatable, Sendable {
    var target: TimerTarget
    /// For how long it runs, in milliseconds, from when it was armed.
    var duration: Int64
    /// How much of that is left, as far as it was recorded.
    var remaining: Int64

    init(target: TimerTarget, duration: Int64) {
        self.target = target
        self.duration = duration
        remaining = duration
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let code = try reader.byte()
        switch code {
        case 1: target = .lease(try reader.string())
        case 10: target = .claimWait(RowKey(bytes: [UInt8](try reader.sized())))
        case 11: target = .claimDelay(RowKey(bytes: [UInt8](try reader.sized())))
        case 40: target = .outcomes
        case 20...29: target = .queue(try QueueTimer(code, reading: &reader))
        case 30...39: target = .barrier(try BarrierTimer(code, reading: &reader))
        case 60...69: target = .task(try TaskTimer(code, reading: &reader))
        case 80: target = .inbox(try reader.string())
        default: throw .malformed
        }
        duration = try reader.signed()
        remaining = try reader.signed()
    }

    func encode(into writer: inout ByteWriter) {
        switch target {
        case .lease(let id):
            writer.byte(1)
            writer.string(id)
        case .claimWait(let row):
            writer.byte(10)
            writer.sized(row.bytes)
        case .claimDelay(let row):
            writer.byte(11)
            writer.sized(row.bytes)
        case .outcomes: writer.byte(40)
        case .queue(let timer): timer.encode(into: &writer)
        case .barrier(let timer): timer.encode(into: &writer)
        case .task(let timer): timer.encode(into: &writer)
        case .inbox(let name):
            writer.byte(80)
            writer.string(name)
        }
        writer.signed(duration)
        writer.signed(remaining)
    }
}

/// What the leader says about timers. Clients have no way to say it.
public enum TimerCommand: Sendable, Equatable {
    /// These timers have run out by the clock of the leader of this term.
    case fire(term: Term, [UInt64])
    /// So much of these timers is left, in milliseconds: a later leader goes on from there.
    case elapsed(term: Term, [TimeLeft])

    /// How much of a timer is left.
    public struct TimeLeft: Sendable, Equatable {
        /// The timer.
        public var number: UInt64
        /// In milliseconds.
        public var milliseconds: Int64
        /// Makes it of its parts.
        public init(number: UInt64, milliseconds: Int64) {
            self.number = number
            self.milliseconds = milliseconds
        }
    }

    /// No command names more timers.
    public static let mostTimers = 4_096
}

extension Coordination {
    /// Starts a timer of `milliseconds`; its number stands for it from now on.
    mutating func arm(_ target: TimerTarget, milliseconds: Int64) -> UInt64 {
        let number = nextNumber()
        set(RowKey(.timer, number), TimerRow(target: target, duration: milliseconds))
        news.append(.armed(number, milliseconds: milliseconds))
        return number
    }

    /// Ends a timer, if it still runs.
    mutating func disarm(_ number: UInt64) {
        guard remove(RowKey(.timer, number)) else { return }
        news.append(.disarmed(number))
    }

    /// Takes out a timer that has run out; nil if it does not run any more.
    mutating func takeFired(_ number: UInt64) -> TimerTarget? {
        let key = RowKey(.timer, number)
        guard let timer = value(key, as: TimerRow.self) else { return nil }
        remove(key)
        news.append(.disarmed(number))
        return timer.target
    }

    /// Notes how much is left of timers that still run. It never grows.
    mutating func note(_ left: [TimerCommand.TimeLeft]) {
        for left in left {
            let key = RowKey(.timer, left.number)
            guard var timer = value(key, as: TimerRow.self) else { continue }
            timer.remaining = min(timer.remaining, max(0, left.milliseconds))
            set(key, timer)
        }
    }

    /// How many timers run.
    public var timerCount: Int { count(RowKey(.timer)) }

    /// Every running timer, with how long it runs in all and what was recorded to be left, in milliseconds.
    public func forEachTimer(_ body: (_ number: UInt64, _ duration: Int64, _ remaining: Int64) -> Void) {
        forEach(RowKey(.timer)) { key, value in
            let timer: TimerRow = Self.decode(value)
            body(key.lastNumber, timer.duration, timer.remaining)
            return true
        }
    }
}
