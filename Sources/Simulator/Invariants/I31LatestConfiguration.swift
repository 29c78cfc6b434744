import Consensus
import Primitives

/// Thesis 4.1: a server "always uses the latest configuration in its log, regardless of whether the entry is
/// committed", and "must be prepared to fall back to the previous configuration in its log". Bugs M5, M11,
/// S11.
final class LatestConfiguration: Invariant {
    static let name = "I31"
    static let promise =
        "A node acts by the latest configuration of its log or snapshot, also after a truncation."
    let facts: FactKinds = [.logged]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        guard case .logged(let place, let change) = fact else { return }
        let node = chronicle.nodes[place]
        if let latest = node.configurations.last {
            try demand(
                node.now.configurationIndex == latest.index,
                "\(node.name) acts by the configuration at \(node.now.configurationIndex), its log has one "
                    + "at \(latest.index)")
            let used = chronicle.source?.configuration(of: place)
            try demand(
                used == nil || used == latest.configuration,
                "\(node.name) acts by \(used?.description ?? "nothing"), its log says \(latest.configuration)"
            )
        } else if let truncated = change.truncated {
            try demand(
                node.now.configurationIndex < truncated.from,
                "\(node.name) acts by the configuration at \(node.now.configurationIndex), but its log was "
                    + "cut from \(truncated.from) on")
        }
    }
}
