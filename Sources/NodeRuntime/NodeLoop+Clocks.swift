// The clocks of the node as a process: questions about them, and the times that requests carry.
import API
import Clocks
import HTTP
import HTTPServer
import Platform
import Primitives
import Wire

extension NodeLoop {
    mutating func clockStatus(after question: ClockQuestion) -> ClockStatus {
        var refusal: ClockError?
        switch question {
        case .read, .now, .skew: break
        case .tick: clocks.tick(at: wall)
        case .observe(let stamp):
            do { try clocks.observe(stamp, at: wall) } catch { refusal = error }
        }
        var status = ClockStatus(
            wall: Clock.wallTime(), monotonic: now, errorBound: Clock.errorBound(), stamp: clocks.stamp)
        status.correction = clockWatch.correction
        status.refusal = refusal
        datagrams.addOffsets(to: &status, roster)
        return status
    }

    /// Takes over the time that a request carries. False if it can't be right: then the request was answered.
    mutating func takesClock(of request: Request, on connection: ConnectionID) -> Bool {
        switch api.clock(of: request) {
        case .none: return true
        case .malformed(var response):
            api.complete(&response, context: context())
            answer(connection, response)
            return false
        case .time(let time):
            do throws(ClockError) {
                try clocks.observe(Stamp(hybrid: time), at: wall)
                clocked.insert(connection)
                return true
            } catch {
                answer(connection, api.refuse(request, error, context: context()))
                return false
            }
        }
    }

    /// Takes over the time that a peer's batch carries, or counts that it can't be right. What the batch says
    /// is taken either way: nothing that is agreed on depends on clocks.
    mutating func follow(_ envelope: Envelope) {
        guard let time = envelope.clock else { return }
        do throws(ClockError) {
            try clocks.follow(time, at: wall)
        } catch {
            clockWatch.refuse(error, of: name(of: envelope.from), at: now)
        }
    }

    /// Adds to an answer what its request has asked to be told of this node as a process.
    mutating func dress(_ response: inout Response, for connection: ConnectionID) {
        if !traced.isEmpty { endTrace(of: connection, &response) }
        if !clocked.isEmpty, clocked.remove(connection) != nil {
            clocks.tick(at: wall)
            api.add(clocks.hybrid, to: &response)
        }
    }
}
