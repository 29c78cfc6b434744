/// Delta debugging (Zeller and Hildebrandt, 2002) on a history that stays wrong; see `Explainer` for what it
/// means to put an operation aside.
struct Reduction {
    private let operations: [HistoryOperation]
    private var isKept: [Bool]
    private let isWrong: ([HistoryOperation]) -> Bool
    private var trials: Int

    init(
        _ operations: [HistoryOperation], limit: Int, isWrong: @escaping ([HistoryOperation]) -> Bool
    ) {
        self.operations = operations
        self.isWrong = isWrong
        trials = limit
        isKept = [Bool](repeating: true, count: operations.count)
    }

    /// The operations that were not put aside.
    var kept: [HistoryOperation] {
        operations.indices.filter { isKept[$0] && operations[$0].isAnswered }.map { operations[$0] }
    }

    /// The smaller history: what is kept, and what was put aside in the form in which it still counts.
    var candidate: [HistoryOperation] { candidate(isKept) }

    /// Puts aside whatever can be.
    mutating func run() {
        guard isWrong(candidate) else { return }
        cutEnd()
        cutStart()
        var size = max(1, kept.count / 2)
        while true {
            let isSmaller = removeChunks(of: size)
            if size == 1 && !isSmaller { return }
            size = max(1, min(size / 2, kept.count / 2))
            if trials <= 0 { return }
        }
    }

    /// Looks for the earliest return up to which the history is wrong: later ones do not matter.
    private mutating func cutEnd() {
        let order = answered().sorted { (operations[$0].returned ?? 0) < (operations[$1].returned ?? 0) }
        cut(order.reversed())
    }

    /// Looks for the latest invocation from which on the history is wrong: what was before does not matter.
    private mutating func cutStart() {
        cut(answered().sorted { operations[$0].invoked < operations[$1].invoked })
    }

    /// Puts aside the longest beginning of a list with which the history stays wrong. The more is put aside
    /// the less can be wrong, so that the length can be halved for.
    private mutating func cut(_ order: [Int]) {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high + 1) / 2
            if attempt(without: order[..<middle]) != nil { low = middle } else { high = middle - 1 }
        }
        for index in order[..<low] { isKept[index] = false }
    }

    private mutating func removeChunks(of size: Int) -> Bool {
        var isSmaller = false
        var rest = answered()[...]
        while !rest.isEmpty, trials > 0 {
            let chunk = rest.prefix(size)
            rest = rest.dropFirst(size)
            guard let smaller = attempt(without: chunk) else { continue }
            isKept = smaller
            isSmaller = true
        }
        return isSmaller
    }

    private func answered() -> [Int] {
        operations.indices.filter { isKept[$0] && operations[$0].isAnswered }
    }

    /// What is kept without a chunk if the history stays wrong.
    private mutating func attempt(without chunk: ArraySlice<Int>) -> [Bool]? {
        guard trials > 0 else { return nil }
        trials -= 1
        var smaller = isKept
        for index in chunk { smaller[index] = false }
        return isWrong(candidate(smaller)) ? smaller : nil
    }

    private func candidate(_ isKept: [Bool]) -> [HistoryOperation] {
        var result: [HistoryOperation] = []
        for (index, operation) in operations.enumerated() {
            if isKept[index] || !operation.isAnswered {
                result.append(operation)
            } else if operation.hasChanged {
                var doubtful = operation
                doubtful.outcome = .unknown("")
                result.append(doubtful)
            }
        }
        return result
    }
}
