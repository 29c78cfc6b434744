import Consensus
import Primitives

// Golden scenarios: a file holds commands, then `----`, then what the cluster did, in words.

/// Runs the commands of scenario files and writes down what happens.
final class ScenarioRunner {
    private var cluster: Cluster?
    private var lines: [String] = []
    private var token: UInt64 = 0
    private var isQuiet = false

    /// Runs one block of commands and returns the transcript.
    func run(_ commands: [String]) -> String {
        lines = []
        for command in commands where !command.isEmpty && !command.hasPrefix("#") {
            let words = command.split(separator: " ").map(String.init)
            if let problem = run(words) { lines.append("\(command): \(problem)") }
        }
        for breach in cluster?.checker.breaches ?? [] { lines.append("BREACH \(breach)") }
        return lines.isEmpty ? "ok" : lines.joined(separator: "\n")
    }

    /// Commands. Each returns what is wrong with it, if anything is.
    private func run(_ words: [String]) -> String? {
        if words[0] == "nodes" { return start(words) }
        guard let cluster else { return "no nodes yet" }
        func node(_ place: Int) -> NodeID? {
            words.count > place ? UInt64(words[place]).map { NodeID($0) } : nil
        }
        switch words[0] {
        // elapse 400ms
        case "elapse":
            guard let count = Int(words[1].dropLast(2)) else { return "how long?" }
            cluster.run(for: .milliseconds(count))
        // elect: runs until there is a leader that has committed in its term
        case "elect":
            if !cluster.run(upTo: .seconds(10), until: { cluster.leader?.raft.isReady == true }) {
                return "none"
            }
            cluster.run(for: .milliseconds(20))
        // await 2: runs until node 2 leads, and not a moment longer
        case "await":
            if !cluster.run(upTo: .seconds(10), until: { node(1).map { cluster[$0].raft.role } == .leader }) {
                return "never"
            }
        // await-match 1 2: runs until leader 1 knows a majority to hold the entry at 2
        case "await-match":
            guard let id = node(1), let index = UInt64(words[2]) else { return "what?" }
            let isHeld = {
                let raft = cluster[id].raft
                return raft.configuration.quorum.isReached { other in
                    other == id || raft.peers.contains { $0.id == other && $0.match >= LogIndex(index) }
                }
            }
            if !cluster.run(upTo: .seconds(10), until: isHeld) { return "never" }
        // quiet, loud: whether what happens is written down
        case "quiet": isQuiet = true
        case "loud": isQuiet = false
        // partition 1 2 | 3
        case "partition":
            let groups = words.dropFirst().split(separator: "|")
            cluster.partition(groups.map { $0.compactMap { UInt64($0).map { NodeID($0) } } })
        // block 1 2: what 1 sends does not reach 2
        case "block": if let from = node(1), let to = node(2) { cluster.block(from, to) }
        case "heal": cluster.heal()
        // crash 1 / restart 1
        case "crash": if let node = node(1) { cluster.crash(node) }
        case "restart": if let node = node(1) { cluster.restart(node) }
        // disconnect 1: all other nodes see 1's connections close
        case "disconnect":
            if let gone = node(1) {
                for other in cluster.nodes where other.id != gone {
                    cluster.post(.peerDisconnected(gone), to: other.id)
                }
            }
        // propose 1 a b c
        case "propose":
            if let node = node(1) {
                cluster.post(.propose(words.dropFirst(2).map { Proposal(payload: Array($0.utf8)) }), to: node)
            }
        // read 1
        case "read":
            token += 1
            if let node = node(1) { cluster.post(.read(token: token), to: node) }
        // transfer 1 2: from 1 to 2
        case "transfer":
            if let leader = node(1) { cluster.post(.transferLeadership(to: node(2)), to: leader) }
        // checkpoint 1
        case "checkpoint": if let node = node(1) { cluster.checkpoint(node) }
        // state: one line for each node
        case "state":
            for node in cluster.nodes {
                lines.append(node.isUp ? "\(node.raft)" : "node \(node.id): down")
                for peer in node.raft.peers where node.isUp {
                    lines.append("  \(peer.id): \(peer.state), match \(peer.match), next \(peer.next)")
                }
            }
        default: return "unknown command"
        }
        return nil
    }

