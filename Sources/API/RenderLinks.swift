// What went over the ladder of links.

import JSON
public import Links

extension NativeAPI {
    /// Writes what a link did over datagrams, rung by rung.
    func write(_ ladder: NodeStatus.Link.Ladder, to json: inout JSONWriter) {
        let counters = ladder.counters
        json.name("datagrams")
        json.beginObject()
        json.field("connected", ladder.isConnected)
        json.field("rtt_ms", ladder.roundTrip)
        json.field("sent", counters.payloadsSent)
        json.field("received", counters.payloadsReceived)
        json.field("refused", counters.malformed + counters.stale + counters.misaddressed)
        json.field("overflows", counters.overflows)
        json.field("restarts", counters.restarts)
        json.name("rungs")
        json.beginObject()
        for rung in LinkRung.allCases {
            json.name(rung.name)
            json.beginObject()
            for (name, count) in counters[rung].named { json.field(name, count) }
            json.endObject()
        }
        json.endObject()
        json.endObject()
    }
}

extension RungCounters {
    /// The counters with their names in answers and metrics.
    public var named: [(name: String, count: UInt64)] {
        [
            ("sent", sent), ("retransmitted", retransmitted), ("acknowledged", acknowledged),
            ("delivered", delivered), ("duplicates_dropped", duplicates), ("reordered", reordered),
            ("expired", expired), ("lost", lost), ("refused", refused),
        ]
    }
}
