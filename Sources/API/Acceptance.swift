// What has to be right with a request before its route matters: who sent it, to which host, and that nothing
// in it asks for what would silently be left out.

import HTTP
import Primitives

/// Which hosts this node answers for, and which web pages may use it.
struct HostRules: Sendable {
    private let allowedHosts: [String]
    private let corsOrigins: [String]

    init(_ settings: NativeAPI.Settings) {
        corsOrigins = settings.corsOrigins.map { $0.lowercased() }
        guard !settings.allowedHosts.isEmpty else {
            allowedHosts = []
            return
        }
        var advertised = settings.advertisedURL[...]
        if let scheme = advertised.firstRange(of: "://") { advertised = advertised[scheme.upperBound...] }
        let host = advertised.prefix { $0 != "/" }
        allowedHosts =
            settings.allowedHosts.map { $0.lowercased() } + ["localhost", Self.name(of: host.lowercased())]
    }

    /// Refuses foreign hosts (against DNS rebinding, as in CVE-2018-1098) and requests by which another
    /// site's page would change something; notes the origin if its pages may read the answer.
    func check(_ request: HTTP.Request, traits: inout RequestTraits) throws(Problem) {
        if !allowedHosts.isEmpty {
            let host = Self.name(of: String(decoding: request.authority, as: UTF8.self).lowercased())
            guard allowedHosts.contains(host) || Self.isAddress(host) else {
                throw Problem(.misdirectedHost, "this node does not answer for \(readable(host.utf8))")
            }
        }
        guard let origin = request.field("origin") else { return }
        let text = String(decoding: origin, as: UTF8.self)
        let isListed = corsOrigins.contains(text.lowercased()) || corsOrigins.contains("*")
        if isListed { traits.allowedOrigin = text }
        switch request.method {
        case .get, .head, .options, .trace, .connect: return
        case .put, .post, .delete, .patch:
            guard isListed || isSame(text, as: request.authority) else {
                throw Problem(.originDenied, "pages of \(readable(origin)) may not change anything here")
            }
        }
    }

    private func isSame(_ origin: String, as authority: ArraySlice<UInt8>) -> Bool {
        guard let scheme = origin.firstRange(of: "://") else { return false }
        guard origin[..<scheme.lowerBound] == "http" || origin[..<scheme.lowerBound] == "https" else {
            return false
        }
        return origin[scheme.upperBound...].lowercased()
            == String(decoding: authority, as: UTF8.self).lowercased()
    }

    /// A host without its port.
    private static func name(of host: String) -> String {
        if host.hasPrefix("[") { return String(host.prefix { $0 != "]" }) + "]" }
        return String(host.prefix { $0 != ":" })
    }

    /// Whether a host is an IP address, which no name service can be made to point elsewhere.
    private static func isAddress(_ host: String) -> Bool {
        if host.hasPrefix("[") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}

extension RequestTraits {
    /// Reads how the answer is to be worded.
    mutating func read(from request: HTTP.Request) {
        if request.method == .head { flags.insert(.isHead) }
        guard let accept = request.field("accept"), accept.count > 3 else { return }
        let text = String(decoding: accept, as: UTF8.self).lowercased()
        if text.contains("text/plain") { flags.insert(.wantsText) }
        if text.contains("application/x-ndjson") { flags.insert(.lines) }
    }
}

extension NativeAPI {
    /// Reads the parameters and refuses what would have to be ignored.
    func accept(
        _ request: HTTP.Request, on route: RouteEntry, traits: inout RequestTraits
    ) throws(Problem) -> Parameters {
        var parameters = try Parameters(request.query, of: route)
        if try parameters.flag(.pretty) { traits.flags.insert(.pretty) }
        if try parameters.flag(.explain) { traits.flags.insert(.explain) }
        try refuseFields(of: request, on: route)
        if let prefer = request.field("prefer") { read(prefer, into: &parameters, traits: &traits) }
        if let coding = request.field("content-encoding"), !coding.elementsEqual("identity".utf8) {
            throw Problem(
                .unsupportedMediaType,
                "bodies are taken as they are, not in the content encoding \(readable(coding))")
        }
        return parameters
    }

    /// Refuses headers that would have to be ignored.
    private func refuseFields(of request: HTTP.Request, on route: RouteEntry) throws(Problem) {
        if request.field("authorization") != nil, request.fields(named: "authorization").count > 1 {
            throw Problem(.badRequest, "there is more than one Authorization header")
        }
        guard route.method != .get else { return }
        switch route.id {
        case .publishEvent, .acknowledgeInbox, .transferLeadership, .tickClock,
            .observeClock,
            .compareClocks, .setLinkFault, .partition, .pauseNode, .healFaults, .healFault:
            guard request.field("idempotency-key") == nil else {
                throw Problem(
                    .badRequest, "\(route.method.name) \(route.pattern) takes no Idempotency-Key"
                )
                .with("header", .text("Idempotency-Key"))
            }
        default: break
        }
        if request.field("parley-fence") != nil, !route.parameters.contains(.fence) {
            throw Problem(.badRequest, "\(route.method.name) \(route.pattern) takes no Parley-Fence")
                .with("header", .text("Parley-Fence"))
        }
        guard route.id != .putKey, route.id != .deleteKey else { return }
        for name in ["if-match", "if-none-match"] as [StaticString] where request.field(name) != nil {
            throw Problem(
                .badRequest, "\(route.method.name) \(route.pattern) takes no condition, so no \(name)")
        }
    }

    /// Reads `Prefer` (RFC 7240); what is not known there is ignored, as that document demands.
    private func read(
        _ prefer: ArraySlice<UInt8>, into parameters: inout Parameters, traits: inout RequestTraits
    ) {
        for wish in prefer.split(whereSeparator: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ";") }) {
            switch String(decoding: wish.filter { $0 != 32 && $0 != 9 }, as: UTF8.self).lowercased() {
            case "redirect": parameters.prefersRedirect = true
            case "return=minimal": traits.flags.insert(.minimal)
            case let other where other.hasPrefix("wait="):
                parameters.preferredWait = parseSpan(Array(other.utf8.dropFirst(5)))
            default: break
            }
        }
    }

    /// Answers OPTIONS, also as the question of a browser before a request across origins (Fetch standard,
    /// CORS preflight).
    func options(_ allow: String, request: HTTP.Request, traits: RequestTraits) -> HTTP.Response {
        var response = HTTP.Response(status: 204)
        response.setField("Allow", allow)
        guard traits.allowedOrigin != nil else { return response }
        addOrigin(to: &response, traits: traits)
        guard request.field("access-control-request-method") != nil else { return response }
        response.setField("Access-Control-Allow-Methods", allow)
        response.setField(
            "Access-Control-Allow-Headers",
            "authorization,content-type,if-match,if-none-match,idempotency-key,parley-fence,"
                + "last-event-id,traceparent,tracestate,prefer"
        )
        response.setField("Access-Control-Max-Age", 600)
        return response
    }
}