    /// nodes 5 learners=4,5 seed=2 entries=1 (in one append at most)
    private func start(_ words: [String]) -> String? {
        guard words.count > 1, let count = Int(words[1]) else { return "how many?" }
        var learners: [NodeID] = []
        var seed: UInt64 = 1
        var entries = 4096
        for word in words.dropFirst(2) {
            let pair = word.split(separator: "=")
            if pair[0] == "learners" {
                learners = pair[1].split(separator: ",").compactMap { UInt64($0) }.map { NodeID($0) }
            }
            if pair[0] == "entries" { entries = Int(pair[1]) ?? entries }
            if pair[0] == "seed" { seed = UInt64(pair[1]) ?? 1 }
        }
        let voters = (1...UInt64(count)).map { NodeID($0) }.filter { !learners.contains($0) }
        let configuration = Configuration(voters: voters, learners: learners)
        let cluster = Cluster(count, configuration: configuration, seed: seed) { [entries] in
            $0.maxEntriesPerAppend = entries
        }
        cluster.observe = { [unowned self] cluster, node, observation in note(cluster, node, observation) }
        self.cluster = cluster
        return nil
    }

    private func note(_ cluster: Cluster, _ node: NodeID, _ observation: Cluster.Observation) {
        let text: String?
        switch observation {
        case .event(let event): text = self.describe(event).map { "< \($0)" }
        case .effect(let effect): text = "> \(describe(effect))"
        }
        // What goes without saying is empty.
        guard !isQuiet, let text, !text.hasSuffix("> ") else { return }
        let time = String(cluster.now.nanoseconds / 1_000_000)
        lines.append("[\(String(repeating: " ", count: max(0, 5 - time.count)))\(time)ms] \(node) \(text)")
    }

    private func describe(_ event: Event) -> String? {
        switch event {
        case .timeout, .persisted, .peerUnreachable, .compacted: nil
        case .received(let message):
            describe(message.body, term: message.term).map { "\(message.from): \($0)" }
        case .propose(let proposals): "propose \(proposals.map { text($0.payload) }.joined(separator: " "))"
        case .read(let token): "read \(token)"
        case .transferLeadership(let target): "transfer to \(target?.description ?? "anyone")"
        case .peerDisconnected(let node): "connections of \(node) closed"
        case .snapshotInstalled(let reference): "installed checkpoint \(reference.position)"
        case .snapshotFailed(let reference): "failed to fetch checkpoint \(reference.position)"
        }
    }

    private func describe(_ effect: Effect) -> String {
        switch effect {
        case .persist(let persist): describe(persist)
        case .send: ""
        case .replicate(let replicate):
            "replicate to \(replicate.to): \(replicate.count) after \(replicate.previous)"
        case .proposed(let first, let count, let term): "proposed \(count) at \(first)@\(term)"
        case .proposalRefused(let count, let reason): "refused \(count): \(reason)"
        case .committed(let index): "commit \(index)"
        case .readReady(let token, let index): "read \(token) at \(index)"
        case .readFailed(let token): "read \(token) fails"
        case .fetchSnapshot(let reference, let from): "fetch checkpoint \(reference.position) from \(from)"
        case .transferEnded(let target, let outcome):
            "transfer to \(target?.description ?? "anyone"): \(outcome)"
        case .transition(let transition):
            "\(transition.from) -> \(transition.to) in term \(transition.term): \(transition.reason)"
        }
    }

    private func describe(_ persist: Persist) -> String {
        var parts: [String] = []
        if let state = persist.hardState {
            parts.append(
                "term \(state.term) vote \(state.vote?.description ?? "none") commit \(state.commit)")
        }
        if let position = persist.resetTo { parts.append("log anew after \(position)") }
        if let first = persist.entries.first, let last = persist.entries.last {
            let terms = first.term == last.term ? "@\(last.term)" : "@\(first.term)...@\(last.term)"
            parts.append(
                first.index == last.index
                    ? "\(first.index)\(terms)" : "\(first.index)...\(last.index)\(terms)")
        }
        return parts.isEmpty ? "" : "persist \(parts.joined(separator: ", "))"
    }

    /// Heartbeats outside of read rounds, and their answers, go without saying.
    private func describe(_ body: Message.Body, term: Term) -> String? {
        switch body {
        case .append(let append):
            "append \(append.entries.count) after \(append.previous), commit \(append.commit)"
        case .appendResponse(let response):
            switch response.outcome {
            case .matched(let index): "matched up to \(index)"
            case .rejected(let hint, let last): "rejected \(response.previous), perhaps \(hint), last \(last)"
            }
        case .heartbeat, .heartbeatResponse: nil
        case .voteRequest(let request):
            "\(request.isPreVote ? "would you vote" : "vote") for term \(term), my log ends at \(request.last)?"
        case .voteResponse(let response):
            "\(response.granted ? "yes" : "no")\(response.isPreVote ? ", I would" + (response.granted ? "" : " not") : "")"
                + " (term \(term))"
        case .installSnapshot(let reference): "you need checkpoint \(reference.position)"
        case .timeoutNow: "take over"
        case .readIndexRequest: "read index?"
        case .readIndexResponse(_, let index): "read index \(index?.description ?? "unknown")"
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
