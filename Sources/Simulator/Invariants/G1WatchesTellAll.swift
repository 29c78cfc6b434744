import Consensus
import NodeCore
import Primitives
import Store
import Watches

/// Each simulated node serves watches, and a few consumers go from node to node with nothing but the last
/// revision that they know: what they are told is what the committed entries changed, all of it, once, in
/// order, revision by revision, nothing from before they began; or they are told that it was compacted. Bugs
/// W1 to W7.
///
/// Consumers are no part of the simulation: a run is the same with them and without. They sit beside the
/// nodes, read now much, now nothing, and lose what they have not read when their node dies.
final class WatchesTellAll: Invariant {
    static let name = "G1"
    static let promise = "A watch tells every change once and in order, taken up again on any node."
    let facts: FactKinds = [.applied, .started, .died, .ended]

    private struct Consumer {
        let request: WatchRequest
        /// Where it is served; nil while nobody does.
        var node: Int?
        var token: UInt64 = 0
        /// Everything up to here was told, or was before the start.
        var told = Revision.zero
        /// What it has not read.
        var unread: [[UInt8]] = []
        var unreadBytes = 0
        /// The watches must be told when all of it is read.
        var reportsDrain = false
        /// How many changes of the revision after `told` came so far.
        var inside = 0
    }

