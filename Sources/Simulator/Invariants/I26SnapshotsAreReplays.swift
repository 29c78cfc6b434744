import Consensus
import NodeCore
import Primitives
import Store

/// Thesis, chapter 5: a snapshot stands for the log up to its last included entry. So the state in it is the
/// one that these entries make, with the members as of that entry: when it is written, when it has come from
/// the leader, and when a node has started from it and from the log behind it. Bugs S1 to S6, S9, S11, S14,
/// S15, A1, R10.
final class SnapshotsAreReplays: Invariant {
    static let name = "I26"
    static let promise =
        "A checkpoint, a snapshot of the leader and the state after a restart are what the committed entries "
        + "up to their index make."
    let facts: FactKinds = [.asks, .checkpoints, .started]

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        switch fact {
        case .asks(let place, .checkpoint(.write(let keyspace, let reference))):
            try check(keyspace, reference, "the checkpoint of \(chronicle.nodes[place].name)", chronicle)
        case .checkpoints(let place, let turn):
            for case .snapshotLoaded(let keyspace, let reference) in turn.reports {
                try check(
                    keyspace, reference, "the snapshot that \(chronicle.nodes[place].name) got", chronicle)
            }
        case .started(let place):
            let node = chronicle.nodes[place]
            guard let keyspace = chronicle.source?.keyspace(of: place) else { return }
            try check(keyspace, "the state that \(node.name) starts with", chronicle)
        default: break
        }
    }

    private func check(
        _ keyspace: Keyspace, _ reference: SnapshotReference, _ what: String, _ chronicle: Chronicle
    ) throws(Violation) {
        let position = reference.position
        try demand(
            position.index == keyspace.appliedIndex && position.term == keyspace.appliedTerm
                && chronicle.ledger.term(at: position.index) == position.term,
            "\(what) says \(position) and holds \(keyspace.appliedIndex)@\(keyspace.appliedTerm); committed "
                + "is \(chronicle.ledger.term(at: position.index)?.description ?? "nothing") there")
        if let members = chronicle.members(at: position.index) {
            try demand(
                members == reference.configuration,
                "\(what) at \(position) has \(reference.configuration), the log \(members)")
        }
        try check(keyspace, what, chronicle)
    }

    private func check(_ keyspace: Keyspace, _ what: String, _ chronicle: Chronicle) throws(Violation) {
        let index = keyspace.appliedIndex
        let (state, expected) = (Fingerprint(keyspace), chronicle.store.state(at: index))
        try demand(
            state == expected,
            "\(what) at \(index) holds \(state), the entries make \(expected.map { "\($0)" } ?? "nothing")")
        guard let digest = chronicle.digest(at: index) else { return }
        try demand(
            keyspace.digest == digest, "\(what) at \(index) holds other records than the entries make")
    }
}
