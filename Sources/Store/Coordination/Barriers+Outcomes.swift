import Primitives

// The binary form of what became of barriers and parties, for those who ask again.

extension BarrierOutcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .configured(let barrier, let isNew):
            writer.byte(1)
            barrier.encode(into: &writer)
            writer.bool(isNew)
        case .released(let generation, let index, let parties):
            writer.counts(2, generation, index ?? 0, parties)
        case .waiting(let generation, let arrived, let parties):
            writer.counts(3, generation, arrived, parties)
        case .arrived(let generation, let arrived, let parties):
            writer.counts(4, generation, arrived, parties)
        case .leaving(let generation, let left, let parties): writer.counts(5, generation, left, parties)
        case .left(let generation, let left, let parties): writer.counts(6, generation, left, parties)
        case .withdrawn(let generation, let arrived, let parties):
            writer.counts(7, generation, arrived, parties)
        case .broken(let broken):
            writer.byte(8)
            broken.encode(into: &writer)
        case .reset(let barrier):
            writer.byte(9)
            barrier.encode(into: &writer)
        case .deleted: writer.byte(10)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let code = try reader.byte()
        switch code {
        case 1: self = .configured(try Barrier(reading: &reader), isNew: try reader.bool())
        case 2...7:
            let generation = try reader.varint()
            let (count, parties) = (try reader.count(), try reader.count())
            switch code {
            case 2:
                self = .released(generation: generation, index: count == 0 ? nil : count, parties: parties)
            case 3: self = .waiting(generation: generation, arrived: count, parties: parties)
            case 4: self = .arrived(generation: generation, arrived: count, parties: parties)
            case 5: self = .leaving(generation: generation, left: count, parties: parties)
            case 6: self = .left(generation: generation, left: count, parties: parties)
            default: self = .withdrawn(generation: generation, arrived: count, parties: parties)
            }
        case 8: self = .broken(try BarrierBreak(reading: &reader))
        case 9: self = .reset(try Barrier(reading: &reader))
        case 10: self = .deleted
        default: throw .malformed
        }
    }
}

extension ByteWriter {
    fileprivate mutating func counts(_ code: UInt8, _ generation: UInt64, _ count: Int, _ parties: Int) {
        byte(code)
        varint(generation)
        varint(UInt64(count))
        varint(UInt64(parties))
    }
}

extension BarrierBreak {
    func encode(into writer: inout ByteWriter) {
        writer.string(barrier)
        writer.varint(generation)
        cause.encode(into: &writer)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        barrier = try reader.string()
        generation = try reader.varint()
        cause = try Cause(try reader.byte(), reading: &reader)
    }
}

extension BarrierRefusal {
    /// How the command ended, in a word.
    var verdict: Verdict {
        switch self {
        case .notFound: .notFound
        case .broken, .otherParties, .otherGeneration, .notArrived: .conflict
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .notFound(let name):
            writer.byte(1)
            writer.string(name)
        case .broken(let broken):
            writer.byte(2)
            broken.encode(into: &writer)
        case .otherParties(let name, let parties):
            writer.byte(3)
            writer.string(name)
            writer.varint(UInt64(parties))
        case .otherGeneration(let name, let current):
            writer.byte(4)
            writer.string(name)
            writer.varint(current)
        case .notArrived(let name, let member):
            writer.byte(5)
            writer.string(name)
            writer.string(member)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .notFound(try reader.string())
        case 2: self = .broken(try BarrierBreak(reading: &reader))
        case 3: self = .otherParties(try reader.string(), parties: try reader.count())
        case 4: self = .otherGeneration(try reader.string(), current: try reader.varint())
        case 5: self = .notArrived(try reader.string(), member: try reader.string())
        default: throw .malformed
        }
    }
}