    private var tables: [WatchTable] = []
    private var consumers: [Consumer]
    private var lastToken: UInt64 = 0
    private var random: SeededGenerator
    private var effects: [WatchEffect] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed ^ 0x5157_a7c4_e502_11d3)
        func consumer(_ range: KeyRange) -> Consumer {
            let filter = WatchFilter(parts: [WatchPart(range: range)], format: .lines)
            return Consumer(request: WatchRequest(filter: filter, start: .now))
        }
        consumers = [
            consumer(.all), consumer(.all), consumer(KeyRange(start: [], end: Array("k3".utf8))),
            consumer(KeyRange(start: Array("k3".utf8), end: nil)),
        ]
    }

    private static let limits: WatchTable.Limits = {
        var limits = WatchTable.Limits()
        limits.unsent = 2000
        limits.leastUnsent = 500
        limits.line = 300
        limits.slice = 1000
        limits.sliceChanges = 20
        limits.ownBytes = 3000
        limits.ownChanges = 60
        limits.commonChanges = 30
        limits.commonPieces = 60
        limits.kept = 4000
        return limits
    }()

    func take(_ fact: Fact, _ chronicle: Chronicle) throws(Violation) {
        while tables.count < chronicle.nodes.count {
            tables.append(WatchTable(limits: Self.limits, at: chronicle.time))
        }
        switch fact {
        case .started(let node):
            for place in consumers.indices where consumers[place].node == nil {
                attach(place, to: node, chronicle)
            }
        case .died(let node, _):
            tables[node] = WatchTable(limits: Self.limits, at: chronicle.time)
            for place in consumers.indices where consumers[place].node == node {
                leave(place)
                if let other = chronicle.nodes.first(where: { $0.isAlive && $0.index != node }) {
                    attach(place, to: other.index, chronicle)
                }
            }
        case .applied(let node):
            if tables[node].isEmpty { return }
            try serve(node, chronicle)
            if random.next(below: 64) == 0 { move(chronicle) }
        case .ended:
            for node in chronicle.nodes where node.isAlive { try finish(node.index, chronicle) }
        default: break
        }
    }

    // MARK: Consumers come and go

    /// One consumer goes to another node of its own accord.
    private func move(_ chronicle: Chronicle) {
        let place = Int(random.next(below: UInt64(consumers.count)))
        let node = Int(random.next(below: UInt64(chronicle.nodes.count)))
        guard chronicle.nodes[node].isAlive, let old = consumers[place].node else { return }
        tables[old].remove(consumers[place].token)
        leave(place)
        attach(place, to: node, chronicle)
    }

    /// What was not read is lost; a revision that was not complete counts for nothing.
    private func leave(_ place: Int) {
        consumers[place].node = nil
        consumers[place].unread = []
        consumers[place].unreadBytes = 0
        consumers[place].reportsDrain = false
        consumers[place].inside = 0
    }

    private func attach(_ place: Int, to node: Int, _ chronicle: Chronicle) {
        guard let keyspace = chronicle.source?.keyspace(of: node) else { return }
        var request = consumers[place].request
        if consumers[place].told == .zero || consumers[place].told < keyspace.compactRevision {
            consumers[place].told = keyspace.revision
        } else {
            request.start = .from(consumers[place].told.next)
        }
        lastToken += 1
        consumers[place].token = lastToken
        consumers[place].node = node
        tables[node].add(
            lastToken, request, in: keyspace, at: chronicle.time, wall: Self.wall, into: &effects)
    }

    private static let wall = WallTime(milliseconds: 0)

    // MARK: A node serves, consumers read

    private func serve(_ node: Int, _ chronicle: Chronicle, toTheEnd: Bool = false) throws(Violation) {
        guard let keyspace = chronicle.source?.keyspace(of: node) else { return }
        let now = chronicle.time
        tellUnsent(node)
        tables[node].step(keyspace, at: now, wall: Self.wall, into: &effects)
        for effect in effects {
            switch effect {
            case .send(let token, let piece):
                guard let place = consumers.firstIndex(where: { $0.token == token }) else { continue }
                consumers[place].unread.append(piece)
                consumers[place].unreadBytes += piece.count
            case .end(let token): throw violation("stream \(token) ended without a cause")
            case .compacted(let token, _, let compact, _):
                guard let place = consumers.firstIndex(where: { $0.token == token }) else { continue }
                try read(place, chronicle)
                let told = consumers[place].told
                try demand(told < compact, "told up to \(told), and that \(compact) is compacted")
                leave(place)
                attach(place, to: node, chronicle)
            }
        }
        effects.removeAll(keepingCapacity: true)
        for place in consumers.indices where consumers[place].node == node {
            if toTheEnd || random.next(below: 4) > 0 { try read(place, chronicle) }
        }
    }

    private func tellUnsent(_ node: Int) {
        for token in tables[node].asking() {
            let place = consumers.firstIndex { $0.token == token }
            let isStuck = tables[node].report(token, unsent: place.map { consumers[$0].unreadBytes } ?? 0)
            if isStuck, let place { consumers[place].reportsDrain = true }
        }
        for place in consumers.indices where consumers[place].node == node {
            guard consumers[place].reportsDrain, consumers[place].unreadBytes == 0 else { continue }
            consumers[place].reportsDrain = tables[node].report(consumers[place].token, unsent: 0)
        }
    }

    private func finish(_ node: Int, _ chronicle: Chronicle) throws(Violation) {
        guard let keyspace = chronicle.source?.keyspace(of: node), !tables[node].isEmpty else { return }
        for _ in 0..<10_000 {
            try serve(node, chronicle, toTheEnd: true)
            tellUnsent(node)
            if tables[node].deadline > chronicle.time { break }
        }
        for place in consumers.indices where consumers[place].node == node {
            try passOver(place, upTo: keyspace.revision, chronicle)
        }
    }

    private func read(_ place: Int, _ chronicle: Chronicle) throws(Violation) {
        let pieces = consumers[place].unread
        consumers[place].unread = []
        consumers[place].unreadBytes = 0
        for piece in pieces { try judge(piece, place, chronicle) }
    }

    // MARK: Judging

    /// One piece: a line, and only its revision and the number of its changes are looked at. That lines say
    /// what they should is tried elsewhere.
    private func judge(_ piece: [UInt8], _ place: Int, _ chronicle: Chronicle) throws(Violation) {
        let told = consumers[place].told
        if let bookmark = Self.number(after: "{\"bookmark\":", in: piece) {
            try demand(bookmark >= told, "the bookmark \(bookmark) after \(told)")
            try demand(consumers[place].inside == 0, "the bookmark \(bookmark) within a revision")
            try passOver(place, upTo: bookmark, chronicle)
            return
        }
        guard let revision = Self.number(after: "{\"revision\":", in: piece) else { return }
        let name = "consumer \(place) on node \(consumers[place].node.map { "\($0 + 1)" } ?? "none")"
        try demand(revision > told, "\(name) was told \(revision) after \(told)")
        let newest = chronicle.store.keyspace.revision
        try demand(revision <= newest, "\(name) was told \(revision), and \(newest) is committed")
        try passOver(place, upTo: revision.previous, chronicle)
        consumers[place].inside += Self.count("{\"type\":", in: piece)
        if Self.ends(piece, with: "\"more\":true}\n") { return }
        if let wanted = changes(of: revision, for: place, chronicle) {
            let got = consumers[place].inside
            try demand(got == wanted, "\(name) was told \(got) of \(wanted) changes of \(revision)")
        }
        consumers[place].inside = 0
        consumers[place].told = revision
    }

    /// Nothing up to a revision may have been of interest.
    private func passOver(
        _ place: Int, upTo revision: Revision, _ chronicle: Chronicle
    ) throws(Violation) {
        while consumers[place].told < revision {
            let next = consumers[place].told.next
            let missing = changes(of: next, for: place, chronicle) ?? 0
            try demand(missing == 0, "consumer \(place) was not told of revision \(next)")
            try demand(consumers[place].inside == 0, "consumer \(place) got a part of revision \(next)")
            consumers[place].told = next
        }
    }

    /// How many changes of a revision concern a consumer; nil if that is not known any more.
    private func changes(of revision: Revision, for place: Int, _ chronicle: Chronicle) -> Int? {
        let store = chronicle.store.keyspace
        guard case .success(let places) = store.changePlaces(from: revision) else { return nil }
        let range = consumers[place].request.filter.parts[0].range
        var count = 0
        for change in places {
            guard store.changeRevision(at: change) == revision else { break }
            if range.contains(store.change(at: change).key) { count += 1 }
        }
        return count
    }

    private static func number(after start: StaticString, in piece: [UInt8]) -> Revision? {
        let start = Array(start.description.utf8)
        guard piece.starts(with: start) else { return nil }
        var number: UInt64 = 0
        for byte in piece[start.count...] {
            guard byte >= 48, byte < 58 else { break }
            number = number * 10 + UInt64(byte - 48)
        }
        return Revision(number)
    }

    private static func ends(_ piece: [UInt8], with end: StaticString) -> Bool {
        piece.suffix(end.utf8CodeUnitCount).elementsEqual(end.description.utf8)
    }

    private static func count(_ text: StaticString, in piece: [UInt8]) -> Int {
        let text = Array(text.description.utf8)
        var count = 0
        for place in piece.indices where piece[place] == text[0] && piece[place...].starts(with: text) {
            count += 1
        }
        return count
    }
}
