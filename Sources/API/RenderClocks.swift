// What clocks show.

import Clocks
import HTTP
import JSON
import Primitives

extension NativeAPI {
    func render(
        clock question: ClockQuestion, _ status: ClockStatus?, traits: RequestTraits, context: AnswerContext
    ) -> HTTP.Response {
        guard let status else { preconditionFailure("nobody has looked at the clocks") }
        if let refusal = status.refusal {
            return problem(Self.problem(refusal), traits: traits, context: context)
        }
        return json(revision: context.revision, traits: traits, context: context) { json in
            json.beginObject()
            switch question {
            case .now(let uncertainty): write(status, uncertainty: uncertainty, to: &json)
            case .skew: writeSkew(status, to: &json)
            case .read, .tick, .observe: writeFields(of: status, to: &json)
            }
            json.endObject()
        }
    }

    /// Writes what all clocks show.
    func writeFields(of status: ClockStatus, to json: inout JSONWriter) {
        json.name("physical")
        json.beginObject()
        write(status, uncertainty: false, to: &json)
        json.field("monotonic_ms", status.monotonic.nanoseconds / 1_000_000)
        if let own = status.rows.first {
            json.name("offset_ms_estimate")
            json.beginObject()
            for offset in own.offsets { json.field(offset.name, milliseconds(offset.estimate)) }
            json.endObject()
        }
        json.endObject()
        json.field("lamport", status.stamp.lamport ?? 0)
        json.field("hlc", status.stamp.hybrid?.text ?? "")
        json.name("vector")
        json.beginObject()
        for (name, count) in (status.stamp.vector?.counts ?? [:]).sorted(by: { $0.key < $1.key }) {
            json.field(name, count)
        }
        json.endObject()
    }

    /// Writes how the clocks stand to each other.
    private func writeSkew(_ status: ClockStatus, to json: inout JSONWriter) {
        json.name("skew")
        json.beginObject()
        for row in status.rows {
            json.name(row.name)
            json.beginObject()
            json.field("age_ms", row.age.milliseconds)
            json.name("offsets")
            json.beginObject()
            for offset in row.offsets {
                json.name(offset.name)
                json.beginObject()
                json.field("offset_ms", milliseconds(offset.estimate))
                json.field("error_ms", milliseconds(offset.error))
                json.endObject()
            }
            json.endObject()
            json.endObject()
        }
        json.endObject()
        json.name("agreement")
        guard let agreement = status.agreement else { return json.null() }
        json.beginObject()
        json.field("agreeing", agreement.agreeing)
        json.field("clocks", agreement.clocks)
        json.field("offset_ms", milliseconds(agreement.interval.estimate))
        json.field("error_ms", milliseconds(agreement.interval.error))
        json.field("disagreement_ms", milliseconds(agreement.disagreement))
        json.endObject()
    }

    private func milliseconds(_ microseconds: Int64) -> Double { Double(microseconds) / 1_000 }

    private func write(_ status: ClockStatus, uncertainty: Bool, to json: inout JSONWriter) {
        json.field("time", status.wall.rfc3339)
        json.field("unix_ms", status.wall.milliseconds)
        if status.correction != 0 { json.field("correction_ms", milliseconds(status.correction)) }
        json.field("synchronized", status.errorBound != nil && status.correction == 0)
        // Without a bound nothing can be said for sure.
        guard let bound = status.errorBound, status.correction == 0 else { return }
        // The clock is read in whole milliseconds, rounded down.
        json.field("error_bound_ms", bound.milliseconds + 1)
        guard uncertainty else { return }
        let (least, most) = (bound.milliseconds + 1, bound.milliseconds + 2)
        json.field("earliest", WallTime(milliseconds: status.wall.milliseconds - least).rfc3339)
        json.field("latest", WallTime(milliseconds: status.wall.milliseconds + most).rfc3339)
    }

    static func problem(_ refusal: ClockError) -> Problem {
        func invalid(_ field: String, _ message: String) -> Problem {
            Problem(.invalid, "\(field): \(message)")
                .with("errors", .errors([.init(field: field, message: message)]))
        }
        switch refusal {
        case .ahead(let ahead, let most):
            return Problem(
                .clockAhead,
                "hlc is \(ahead) ms ahead of this node's clock, more than the \(most.milliseconds) ms allowed"
            )
            .with("ahead_ms", .number(UInt64(max(0, ahead))))
            .with("max_clock_skew_ms", .number(UInt64(max(0, most.milliseconds))))
        case .tooLarge(let kind): return invalid(kind.rawValue, "is above \(ProcessClocks.most - 1)")
        case .tooManyProcesses:
            return invalid("vector", "there would be more than \(VectorTime.most) processes")
        }
    }
}
