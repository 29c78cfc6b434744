/// How much may still be done for the evidence. It counts operations, not time, so that the evidence is the
/// same on every machine.
final class Allowance {
    private let limit: Int
    private var operations: Int
    private var failures = 10

    init(operations limit: Int) {
        self.limit = limit
        operations = limit
    }

    /// Whether nothing more may be done.
    var isOver: Bool { operations <= 0 || failures <= 0 }

    /// Whether a history of this many operations may be judged; counts it if so.
    func allows(_ count: Int) -> Bool {
        if isOver { return false }
        operations -= count + 1
        return true
    }

    /// Counts a history that could not be decided, which costs most.
    func noteFailure() { failures -= 1 }

    /// Begins anew with a part.
    func renew(_ divisor: Int) {
        operations = limit / divisor
        failures = 10 / divisor
    }
}

/// Makes a history that stays wrong as short as it can be; see `Explainer` for what it means to put an
/// operation aside. The more is put aside the less can be wrong.
///
/// It grows the evidence from the operation to blame, by what has to do with it first: small candidates are
/// judged fastest. If that comes to nothing it cuts the whole down (delta debugging, Zeller and Hildebrandt,
/// 2002). At the end it tries each operation that is left.
struct Reduction {
    private let operations: [HistoryOperation]
    private var isKept: [Bool]
    private var isWrong: ([HistoryOperation]) -> Bool? = { _ in nil }
    private let allowance: Allowance
    /// Whether anything was put aside.
    private(set) var isReduced = false
    /// Whether nothing more can be put aside.
    private(set) var isMinimal = false
    /// Whether the whole can be judged with the allowance.
    private var isEasy = false
    /// Whether a trial of the present round could not be decided.
    private var hasDoubt = false

    init(_ operations: [HistoryOperation], _ allowance: Allowance) {
        self.operations = operations
        self.allowance = allowance
        isKept = [Bool](repeating: true, count: operations.count)
    }

    /// The operations that were not put aside.
    var kept: [HistoryOperation] {
        operations.indices.filter { isKept[$0] && operations[$0].isAnswered }.map { operations[$0] }
    }

    /// The smaller history: what is kept, and what was put aside in the form in which it still counts.
    var candidate: [HistoryOperation] { candidate(isKept) }

    /// Puts aside what returned after the history was wrong, if that can be told by everything that was told.
    /// Answers where to begin then: the operation that seems to be to blame, by its id before.
    mutating func locate(
        _ culprit: Int?, isWrong: @escaping ([HistoryOperation]) -> Bool?
    ) -> Int? {
        self.isWrong = isWrong
        guard isWrong(candidate) == true else { return answered().first { operations[$0].id == culprit } }
        isEasy = true
        cutEnd()
        // Without the last to return nothing is wrong yet: it is part of all evidence up to here.
        return answered().max { a, b in
            (operations[a].returned ?? .max, a) < (operations[b].returned ?? .max, b)
        }
    }

    /// Puts aside whatever can be, beginning with the operation at a place. `isWrong` answers nil if it
    /// cannot tell, and does not try once the allowance is used up.
    mutating func run(
        from first: Int, isLast: Bool, isWrong: @escaping ([HistoryOperation]) -> Bool?
    ) {
        self.isWrong = isWrong
        if !grow(from: first) {
            // Without growth the whole must be cut down, which costs most.
            guard isEasy, isLast else { return }
            cutStart()
        }
        isReduced = true
        var size = kept.count <= 8 ? 1 : max(1, kept.count / 2)
        while !allowance.isOver {
            let isSmaller = removeChunks(of: size)
            if size == 1 && !isSmaller {
                isMinimal = !allowance.isOver && !hasDoubt
                break
            }
            size = max(1, min(size / 2, kept.count / 2))
        }
    }

    /// Puts aside what can be by everything that was told, where less was looked at before.
    mutating func finish(isWrong: @escaping ([HistoryOperation]) -> Bool?) {
        self.isWrong = isWrong
        guard isMinimal else { return }
        while removeChunks(of: 1) {}
        isMinimal = !allowance.isOver && !hasDoubt
    }

