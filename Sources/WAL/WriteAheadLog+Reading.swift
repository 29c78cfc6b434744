// Reading entries back, for slow followers and for replay.

public import Consensus
public import Primitives

extension WriteAheadLog {
    /// The entries from `from` up to but not including `to`, as many as there are and as fit in `maxBytes` of
    /// payload, but at least one if there is one. Sees what is not synced yet. Each record's checksums are
    /// verified.
    ///
    /// Throws ``WALError/compacted(first:)`` if the log begins after `from`.
    public func entries(from: LogIndex, to: LogIndex, maxBytes: Int = .max) throws(WALError) -> [Entry] {
        try checkUsable()
        guard from >= view.terms.firstIndex else { throw .compacted(first: view.terms.firstIndex) }
        let end = min(to, view.terms.lastIndex.next)
        guard from < end, var place = view.mark(before: from) else { return [] }
        var result: [Entry] = []
        var budget = maxBytes
        var scanner = scanner(at: view.marks[place])
        var next = from
        while next < end {
            let mark = view.marks[place]
            if mark.sequence != scanner.sequence { scanner = self.scanner(at: mark) }
            scanner.seek(to: mark.offset, chain: mark.chain)
            let limit = place + 1 < view.marks.count ? min(end, view.marks[place + 1].index) : end
            while next < limit {
                let entry = try nextEntry(&scanner)
                guard entry.index >= next else { continue }
                guard entry.index == next else {
                    throw damaged(scanner, "entry \(entry.index) stands where \(next) was written")
                }
                budget -= entry.payload.count
                if budget < 0 && !result.isEmpty { return result }
                result.append(entry)
                next = next.next
            }
            place += 1
        }
        return result
    }

    private func nextEntry(_ scanner: inout SegmentScanner) throws(WALError) -> Entry {
        while true {
            if !scanner.window.isPending, let batch = pendingBatch(scanner.sequence),
                scanner.offset >= batch.offset
            {
                scanner.window = FileWindow(pending: batch)
            }
            let found: FoundRecord?
            do {
                found = try scanner.next(on: folder.disk)
            } catch {
                throw .disk(error)
            }
            guard let found else { throw damaged(scanner, "a record that was written isn't there") }
            let header = found.header
            guard header.kind == .entry, let kind = Entry.Kind(rawValue: header.entryKind) else { continue }
            let payload = scanner.window.bytes[found.payload..<found.payload + Int(header.length)]
            return Entry(
                index: LogIndex(header.index), term: Term(header.term), kind: kind, payload: Array(payload))
        }
    }

    private func pendingBatch(_ sequence: UInt64) -> Batch? {
        if tail.sequence == sequence { return tail.bytes.isEmpty ? nil : tail }
        return unwritten.first { $0.sequence == sequence }
    }

    private func scanner(at mark: LogView.Mark) -> SegmentScanner {
        let window: FileWindow
        if let batch = pendingBatch(mark.sequence), mark.offset >= batch.offset {
            window = FileWindow(pending: batch)
        } else {
            // Segments are numbered without gaps.
            let segment = segments[Int(mark.sequence - segments[0].sequence)]
            window = FileWindow(
                segment.file, size: segment.size,
                chunk: min(limits.readBytes, 64 << 10))
        }
        return SegmentScanner(
            window, sequence: mark.sequence, identity: identity, offset: mark.offset, chain: mark.chain)
    }

    private func damaged(_ scanner: SegmentScanner, _ reason: String) -> WALError {
        .corrupt(
            file: folder.path(SegmentFolder<D>.segmentName(scanner.sequence)), offset: scanner.offset,
            reason: reason)
    }
}
