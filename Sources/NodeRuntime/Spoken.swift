// What goes over links from inbox to inbox, by byte.
import Clocks
import Primitives
import Replication

/// A message with the times of its sending. Its form: the id, the hybrid time and Lamport's, the sender, the
/// recipient (empty if it is for all nodes), the channel, the trace and its state (empty if there is none),
/// each of these as a sized text; then the body.
struct Spoken {
    var note: Note
    var stamp: Stamp

    init(_ note: Note, _ stamp: Stamp) {
        self.note = note
        self.stamp = stamp
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: note.body.count + 96)
        writer.fixed(note.id.high)
        writer.fixed(note.id.low)
        (stamp.hybrid ?? HybridTime(WallTime(milliseconds: 0))).encode(into: &writer)
        writer.varint(stamp.lamport ?? 0)
        writer.string(note.sender)
        writer.string(note.recipient)
        writer.string(note.channel)
        writer.string(note.trace?.traceparent ?? "")
        writer.string(note.trace?.state ?? "")
        writer.raw(note.body)
        return writer.take()
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        do throws(ByteReaderError) {
            let id = RequestID(high: try reader.fixed(), low: try reader.fixed())
            let hybrid = try HybridTime(from: &reader)
            // It is shown to people, and other years than 1970 to 9999 can't be.
            guard 0..<253_402_300_800_000 ~= hybrid.wall.milliseconds else { return nil }
            let lamport = try reader.varint()
            let (sender, recipient, channel) = (try reader.string(), try reader.string(), try reader.string())
            let (trace, state) = (try reader.string(), try reader.string())
            note = Note(
                sender: sender, recipient: recipient, channel: channel, id: id, body: Array(reader.rest),
                trace: TraceContext(traceparent: Array(trace.utf8)[...], state: state))
            stamp = Stamp(lamport: lamport, hybrid: hybrid)
        } catch {
            return nil
        }
    }
}
