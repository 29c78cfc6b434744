// Plans for messages to all nodes at once.

import HTTP
import Primitives
import Store

/// What holds of a message to all nodes (Cachin, Guerraoui and Rodrigues, chapters 3 and 6). The raw values
/// are those of requests.
public enum BroadcastAbstraction: String, Sendable, CaseIterable {
    /// Delivered everywhere if the sender stays up.
    case bestEffort = "best_effort"
    /// Delivered by all correct nodes or by none of them, even if the sender crashes.
    case reliable
    /// Delivered by all correct nodes if any node, also one that crashed since, has delivered it.
    case uniform
    /// Reliable, and never before what its sender had delivered earlier.
    case causal
    /// Delivered by all nodes in the same order, that of the log.
    case atomic
}

extension NativeAPI {
    /// `POST /broadcast`.
    func planBroadcast(_ asked: Asked) throws(Problem) -> Plan {
        let names = BroadcastAbstraction.allCases.map(\.rawValue).joined(separator: ", ")
        let abstraction = try asked.parameters.choice(
            .abstraction, of: BroadcastAbstraction.self, words: names)
        guard let abstraction else {
            throw Problem(.badRequest, "broadcast needs abstraction=, one of \(names)")
                .with("parameter", .text(Parameter.abstraction.rawValue))
        }
        let channel = try channel(asked.parameters) ?? "broadcast"
        let sender = try asked.parameters.text(.from) ?? settings.nodeName
        guard sender.utf8.count <= 256 else { throw Problem(.badRequest, "from has up to 256 bytes") }
        let body = asked.request.body
        guard body.count <= settings.limits.messageBytes else {
            throw Problem(
                .contentTooLarge,
                "a message has up to \(settings.limits.messageBytes) bytes, this one has \(body.count)")
        }
        guard abstraction == .atomic else {
            throw Problem(
                .notImplemented, "abstraction=\(abstraction.rawValue) is still to come, atomic is there"
            )
            .with("parameter", .text(Parameter.abstraction.rawValue))
        }
        let announcement = Announcement(sender: sender, channel: channel, body: body)
        return .write(try write(.operation(.coordinate(.announce(announcement))), .announcement, asked))
    }
}
