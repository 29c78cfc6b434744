import Primitives

// The binary forms of what is said and remembered about things that are held.
//
//   name:    kind, string
//   command: kind (1 acquire, 2 release, 3 renew, 4 proclaim, 5 configure, 6 clear), name, fields

extension ClaimName {
    func encode(into writer: inout ByteWriter) {
        writer.byte(kind.rawValue)
        writer.string(name)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        guard let kind = ClaimKind(rawValue: try reader.byte()) else { throw .malformed }
        self.init(kind, try reader.string())
        guard Limits.isName(name) else { throw .malformed }
    }
}

extension ClaimMode {
    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        guard let mode = ClaimMode(rawValue: try reader.byte()) else { throw .malformed }
        self = mode
    }
}

extension ByteReader {
    fileprivate mutating func text(upTo limit: Int) throws(ByteReaderError) -> String {
        let text = try string()
        guard text.utf8.count <= limit else { throw .malformed }
        return text
    }

    fileprivate mutating func optionalText() throws(ByteReaderError) -> String? {
        try bool() ? try string() : nil
    }

    fileprivate mutating func request() throws(ByteReaderError) -> RequestID {
        RequestID(high: try fixed(), low: try fixed())
    }

    fileprivate mutating func time() throws(ByteReaderError) -> WallTime {
        WallTime(milliseconds: try signed())
    }
}

extension ByteWriter {
    fileprivate mutating func optional(text: String?) {
        bool(text != nil)
        if let text { string(text) }
    }

    fileprivate mutating func request(_ request: RequestID) {
        fixed(request.high)
        fixed(request.low)
    }
}

// MARK: - Commands

extension ClaimRequest {
    func encode(into writer: inout ByteWriter) {
        claim.encode(into: &writer)
        writer.string(owner)
        writer.byte(mode.rawValue)
        writer.varint(permits)
        writer.varint(priority)
        writer.string(value)
        writer.optional(text: lease)
        writer.signed(timeToLive)
        writer.signed(wait)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        self.init(try ClaimName(reading: &reader))
        owner = try reader.text(upTo: Limits.nameBytes)
        mode = try ClaimMode(reading: &reader)
        permits = try reader.varint()
        priority = try reader.varint()
        value = try reader.text(upTo: Limits.claimValueBytes)
        lease = try reader.optionalText()
        timeToLive = try reader.signed()
        wait = try reader.signed()
        let kind = claim.kind
        guard timeToLive > 0, wait >= 0, (1...Limits.claimPermits).contains(permits),
            kind == .semaphore || permits == 1, kind == .election || priority == 0 && value.isEmpty,
            kind == .lock || mode == .write
        else { throw .malformed }
    }
}

extension ClaimCommand {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .acquire(let request):
            writer.byte(1)
            request.encode(into: &writer)
        case .release(let claim, let token):
            writer.byte(2)
            claim.encode(into: &writer)
            writer.varint(token)
        case .renew(let claim, let token):
            writer.byte(3)
            claim.encode(into: &writer)
            writer.varint(token)
        case .proclaim(let claim, let token, let value):
            writer.byte(4)
            claim.encode(into: &writer)
            writer.varint(token)
            writer.string(value)
        case .configure(let name, let permits):
            writer.byte(5)
            writer.string(name)
            writer.varint(permits)
        case .clear(let claim):
            writer.byte(6)
            claim.encode(into: &writer)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .acquire(try ClaimRequest(reading: &reader))
        case 2: self = .release(try ClaimName(reading: &reader), token: try reader.varint())
        case 3: self = .renew(try ClaimName(reading: &reader), token: try reader.varint())
        case 4:
            let claim = try ClaimName(reading: &reader)
            guard claim.kind == .election else { throw .malformed }
            self = .proclaim(
                claim, token: try reader.varint(), value: try reader.text(upTo: Limits.claimValueBytes))
        case 5:
            let name = try reader.string()
            let permits = try reader.varint()
            guard Limits.isName(name), (1...Limits.claimPermits).contains(permits) else { throw .malformed }
            self = .configure(name, permits: permits)
        case 6: self = .clear(try ClaimName(reading: &reader))
        default: throw .malformed
        }
    }
}

// MARK: - Rows

extension ClaimRow {
    func encode(into writer: inout ByteWriter) {
        writer.varint(permits)
        writer.varint(held)
        writer.varint(holders)
        writer.varint(waiters)
        writer.bool(isHeldAlone)
        writer.varint(delay)
        writer.byte(delayedMode.rawValue)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        permits = try reader.varint()
        held = try reader.varint()
        holders = try reader.varint()
        waiters = try reader.varint()
        isHeldAlone = try reader.bool()
        delay = try reader.varint()
        delayedMode = try ClaimMode(reading: &reader)
    }
}

extension ClaimHold {
    func encode(into writer: inout ByteWriter) {
        writer.request(request)
        writer.string(owner)
        writer.byte(mode.rawValue)
        writer.varint(permits)
        writer.string(value)
        writer.string(lease)
        writer.signed(since.milliseconds)
        writer.counter(revision)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        request = try reader.request()
        owner = try reader.string()
        mode = try ClaimMode(reading: &reader)
        permits = try reader.varint()
        value = try reader.string()
        lease = try reader.string()
        since = try reader.time()
        revision = try reader.counter()
    }
}

