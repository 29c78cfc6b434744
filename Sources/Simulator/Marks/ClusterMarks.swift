import Consensus
import NodeCore
import Primitives
import Replication

extension Mark {
    static let cluster: [Mark: String] = [
        .transferSucceeded: "leadership handed over",
        .transferTimedOut: "leadership not taken over in time",
        .transferToLagging: "leadership to be handed to a node that lacks entries",
        .transferWithUncommitted: "leadership to be handed over with entries not committed",
        .transferNotLeader: "transfer asked of a node that does not lead",
        .transferSuperseded: "transfer replaced by another",
        .transferToItself: "transfer to the node that leads already",
        .transferEndedBySteppingDown: "leader stepped down in the middle of a transfer",
        .transferTargetDied: "target of a transfer died",
        .writeDuringTransfer: "write came while leadership is handed over",
        .pausedLeaderDeposed: "leader that stood still was told of a later term",
        .pausedLeaderGoesOn: "leader that stood still goes on leading",
        .pausedLongerThanElection: "node stood still for longer than an election takes",
        .wallBackOnLeader: "wall clock of a leader stepped back",
        .wallFarAhead: "wall clock of a leader more than an hour ahead of the store's time",
        .wholeClusterDown: "all nodes down at the same time",
        .wholeClusterBack: "leader elected after all nodes had been down",
        .majorityDown: "majority of the nodes down at the same time",
        .crashSoonAfterStart: "node died within a second of its start",
        .crashLoop: "node died three times within ten seconds",
        .leaderDied: "leader died",
        .leaderRestartedUnnoticed: "leader back before anybody else was elected",
        .requestLost: "request between nodes lost",
        .answerLostOnTheWay: "answer between nodes lost",
        .requestDoubled: "request between nodes doubled",
        .requestTimedOut: "request between nodes without an answer in time",
        .connectionBroken: "connection between nodes broke",
        .peerGone: "node noticed that a peer's connections have closed",
        .healedWithoutLeader: "no leader at the moment when the faults end",
        .healedWithTwoLeaders: "two nodes that think they lead when the faults end",
        .nodeDownAtHealing: "node down when the faults end",
        .quietTerm: "leader that committed nothing but its opening entry",
        .manyTerms: "run with twenty or more terms",
        .oneTerm: "run with a single term",
    ]
}

/// Marks about processes, clocks, transfers of leadership and the cluster as a whole.
final class ClusterMarks: FactListener {
    let facts: FactKinds = [
        .started, .died, .stalled, .client, .event, .told, .transit, .phase, .turned, .elected, .ended,
        .grown,
    ]
    private let book: MarkBook
    private var walls: [Int: (wall: WallTime, life: Int)] = [:]
    private var pausedAt: [Int: (time: Instant, isLeader: Bool, term: Term)] = [:]
    private var resumed: [Int: Term] = [:]
    private var startedAt: [Int: Instant] = [:]
    private var deaths: [Int: [Instant]] = [:]
    private var diedLeading: (node: Int, term: Term)?
    private var wereAllDown = false
    private var transfers: [Int: NodeID] = [:]
    private var commits = 0
    private var leaderTerm = Term.zero

    init(_ book: MarkBook) { self.book = book }

    func take(_ fact: Fact, _ chronicle: Chronicle) {
        switch fact {
        case .started(let place): startedAt[place] = chronicle.time
        case .died(let place, _): died(chronicle.nodes[place], chronicle)
        case .stalled(let place, let isPaused): stalled(chronicle.nodes[place], isPaused, chronicle)
        case .client(let place, let effect): client(effect, chronicle.nodes[place])
        case .event(let place, let event): happened(event, chronicle.nodes[place], chronicle)
        case .transit(let transit, let fate): passed(transit, fate)
        case .phase(.liveness): healed(chronicle)
        case .elected(let place): elected(chronicle.nodes[place])
        case .grown(_, let from, let upTo): commits += Int(upTo - from) + 1
        case .turned(let place): turned(chronicle.nodes[place])
        case .ended:
            let terms = chronicle.nodes.reduce(Term.zero) { max($0, $1.now.term) }
            book.hit(.manyTerms, if: terms.rawValue >= 20)
            book.hit(.oneTerm, if: terms.rawValue == 1)
        default: break
        }
    }

