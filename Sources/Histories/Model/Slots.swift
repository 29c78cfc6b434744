/// Which revisions are told to be somebody's, and which are free for writes of unknown outcome.
struct Slots: Sendable {
    /// Runs of revisions that are taken, apart from each other and ascending.
    private let starts: [UInt64]
    private let ends: [UInt64]

    /// `revisions` in ascending order.
    init(taken revisions: [UInt64]) {
        var starts: [UInt64] = []
        var ends: [UInt64] = []
        for revision in revisions {
            if let end = ends.last, revision <= end + 1 {
                ends[ends.count - 1] = revision
            } else {
                starts.append(revision)
                ends.append(revision)
            }
        }
        self.starts = starts
        self.ends = ends
    }

    /// Whether a revision is taken.
    func isTaken(_ revision: UInt64) -> Bool {
        guard let run = run(at: revision) else { return false }
        return revision <= ends[run]
    }

    /// The first free revision above another.
    func free(above revision: UInt64) -> UInt64 {
        guard revision < .max else { return .max }
        guard let run = run(at: revision + 1), revision + 1 <= ends[run] else { return revision + 1 }
        return ends[run] == .max ? .max : ends[run] + 1
    }

    /// The free revisions above `lower` up to `upper`, in order, no more than `limit`.
    func free(above lower: UInt64, through upper: UInt64, limit: Int) -> [UInt64] {
        var result: [UInt64] = []
        var revision = free(above: lower)
        while revision <= upper, result.count < limit {
            result.append(revision)
            revision = free(above: revision)
        }
        return result
    }

    /// The last run that begins at or below a revision.
    private func run(at revision: UInt64) -> Int? {
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= revision { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }
}
