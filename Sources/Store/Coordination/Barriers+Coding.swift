import Primitives

// The binary forms of barriers: their commands, their rows and their timers.

extension BarrierTerms {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        parties = try reader.count()
        timeToLive = try reader.milliseconds(from: 0)
        isOnce = try reader.bool()
        guard 1...Limits.parties ~= parties else { throw .malformed }
    }

    func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(parties))
        writer.signed(timeToLive)
        writer.bool(isOnce)
    }
}

extension Arrival {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        member = try reader.name()
        wait = try reader.milliseconds(from: 0)
        lease = try reader.optionalString()
        generation = try reader.bool() ? try reader.varint() : nil
        let parties = try reader.count()
        self.parties = parties == 0 ? nil : parties
        guard parties <= Limits.parties else { throw .malformed }
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(member)
        writer.signed(wait)
        writer.optional(lease)
        writer.bool(generation != nil)
        if let generation { writer.varint(generation) }
        writer.varint(UInt64(parties ?? 0))
    }
}

extension BarrierCommand {
    /// The barrier that it is about.
    public var name: String {
        switch self {
        case .configure(let name, _), .arrive(let name, _), .leave(let name, _, _), .reset(let name),
            .delete(let name):
            name
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .configure(let name, let terms):
            writer.byte(1)
            writer.string(name)
            terms.encode(into: &writer)
        case .arrive(let name, let arrival):
            writer.byte(2)
            writer.string(name)
            arrival.encode(into: &writer)
        case .leave(let name, let member, let wait):
            writer.byte(3)
            writer.string(name)
            writer.string(member)
            writer.signed(wait)
        case .reset(let name):
            writer.byte(4)
            writer.string(name)
        case .delete(let name):
            writer.byte(5)
            writer.string(name)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        let code = try reader.byte()
        let name = try reader.name()
        switch code {
        case 1: self = .configure(name, try BarrierTerms(reading: &reader))
        case 2: self = .arrive(name, try Arrival(reading: &reader))
        case 3:
            let member = try reader.name()
            self = .leave(name, member: member, wait: try reader.milliseconds(from: 0))
        case 4: self = .reset(name)
        case 5: self = .delete(name)
        default: throw .malformed
        }
    }
}

extension BarrierBreak.Cause {
    init(_ code: UInt8, reading reader: inout ByteReader) throws(ByteReaderError) {
        switch code {
        case 1: self = .leaseEnded(member: try reader.string())
        case 2: self = .reset
        case 3: self = .deleted
        case 4: self = .overtaken
        default: throw .malformed
        }
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .leaseEnded(let member):
            writer.byte(1)
            writer.string(member)
        case .reset: writer.byte(2)
        case .deleted: writer.byte(3)
        case .overtaken: writer.byte(4)
        }
    }
}

extension Barrier: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        name = try reader.string()
        terms = try BarrierTerms(reading: &reader)
        generation = try reader.varint()
        arrived = try reader.count()
        released = try reader.varint()
        releasedParties = try reader.count()
        left = try reader.count()
        let code = try reader.byte()
        broken = code == 0 ? nil : try BarrierBreak.Cause(code, reading: &reader)
        createdAt = WallTime(milliseconds: try reader.signed())
        timer = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(name)
        terms.encode(into: &writer)
        writer.varint(generation)
        writer.varint(UInt64(arrived))
        writer.varint(released)
        writer.varint(UInt64(releasedParties))
        writer.varint(UInt64(left))
        if let broken { broken.encode(into: &writer) } else { writer.byte(0) }
        writer.signed(createdAt.milliseconds)
        writer.varint(timer)
    }
}

extension BarrierMember: RowValue {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        name = try reader.string()
        since = WallTime(milliseconds: try reader.signed())
        index = try reader.count()
        lease = try reader.optionalString()
        hasLeft = try reader.bool()
        order = try reader.varint()
        isTold = try reader.bool()
        request =
            try reader.bool() ? RequestID(high: try reader.fixed(), low: try reader.fixed()) : nil
        timer = try reader.varint()
    }

    func encode(into writer: inout ByteWriter) {
        writer.string(name)
        writer.signed(since.milliseconds)
        writer.varint(UInt64(index))
        writer.optional(lease)
        writer.bool(hasLeft)
        writer.varint(order)
        writer.bool(isTold)
        writer.bool(request != nil)
        if let request {
            writer.fixed(request.high)
            writer.fixed(request.low)
        }
        writer.varint(timer)
    }
}

extension BarrierTimer {
    /// Reads what follows the timer's code.
    init(_ code: UInt8, reading reader: inout ByteReader) throws(ByteReaderError) {
        let name = try reader.string()
        switch code {
        case 30:
            self = .wait(barrier: name, generation: try reader.varint(), member: try reader.string())
        case 31: self = .end(barrier: name)
        default: throw .malformed
        }
    }

    /// Writes the timer's code, 30 to 39, and what follows it.
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .wait(let name, let generation, let member):
            writer.byte(30)
            writer.string(name)
            writer.varint(generation)
            writer.string(member)
        case .end(let name):
            writer.byte(31)
            writer.string(name)
        }
    }
}

extension ByteReader {
    fileprivate mutating func optionalString() throws(ByteReaderError) -> String? {
        try bool() ? try string() : nil
    }
}

extension ByteWriter {
    fileprivate mutating func optional(_ text: String?) {
        bool(text != nil)
        if let text { string(text) }
    }
}