    private func died(_ node: NodeGhost, _ chronicle: Chronicle) {
        let now = chronicle.time
        book.hit(.crashSoonAfterStart, if: startedAt[node.index].map { now - $0 < .seconds(1) } ?? false)
        var recent = deaths[node.index, default: []].filter { now - $0 < .seconds(10) }
        recent.append(now)
        deaths[node.index] = recent
        book.hit(.crashLoop, if: recent.count == 3)
        (walls[node.index], pausedAt[node.index], resumed[node.index]) = (nil, nil, nil)
        book.hit(.transferTargetDied, if: transfers.values.contains(node.id))
        transfers[node.index] = nil
        if node.now.role == .leader {
            book.hit(.leaderDied)
            diedLeading = (node.index, node.now.term)
        }
        let alive = chronicle.nodes.count { $0.isAlive }
        book.hit(.majorityDown, if: alive * 2 < chronicle.nodes.count && alive > 0)
        if alive == 0 {
            book.hit(.wholeClusterDown)
            wereAllDown = true
        }
    }

    private func stalled(_ node: NodeGhost, _ isPaused: Bool, _ chronicle: Chronicle) {
        if isPaused {
            pausedAt[node.index] = (chronicle.time, node.now.role == .leader, node.now.term)
        } else if let pause = pausedAt.removeValue(forKey: node.index) {
            book.hit(.pausedLongerThanElection, if: chronicle.time - pause.time > .seconds(1))
            if pause.isLeader { resumed[node.index] = pause.term }
        }
    }

    private func client(_ effect: ReplicaEffect, _ node: NodeGhost) {
        switch effect {
        case .transferEnded(_, let outcome):
            transfers[node.index] = nil
            switch outcome {
            case .newTerm: book.hit(.transferSucceeded)
            case .timedOut: book.hit(.transferTimedOut)
            case .notLeader: book.hit(.transferNotLeader)
            case .superseded: book.hit(.transferSuperseded)
            case .alreadyLeader: book.hit(.transferToItself)
            case .steppedDown: book.hit(.transferEndedBySteppingDown)
            case .noSuchVoter: break
            }
        case .transition(let transition):
            if transition.from == .leader, resumed.removeValue(forKey: node.index) != nil {
                book.hit(.pausedLeaderDeposed)
            }
        default: break
        }
    }

    private func happened(_ event: NodeEvent, _ node: NodeGhost, _ chronicle: Chronicle) {
        switch event {
        case .transferLeadership(let target):
            guard node.now.role == .leader else { return }
            if let target, let other = chronicle.node(target) {
                transfers[node.index] = target
                book.hit(.transferToLagging, if: other.disk.log.last != node.now.last)
            }
            book.hit(.transferWithUncommitted, if: node.now.last.index > node.now.commit)
        case .write: book.hit(.writeDuringTransfer, if: node.now.transferTarget != nil)
        case .peerDisconnected: book.hit(.peerGone)
        default: break
        }
    }

    private func passed(_ transit: Transit, _ fate: TransitFate) {
        switch fate {
        case .lost: book.hit(transit.kind == .answer ? .answerLostOnTheWay : .requestLost)
        case .duplicated: book.hit(.requestDoubled)
        case .timedOut: book.hit(.requestTimedOut)
        case .broken: book.hit(.connectionBroken)
        }
    }

    private func healed(_ chronicle: Chronicle) {
        let leaders = chronicle.nodes.count { $0.isAlive && $0.now.role == .leader }
        book.hit(.healedWithoutLeader, if: leaders == 0)
        book.hit(.healedWithTwoLeaders, if: leaders > 1)
        book.hit(.nodeDownAtHealing, if: chronicle.nodes.contains { !$0.isAlive })
    }

    private func elected(_ node: NodeGhost) {
        if let died = diedLeading {
            let isSame = died.node == node.index && died.term.next == node.now.term
            book.hit(.leaderRestartedUnnoticed, if: isSame)
            diedLeading = nil
        }
        if wereAllDown {
            book.hit(.wholeClusterBack)
            wereAllDown = false
        }
        book.hit(.quietTerm, if: leaderTerm > .zero && commits <= 1)
        (commits, leaderTerm) = (0, node.now.term)
    }

    private func turned(_ node: NodeGhost) {
        guard node.now.role == .leader else {
            walls[node.index] = nil
            return
        }
        if let last = walls[node.index], last.life == node.life {
            book.hit(.wallBackOnLeader, if: node.wall < last.wall)
        } else {
            let ahead = node.wall.milliseconds - node.now.state.lastTime.milliseconds
            book.hit(.wallFarAhead, if: node.now.state.lastTime.milliseconds > 0 && ahead > 3_600_000)
        }
        walls[node.index] = (node.wall, node.life)
        if resumed[node.index] == node.now.term, node.now.commit > node.before.commit {
            book.hit(.pausedLeaderGoesOn)
            resumed[node.index] = nil
        }
    }
}
