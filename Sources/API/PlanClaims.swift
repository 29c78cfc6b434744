// Plans for locks, elections and semaphores.

import HTTP
import Primitives
import Store

extension NativeAPI {
    /// What is asked of a lock, an election or a semaphore.
    func planClaim(_ route: RouteID, _ asked: Asked) throws(Problem) -> Plan {
        switch route {
        case .acquireLock: return .write(try acquire(.lock, asked))
        case .campaign: return .write(try acquire(.election, asked))
        case .acquireSemaphore: return .write(try acquire(.semaphore, asked))
        case .releaseLock: return .write(try release(.lock, asked))
        case .resign: return .write(try release(.election, asked))
        case .releaseSemaphore: return .write(try release(.semaphore, asked))
        case .renewLock: return .write(try renew(.lock, asked))
        case .renewLeadership: return .write(try renew(.election, asked))
        case .renewSemaphore: return .write(try renew(.semaphore, asked))
        case .proclaim: return .write(try proclaim(asked))
        case .putSemaphore: return .write(try configure(asked))
        case .breakLock:
            let claim = try claimName(.lock, asked)
            return .write(try change(.clear(claim), claim, asked))
        case .deleteSemaphore:
            let claim = try claimName(.semaphore, asked)
            return .write(try change(.clear(claim), claim, asked))
        case .watchLock: return try planClaimWatch(.lock, asked)
        case .watchElection: return try planClaimWatch(.election, asked)
        case .getLock, .checkLock, .listLocks: return try look(.lock, asked)
        case .getElection, .listElections: return try look(.election, asked)
        default: return try look(.semaphore, asked)
        }
    }

    private func acquire(_ kind: ClaimKind, _ asked: Asked) throws(Problem) -> WritePlan {
        enum Mode: String { case write, read }
        let parameters = asked.parameters
        let claim = try claimName(kind, asked)
        let owner = kind == .election ? Parameter.candidate : .owner
        var request = ClaimRequest(
            claim, owner: try text(owner, parameters, most: Store.Limits.nameBytes),
            value: try text(.value, parameters, most: Store.Limits.claimValueBytes))
        if kind == .election, request.owner.isEmpty {
            throw Problem(.badRequest, "an election needs candidate, the name of who wants to lead")
                .with("parameter", .text("candidate"))
        }
        if try parameters.choice(.mode, of: Mode.self, words: "write or read") == .read {
            request.mode = .read
        }
        if let permits = try parameters.number(.permits, in: 1...Store.Limits.claimPermits) {
            request.permits = permits
        }
        if let priority = try parameters.number(.priority, in: 0...1_000_000) { request.priority = priority }
        try parameters.refuse(.lease, with: .ttl)
        request.lease = try parameters.text(.lease)
        if let timeToLive = try timeToLive(parameters) { request.timeToLive = timeToLive }
        request.wait = try claimWait(parameters)
        var plan = try change(.acquire(request), claim, asked)
        if try parameters.flag(.hold) {
            try refuseOnceKey(asked)
            plan.hold = HoldPlan(endsAtOnce: true)
        }
        return plan
    }

    /// `wait`, in milliseconds. A longer one than can be had is refused, since whoever asks for it would be
    /// told too early that it was in vain.
    private func claimWait(_ parameters: Parameters) throws(Problem) -> Int64 {
        let most = settings.limits.maximumClaimWait
        guard let wait = try parameters.span(.wait, most: .seconds(1 << 32)) else { return 0 }
        guard wait <= most else {
            throw Problem(.badDuration, "wait is up to \(most.milliseconds / 3_600_000)h")
                .with("parameter", .text("wait"))
        }
        return wait.milliseconds
    }

    private func release(_ kind: ClaimKind, _ asked: Asked) throws(Problem) -> WritePlan {
        let claim = try claimName(kind, asked)
        return try change(.release(claim, token: try token(asked)), claim, asked)
    }

    private func renew(_ kind: ClaimKind, _ asked: Asked) throws(Problem) -> WritePlan {
        let claim = try claimName(kind, asked)
        return try change(.renew(claim, token: try token(asked)), claim, asked)
    }

