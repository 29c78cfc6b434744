import Primitives

extension Raft {
    /// Checks in debug builds what must hold between any two steps.
    func assertInvariants() {
        assert((leadership != nil) == (role == .leader), "\(self)")
        assert((candidacy != nil) == (role == .candidate || role == .preCandidate), "\(self)")
        assert(candidacy.map { $0.isPreVote == (role == .preCandidate) } ?? true, "\(self)")
        assert(role != .leader || (leader == id && vote == id && durability.term == term), "\(self)")
        assert(role != .candidate || (vote == id && leader == nil), "\(self)")
        assert(role == .follower || role == .leader || leader == nil, "\(self)")
        assert(forwardedReads.count == 0 || (role == .follower && leader != nil && leader != id), "\(self)")
        assert(leaderContact == nil || (role == .follower && leader != nil), "\(self)")
        assert(
            snapshot.position.index <= commit && commit <= log.lastIndex,
            "\(self), snapshot \(snapshot.position)")
        assert(log.contains(snapshot.position), "\(self), snapshot \(snapshot.position)")
        assert(announcedCommit <= commit && durability.index <= log.lastIndex, "\(self)")
        assert(term >= log.last.term && durability.term <= term, "\(self)")
        assert(!configurations.isEmpty && configurations[0].index <= commit, "\(self)")
        assert(configurationIndex <= log.lastIndex, "\(self)")
        assert(durability.entries.last.map { $0.index == log.lastIndex } ?? true, "\(self)")
        guard let leadership else { return }
        assert(leadership.termStart <= log.lastIndex && log.term(at: log.lastIndex) == term, "\(self)")
        var last = NodeID.zero
        for peer in leadership.peers {
            assert(peer.id > last && peer.id != id, "\(self)")
            last = peer.id
            assert(peer.match < peer.next && peer.match <= log.lastIndex, "\(self): \(peer)")
            assert(peer.next <= log.lastIndex.next, "\(self): \(peer)")
            assert(
                peer.state != .replicate || peer.window.isEmpty == (peer.awaitingSince == nil),
                "\(self): \(peer)")
            assert(peer.state == .replicate || peer.window.isEmpty, "\(self): \(peer)")
            assert(peer.window.count <= options.maxAppendsInFlight, "\(self): \(peer)")
        }
    }
}
