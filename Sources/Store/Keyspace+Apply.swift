public import Primitives

// Applying commands. It uses nothing but the command and the state, so that replicas agree; a command is
// checked as a whole before anything is changed.

extension Keyspace {
    /// Applies the next log entry's command. See ``skip(index:term:)`` for what is demanded of `index`.
    public mutating func apply(_ command: Command, index: LogIndex, term: Term) -> Outcome {
        apply(encoded: command.encode(), index: index, term: term)
    }

    /// Applies the next log entry's command from its binary form, without copying more of it than is kept.
    ///
    /// Bytes that are no command change nothing and are refused. See ``skip(index:term:)`` for what is
    /// demanded of `index`.
    public mutating func apply(encoded payload: [UInt8], index: LogIndex, term: Term) -> Outcome {
        advance(to: index, term)
        return unsafe payload.withUnsafeBytes { bytes in
            do throws(CommandError) {
                return unsafe carryOut(try CommandView(bytes))
            } catch {
                return .refused(.malformedCommand)
            }
        }
    }

    private mutating func carryOut(_ command: consuming CommandView) -> Outcome {
        lastTime = unsafe max(lastTime, command.time)
        let before = events.count
        let id = unsafe command.requestID
        let once = unsafe command.once
        let fences = unsafe command.fences
        let outcome: Outcome
        if once != nil || coordination.outcomes.count > 0 {
            let principal = unsafe once == nil ? "" : String(decoding: command.principal, as: UTF8.self)
            if isPlanted(.fencesBeforeOutcomes), let refusal = refusal(of: fences) {
                outcome = .refused(refusal)
            } else if let known = knownOutcome(of: id, once, principal: principal) {
                outcome = known
            } else {
                outcome = unsafe carryOut(command.operation, behind: fences, id: id)
                if let once, !outcome.isProvisional {
                    rememberOutcome(outcome, of: id, once, principal: principal)
                }
                if coordination.outcomes.waiting > 0 { coordination.settleOutcomes() }
            }
        } else {
            outcome = unsafe carryOut(command.operation, behind: fences, id: id)
        }
        if id != .none {
            requests.append(
                RequestRecord(
                    id: id, index: appliedIndex, term: appliedTerm, revision: revision,
                    verdict: outcome.verdict))
        }
        freeHistory(added: events.count - before)
        return outcome
    }

    private mutating func carryOut(
        _ operation: consuming OperationView, behind fences: [Fence], id: RequestID
    ) -> Outcome {
        if let refusal = refusal(of: fences) { return .refused(refusal) }
        return unsafe carryOut(operation, id: id)
    }

    private mutating func carryOut(_ operation: consuming OperationView, id: RequestID) -> Outcome {
        switch unsafe consume operation {
        case .put(let put, let condition, let returnPrevious):
            return unsafe self.put(put, condition, returnPrevious: returnPrevious)
        case .delete(let key, let condition, let returnPrevious, let mustExist):
            return unsafe delete(key, condition, returnPrevious: returnPrevious, mustExist: mustExist)
        case .deleteRange(let start, let end):
            return unsafe deleteRange(start, end)
        case .increment(let key, let by):
            return unsafe increment(key, by: by)
        case .batch(let puts, let createOnly):
            return unsafe batch(puts, createOnly: createOnly)
        case .compact(let target):
            return compact(target)
        case .transaction(let transaction):
            return carryOut(transaction)
        case .leasedPut(let put, let condition, let returnPrevious, let lease):
            return unsafe self.put(put, condition, returnPrevious: returnPrevious, lease: lease)
        case .coordinate(let command):
            return carryOut(command, id: id, term: appliedTerm)
        }
    }

    // MARK: Operations

    mutating func put(_ put: PutView, _ condition: Guard?, returnPrevious: Bool) -> Outcome {
        if let condition, let refusal = unsafe refusal(of: condition, for: put.key) {
            return .refused(refusal)
        }
        revision = revision.next
        let written = unsafe write(key: put.key, value: put.value)
        let previous = unsafe returnPrevious ? written.old.map { unsafe Row($0).item } : nil
        return .put(
            PutOutcome(
                revision: revision, createRevision: written.createRevision,
                version: written.version, previous: previous))
    }

    private mutating func put(
        _ put: PutView, _ condition: Guard?, returnPrevious: Bool, lease: LeaseChoice
    ) -> Outcome {
        if let condition, let refusal = unsafe refusal(of: condition, for: put.key) {
            return .refused(refusal)
        }
        switch refusal(of: lease) {
        case nil: break
        case .leaseNotFound(let id): return .refused(.coordination(.leaseNotFound(id)))
        default: return .refused(.coordination(.full))
        }
        let id = unsafe leaseID(lease, for: put.key)
        return unsafe self.put(put, under: id, returnPrevious: returnPrevious)
    }

