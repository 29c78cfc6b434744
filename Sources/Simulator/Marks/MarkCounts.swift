// How often which rare state was reached: over one run, over many, and over the processes that ran them.

import Primitives

/// Counts of rare states. A plain array, so that counting costs an addition and merging a few hundred.
public struct MarkCounts: Sendable, Equatable {
    /// How often each was seen, by ``Mark/rawValue``.
    public private(set) var hits: [Int]
    /// In how many runs each was seen.
    public private(set) var runs: [Int]
    /// How many runs there were.
    public private(set) var total: Int

    /// Nothing was seen, in no run.
    public init() {
        hits = [Int](repeating: 0, count: Mark.allCases.count)
        runs = hits
        total = 0
    }

    /// Of one run, in which each was seen so often.
    init(oneRun hits: [Int]) {
        self.hits = hits
        runs = hits.map { $0 > 0 ? 1 : 0 }
        total = 1
    }

    /// How often a state was seen.
    public subscript(_ mark: Mark) -> Int { hits[mark.rawValue] }

    /// Adds what was seen in other runs.
    public mutating func merge(_ other: MarkCounts) {
        for place in hits.indices {
            hits[place] += other.hits[place]
            runs[place] += other.runs[place]
        }
        total += other.total
    }

    /// Those that were seen less than so often, of the ones that a profile can reach.
    public func missing(fewerThan count: Int, in profile: Profile) -> [Mark] {
        Mark.allCases.filter { $0.canBeReached(in: profile) && hits[$0.rawValue] < count }
    }

    /// Those that were seen too rarely for so many runs: within 2,000 each must be seen, within 10,000 ten
    /// times. In fewer runs, and in profiles other than std, nothing is demanded.
    public func shortfall(in profile: Profile) -> [Mark] {
        guard profile == .std, total >= 2_000 else { return [] }
        return missing(fewerThan: total >= 10_000 ? 10 : 1, in: profile)
    }
}

// MARK: - As text

extension MarkCounts {
    /// One line, for another process: a number that stands for the list of marks, the runs, and for each mark
    /// that was seen its place, its runs and its hits.
    public var text: String {
        var parts = [Self.version, String(total)]
        for place in hits.indices where hits[place] > 0 {
            parts.append("\(place):\(runs[place]):\(hits[place])")
        }
        return parts.joined(separator: " ")
    }

    /// Reads a line; nil if it is none, or of a build with other marks.
    public init?(text: String) {
        let parts = text.split(separator: " ")
        guard parts.count >= 2, parts[0] == Self.version, let total = Int(parts[1]), total >= 0 else {
            return nil
        }
        self.init()
        self.total = total
        for part in parts.dropFirst(2) {
            let numbers = part.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 3, let place = numbers[0], let runs = numbers[1], let hits = numbers[2],
                self.hits.indices.contains(place)
            else { return nil }
            self.runs[place] = runs
            self.hits[place] = hits
        }
    }

    private static var version: String {
        let names = Mark.allCases.map { "\($0)" }.joined(separator: ",")
        return hexadecimal(fnv1a(names.utf8), digits: 16)
    }

    /// A table: the most frequent first, and at the end what was never seen.
    public func report(for profile: Profile) -> [String] {
        let seen = Mark.allCases.filter { hits[$0.rawValue] > 0 }
            .sorted { (hits[$0.rawValue], $1.rawValue) > (hits[$1.rawValue], $0.rawValue) }
        var lines = ["rare states in \(total) runs: times seen, runs in which, name, what it is"]
        for mark in seen {
            lines.append(
                "\(padded(hits[mark.rawValue], 10)) \(padded(runs[mark.rawValue], 8))  \(mark): \(mark.words)"
            )
        }
        let missing = missing(fewerThan: 1, in: profile)
        lines.append("seen \(seen.count) of \(Mark.allCases.count), never \(missing.count)")
        for mark in missing { lines.append("     never  \(mark): \(mark.words)") }
        return lines
    }

    private func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: " ", count: max(0, width - text.utf8.count)) + text
    }
}

/// Where one run's counts are kept.
final class MarkBook {
    private var hits = [Int](repeating: 0, count: Mark.allCases.count)

    var counts: MarkCounts { MarkCounts(oneRun: hits) }

    func hit(_ mark: Mark) { hits[mark.rawValue] += 1 }

    func hit(_ mark: Mark, if holds: Bool) {
        if holds { hits[mark.rawValue] += 1 }
    }

    subscript(_ mark: Mark) -> Int { hits[mark.rawValue] }
}
