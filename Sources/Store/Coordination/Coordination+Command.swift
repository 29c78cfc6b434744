public import Primitives

// The commands of coordination and their binary form, a part of that of commands:
//
//   family (1 timers, 2 leases, 3 abandon, 4 cancel, 5 queues, 6 barriers, 7 announcements, 8 tasks, 10 locks
//   and the like, 11 participants), then the family's own form

/// What a command does to the state besides keys and values.
public enum CoordinationCommand: Sendable, Equatable {
    /// What the leader says about timers.
    case timers(TimerCommand)
    /// What is done with leases.
    case lease(LeaseCommand)
    /// Whoever sent this request no longer waits for its outcome, nor wants what came of it: it gives up its
    /// place in a queue, or gives back what it holds.
    case abandon(RequestID)
    /// How much history is kept from now on.
    case history(HistoryCommand)
    /// Makes the outcome of a request certain: if it was not carried out by now, it never will be.
    case cancel(RequestName)
    /// What is done with queues.
    case queue(QueueCommand)
    /// What is done with barriers.
    case barrier(BarrierCommand)
    /// What is done with locks, elections and semaphores.
    case claim(ClaimCommand)
    /// Something is said to all nodes.
    case announce(Announcement)
    /// What is done with tasks and workers.
    case task(TaskCommand)
    /// What is done with client processes that have a name.
    case participant(ParticipantCommand)

    private enum Family: UInt8 {
        case timers = 1
        case lease = 2
        case abandon = 3
        case history = 50
        case cancel = 4
        case queue = 5
        case barrier = 6
        case announce = 7
        case task = 8
        case claim = 10
        case participant = 11
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .timers(let command):
            writer.byte(Family.timers.rawValue)
            command.encode(into: &writer)
        case .lease(let command):
            writer.byte(Family.lease.rawValue)
            command.encode(into: &writer)
        case .abandon(let request):
            writer.byte(Family.abandon.rawValue)
            writer.fixed(request.high)
            writer.fixed(request.low)
        case .claim(let command):
            writer.byte(Family.claim.rawValue)
            command.encode(into: &writer)
        case .history(let command):
            writer.byte(Family.history.rawValue)
            command.encode(into: &writer)
        case .cancel(.id(let request)):
            writer.byte(Family.cancel.rawValue)
            writer.byte(1)
            writer.fixed(request.high)
            writer.fixed(request.low)
        case .cancel(.key(let key, let principal)):
            writer.byte(Family.cancel.rawValue)
            writer.byte(2)
            writer.string(key)
            writer.string(principal)
        case .queue(let command):
            writer.byte(Family.queue.rawValue)
            command.encode(into: &writer)
        case .barrier(let command):
            writer.byte(Family.barrier.rawValue)
            command.encode(into: &writer)
        case .announce(let announcement):
            writer.byte(Family.announce.rawValue)
            announcement.encode(into: &writer)
        case .task(let command):
            writer.byte(Family.task.rawValue)
            command.encode(into: &writer)
        case .participant(let command):
            writer.byte(Family.participant.rawValue)
            command.encode(into: &writer)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch Family(rawValue: try reader.byte()) {
        case .timers: self = .timers(try TimerCommand(reading: &reader))
        case .lease: self = .lease(try LeaseCommand(reading: &reader))
        case .claim: self = .claim(try ClaimCommand(reading: &reader))
        case .abandon:
            self = .abandon(RequestID(high: try reader.fixed(), low: try reader.fixed()))
        case .history: self = .history(try HistoryCommand(reading: &reader))
        case .cancel:
            switch try reader.byte() {
            case 1: self = .cancel(.id(RequestID(high: try reader.fixed(), low: try reader.fixed())))
            case 2: self = .cancel(.key(try reader.string(), principal: try reader.string()))
            default: throw .malformed
            }
        case .queue: self = .queue(try QueueCommand(reading: &reader))
        case .barrier: self = .barrier(try BarrierCommand(reading: &reader))
        case .announce: self = .announce(try Announcement(reading: &reader))
        case .task: self = .task(try TaskCommand(reading: &reader))
        case .participant: self = .participant(try ParticipantCommand(reading: &reader))
        case nil: throw .malformed
        }
    }
}

/// What a command of coordination did. Every replica gets the same.
public enum CoordinationOutcome: Sendable, Equatable {
    /// So many of the named timers still ran.
    case timers(Int)
    /// What became of a lease.
    case lease(LeaseOutcome)
    /// Whether the request that was given up still waited or held something.
    case abandoned(Bool)
    /// How much history is kept from now on.
    case historyBounds(HistoryBounds)
    /// What is known of a request that was to be cancelled.
    case request(RequestState)
    /// What became of a queue or a message.
    case queue(QueueOutcome)
    /// What became of a barrier or a party.
    case barrier(BarrierOutcome)
    /// What became of a lock, an election or a semaphore.
    case claim(ClaimOutcome)
    /// Something was said to all nodes, in the log entry with this index: of two announcements the one with
    /// the lower index is delivered first everywhere.
    case announced(LogIndex)
    /// What became of a task or a worker.
    case task(TaskOutcome)
    /// What became of a participant.
    case participant(ParticipantOutcome)
}

