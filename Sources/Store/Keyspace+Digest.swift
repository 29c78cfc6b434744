import Primitives

/// A 64-bit checksum of a sequence of words: good against accidents, not against an enemy.
struct WordHash: Sendable, Equatable {
    private(set) var value: UInt64 = 0x243f_6a88_85a3_08d3

    init() {}

    /// Goes on from where another one was.
    init(restoring value: UInt64) { self.value = value }

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
        value ^= value >> 29
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(bytes.count))
        var place = 0
        while place < bytes.count {
            unsafe add(Place.prefix(of: bytes, skipping: place))
            place += 8
        }
    }

    mutating func add(_ record: Record) {
        add(record.createRevision.rawValue)
        add(record.modRevision.rawValue)
        add(record.version)
        unsafe add(record.key)
        unsafe add(record.value)
        if record.leaseCount > 0 { unsafe add(record.lease) }
    }
}

extension Keyspace {
    /// A checksum of everything that decides what this state answers and becomes: equal on all replicas at
    /// equal ``appliedIndex``, and after a checkpoint was restored. It reads every record.
    public var digest: UInt64 {
        var hash = WordHash()
        let numbers = [
            appliedIndex.rawValue, appliedTerm.rawValue, revision.rawValue, compactRevision.rawValue,
            UInt64(bitPattern: lastTime.milliseconds), UInt64(current.count), UInt64(historyCount),
            UInt64(events.count), UInt64(logicalBytes), UInt64(historyBytes),
        ]
        for number in numbers { hash.add(number) }
        let start = unsafe Place(UnsafeRawBufferPointer(start: nil, count: 0))
        let firstWithHistory = firstRevisionWithHistory
        var changed: [Record] = []
        unsafe current.scan(from: start, to: nil, lines: usualLines) { record in
            hash.add(record)
            if record.modRevision >= firstWithHistory { changed.append(record) }
            return true
        }
        var walk = HistoryWalk(changed)
        walk.next(self) { record in
            hash.add(record)
            return true
        }
        for place in 0..<events.count {
            let event = events[place]
            hash.add(event.revision.rawValue)
            hash.add(UInt64(bitPattern: event.time.milliseconds))
            unsafe event.record._withUnsafeGuaranteedRef { unsafe hash.add($0.key) }
        }
        hash.add(requests.checksum.value)
        hash.add(UInt64(requests.count))
        hash.add(UInt64(bitPattern: requests.forgottenUpTo.milliseconds))
        hash.add(coordination.lastNumber)
        unsafe coordination.rows.scan(from: start, to: nil) { record in
            hash.add(record)
            return true
        }
        return hash.value
    }
}
