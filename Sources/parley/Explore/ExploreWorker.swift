// A process that searches one scope for another one. It says where the core is about to run before it does,
// so that its death tells which step stopped it.

import Glibc
import Platform
import Primitives
import Simulator

struct ExploreWorker {
    /// What a worker says, one line each.
    enum Line: Equatable {
        case core(state: Int, step: UInt32)
        case progress(SmallScope.Progress)
        case violation(depth: Int, invariant: String, text: String)
        case step(String)
        case end(SmallScope.Ending)

        var text: String {
            switch self {
            case .core(let state, let step): return "@core \(state) \(step)"
            case .progress(let progress):
                let numbers = [
                    progress.states, progress.expanded, progress.transitions, progress.depth,
                    progress.nodeStates, progress.messages, progress.runs, progress.bytes,
                ]
                return "@progress " + numbers.map { "\($0)" }.joined(separator: " ")
            case .violation(let depth, let invariant, let text):
                return "@violation \(depth)\t\(invariant)\t"
                    + text.split(separator: "\n").joined(separator: " ")
            case .step(let text): return "@step " + text
            case .end(let ending): return "@end \(ending.rawValue)"
            }
        }

        /// Reads a line; nil if it is something else.
        init?(_ text: String) {
            guard text.first == "@", let space = text.firstIndex(of: " ") else { return nil }
            let rest = text[text.index(after: space)...]
            let numbers = rest.split(separator: " ").map { Int($0) ?? -1 }
            switch text[..<space] {
            case "@core":
                guard numbers.count == 2, let step = UInt32(exactly: numbers[1]) else { return nil }
                self = .core(state: numbers[0], step: step)
            case "@progress":
                guard numbers.count == 8 else { return nil }
                self = .progress(
                    SmallScope.Progress(
                        states: numbers[0], expanded: numbers[1], transitions: numbers[2], depth: numbers[3],
                        nodeStates: numbers[4], messages: numbers[5], runs: numbers[6], bytes: numbers[7]))
            case "@violation":
                let parts = rest.split(separator: "\t", maxSplits: 2).map(String.init)
                guard parts.count == 3, let depth = Int(parts[0]) else { return nil }
                self = .violation(depth: depth, invariant: parts[1], text: parts[2])
            case "@step": self = .step(String(rest))
            case "@end":
                guard let ending = SmallScope.Ending(rawValue: String(rest)) else { return nil }
                self = .end(ending)
            default: return nil
            }
        }
    }

    func run(_ bounds: SmallScope.Bounds, states: Int, bytes: Int) {
        var search = SmallScope.Search()
        search.states = states
        search.bytes = bytes
        search.beforeRun = { say(.core(state: $0, step: $1)) }
        var toldAt = Clock.now()
        search.goesOn = { progress in
            if Clock.now() - toldAt > .milliseconds(200) {
                toldAt = Clock.now()
                say(.progress(progress))
            }
            return true
        }
        let result = SmallScope.explore(bounds, search)
        say(.progress(result.progress))
        if let violation = result.violation {
            say(
                .violation(
                    depth: violation.depth, invariant: violation.invariant, text: violation.text))
            for line in violation.trace { say(.step(line)) }
        }
        say(.end(result.ending))
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
