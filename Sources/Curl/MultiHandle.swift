// Many transfers on one thread. libcurl says which sockets it waits for and until when; who has the poller
// does the waiting. What its callbacks say is collected as data, so that nothing of ours runs inside libcurl.

import CCurl
public import Primitives

/// libcurl's multi handle with a pool of easy handles for POST and ranged GET. Belongs to one thread.
public struct MultiHandle: ~Copyable {
    /// What libcurl wants to know about one of its sockets from now on; neither: nothing, the socket may be
    /// closed.
    public struct SocketChange: Sendable, Equatable {
        /// The socket's descriptor.
        public let socket: Int32
        /// When it can be read.
        public let read: Bool
        /// When it can be written.
        public let write: Bool
    }

    /// How to make transfers.
    public struct Settings: Sendable {
        /// Header lines of every POST, such as `Content-Type: text/plain`.
        public var postHeaders: [String] = []
        /// Header lines of every GET.
        public var getHeaders: [String] = []
        /// How long connecting may take.
        public var connectTimeout = Instant.Span.seconds(1)
        /// How long an idle connection is used again; must be shorter than the servers keep it.
        public var idleConnectionAge = Instant.Span.seconds(60)
        /// How many idle connections are kept.
        public var idleConnections = 64

        /// The defaults.
        public init() {}
    }

    /// A transfer that has ended. Its place is free again.
    public struct Finished: Sendable {
        /// The place that the start of the transfer returned.
        public let place: Int
        /// The status, or why there is none.
        public let outcome: Result<Int, CurlError>
        /// The body.
        public let body: [UInt8]
        /// The value of `Content-Range`, for GET with a range.
        public let contentRange: String?
    }

    private let multi: UnsafeMutableRawPointer
    private let book: UnsafeMutablePointer<Book>
    private let postHeaders: HeaderList
    private let getHeaders: HeaderList
    private let settings: Settings
    // Places hold easy handles, which cannot be copied, so an array cannot hold them.
    private var places: UnsafeMutablePointer<Place>
    private var capacity = 8
    private var placeCount = 0
    private var free: [Int] = []

    /// Makes a handle without transfers.
    public init(_ settings: Settings) {
        _ = prepareLibrary
        guard let multi = curl_multi_init() else { fatalError("libcurl has no memory for a handle") }
        self.multi = multi
        self.settings = settings
        postHeaders = HeaderList(settings.postHeaders)
        getHeaders = HeaderList(settings.getHeaders)
        places = .allocate(capacity: capacity)
        book = .allocate(capacity: 1)
        book.initialize(to: Book())
        _ = parley_curl_multi_set_socket_function(multi, noteSocket)
        _ = parley_curl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, book)
        _ = parley_curl_multi_set_timer_function(multi, noteTimer)
        _ = parley_curl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, book)
        _ = parley_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, settings.idleConnections)
    }

    deinit {
        for index in 0..<placeCount {
            if places[index].isBusy { curl_multi_remove_handle(multi, places[index].easy.pointer) }
            (places + index).deinitialize(count: 1)
        }
        curl_multi_cleanup(multi)
        places.deallocate()
        book.deinitialize(count: 1)
        book.deallocate()
    }

    /// How many transfers are under way.
    public var count: Int { placeCount - free.count }

    /// When ``timeout(at:)`` is due.
    public var deadline: Instant { book.pointee.deadline }

    /// Begins to POST a body and answers the transfer's place.
    public mutating func post(
        _ url: String, body: [UInt8], timeout: Instant.Span, responseLimit: Int, at now: Instant
    ) -> Int {
        let place = takePlace()
        places[place].prepare(url, timeout: timeout, responseLimit: responseLimit)
        places[place].body.clear()
        places[place].body.limit = .max
        body.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { _ = places[place].body.append(start, bytes.count) }
        }
        let easy = places[place].easy.pointer
        _ = parley_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, Int64(body.count))
        let nothing: StaticString = ""
        let fields = places[place].body.bytes.baseAddress ?? nothing.utf8Start
        places[place].easy.set(CURLOPT_POSTFIELDS, UnsafeRawPointer(fields))
        places[place].become(.post, postHeaders)
        begin(place, at: now)
        return place
    }

    /// Begins to GET the bytes of a range and answers the transfer's place.
    public mutating func get(
        _ url: String, range: ClosedRange<UInt64>, timeout: Instant.Span, responseLimit: Int, at now: Instant
    ) -> Int {
        let place = takePlace()
        places[place].prepare(url, timeout: timeout, responseLimit: responseLimit)
        places[place].become(.get, getHeaders)
        places[place].easy.set(CURLOPT_RANGE, "\(range.lowerBound)-\(range.upperBound)")
        begin(place, at: now)
        return place
    }

    /// Ends a transfer without a result; true if any of its request may have been sent.
    public mutating func cancel(_ place: Int) -> Bool {
        let hasSent = places[place].easy.hasSent
        curl_multi_remove_handle(multi, places[place].easy.pointer)
        release(place)
        return hasSent
    }

    /// Tells libcurl that one of its sockets is ready.
    public mutating func act(on socket: Int32, read: Bool, write: Bool, failed: Bool, at now: Instant) {
        let what =
            (read ? CURL_CSELECT_IN : 0) | (write ? CURL_CSELECT_OUT : 0) | (failed ? CURL_CSELECT_ERR : 0)
        act(socket, what, now)
    }

    /// Tells libcurl that its deadline has come.
    public mutating func timeout(at now: Instant) {
        book.pointee.deadline = .never
        act(CURL_SOCKET_TIMEOUT, 0, now)
    }

    /// What changed about the sockets since the last call, at most one change for each.
    public mutating func takeChanges(into changes: inout [SocketChange]) {
        changes.removeAll(keepingCapacity: true)
        swap(&changes, &book.pointee.changes)
    }

    /// The next transfer that has ended.
    public mutating func takeFinished() -> Finished? {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else {
                continue
            }
            // The message lives no longer than the handle is part of the multi handle.
            let code = parley_curl_message_result(message)
            var tag: UnsafeMutableRawPointer?
            _ = parley_curl_get_pointer(easy, CURLINFO_PRIVATE, &tag)
            let place = Int(bitPattern: tag)
            let finished = result(place, code)
            curl_multi_remove_handle(multi, easy)
            release(place)
            return finished
        }
        return nil
    }

    private func result(_ place: Int, _ code: CURLcode) -> Finished {
        let sink = places[place].response.pointee
        let isGet = places[place].kind == .get
        guard code == CURLE_OK else {
            let error = CurlError(
                code, tooLarge: sink.isOverLimit ? sink.limit : nil, reached: places[place].easy.hasSent)
            return Finished(place: place, outcome: .failure(error), body: [], contentRange: nil)
        }
        return Finished(
            place: place, outcome: .success(places[place].easy.status), body: Array(sink.bytes),
            contentRange: isGet ? places[place].easy.responseField("Content-Range") : nil)
    }

    private mutating func begin(_ place: Int, at now: Instant) {
        book.pointee.now = now
        places[place].isBusy = true
        let code = curl_multi_add_handle(multi, places[place].easy.pointer)
        precondition(code == CURLM_OK, "curl_multi_add_handle: \(code.rawValue)")
    }

    private mutating func act(_ socket: Int32, _ what: Int32, _ now: Instant) {
        book.pointee.now = now
        var running: Int32 = 0
        let code = curl_multi_socket_action(multi, socket, what, &running)
        precondition(
            code == CURLM_OK || code == CURLM_BAD_SOCKET, "curl_multi_socket_action: \(code.rawValue)")
    }

    private mutating func release(_ place: Int) {
        places[place].isBusy = false
        places[place].response.pointee.clear()
        free.append(place)
    }

    private mutating func takePlace() -> Int {
        if let place = free.popLast() { return place }
        if placeCount == capacity {
            let larger = UnsafeMutablePointer<Place>.allocate(capacity: capacity * 2)
            larger.moveInitialize(from: places, count: placeCount)
            places.deallocate()
            places = larger
            capacity *= 2
        }
        (places + placeCount).initialize(to: Place(placeCount, settings))
        placeCount += 1
        return placeCount - 1
    }
}

