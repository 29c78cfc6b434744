import Primitives

// The versions of a key, found by going back from its newest one: each change knows the one before it.

extension EventLog {
    /// A version of a key, and the place of the change that made it; nil if that is gone. It must not
    /// outlive the keyspace.
    @unsafe struct Version {
        let record: Unmanaged<Record>
        let place: Int?

        var revision: UInt64 { unsafe record._withUnsafeGuaranteedRef { $0.modRevision.rawValue } }
    }

    /// The version of a key that was in force at a revision, which may be the mark of a deletion; `head` is
    /// the newest one.
    func version(of head: Record, notAfter revision: Revision) -> Record? {
        guard head.modRevision > revision else { return head }
        guard var place = place(of: head) else { return nil }
        while true {
            if let (far, _) = jump(from: place), self[far].revision > revision {
                place = far
            } else if let near = previous(of: place), self[near].revision > revision {
                place = near
            } else {
                return unsafe self[place].superseded?.takeUnretainedValue()
            }
        }
    }

    /// At most `limit` versions of a key with revisions from `low` up to but not including `high`, and
    /// whether there are more; `head` is the newest one.
    func versions(
        of head: Record, from low: UInt64 = 0, to high: UInt64 = .max, limit: Int = .max,
        descending: Bool = false
    ) -> (records: [Record], more: Bool) {
        guard low < high else { return ([], false) }
        guard let newest = version(of: head, notAfter: Revision(high - 1)) else { return ([], false) }
        var version = unsafe Version(record: .passUnretained(newest), place: place(of: newest))
        guard unsafe version.revision >= low, unsafe !newest.isTombstone || version.place != nil else {
            return ([], false)
        }
        let all = unsafe distance(from: version, to: low) + 1
        let count = min(limit, all)
        guard count > 0 else { return ([], true) }
        if !descending { unsafe version = unsafe back(from: version, by: all - count) }
        var records: [Record] = []
        records.reserveCapacity(count)
        while true {
            unsafe records.append(version.record.takeUnretainedValue())
            guard records.count < count, let older = unsafe previous(of: version) else { break }
            unsafe version = unsafe older
        }
        if !descending { records.reverse() }
        return (records, all > count)
    }

    // MARK: Steps

    /// The place of the change of the same key before the one at `place`; nil if it is gone.
    func previous(of place: Int) -> Int? {
        let distance = Int(self[place].previous)
        return distance > 0 && distance <= place ? place - distance : nil
    }

    /// The place that the change at `place` jumps to, and over how many changes of the key; nil if it is
    /// gone.
    func jump(from place: Int) -> (place: Int, steps: Int)? {
        let distance = Int(self[place].jump)
        guard distance > 0, distance <= place else { return nil }
        return (place - distance, 1 << Int(self[place].jumpOrder) - 1)
    }

    /// The version before one. The mark of a deletion whose change is gone is not part of history any more.
    private func previous(of version: Version) -> Version? {
        guard let place = unsafe version.place, let older = unsafe self[place].superseded else { return nil }
        let olderPlace = previous(of: place)
        if olderPlace == nil, unsafe older._withUnsafeGuaranteedRef({ $0.isTombstone }) { return nil }
        return unsafe Version(record: older, place: olderPlace)
    }

    /// How many versions before `version` have revisions that are not below `low`.
    private func distance(from version: Version, to low: UInt64) -> Int {
        var steps = 0
        var place = unsafe version.place
        while let from = place {
            if let (far, passed) = jump(from: from), self[far].revision.rawValue >= low {
                steps += passed
                place = far
            } else {
                let here = unsafe Version(record: self[from].record, place: from)
                guard let older = unsafe previous(of: here), unsafe older.revision >= low else { break }
                steps += 1
                place = unsafe older.place
            }
        }
        return steps
    }

    /// The version `steps` before one; there must be that many.
    private func back(from version: Version, by steps: Int) -> Version {
        var version = unsafe version
        var left = steps
        while left > 0 {
            if let place = unsafe version.place, let (far, passed) = jump(from: place), passed <= left {
                unsafe version = unsafe Version(record: self[far].record, place: far)
                left -= passed
            } else if let older = unsafe previous(of: version) {
                unsafe version = unsafe older
                left -= 1
            } else {
                break
            }
        }
        return unsafe version
    }
}
