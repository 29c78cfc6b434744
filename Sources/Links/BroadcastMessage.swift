// A broadcast message by byte. The layout is in this target's documentation.

internal import Primitives

extension CausalDelivery.Message {
    /// No number reaches this: so nothing that is reckoned with them overflows.
    private static let bound: UInt64 = 1 << 62

    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 32 + bytes.count)
        writer.byte(id.kind.rawValue)
        writer.counter(id.origin)
        writer.varint(id.process)
        writer.varint(id.number)
        if id.kind == .causal {
            writer.varint(UInt64(vector.count))
            for entry in vector {
                writer.counter(entry.node)
                writer.varint(entry.process)
                writer.varint(entry.count)
            }
        }
        writer.raw(bytes)
        return writer.take()
    }

    init(from payload: ArraySlice<UInt8>) throws(ByteReaderError) {
        var reader = ByteReader(payload)
        guard let kind = BroadcastKind(rawValue: try reader.byte()) else { throw .malformed }
        let origin: NodeID = try reader.counter()
        let (process, number) = (try reader.varint(), try reader.varint())
        guard process > 0, (1..<Self.bound).contains(number) else { throw .malformed }
        var vector: [CausalEntry] = []
        for _ in 0..<(kind == .causal ? try reader.count() : 0) {
            let entry = CausalEntry(
                node: try reader.counter(), process: try reader.varint(), count: try reader.varint())
            guard entry.count < Self.bound, vector.last.map({ $0.node < entry.node }) ?? true else {
                throw .malformed
            }
            vector.append(entry)
        }
        self.init(
            id: BroadcastID(kind: kind, origin: origin, process: process, number: number), vector: vector,
            bytes: Array(reader.rest))
    }
}