    private func proclaim(_ asked: Asked) throws(Problem) -> WritePlan {
        let claim = try claimName(.election, asked)
        guard asked.parameters[.value] != nil else {
            throw Problem(.badRequest, "proclaim needs value").with("parameter", .text("value"))
        }
        let value = try text(.value, asked.parameters, most: Store.Limits.claimValueBytes)
        return try change(.proclaim(claim, token: try token(asked), value: value), claim, asked)
    }

    private func configure(_ asked: Asked) throws(Problem) -> WritePlan {
        let claim = try claimName(.semaphore, asked)
        guard let permits = try asked.parameters.number(.permits, in: 1...Store.Limits.claimPermits) else {
            throw Problem(.badRequest, "a semaphore needs permits, how many it has")
                .with("parameter", .text("permits"))
        }
        return try change(.configure(claim.name, permits: permits), claim, asked)
    }

    private func look(_ kind: ClaimKind, _ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let prefix = try text(.prefix, parameters, most: Store.Limits.nameBytes)
        var query = ClaimQuery(
            kind: kind, name: asked.capture.isEmpty ? nil : try claimName(kind, asked), prefix: prefix,
            limit: try limit(parameters) ?? settings.limits.pageCount, link: PageLink(asked.request))
        if let cursor = parameters[.cursor] {
            guard case .key(let last)? = CursorPosition(cursor, of: query.fingerprint)?.place else {
                throw parameters.bad(.cursor, cursor, "is what the next member of the same list said")
            }
            query.after = String(decoding: last, as: UTF8.self)
        }
        if asked.request.path.suffix(6).elementsEqual("/check".utf8), query.name != nil {
            query.token = try token(asked)
        }
        return .read(
            ReadPlan(
                target: .claims(query), freshness: try freshness(parameters), wait: nil,
                traits: asked.traits))
    }

    func claimName(_ kind: ClaimKind, _ asked: Asked) throws(Problem) -> ClaimName {
        let name = try asked.name("name of \(kind.article)")
        guard Store.Limits.isName(name) else {
            throw Problem(.badRequest, "the name of \(kind.article) has 1 to \(Store.Limits.nameBytes) bytes")
        }
        return ClaimName(kind, name)
    }

    private func token(_ asked: Asked) throws(Problem) -> UInt64 {
        guard let token = try asked.parameters.number(.token, in: 1...(.max)) else {
            throw Problem(.badRequest, "token is needed: the one that the holder was given")
                .with("parameter", .text("token"))
        }
        return token
    }

    private func text(_ name: Parameter, _ parameters: Parameters, most: Int) throws(Problem) -> String {
        guard let text = try parameters.text(name) else { return "" }
        guard text.utf8.count <= most else {
            throw parameters.bad(name, Array(text.utf8.prefix(40)), "has up to \(most) bytes")
        }
        return text
    }

    private func change(
        _ command: ClaimCommand, _ claim: ClaimName, _ asked: Asked
    ) throws(Problem) -> WritePlan {
        try write(.operation(.coordinate(.claim(command))), .claim(claim), asked)
    }
}

extension ClaimKind {
    /// The kind in a sentence.
    var article: String {
        switch self {
        case .lock: "a lock"
        case .election: "an election"
        case .semaphore: "a semaphore"
        }
    }

    /// The first segment of its paths.
    var path: String {
        switch self {
        case .lock: "locks"
        case .election: "elections"
        case .semaphore: "semaphores"
        }
    }
}

/// A question about locks, elections or semaphores.
public struct ClaimQuery: Sendable {
    let kind: ClaimKind
    /// Which; nil: all whose names begin with the prefix.
    let name: ClaimName?
    let prefix: String
    let limit: Int
    /// Only those after this name.
    var after: String?
    /// Asks only whether it is held with this token.
    var token: UInt64?
    let link: PageLink

    init(kind: ClaimKind, name: ClaimName?, prefix: String, limit: Int, link: PageLink) {
        self.kind = kind
        self.name = name
        self.prefix = prefix
        self.limit = limit
        self.link = link
    }

    var fingerprint: UInt64 { fnv1a(prefix.utf8, seed: fnv1a(kind.path.utf8)) }
}

extension WritePlan {
    /// Whether the answer tells how much time is left of something.
    public var showsTimers: Bool {
        if case .claim = form { true } else { false }
    }
}
