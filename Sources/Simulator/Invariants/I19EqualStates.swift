import Consensus
import Primitives
import Store

/// Every replica's store is at every index what the committed entries, applied once and apart from all nodes,
/// make of it. At each index the numbers of the store are compared (revision, counts, bytes, time), at some
/// the digest of every record. Bugs A1, A2, A4, A8, A9, A14, S4, S9.
final class EqualStates: Invariant {
    static let name = "I19"
    static let promise = "At the same index all replicas hold the same state, bit for bit."
    let facts: FactKinds = [.applied, .started, .ended]
    /// Records that were read for digests, and how many may be, so that large stores are read less often.
    private var spent = 0
    private var allowed = 100_000

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .applied(let place):
            let node = chronicle.nodes[place]
            allowed += 4
            try compareNumbers(node, chronicle)
            guard node.now.applied.rawValue % 16 == 0, spent < allowed else { return }
            try compareDigests(node, chronicle)
        case .started(let place):
            try compareNumbers(chronicle.nodes[place], chronicle)
        case .ended:
            for node in chronicle.nodes where node.isAlive { try compareDigests(node, chronicle) }
        default: break
        }
    }

    private func compareNumbers(_ node: NodeGhost, _ chronicle: Chronicle) throws(Violation) {
        let expected = chronicle.store.state(at: node.now.applied)
        if expected == node.now.state { return }
        throw violation(
            "\(node.name) has applied \(node.now.applied) and holds \(node.now.state); the committed entries "
                + "make \(expected.map { "\($0)" } ?? "nothing yet")")
    }

    private func compareDigests(_ node: NodeGhost, _ chronicle: Chronicle) throws(Violation) {
        guard let keyspace = chronicle.source?.keyspace(of: node.index) else { return }
        spent += node.now.state.count + 2 * node.now.state.historyCount
        guard let expected = chronicle.digest(at: node.now.applied) else { return }
        let digest = keyspace.digest
        try demand(
            digest == expected,
            "\(node.name) has applied \(node.now.applied), and its records are not what the committed "
                + "entries make: digest \(hexadecimal(digest, digits: 16)), should be "
                + "\(hexadecimal(expected, digits: 16))")
    }
}
