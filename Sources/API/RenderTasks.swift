// Answers about tasks and workers.

import HTTP
import JSON
import Primitives
import Store

extension NativeAPI {
    /// Why nothing was changed about tasks, as a problem.
    static func problem(_ refusal: TaskRefusal) -> Problem {
        switch refusal {
        case .notFound(let id):
            Problem(.taskNotFound, "there is no task \(id), or it was forgotten")
                .with("task", .text(id.description))
        case .notHolder(let id, let token):
            Problem(.notHolder, "\(id) is not claimed, or not with token \(token)")
                .with("task", .text(id.description))
        case .finished(let id, let state):
            Problem(.taskFinished, "\(id) is \(state.rawValue) already")
                .with("task", .text(id.description)).with("state", .text(state.rawValue))
        case .unknownDependency(let id): invalid("after", "names \(id), which is no task that is known")
        case .tooLate: invalid("run_at", "is more than a year ahead")
        case .tooMany(let count):
            Problem(.quotaExceeded, "\(count) tasks are unfinished, as many as may be")
        case .tooManyLanes(let count):
            Problem(
                .quotaExceeded,
                "unfinished tasks have \(count) different kinds and sets of labels, as many as may be")
        case .workerNotFound(let name):
            Problem(.workerNotFound, "there is no worker '\(name)'").with("worker", .text(name))
        case .tooManyWorkers(let count):
            Problem(.quotaExceeded, "there are \(count) workers, as many as may be")
        }
    }
}