    /// Writes a value under the lease with this id, which exists, or under none.
    mutating func put(_ put: PutView, under id: String?, returnPrevious: Bool) -> Outcome {
        revision = revision.next
        var text = id ?? ""
        let written = text.withUTF8 { lease in
            unsafe write(key: put.key, value: put.value, lease: UnsafeRawBufferPointer(lease))
        }
        let previous = unsafe returnPrevious ? written.old.map { unsafe Row($0).item } : nil
        return .put(
            PutOutcome(
                revision: revision, createRevision: written.createRevision, version: written.version,
                previous: previous, lease: id))
    }

    mutating func delete(
        _ key: UnsafeRawBufferPointer, _ condition: Guard?, returnPrevious: Bool, mustExist: Bool
    ) -> Outcome {
        if let condition, let refusal = unsafe refusal(of: condition, for: key) { return .refused(refusal) }
        guard unsafe current.find(Place(key)) != nil else {
            return mustExist
                ? .refused(.keyNotFound) : .deleted(count: 0, revision: revision, previous: nil)
        }
        revision = revision.next
        let old = unsafe erase(key)
        return unsafe .deleted(count: 1, revision: revision, previous: returnPrevious ? Row(old).item : nil)
    }

    mutating func deleteRange(
        _ start: UnsafeRawBufferPointer, _ end: UnsafeRawBufferPointer?
    ) -> Outcome {
        var doomed: [Record] = []
        if unsafe end.map({ unsafe Place.compare(start, $0) < 0 }) ?? true {
            unsafe current.scan(from: Place(start), to: end.map { unsafe Place($0) }) { record in
                doomed.append(record)
                return true
            }
        }
        if !doomed.isEmpty { revision = revision.next }
        for record in doomed { _ = unsafe erase(record.key) }
        return .deleted(count: doomed.count, revision: revision, previous: nil)
    }

    mutating func increment(_ key: UnsafeRawBufferPointer, by: Int64) -> Outcome {
        let sum: Int64
        switch unsafe self.sum(of: key, by) {
        case .success(let number): sum = number
        case .failure(let refusal): return .refused(refusal)
        }
        revision = revision.next
        var text = String(sum)
        let written = text.withUTF8 { unsafe write(key: key, value: UnsafeRawBufferPointer($0)) }
        return .incremented(value: sum, revision: revision, version: written.version)
    }

    /// What an increment of the key would make of it.
    func sum(of key: UnsafeRawBufferPointer, _ by: Int64) -> Result<Int64, Refusal> {
        var number: Int64 = 0
        if let record = unsafe current.find(Place(key))?.takeUnretainedValue() {
            guard let value = unsafe parseInteger(record.value) else { return .failure(.notAnInteger) }
            number = value
        }
        let (sum, overflow) = number.addingReportingOverflow(by)
        return overflow ? .failure(.overflow) : .success(sum)
    }

    /// Decimal digits, with a minus sign if negative, and nothing else; nil unless it fits an `Int64`.
    private func parseInteger(_ text: UnsafeRawBufferPointer) -> Int64? {
        let isNegative = unsafe text.first == UInt8(ascii: "-")
        let digits = unsafe text.dropFirst(isNegative ? 1 : 0)
        guard unsafe !digits.isEmpty else { return nil }
        var number: Int64 = 0
        for place in unsafe digits.indices {
            let character = unsafe digits[place]
            guard case 48...57 = character else { return nil }
            let digit = Int64(character - 48)
            let (tenfold, overflow) = number.multipliedReportingOverflow(by: 10)
            let (next, overflowAgain) = tenfold.addingReportingOverflow(isNegative ? -digit : digit)
            if overflow || overflowAgain { return nil }
            number = next
        }
        return number
    }

    /// Writes are carried out in the order of their keys, so that the events of a revision are sorted.
    private mutating func batch(_ puts: [PutView], createOnly: Bool) -> Outcome {
        var order = unsafe puts.indices.sorted { a, b in
            let order = unsafe Place.compare(puts[a].key, puts[b].key)
            return order == 0 ? a < b : order < 0
        }
        if isPlanted(.appliesInHashOrder) { order = Array(Set(order)) }
        let next = revision.next
        var results = unsafe [BatchResult](repeating: .put(next), count: puts.count)
        var isChanged = false
        for (place, index) in order.enumerated() {
            let put = unsafe puts[index]
            let isRepeatedLater =
                unsafe place + 1 < order.count && Place.compare(puts[order[place + 1]].key, put.key) == 0
            if createOnly, unsafe current.find(Place(put.key)) != nil {
                results[index] = .exists
                if isPlanted(.stopsBatchHalfway) { break }
            } else if createOnly || !isRepeatedLater {
                revision = next
                isChanged = true
                _ = unsafe write(key: put.key, value: put.value)
            }
        }
        assert(isChanged == (revision == next))
        return .batch(results, revision: revision)
    }

