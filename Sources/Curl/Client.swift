// Blocking requests, for the command line and for tests.

import CCurl
public import Primitives

/// A request to make with a ``HTTPClient``.
public struct HTTPCall: Sendable {
    /// The method, in capitals.
    public var method: String
    /// The whole URL, `http` or `https`.
    public var url: String
    /// Header lines beyond those that libcurl makes itself.
    public var headers: [(name: String, value: String)] = []
    /// The body; nil sends none.
    public var body: [UInt8]?
    /// How long connecting may take.
    public var connectTimeout = Instant.Span.seconds(2)
    /// How long everything may take; nil: for ever.
    public var timeout: Instant.Span? = .seconds(30)
    /// Whether redirects are followed, at most five, with the method kept.
    public var followsRedirects = false
    /// The longest response body that is taken.
    public var responseLimit = 64 * 1024 * 1024

    /// A request without headers of its own.
    public init(_ method: String, _ url: String, body: [UInt8]? = nil) {
        self.method = method
        self.url = url
        self.body = body
    }
}

/// What a server answered.
public struct HTTPAnswer: Sendable {
    /// The status code.
    public var status: Int
    /// The header fields of the final response, in order, names as the server wrote them.
    public var headers: [(name: String, value: String)]
    /// The body.
    public var body: [UInt8]

    /// The value of the first field with this name, in any case.
    public func field(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// Makes one request at a time and keeps its connections for the next. Belongs to one thread.
///
/// A request that could do something twice is sent once. Left to itself libcurl sends any request again if
/// the connection had served another before and ends without an answer, although the server may have done
/// what it was asked for: that is an error here, unless the method is GET or HEAD.
public struct HTTPClient: ~Copyable {
    private let easy = EasyHandle()
    // libcurl's callbacks write through pointers that must not move.
    private let state: UnsafeMutablePointer<CallState>

    /// Makes a client without connections.
    public init() {
        state = .allocate(capacity: 1)
        state.initialize(to: CallState())
        easy.set(CURLOPT_WRITEFUNCTION, receiveBody)
        easy.set(CURLOPT_WRITEDATA, UnsafeRawPointer(state))
        easy.set(CURLOPT_HEADERFUNCTION, receiveHeader)
        easy.set(CURLOPT_HEADERDATA, UnsafeRawPointer(state))
        easy.set(CURLOPT_ERRORBUFFER, UnsafeRawPointer(state.pointee.errorText))
        easy.set(CURLOPT_PREREQDATA, UnsafeRawPointer(state))
        easy.setPrerequest(allowRequest)
    }

    deinit {
        // The handle goes first: cleaning it up may still write to the error buffer.
        easy.set(CURLOPT_ERRORBUFFER, UnsafeRawPointer?.none)
        state.pointee.sink.free()
        state.pointee.errorText.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Makes a request and waits for the whole response.
    public mutating func perform(_ call: HTTPCall) throws(CurlError) -> HTTPAnswer {
        try run(call, consume: nil)
        return HTTPAnswer(
            status: easy.status, headers: state.pointee.headers, body: Array(state.pointee.sink.bytes))
    }

    /// Makes a request and hands over the body piece by piece as it comes; `consume` answers whether to go
    /// on. The answer's body is empty. The status is known to `consume`, which may not keep the bytes.
    public mutating func perform(
        _ call: HTTPCall, consume: (_ status: Int, _ piece: UnsafeRawBufferPointer) -> Bool
    ) throws(CurlError) -> HTTPAnswer {
        var failure: CurlError?
        withoutActuallyEscaping(consume) { consume in
            do throws(CurlError) { try run(call, consume: consume) } catch { failure = error }
            state.pointee.consume = nil
        }
        if let failure { throw failure }
        return HTTPAnswer(status: easy.status, headers: state.pointee.headers, body: [])
    }

    private func run(_ call: HTTPCall, consume: CallState.Consumer?) throws(CurlError) {
        let refused = Self.fault(in: call)
        guard refused == nil else {
            throw CurlError(kind: .badRequest, code: 0, reason: refused ?? "", reached: false)
        }
        state.pointee.begin(limit: call.responseLimit, consume: consume, handle: easy.pointer)
        state.pointee.mayRepeat = call.method == "GET" || call.method == "HEAD" || call.followsRedirects
        easy.set(CURLOPT_URL, call.url)
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, Int(call.connectTimeout.milliseconds))
        easy.set(CURLOPT_TIMEOUT_MS, call.timeout.map { max(1, Int($0.milliseconds)) } ?? 0)
        easy.set(CURLOPT_FOLLOWLOCATION, call.followsRedirects ? 1 : 0)
        easy.set(CURLOPT_MAXREDIRS, 5)
        easy.set(CURLOPT_POSTREDIR, parley_curl_keep_method())
        easy.set(CURLOPT_NOBODY, call.method == "HEAD" ? 1 : 0)
        let headers = HeaderList(Self.lines(of: call))
        easy.set(CURLOPT_HTTPHEADER, headers)
        let code = send(call)
        easy.set(CURLOPT_HTTPHEADER, UnsafeRawPointer?.none)
        let sink = state.pointee.sink
        guard code == CURLE_OK else {
            throw CurlError(
                code, detail: state.pointee.detail,
                tooLarge: sink.isOverLimit || state.pointee.hasTooManyHeaders ? call.responseLimit : nil,
                cancelled: state.pointee.isCancelled, reached: easy.hasSent)
        }
    }

    /// The header lines as libcurl wants them. A body without a type gets none: libcurl would call it a form.
    private static func lines(of call: HTTPCall) -> [String] {
        let lines = call.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        let hasType = call.headers.contains { $0.name.lowercased() == "content-type" }
        return hasType || call.body == nil ? lines : lines + ["Content-Type:"]
    }

    private func send(_ call: HTTPCall) -> CURLcode {
        if let body = call.body {
            return body.withUnsafeBytes { bytes in
                easy.set(CURLOPT_POST, 1)
                easy.set(CURLOPT_CUSTOMREQUEST, call.method)
                _ = parley_curl_set_offset(easy.pointer, CURLOPT_POSTFIELDSIZE_LARGE, Int64(bytes.count))
                // An empty buffer has no address, and without one libcurl would ask a read callback.
                let nothing: StaticString = ""
                easy.set(CURLOPT_POSTFIELDS, bytes.baseAddress ?? UnsafeRawPointer(nothing.utf8Start))
                return curl_easy_perform(easy.pointer)
            }
        }
        if call.method == "HEAD" {
            easy.set(CURLOPT_NOBODY, 1)
        } else {
            easy.set(CURLOPT_HTTPGET, 1)
        }
        easy.set(CURLOPT_CUSTOMREQUEST, call.method)
        return curl_easy_perform(easy.pointer)
    }

    /// What would let a caller's text break out of its line, or nil.
    private static func fault(in call: HTTPCall) -> String? {
        func isClean(_ text: String) -> Bool { !text.utf8.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f } }
        guard !call.method.isEmpty, call.method.utf8.allSatisfy({ (65...90).contains($0) }) else {
            return "\"\(call.method)\" is not a method"
        }
        for header in call.headers {
            guard isClean(header.name), isClean(header.value), !header.name.isEmpty,
                !header.name.utf8.contains(where: { $0 == 0x3a || $0 == 0x20 || $0 == 0x3b })
            else { return "the header \"\(header.name)\" is not acceptable" }
        }
        guard call.url.utf8.count <= 64 * 1024 else { return "the URL is too long" }
        return isClean(call.url) ? nil : "the URL has control characters"
    }
}

/// What the callbacks of one client share.
private struct CallState {
    typealias Consumer = (Int, UnsafeRawBufferPointer) -> Bool

