// Plans for reads of the keyspace.

import HTTP
import Primitives
import Store

extension NativeAPI {
    func planGet(_ asked: Asked) throws(Problem) -> Plan {
        let key = try checked(key: asked.capture)
        let parameters = asked.parameters
        if try parameters.flag(.history) { return .read(try history(of: key, asked)) }
        for name in [Parameter.limit, .cursor] where parameters[name] != nil {
            throw Problem(.badRequest, "\(name.rawValue) means something only with history")
        }
        var query = KeyQuery(key: key)
        query.revision = try parameters.revision(.rev)
        let at = try instant(parameters)
        query.meta = try parameters.flag(.meta)
        query.after = try parameters.revision(.after, orZero: true)
        query.ifNoneMatch = try EntityTags.read("if-none-match", of: asked.request)
        query.ifMatch = try EntityTags.read("if-match", of: asked.request)
        if query.after != nil && query.ifNoneMatch != nil {
            throw Problem(.badRequest, "after and If-None-Match exclude each other")
        }
        try parameters.refuse(.wait, .after, with: .rev)
        let isConditional = query.after != nil || query.ifNoneMatch != nil
        return .read(
            ReadPlan(
                target: .key(query), freshness: try freshness(parameters),
                wait: try wait(parameters, isConditional: isConditional && at == nil), traits: asked.traits,
                at: at))
    }

    private func history(of key: [UInt8], _ asked: Asked) throws(Problem) -> ReadPlan {
        let parameters = asked.parameters
        try parameters.refuse(.meta, .wait, .after, with: .history)
        let at = try instant(parameters)
        var last = try parameters.revision(.rev)
        var after: Revision?
        if let cursor = parameters[.cursor] {
            try parameters.refuse(.rev, .at, with: .cursor)
            let position = CursorPosition(cursor, of: fnv1a(key))
            guard let position, case .history(let revision) = position.place else {
                throw parameters.bad(.cursor, cursor, "is what the next member of this key's history said")
            }
            after = revision
            if position.revision > .zero { last = position.revision }
        }
        let query = HistoryQuery(
            key: key, limit: try limit(parameters) ?? settings.limits.pageCount, after: after,
            last: last, link: PageLink(asked.request))
        return ReadPlan(
            target: .history(query), freshness: try freshness(parameters), wait: nil, traits: asked.traits,
            at: at)
    }

    /// The instant to read at.
    private func instant(_ parameters: Parameters) throws(Problem) -> WallTime? {
        try parameters.refuse(.rev, .wait, .after, with: .at)
        return try parameters.instant(.at)
    }

    func planList(_ asked: Asked) throws(Problem) -> Plan {
        let parameters = asked.parameters
        let (range, prefixCount) = try range(parameters)
        var query = RangeQuery(range: range, link: PageLink(asked.request))
        query.prefixCount = prefixCount
        query.revision = try parameters.revision(.rev)
        let at = try instant(parameters)
        query.since = try parameters.revision(.since, orZero: true)
        query.after = try parameters.revision(.after, orZero: true)
        try parameters.refuse(.keys, .delimiter, .limit, .cursor, .sort, .order, .since, with: .count)
        try parameters.refuse(.wait, .after, with: .rev)
        try parameters.refuse(.wait, .after, with: .cursor)
        try parameters.refuse(.sort, .order, .since, with: .delimiter)
        if try parameters.flag(.count) {
            query.content = .count
        } else if try parameters.flag(.keys) {
            query.content = .keys
        }
        enum Order: String { case asc, desc }
        query.sort =
            try parameters.choice(
                .sort, of: RangeQuery.Sort.self, words: "key, revision, create, version or value") ?? .key
        query.descending = try parameters.choice(.order, of: Order.self, words: "asc or desc") == .desc
        try readDelimiter(parameters, into: &query)
        let isLines = asked.traits.flags.contains(.lines)
        query.limit = try limit(parameters) ?? (isLines ? nil : settings.limits.pageCount)
        if query.limit == nil, query.sort != .key || query.descending || query.delimiter != nil {
            throw Problem(.badRequest, "lines in another order than that of the keys need a limit")
        }
        if let cursor = parameters[.cursor] {
            guard let position = CursorPosition(cursor, of: query.fingerprint), position.fits(query) else {
                throw parameters.bad(.cursor, cursor, "is what the next member of the same list said")
            }
            try parameters.refuse(.rev, .at, with: .cursor)
            query.position = position
            query.revision = position.revision
        }
        return .read(
            ReadPlan(
                target: .range(query), freshness: try freshness(parameters),
                wait: try wait(parameters, isConditional: query.after != nil), traits: asked.traits, at: at))
    }

    private func readDelimiter(_ parameters: Parameters, into query: inout RangeQuery) throws(Problem) {
        guard let delimiter = parameters[.delimiter] else { return }
        guard !delimiter.isEmpty, delimiter.count <= 64 else {
            throw parameters.bad(.delimiter, delimiter, "has 1 to 64 bytes")
        }
        query.delimiter = delimiter
    }

    /// The size of a page.
    func limit(_ parameters: Parameters) throws(Problem) -> Int? {
        try parameters.number(.limit, in: 1...UInt64(settings.limits.maximumPageCount)).map { Int($0) }
    }

    /// How long the answer may be held back. Without a condition there is nothing to wait for.
    private func wait(_ parameters: Parameters, isConditional: Bool) throws(Problem) -> Instant.Span? {
        let most = settings.limits.maximumWait
        if let wait = try parameters.span(.wait, most: most) {
            guard isConditional else {
                throw Problem(.badRequest, "wait needs after= or If-None-Match, to tell what would be news")
            }
            return wait
        }
        return isConditional ? parameters.preferredWait.map { min($0, most) } : nil
    }

    /// How fresh the answer must be.
    func freshness(
        _ parameters: Parameters, unlessSaid level: Freshness.Level = .linearizable
    ) throws(Problem) -> Freshness {
        enum Word: String { case linearizable, stale }
        let word = try parameters.choice(.consistency, of: Word.self, words: "linearizable or stale")
        enum Otherwise: String { case linearizable }
        let otherwise = try parameters.choice(.or, of: Otherwise.self, words: "linearizable")
        try parameters.demand(.maxLag, for: .or)
        let lag = try parameters.span(.maxLag, most: Instant.Span(nanoseconds: .max))
        if word == .linearizable && lag != nil {
            throw Problem(.badRequest, "max_lag is for stale reads; linearizable ones are never behind")
        }
        let isStale = word == .stale || lag != nil
        return Freshness(
            level: isStale
                ? .stale(maxLag: lag, orLinearizable: otherwise != nil)
                : word == .linearizable ? .linearizable : level,
            minRevision: try parameters.revision(.minRevision, orZero: true),
            timeout: try timeout(parameters))
    }
}
