import Consensus
import Primitives

extension SmallScope.Explorer {
    /// The violation with the steps that lead to it; nil if there is none.
    mutating func describeViolation() -> SmallScope.Violation? {
        guard let violation else { return nil }
        var actions = prelude + steps(to: violation.state)
        if let action = violation.action { actions.append(action) }
        return SmallScope.Violation(
            invariant: violation.breach.invariant, text: violation.breach.text,
            depth: actions.count - prelude.count, trace: trace(actions))
    }

    /// Words for each of the steps, and for what each node that it changes has become.
    mutating func trace(_ actions: [SmallScope.Action]) -> [String] {
        var lines: [String] = []
        var states: [UInt32] = []
        for node in 1...UInt64(bounds.nodes) {
            states.append(UInt32(number(of: SmallScope.Member(founding: NodeID(node), bounds))))
        }
        for (place, action) in actions.enumerated() {
            let old = states[action.node]
            if action.isOfNetwork {
                lines.append("\(place + 1). \(words(for: action))")
                continue
            }
            let outcome = outcome(old, action)
            lines.append("\(place + 1). \(words(for: action))")
            if outcome.member != old {
                lines.append("      \(describe(members[Int(outcome.member)]))")
            }
            let first = Int(outcome.firstSend)
            for send in outcomes.sends[first..<first + Int(outcome.sendCount)] {
                lines.append("      sends \(messages[send.message].scopeText)")
            }
            if outcome.answers >= 0 {
                for answer in outcomes.answers[Int(outcome.answers)] {
                    let text = answer.index.map { "is answered with index \($0)" } ?? "fails"
                    lines.append("      read \(answer.token) \(text)")
                }
            }
            states[action.node] = outcome.member
        }
        return lines
    }

    func words(for action: SmallScope.Action) -> String {
        let node = "node \(action.node + 1)"
        let manner = action.manner
        var text: String
        switch action.kind {
        case .deliver:
            text = "\(node) receives \(messages[Int(action.operand)].scopeText)"
            if manner.contains(.late) { text += ", having not heard its leader for long" }
            if manner.contains(.kept) { text += "; a copy stays in flight" }
        case .timeout: text = "\(node) has a timeout"
        case .propose: text = "\(node) is asked to append a command"
        case .read: text = "\(node) is asked for read \(action.operand)"
        case .transfer: text = "\(node) is asked to hand over to node \(action.operand + 1)"
        case .persisted: text = "\(node)'s disk has done the oldest write"
        case .crash: text = "\(node) crashes and starts again"
        case .checkpoint: text = "\(node) replaces its log by a checkpoint up to its commit index"
        case .fetched: text = "\(node) has fetched a checkpoint"
        case .delay: text = "\(messages[Int(action.operand)].scopeText) is delayed"
        case .shorten: text = "\(messages[Int(action.operand)].scopeText) loses its last entry"
        case .isolate: text = "\(node) goes to the other side of a partition"
        case .rejoin: text = "\(node) comes back from the other side"
        case .unreachable: text = "\(node) can't reach node \(action.operand + 1)"
        }
        if manner.contains(.slow) { text += "; the disk is slow with what that writes" }
        if manner.contains(.open) { text += "; the turn goes on" }
        return text
    }

    private func describe(_ member: SmallScope.Member) -> String {
        let raft = member.raft
        let summary = SmallScope.Summary(member)
        let disk = member.disk.hardState
        var text =
            "node \(raft.id): \(raft.role), term \(raft.term), vote \(raft.vote?.description ?? "none")"
        text += ", log \(summary.logText), commit \(raft.commit)"
        if !member.pending.isEmpty {
            text += "; on disk: term \(disk.term), vote \(disk.vote?.description ?? "none"), log to"
            text += " \(member.disk.tape.lastIndex), \(member.pending.count) to write"
        }
        return text
    }
}

extension Message {
    /// The message in a few words, as in `append 1→2 t1: after 0@0, 1@1, commit 0`.
    fileprivate var scopeText: String {
        let route = "\(from)→\(to) t\(term)"
        switch body {
        case .append(let append):
            let entries = append.entries.map { "\($0.index)@\($0.term)" + ($0.kind == .command ? "c" : "") }
            let list = (["after \(append.previous)"] + entries).joined(separator: ", ")
            return "append \(route): \(list), commit \(append.commit)"
        case .appendResponse(let response):
            switch response.outcome {
            case .matched(let index): return "append answer \(route): matches up to \(index)"
            case .rejected(let hint, let last):
                return
                    "append answer \(route): no match at \(response.previous), perhaps at \(hint), "
                    + "ends at \(last)"
            }
        case .heartbeat(let heartbeat):
            return "heartbeat \(route): commit \(heartbeat.commit), round \(heartbeat.round)"
        case .heartbeatResponse(let round): return "heartbeat answer \(route): round \(round)"
        case .voteRequest(let request):
            let kind = request.isPreVote ? "pre-vote" : request.isTransfer ? "transfer vote" : "vote"
            return "\(kind) request \(route): log ends at \(request.last)"
        case .voteResponse(let response):
            return "\(response.isPreVote ? "pre-vote" : "vote") \(route): \(response.granted ? "yes" : "no")"
        case .installSnapshot(let reference): return "install snapshot \(route): \(reference.position)"
        case .timeoutNow: return "timeout now \(route)"
        case .readIndexRequest(let token): return "read question \(route): \(token)"
        case .readIndexResponse(let token, let index):
            return "read answer \(route): \(token), index \(index?.description ?? "none")"
        }
    }
}
