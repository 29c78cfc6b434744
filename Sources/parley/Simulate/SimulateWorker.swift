// A process that runs seeds for another one. It says which seed it begins before it begins, so that its death
// tells which seed killed it.

import Glibc
import Primitives
import Simulator

struct SimulateWorker {
    var trial: SimulateTrial
    var countsMarks: Bool

    /// What a worker says, one line each.
    enum Line {
        case begins(seed: UInt64)
        case passed(seed: UInt64, TraceHash, Statistics)
        case failed(seed: UInt64, at: Instant, TraceHash, Statistics, invariant: String, details: String)
        case marks(MarkCounts)

        var text: String {
            switch self {
            case .begins(let seed): "@begins \(hex(seed))"
            case .passed(let seed, let hash, let statistics):
                "@passed \(hex(seed)) \(hash) \(statistics.text)"
            case .failed(let seed, let at, let hash, let statistics, let invariant, let details):
                "@failed \(hex(seed)) \(at.nanoseconds) \(hash) \(statistics.text) \t\(invariant)\t"
                    + details.split(separator: "\n").joined(separator: " ")
            case .marks(let counts): "@marks \(counts.text)"
            }
        }

        /// Reads a line; nil if it is something else.
        init?(_ text: String) {
            guard text.hasPrefix("@") else { return nil }
            let tabs = text.split(separator: "\t", maxSplits: 2, omittingEmptySubsequences: false)
            if text.hasPrefix("@marks ") {
                guard let counts = MarkCounts(text: String(text.dropFirst(7))) else { return nil }
                self = .marks(counts)
                return
            }
            let words = tabs[0].split(separator: " ", maxSplits: tabs.count == 3 ? 4 : 3).map(String.init)
            guard words.count >= 2, let seed = Seed(argument: words[1])?.number else { return nil }
            switch words[0] {
            case "@begins": self = .begins(seed: seed)
            case "@passed":
                guard words.count == 4, let hash = TraceHash(words[2]),
                    let statistics = Statistics(text: words[3])
                else { return nil }
                self = .passed(seed: seed, hash, statistics)
            case "@failed":
                guard words.count == 5, tabs.count == 3, let at = Int64(words[2]),
                    let hash = TraceHash(words[3]),
                    let statistics = Statistics(text: String(words[4].dropLast(while: { $0 == " " })))
                else { return nil }
                self = .failed(
                    seed: seed, at: Instant(nanoseconds: at), hash, statistics,
                    invariant: String(tabs[1]), details: String(tabs[2]))
            default: return nil
            }
        }
    }

    func run(from first: UInt64, count: Int) {
        var marks = MarkCounts()
        for number in 0..<UInt64(max(0, count)) {
            let seed = first &+ number
            say(.begins(seed: seed))
            let chronicler = Chronicler(seed: seed, checks: true, counts: countsMarks)
            let outcome = Simulation(plan: trial.plan(seed), observers: [chronicler]).run()
            if countsMarks {
                marks.merge(chronicler.marks)
                if number % 64 == 63 {
                    say(.marks(marks))
                    marks = MarkCounts()
                }
            }
            if let violation = outcome.violation {
                say(
                    .failed(
                        seed: seed, at: outcome.at, outcome.hash, outcome.statistics,
                        invariant: violation.invariant, details: violation.details))
            } else {
                say(.passed(seed: seed, outcome.hash, outcome.statistics))
            }
        }
        if countsMarks { say(.marks(marks)) }
    }

    /// Writes a line, all of it: the pipe may be full, and does not wait by itself.
    private func say(_ line: Line) {
        let bytes = Array((line.text + "\n").utf8)
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let written = write(STDOUT_FILENO, buffer.baseAddress.map { $0 + done }, buffer.count - done)
                if written > 0 {
                    done += written
                } else if errno == EAGAIN {
                    var wish = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
                    poll(&wish, 1, 1000)
                } else if errno != EINTR {
                    exit(ExitStatus.failure.rawValue)
                }
            }
        }
    }
}

extension BidirectionalCollection {
    /// Without the elements at the end for which this holds.
    fileprivate func dropLast(while isDropped: (Element) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, isDropped(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