    /// Finds few operations that are wrong together: as many of the most relevant ones as are needed, of
    /// which the last is needed for certain, and so on with the others.
    private mutating func grow(from culprit: Int) -> Bool {
        var others = relevant(to: culprit)
        var core = [culprit]
        while !allowance.isOver {
            if isWrong(candidate(keeping: core)) == true {
                isKept = flags(core)
                return true
            }
            var high = 1
            while high < others.count, !isWrong(core, others.prefix(high)) {
                if allowance.isOver || core.count > 40 { return false }
                high *= 2
            }
            high = min(high, others.count)
            if high == others.count, !isWrong(core, others[...]) { return false }
            var low = high / 2
            while high - low > 1 {
                let middle = (low + high) / 2
                if isWrong(core, others.prefix(middle)) { high = middle } else { low = middle }
            }
            guard high > 0 else { return false }
            core.append(others[high - 1])
            others = Array(others[..<(high - 1)])
        }
        return false
    }

    private func isWrong(_ core: [Int], _ more: ArraySlice<Int>) -> Bool {
        isWrong(candidate(keeping: core + more)) == true
    }

    /// All other operations that are kept: those of the same value first, then by distance in time.
    private func relevant(to culprit: Int) -> [Int] {
        let values = Set(operations[culprit].values)
        func rank(_ index: Int) -> (Int, UInt64, Int) {
            let operation = operations[index]
            let distance = operation.invoked.subtractingReportingOverflow(operations[culprit].invoked)
            let isRelated = operation.values.contains(where: values.contains)
            return (isRelated ? 0 : 1, distance.partialValue.magnitude, index)
        }
        return answered().filter { $0 != culprit }.map(rank).sorted { $0 < $1 }.map(\.2)
    }

    private func flags(_ indices: [Int]) -> [Bool] {
        var flags = [Bool](repeating: false, count: operations.count)
        for index in indices { flags[index] = true }
        return flags
    }

    private func candidate(keeping indices: [Int]) -> [HistoryOperation] { candidate(flags(indices)) }

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
        hasDoubt = false
        var rest = answered()[...]
        while !rest.isEmpty, !allowance.isOver {
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
        var smaller = isKept
        for index in chunk { smaller[index] = false }
        guard let isWrong = isWrong(candidate(smaller)) else {
            hasDoubt = true
            return nil
        }
        return isWrong ? smaller : nil
    }

    private func candidate(_ isKept: [Bool]) -> [HistoryOperation] {
        var end = Int64.min
        for (index, operation) in operations.enumerated() where isKept[index] && operation.isAnswered {
            end = max(end, operation.returned ?? .max)
        }
        // What was invoked after the end of all that is kept explains nothing of it.
        return operations.enumerated().compactMap { index, operation in
            if isKept[index], operation.isAnswered { return operation }
            guard operation.isOpenWrite || operation.hasChanged, operation.invoked <= end else { return nil }
            var doubtful = operation
            doubtful.outcome = .unknown("")
            return doubtful
        }
    }
}

extension HistoryOperation {
    /// The values that it wrote or saw.
    fileprivate var values: [[UInt8]] {
        var values: [[UInt8]] = []
        switch action {
        case .put(_, let value, _): values.append(value)
        case .batch(let puts, _): values += puts.map(\.value)
        case .transaction(let transaction, _):
            for case .put(_, let value) in transaction.allSteps { values.append(value) }
        case .get, .list, .delete, .deleteRange, .increment: break
        }
        guard case .ok(let answer, _) = outcome else { return values }
        return values + answer.values
    }
}

extension HistoryOperation.Answer {
    /// The values that it tells.
    fileprivate var values: [[UInt8]] {
        switch self {
        case .found(let sighting): sighting.value.map { [$0] } ?? []
        case .items(let items): items.compactMap(\.sighting.value)
        case .incremented(let sum, _, _): [Array(String(sum).utf8)]
        case .transaction(let answer, _): answer.allResults.flatMap(\.values)
        case .absent, .written, .deleted, .batch, .refused: []
        }
    }
}
