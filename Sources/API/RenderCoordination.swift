// What can't be done with leases and whatever else is agreed upon besides keys, as problems.

import Store

extension NativeAPI {
    /// Why a command of coordination changed nothing, as a problem.
    static func problem(_ refusal: CoordinationRefusal) -> Problem {
        switch refusal {
        case .leaseNotFound(let id):
            Problem(.leaseNotFound, "there is no lease '\(id)'").with("lease", .text(id))
        case .leaseExists(let id):
            Problem(.alreadyExists, "there is a lease '\(id)' already").with("lease", .text(id))
        case .queue(let refusal): problem(refusal)
        case .barrier(let refusal): problem(refusal)
        case .task(let refusal): problem(refusal)
        case .participant(let refusal): problem(refusal)
        case .historyBounds(let minimum, let maximum):
            Problem(.invalid, "min_revisions would be \(minimum), more than max_revisions, \(maximum)").with(
                "errors", .errors([.init(field: "min_revisions", message: "is more than max_revisions")]))
        case .claim: Problem(.internal, "the outcome does not belong to the request")
        case .full:
            Problem(.quotaExceeded, "leases, locks, queues and the like have no room for more")
        }
    }
}
