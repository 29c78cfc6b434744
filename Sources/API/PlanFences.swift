// Fences: the tokens that have to be current for a write to be made.

import HTTP
import Primitives
import Store

extension NativeAPI {
    /// The fences of a write, from `Parley-Fence` and the parameter `fence` together; empty if it has none.
    func fences(_ asked: Asked) throws(Problem) -> [Fence] {
        let isHeaded = asked.request.field("parley-fence") != nil
        guard isHeaded || asked.parameters[.fence] != nil else { return [] }
        var fences: [Fence] = []
        for line in isHeaded ? asked.request.fields(named: "parley-fence") : [] {
            fences += try Self.fences(line, separator: "=", source: ("header", "Parley-Fence"))
        }
        if let list = asked.parameters[.fence] {
            fences += try Self.fences(list[...], separator: ":", source: ("parameter", "fence"))
        }
        guard fences.count <= Store.Limits.fenceCount else {
            throw Problem(
                .badRequest, "a write has up to \(Store.Limits.fenceCount) fences, not \(fences.count)")
        }
        return fences
    }

    /// Refuses fences where nothing is written: they would mean nothing.
    func refuseFences(_ asked: Asked, _ reason: String) throws(Problem) {
        if asked.request.field("parley-fence") != nil {
            throw Problem(.badRequest, "\(reason) takes no Parley-Fence")
                .with("header", .text("Parley-Fence"))
        }
        if asked.parameters[.fence] != nil {
            throw Problem(.badRequest, "\(reason) takes no fence").with("parameter", .text("fence"))
        }
    }

    /// Reads a list of fences. A name is written as in a path, so that nothing in it is taken for what
    /// separates names; what is no lock stands behind the collection that it is in, as in `elections/e`.
    private static func fences(
        _ list: ArraySlice<UInt8>, separator: Unicode.Scalar, source: (kind: String, name: String)
    ) throws(Problem) -> [Fence] {
        var fences: [Fence] = []
        for part in list.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard let fence = Fence(part, separator: UInt8(ascii: separator)) else {
                throw Problem(
                    .badRequest,
                    "\(source.name) takes name\(separator)token of a lock, elections/name\(separator)token "
                        + "or semaphores/name\(separator)token, with commas between them and names encoded "
                        + "as in a URL's path, not '\(readable(part))'"
                ).with(source.kind, .text(source.name))
            }
            fences.append(fence)
            // The rest of a hostile list is not looked at; the number is refused.
            if fences.count > Store.Limits.fenceCount { break }
        }
        return fences
    }

    /// The problem that a token is which is not current.
    static func problem(_ fence: Fence, current: UInt64?) -> Problem {
        let state = current.map { "its holder has token \($0)" } ?? "nobody holds it"
        let problem = Problem(
            .fenceStale,
            "\(fence.claim.kind) '\(fence.claim.name)' is not held with token \(fence.token): \(state)"
        )
        .with("kind", .text("\(fence.claim.kind)")).with("name", .text(fence.claim.name))
        .with("token", .number(fence.token))
        return current.map { problem.with("current_token", .number($0)) } ?? problem
    }
}

extension Fence {
    /// Reads a fence; nil for anything else.
    fileprivate init?(_ text: ArraySlice<UInt8>, separator: UInt8) {
        var text = text
        while let first = text.first, first == 32 || first == 9 { text.removeFirst() }
        while let last = text.last, last == 32 || last == 9 { text.removeLast() }
        guard let middle = text.lastIndex(of: separator), let token = decimal(text[(middle + 1)...]),
            token > 0
        else { return nil }
        var name = text[..<middle]
        var kind = ClaimKind.lock
        if let slash = name.firstIndex(of: UInt8(ascii: "/")) {
            switch String(decoding: name[..<slash], as: UTF8.self) {
            case "locks": kind = .lock
            case "elections": kind = .election
            case "semaphores": kind = .semaphore
            default: return nil
            }
            name = name[(slash + 1)...]
        }
        guard !name.contains(UInt8(ascii: "/")), let bytes = Percent.decode(name),
            let decoded = String(validating: bytes, as: UTF8.self), Store.Limits.isName(decoded)
        else { return nil }
        self.init(ClaimName(kind, decoded), token: token)
    }
}