/// One pooled easy handle with the memory that libcurl reads from and writes to.
private struct Place: ~Copyable {
    enum Kind { case none, post, get }

    let easy = EasyHandle()
    let response: UnsafeMutablePointer<ByteSink>
    var body = ByteSink(limit: .max)
    var kind = Kind.none
    var isBusy = false

    init(_ number: Int, _ settings: MultiHandle.Settings) {
        response = .allocate(capacity: 1)
        response.initialize(to: ByteSink(limit: 0))
        easy.set(CURLOPT_PRIVATE, UnsafeRawPointer(bitPattern: number))
        easy.set(CURLOPT_WRITEFUNCTION, appendToSink)
        easy.set(CURLOPT_WRITEDATA, UnsafeRawPointer(response))
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(settings.connectTimeout.milliseconds)))
        easy.set(CURLOPT_MAXAGE_CONN, max(1, Int(settings.idleConnectionAge.milliseconds / 1000)))
        easy.set(CURLOPT_BUFFERSIZE, 128 * 1024)
    }

    deinit {
        var body = body
        body.free()
        response.pointee.free()
        response.deallocate()
    }

    mutating func prepare(_ url: String, timeout: Instant.Span, responseLimit: Int) {
        easy.set(CURLOPT_URL, url)
        easy.set(CURLOPT_TIMEOUT_MS, max(1, Int(timeout.milliseconds)))
        response.pointee.clear()
        response.pointee.limit = responseLimit
    }

    mutating func become(_ kind: Kind, _ headers: borrowing HeaderList) {
        guard kind != self.kind else { return }
        self.kind = kind
        easy.set(kind == .post ? CURLOPT_POST : CURLOPT_HTTPGET, 1)
        easy.set(CURLOPT_HTTPHEADER, headers)
        if kind == .post { easy.set(CURLOPT_RANGE, UnsafeRawPointer?.none) }
    }
}

/// What the callbacks note.
private struct Book {
    var changes: [MultiHandle.SocketChange] = []
    var deadline = Instant.never
    var now = Instant.zero
}

private let noteSocket: curl_socket_callback = { _, socket, what, context, _ in
    guard let context else { return 0 }
    let book = context.assumingMemoryBound(to: Book.self)
    let change = MultiHandle.SocketChange(
        socket: socket, read: what == CURL_POLL_IN || what == CURL_POLL_INOUT,
        write: what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    // Only the last word counts: the number may have been closed and given to a new socket meanwhile.
    if let known = book.pointee.changes.firstIndex(where: { $0.socket == socket }) {
        book.pointee.changes[known] = change
    } else {
        book.pointee.changes.append(change)
    }
    return 0
}

private let noteTimer: curl_multi_timer_callback = { _, milliseconds, context in
    guard let context else { return 0 }
    let book = context.assumingMemoryBound(to: Book.self)
    book.pointee.deadline =
        milliseconds < 0 ? .never : book.pointee.now + Instant.Span.milliseconds(milliseconds)
    return 0
}