    static let headerLimit = 256 * 1024

    var sink = ByteSink(limit: 0)
    var headers: [(name: String, value: String)] = []
    var headerBytes = 0
    var hasTooManyHeaders = false
    var isCancelled = false
    /// Whether the request may be sent a second time.
    var mayRepeat = true
    var hasRefusedToRepeat = false
    var consume: Consumer?
    var handle: UnsafeMutableRawPointer?
    let errorText: UnsafeMutablePointer<CChar>

    init() {
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.pointee = 0
    }

    mutating func begin(limit: Int, consume: Consumer?, handle: UnsafeMutableRawPointer) {
        sink.clear()
        sink.limit = limit
        headers = []
        headerBytes = 0
        hasTooManyHeaders = false
        isCancelled = false
        hasRefusedToRepeat = false
        self.consume = consume
        self.handle = handle
        errorText.pointee = 0
    }

    /// What is known of a failure.
    var detail: String {
        hasRefusedToRepeat ? "the connection ended without an answer" : String(cString: errorText)
    }

    mutating func receiveLine(_ line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Self.headerLimit else {
            hasTooManyHeaders = true
            return false
        }
        // Each response of a chain of redirects, and each 1xx, begins anew.
        if line.starts(with: "HTTP/".utf8) { headers = [] }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return true }
        func text(_ part: some Sequence<UInt8>) -> String {
            let blank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d || $0 == 0x0a }
            let trimmed = Array(part.drop(while: blank).reversed().drop(while: blank).reversed())
            return String(decoding: trimmed, as: UTF8.self)
        }
        headers.append((text(line[..<colon]), text(line[(colon + 1)...])))
        return true
    }
}

private let receiveBody: parley_curl_data_function = { data, size, count, context in
    guard let data, let context else { return 0 }
    let state = context.assumingMemoryBound(to: CallState.self)
    let length = size * count
    guard let consume = state.pointee.consume else {
        return state.pointee.sink.append(data, length) ? length : 0
    }
    var status = 0
    if let handle = state.pointee.handle { _ = parley_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status) }
    if consume(status, UnsafeRawBufferPointer(start: data, count: length)) { return length }
    state.pointee.isCancelled = true
    return 0
}

private let receiveHeader: parley_curl_data_function = { data, size, count, context in
    guard let data, let context else { return 0 }
    let length = size * count
    let line = UnsafeRawBufferPointer(start: data, count: length)
    return context.assumingMemoryBound(to: CallState.self).pointee.receiveLine(line) ? length : 0
}

/// Asked before each time that libcurl sends the request.
private let allowRequest: curl_prereq_callback = { context, _, _, _, _ in
    guard let state = context?.assumingMemoryBound(to: CallState.self), !state.pointee.mayRepeat,
        let handle = state.pointee.handle
    else { return parley_curl_go_on() }
    var sent = 0
    _ = parley_curl_get_long(handle, CURLINFO_REQUEST_SIZE, &sent)
    guard sent > 0 else { return parley_curl_go_on() }
    state.pointee.hasRefusedToRepeat = true
    return parley_curl_abort()
}