    private mutating func compact(_ target: Revision) -> Outcome {
        guard target > compactRevision else {
            return .refused(.compacted(compact: compactRevision, current: revision))
        }
        guard target <= revision else { return .refused(.futureRevision(current: revision)) }
        compactRevision = target
        return .compacted(target)
    }

    // MARK: Changes of one key

    private func refusal(of condition: Guard, for key: UnsafeRawBufferPointer) -> Refusal? {
        let record = unsafe current.find(Place(key))?.takeUnretainedValue()
        let holds =
            switch condition {
            case .revision(let revision): record?.modRevision == revision
            case .absent: record == nil
            case .exists: record != nil
            }
        return holds ? nil : .preconditionFailed(current: record?.modRevision)
    }

    /// What became of a key, and the version before, which is in history now.
    @safe struct Written {
        let createRevision: Revision
        let version: UInt64
        let old: Unmanaged<Record>?
    }

    /// Writes a value at ``revision``, which the caller has raised, under the lease with this id, or none.
    mutating func write(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer,
        lease: UnsafeRawBufferPointer? = nil
    ) -> Written {
        let spot = unsafe current.spot(at: Place(key))
        let old = unsafe current.element(at: spot)
        var (createRevision, version) = (revision, UInt64(1))
        var oldLease: String?
        logicalBytes += value.count
        if let old = unsafe old {
            unsafe old._withUnsafeGuaranteedRef { old in
                createRevision = old.createRevision
                version = old.version + 1
                logicalBytes -= old.valueCount
                if old.leaseCount > 0 { oldLease = unsafe String(decoding: old.lease, as: UTF8.self) }
                keep(old)
            }
        } else {
            logicalBytes += key.count
        }
        let record = unsafe Record.make(
            key: key, value: value, createRevision: createRevision, modRevision: revision,
            version: version, lease: lease)
        unsafe current.put(record, at: spot)
        if unsafe oldLease != nil || lease != nil { unsafe moveKey(key, from: oldLease, to: lease) }
        // A key that was deleted has the mark of that before it.
        let mark = unsafe old == nil && deleted.count > 0 ? deleted.remove(at: Place(key)) : nil
        unsafe events.append(
            revision: revision, time: lastTime, record: record,
            superseded: old ?? mark.map { unsafe .passRetained($0) }, isDelete: false)
        return unsafe Written(createRevision: createRevision, version: version, old: old)
    }

    private mutating func moveKey(
        _ key: UnsafeRawBufferPointer, from old: String?, to new: UnsafeRawBufferPointer?
    ) {
        let new = unsafe new.map { unsafe String(decoding: $0, as: UTF8.self) } ?? ""
        // Byte by byte: ids that Unicode holds for equal are different leases.
        if let old, !old.utf8.elementsEqual(new.utf8) { unsafe detach(key, fromLease: old) }
        if !new.isEmpty { unsafe coordination.set(RowKey(.leasedKey, new, key)) }
    }

    /// Deletes a key that exists at ``revision``, which the caller has raised; `cause` is the lease whose end
    /// is the cause.
    mutating func erase(_ key: UnsafeRawBufferPointer, cause: String? = nil) -> Unmanaged<Record> {
        var cause = cause ?? ""
        let tombstone = cause.withUTF8 {
            unsafe Record.tombstone(key: key, modRevision: revision, cause: UnsafeRawBufferPointer($0))
        }
        let old = unsafe current.removeExisting(at: Place(key))
        unsafe deleted.put(tombstone, at: deleted.spot(at: Place(key)))
        unsafe events.append(
            revision: revision, time: lastTime, record: tombstone, superseded: old, isDelete: true)
        unsafe old._withUnsafeGuaranteedRef { old in
            logicalBytes -= old.keyCount + old.valueCount
            if old.leaseCount > 0 {
                unsafe detach(key, fromLease: String(decoding: old.lease, as: UTF8.self))
            }
            keep(old)
        }
        unsafe tombstone._withUnsafeGuaranteedRef { keep($0) }
        return unsafe old
    }

    private mutating func keep(_ record: Record) {
        historyBytes += record.cost
        historyCount += 1
    }
}
