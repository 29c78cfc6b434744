import CCurl

/// One libcurl easy handle with the settings that all of ours share: HTTP/1.1 over http or https and nothing
/// else, no proxy whatever the environment says, no signals, no redirects, no `Expect: 100-continue`.
struct EasyHandle: ~Copyable {
    let pointer: UnsafeMutableRawPointer

    init() {
        _ = prepareLibrary
        guard let pointer = curl_easy_init() else { fatalError("libcurl has no memory for a handle") }
        self.pointer = pointer
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROXY, "")
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        set(CURLOPT_HTTP_VERSION, parley_curl_http_1_1())
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_NETRC, 0)
    }

    deinit { curl_easy_cleanup(pointer) }

    func set(_ option: CURLoption, _ value: Int) {
        check(parley_curl_set_long(pointer, option, value))
    }

    func set(_ option: CURLoption, _ value: String) {
        check(parley_curl_set_string(pointer, option, value))
    }

    func set(_ option: CURLoption, _ value: UnsafeRawPointer?) {
        check(parley_curl_set_pointer(pointer, option, value))
    }

    func set(_ option: CURLoption, _ value: borrowing HeaderList) {
        check(parley_curl_set_list(pointer, option, value.list))
    }

    func set(_ option: CURLoption, _ value: parley_curl_data_function) {
        check(parley_curl_set_function(pointer, option, value))
    }

    func setPrerequest(_ value: @escaping curl_prereq_callback) {
        check(parley_curl_set_prerequest(pointer, value))
    }

    /// The status code of the last response; 0 if there was none.
    var status: Int {
        var status = 0
        _ = parley_curl_get_long(pointer, CURLINFO_RESPONSE_CODE, &status)
        return status
    }

    /// Whether any bytes of a request were sent, on this connection or on one that was found dead before it.
    var hasSent: Bool {
        var size = 0
        _ = parley_curl_get_long(pointer, CURLINFO_REQUEST_SIZE, &size)
        return size > 0
    }

    /// The value of a field of the last response.
    func responseField(_ name: String) -> String? {
        var header: UnsafeMutablePointer<curl_header>?
        guard curl_easy_header(pointer, name, 0, UInt32(CURLH_HEADER), -1, &header) == CURLHE_OK,
            let value = header?.pointee.value
        else { return nil }
        return String(cString: value)
    }

    private func check(_ code: CURLcode) {
        // Everything that can be refused is ours: an option that this libcurl lacks, or no memory.
        precondition(code == CURLE_OK, String(cString: curl_easy_strerror(code)))
    }
}

/// libcurl's own copy of header lines. It must outlive the transfers that use it.
struct HeaderList: ~Copyable {
    let list: UnsafeMutablePointer<curl_slist>?

    /// Lines like `Name: value`; a name with nothing after the colon takes away libcurl's own header.
    init(_ lines: [String]) {
        var list: UnsafeMutablePointer<curl_slist>?
        for line in ["Expect:"] + lines {
            precondition(
                !line.utf8.contains { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f },
                "a control character in a header")
            list = curl_slist_append(list, line)
        }
        self.list = list
    }

    deinit { curl_slist_free_all(list) }
}

/// libcurl's global state, set up once for the process.
let prepareLibrary: Void = {
    let code = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    precondition(code == CURLE_OK, "libcurl cannot be initialized")
}()