/// Why a command of coordination changed nothing.
public enum CoordinationRefusal: Sendable, Equatable {
    /// There is no lease with this id.
    case leaseNotFound(String)
    /// There is a lease with this id already.
    case leaseExists(String)
    /// There is no room for more: see ``Limits/coordinationRows``.
    case full
    /// What was asked of a queue can't be done.
    case queue(QueueRefusal)
    /// What was asked of a barrier can't be done.
    case barrier(BarrierRefusal)
    /// A lock, an election or a semaphore is not to be had like this.
    case claim(ClaimRefusal)
    /// What was asked of a task or a worker can't be done.
    case task(TaskRefusal)
    /// What was asked of a participant can't be done.
    case participant(ParticipantRefusal)
    /// History can't be kept to more revisions at least than at most.
    case historyBounds(minimum: UInt64, maximum: UInt64)
}

extension Keyspace {
    /// Carries out a command of coordination that stands in the log in an entry of `term`.
    mutating func carryOut(_ command: CoordinationCommand, id: RequestID, term: Term) -> Outcome {
        let outcome =
            switch command {
            case .timers(let command): carryOut(command, term: term)
            case .lease(let command): carryOut(command)
            case .abandon(let request): Outcome.coordinated(.abandoned(abandon(request)))
            case .cancel(let request): cancel(request)
            case .claim(let command): carryOut(command, id: id)
            case .queue(let command): carryOut(command, id: id)
            case .barrier(let command): carryOut(command, id: id)
            case .history(let command): carryOut(command)
            case .announce(let announcement): announce(announcement, id: id)
            case .task(let command): carryOut(command, id: id)
            case .participant(let command): carryOut(command, id: id)
            }
        grantClaims()
        return outcome
    }

    private mutating func abandon(_ request: RequestID) -> Bool {
        guard let row = coordination.row(of: request) else { return false }
        switch row.kind {
        case .handout: return coordination.abandonReceive(row)
        case .taskHandout: return coordination.abandonTasks(row)
        case .barrierMember: return coordination.abandonBarrier(row)
        case .claimHold, .claimWaiter: abandonClaim(row)
        default: preconditionFailure("nothing waits in \(row)")
        }
        return true
    }

    /// Carries out what the leader says about timers. An entry of another term than the one that the command
    /// names was proposed by somebody else than who measured the time: it does nothing.
    private mutating func carryOut(_ command: TimerCommand, term: Term) -> Outcome {
        switch command {
        case .fire(let leader, let numbers):
            guard leader == term else { return .coordinated(.timers(0)) }
            var count = 0
            var expired: [String] = []
            for number in numbers {
                guard let target = coordination.takeFired(number) else { continue }
                count += 1
                switch target {
                case .lease(let id): expired.append(id)
                case .claimWait(let row): endWait(row)
                case .claimDelay(let row): coordination.endDelay(row)
                case .outcomes: coordination.endOutcomeHour()
                case .queue(let timer): fire(timer)
                case .barrier(let timer): coordination.fire(timer)
                case .task(let timer): fire(timer)
                case .inbox(let name): coordination.expireMessages(in: name, at: lastTime)
                }
            }
            _ = endLeases(expired, haveExpired: true)
            return .coordinated(.timers(count))
        case .elapsed(let leader, let left):
            guard leader == term else { return .coordinated(.timers(0)) }
            coordination.note(left)
            return .coordinated(.timers(left.count))
        }
    }
}

extension TimerCommand {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .fire(let term, let numbers):
            writer.byte(1)
            writer.counter(term)
            writer.varint(UInt64(numbers.count))
            for number in numbers { writer.varint(number) }
        case .elapsed(let term, let left):
            writer.byte(2)
            writer.counter(term)
            writer.varint(UInt64(left.count))
            for left in left {
                writer.varint(left.number)
                writer.signed(left.milliseconds)
            }
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let kind = try reader.byte()
        let term: Term = try reader.counter()
        let count = try reader.count()
        guard count <= Self.mostTimers else { throw .malformed }
        switch kind {
        case 1:
            var numbers: [UInt64] = []
            for _ in 0..<count { numbers.append(try reader.varint()) }
            self = .fire(term: term, numbers)
        case 2:
            var left: [TimeLeft] = []
            for _ in 0..<count {
                left.append(TimeLeft(number: try reader.varint(), milliseconds: try reader.signed()))
            }
            self = .elapsed(term: term, left)
        default: throw .malformed
        }
    }
}