extension ClaimWaiter {
    func encode(into writer: inout ByteWriter) {
        writer.request(request)
        writer.string(owner)
        writer.byte(mode.rawValue)
        writer.varint(permits)
        writer.string(value)
        writer.optional(text: lease)
        writer.signed(timeToLive)
        writer.varint(timer)
        writer.signed(since.milliseconds)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        request = try reader.request()
        owner = try reader.string()
        mode = try ClaimMode(reading: &reader)
        permits = try reader.varint()
        value = try reader.string()
        lease = try reader.optionalText()
        timeToLive = try reader.signed()
        timer = try reader.varint()
        since = try reader.time()
    }
}

// MARK: - Outcomes

extension ClaimGrant {
    func encode(into writer: inout ByteWriter) {
        claim.encode(into: &writer)
        writer.varint(token)
        writer.string(owner)
        writer.byte(mode.rawValue)
        writer.varint(permits)
        writer.string(value)
        lease.encode(into: &writer)
        writer.signed(since.milliseconds)
        writer.counter(revision)
        writer.varint(available)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        claim = try ClaimName(reading: &reader)
        token = try reader.varint()
        owner = try reader.string()
        mode = try ClaimMode(reading: &reader)
        permits = try reader.varint()
        value = try reader.string()
        lease = try Lease(reading: &reader)
        since = try reader.time()
        revision = try reader.counter()
        available = try reader.varint()
    }
}

extension ClaimBlock {
    func encode(into writer: inout ByteWriter) {
        claim.encode(into: &writer)
        writer.optional(holder) { $0.encode(into: &$1) }
        writer.varint(UInt64(position))
        writer.varint(available)
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        claim = try ClaimName(reading: &reader)
        holder = try reader.bool() ? try ClaimGrant(reading: &reader) : nil
        position = try reader.count()
        available = try reader.varint()
    }
}

extension ClaimOutcome {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .granted(let grant):
            writer.byte(1)
            grant.encode(into: &writer)
        case .waiting(let position):
            writer.byte(2)
            writer.varint(UInt64(position))
        case .gaveUp(let refusal):
            writer.byte(3)
            refusal.encode(into: &writer)
        case .released(let wasHeld):
            writer.byte(4)
            writer.bool(wasHeld)
        case .renewed(let grant):
            writer.byte(5)
            grant.encode(into: &writer)
        case .proclaimed(let grant):
            writer.byte(6)
            grant.encode(into: &writer)
        case .configured(let permits, let held, let isNew):
            writer.byte(7)
            writer.varint(permits)
            writer.varint(held)
            writer.bool(isNew)
        case .cleared(let holders, let waiters):
            writer.byte(8)
            writer.varint(UInt64(holders))
            writer.varint(UInt64(waiters))
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .granted(try ClaimGrant(reading: &reader))
        case 2: self = .waiting(position: try reader.count())
        case 3: self = .gaveUp(try ClaimRefusal(reading: &reader))
        case 4: self = .released(try reader.bool())
        case 5: self = .renewed(try ClaimGrant(reading: &reader))
        case 6: self = .proclaimed(try ClaimGrant(reading: &reader))
        case 7:
            self = .configured(
                permits: try reader.varint(), held: try reader.varint(), isNew: try reader.bool())
        case 8: self = .cleared(holders: try reader.count(), waiters: try reader.count())
        default: throw .malformed
        }
    }
}

extension ClaimRefusal {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .held(let block):
            writer.byte(1)
            block.encode(into: &writer)
        case .notHolder(let claim, let token):
            writer.byte(2)
            claim.encode(into: &writer)
            writer.varint(token)
        case .notFound(let claim):
            writer.byte(3)
            claim.encode(into: &writer)
        case .tooManyWaiters(let claim):
            writer.byte(4)
            claim.encode(into: &writer)
        case .tooManyPermits(let claim, let wanted, let permits):
            writer.byte(5)
            claim.encode(into: &writer)
            writer.varint(wanted)
            writer.varint(permits)
        case .leaseEnded(let claim, let lease):
            writer.byte(6)
            claim.encode(into: &writer)
            writer.string(lease)
        }
    }

    init(reading reader: inout ByteReader) throws(ByteReaderError) {
        switch try reader.byte() {
        case 1: self = .held(try ClaimBlock(reading: &reader))
        case 2: self = .notHolder(try ClaimName(reading: &reader), token: try reader.varint())
        case 3: self = .notFound(try ClaimName(reading: &reader))
        case 4: self = .tooManyWaiters(try ClaimName(reading: &reader))
        case 5:
            self = .tooManyPermits(
                try ClaimName(reading: &reader), wanted: try reader.varint(), permits: try reader.varint())
        case 6: self = .leaseEnded(try ClaimName(reading: &reader), lease: try reader.string())
        default: throw .malformed
        }
    }
}
