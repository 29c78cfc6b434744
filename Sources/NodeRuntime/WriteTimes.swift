// Where the time of a write goes, for `?explain`. What is not asked about is not measured: the owner looks
// whether anything is, and reads no clock otherwise.
import API
import Consensus
import Primitives
import Replication
import Store

/// When what happened to the writes under way that are to be explained.
struct WriteTimes {
    /// When what happened to one write.
    struct Times {
        var arrived: Instant
        /// When it was last handed to the own disk and the peers, or sent to the leader.
        var sent: Instant?
        /// Whether that was to the leader.
        var isForwarded = false
        /// The persist that writes it to the disk of the leader that this node is.
        var sequence: UInt64?
        /// When that was durable.
        var durable: Instant?
        /// Its place in this node's log.
        var index: LogIndex?
        /// When it was known here to be committed.
        var committed: Instant?
    }

    private var byRequest: [RequestID: Times] = [:]

    /// Whether no write is to be explained.
    var isEmpty: Bool { byRequest.isEmpty }

    /// A client's write has come.
    mutating func begin(_ id: RequestID, at now: Instant) { byRequest[id] = Times(arrived: now) }

    /// Entries go to the own disk: proposed by this node if it leads, else those of the leader.
    mutating func notePersist(_ persist: Persist, leads: Bool, at now: Instant) {
        for entry in persist.entries where entry.kind == .command {
            guard let id = Command.requestID(of: entry.payload), var times = byRequest[id] else { continue }
            if leads { times = Times(arrived: times.arrived, sent: now, sequence: persist.sequence) }
            times.index = entry.index
            times.committed = nil
            byRequest[id] = times
        }
    }

    /// Writes go to the leader.
    mutating func noteForward(_ forward: Forward, at now: Instant) {
        for id in forward.requests {
            guard let times = byRequest[id] else { continue }
            byRequest[id] = Times(arrived: times.arrived, sent: now, isForwarded: true)
        }
    }

    /// Everything up to this persist is on the own disk.
    mutating func noteDurable(_ sequence: UInt64, at now: Instant) {
        for (id, times) in byRequest {
            guard let own = times.sequence, own <= sequence, times.durable == nil else { continue }
            byRequest[id]?.durable = now
        }
    }

    /// Everything up to this index is committed.
    mutating func noteCommit(_ commit: LogIndex, at now: Instant) {
        for (id, times) in byRequest {
            guard let index = times.index, index <= commit, times.committed == nil else { continue }
            byRequest[id]?.committed = now
        }
    }

    /// The write is about to be answered.
    mutating func finish(_ id: RequestID) -> Times? { byRequest.removeValue(forKey: id) }
}

extension WriteTimes.Times {
    typealias Stage = AnswerContext.Explanation.Stage

    /// The stages that were measured. What was sent to the leader is one stage until it is known here to be
    /// committed; the other stages begin with the one before, but `fsync` runs beside `replicate`.
    ///
    /// `committed` is when it was if that was not noted before; nil if it is not known to be.
    func stages(committed lastCommit: Instant?, answered: Instant) -> [Stage] {
        var stages: [Stage] = []
        func add(_ name: String, from start: Instant, to end: Instant?) {
            if let end { stages.append(Stage(name: name, duration: end - start)) }
        }
        add("queue", from: arrived, to: sent)
        if let sent {
            let committed = committed ?? lastCommit
            if isForwarded {
                add("forward", from: sent, to: committed)
            } else {
                add("fsync", from: sent, to: durable)
                add("replicate", from: sent, to: committed)
            }
            if let committed { add("apply", from: committed, to: answered) }
        }
        add("total", from: arrived, to: answered)
        return stages
    }
}
