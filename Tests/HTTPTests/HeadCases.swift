/// Request lines and header fields of the hostile-input catalogue.
enum HeadCases {
    static func get(
        _ lines: String = "", target: String = "/a", version: String = "1.1", host: String = "Host: h\r\n"
    ) -> String {
        "GET \(target) HTTP/\(version)\r\n\(host)\(lines)\r\n"
    }

    static func put(_ lines: String, _ body: String = "") -> String {
        "PUT /a HTTP/1.1\r\nHost: h\r\n\(lines)\r\n\(body)"
    }

    static let lengths: [Case] =
        [
            .bad(
                "H1 both length and coding",
                put("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
            .bad(
                "H1 both, other order",
                put("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
            .bad("H2 different lengths", put("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
            .bad("H3 equal lengths", put("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
            Case("H6 leading zeros", put("Content-Length: 0005\r\n", "hello"), .served(["put /a hello"])),
            Case("H7 too long", put("Content-Length: 2097153\r\n"), .refused(413, "content_too_large")),
            Case(
                "H10 body then request",
                put("Content-Length: 5\r\n", "helloGET /b HTTP/1.1\r\nHost: h\r\n\r\n"),
                .served(["put /a hello", "get /b"])),
            Case(
                "H10 body then request, closing",
                put("Content-Length: 5\r\nConnection: close\r\n", "helloGET /b HTTP/1.1\r\nHost: h\r\n\r\n"),
                .servedAndClosed(["put /a hello"])),
            Case(
                "H18 underscore", put("Transfer_Encoding: chunked\r\nContent-Length: 2\r\n", "hi"),
                .served(["put /a hi"])),
            Case("H69 GET with body", get("Content-Length: 2\r\n") + "hi", .served(["get /a hi"])),
            Case("H70 PUT without length", put(""), .served(["put /a"])),
        ]
        + [
            "+5", "-1", "0x5", "5.0", "5 5", "1_0", "\u{ff15}", "5;", "", "5, 5", "18446744073709551617",
            "9223372036854775808", "\"5\"",
        ].map { .bad("H4 length \($0)", put("Content-Length: \($0)\r\n", "hello")) }
        + [.bad("H5 many digits", put("Content-Length: \(String(repeating: "9", count: 8000))\r\n"))]

    static let codings: [Case] =
        [
            .bad(
                "H11 twice", put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
            .bad("H15 space before colon", put("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")),
            .bad("H16 folded", put("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
            .bad("H17 coding in 1.0", "PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            Case("case", put("TRANSFER-ENCODING: \tChunked \r\n", "0\r\n\r\n"), .served(["put /a"])),
        ]
        + ["gzip, chunked", "foo, chunked"].map {
            Case(
                "H13 \($0)", put("Transfer-Encoding: \($0)\r\n", "0\r\n\r\n"),
                .refused(501, "not_implemented"))
        }
        + [
            "chunked, chunked", "chunked, identity", "chunked, gzip", "identity", "gzip", ",chunked",
            "chunked,",
            "\"chunked\"", "chunked;q=1", "xchunked", "\u{b}chunked", "chunked\u{0}", "",
        ].map { .bad("H12, H14 \($0)", put("Transfer-Encoding: \($0)\r\n", "0\r\n\r\n")) }
        + [
            Case(
                "H14 no-break space",
                Array("PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ".utf8) + [0xa0]
                    + Array("chunked\r\n\r\n0\r\n\r\n".utf8), .refused(400, "bad_request"))
        ]

    static let lines: [Case] =
        [
            .bad("H29 bare LF", "GET / HTTP/1.1\nHost: h\n\n"),
            .bad("H29 bare LF in fields", "GET / HTTP/1.1\r\nHost: h\n\r\n"),
            .bad("H29 bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n"),
            .bad("H30 CR in the request line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n"),
            .bad("H30 CR in a name", get("X\r-A: b\r\n")),
            .bad("H30 CR in a value", get("X-A: b\rc\r\n")),
            .bad("H30 CR before CR LF", get("X-A: b\r\r\n")),
            .bad("H31 NUL in a value", get("X-A: b\u{0}c\r\n")),
            .bad("H31 DEL in a value", get("X-A: b\u{7f}c\r\n")),
            .bad("H31 NUL in a name", get("X\u{0}A: b\r\n")),
            .bad("H32 space in a name", get("X A: b\r\n")),
            .bad("H32 parenthesis in a name", get("X(A: b\r\n")),
            .bad("H32 quote in a name", get("X\"A: b\r\n")),
            .bad("H32 beyond ASCII in a name", get("X\u{e9}: b\r\n")),
            .bad("H32 empty name", get(": b\r\n")),
            .bad("H32 no colon", get("X-A\r\n")),
            .bad("H33 white space line first", get(host: " \r\nHost: h\r\n")),
            .bad("H33 white space before the first field", get(host: " Host: h\r\n")),
            .bad("folded value", get("X-A: b\r\n\tc\r\n")),
            Case("H34 bytes beyond ASCII in a value", get("X-A: \u{e9}\r\n"), .served(["get /a"])),
            Case("empty value", get("X-A:\r\nX-B: \t \r\n"), .served(["get /a"])),
            Case(
                "H35 101 fields", get(String(repeating: "X: y\r\n", count: 100)),
                .refused(431, "fields_too_large")),
            Case("H35 100 fields", get(String(repeating: "X: y\r\n", count: 99)), .served(["get /a"])),
            Case(
                "H35 9 KiB field", get("X: \(String(repeating: "y", count: 9 * 1024))\r\n"),
                .refused(431, "fields_too_large")),
            Case(
                "H35 33 KiB of fields",
                get(String(repeating: "X: \(String(repeating: "y", count: 1000))\r\n", count: 33)),
                .refused(431, "fields_too_large")),
            Case(
                "H36 8000 octets", get(target: "/" + String(repeating: "a", count: 7985)),
                .served(["get /" + String(repeating: "a", count: 7985)])),
            Case(
                "H36 9000 octets", get(target: "/" + String(repeating: "a", count: 9000)),
                .refused(414, "uri_too_long")),
            Case("H37 no line end", String(repeating: "a", count: 1 << 15), .refused(414, "uri_too_long")),
            Case(
                "H37 no line end in fields", "GET / HTTP/1.1\r\n" + String(repeating: "a", count: 1 << 15),
                .refused(431, "fields_too_large")),
            Case("H38 two empty lines", "\r\n\r\n" + get(), .served(["get /a"])),
            .bad("H38 three empty lines", "\r\n\r\n\r\n" + get()),
        ]

    static let hosts: [Case] =
        [
            .bad("H39 no Host", get(host: "")),
            .bad("H39 two Hosts", get("Host: h\r\n")),
            Case("H39 empty Host", get(host: "Host:\r\n"), .served(["get /a"])),
            Case("H39 port", get(host: "Host: h:7070\r\n"), .served(["get /a"])),
            Case("H39 IPv6", get(host: "Host: [::1]:7070\r\n"), .served(["get /a"])),
            Case("H41 1.0 without Host", get(version: "1.0", host: ""), .servedAndClosed(["get /a"])),
            Case(
                "H41 1.0 that keeps alive", get("Connection: keep-alive\r\n", version: "1.0", host: ""),
                .served(["get /a"])),
        ]
        + ["a b", "a/b", "a, b", "a,b", "u@h", "h:x", "h:123456", "[::1", "[]", "[x]", ":80", "a\"b"]
        .map { .bad("H39 Host \($0)", get(host: "Host: \($0)\r\n")) }

    static let requestLines: [Case] =
        [
            "GET /", "GET / HTTP/1", "GET / HTTP/1.32", "GET / HTTP/1,1", "GET / http/1.1", "GET / HTTP/01.1",
            "GET / HTTP/\r\r1.1", "GET / HTTP/1.1 ", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.x",
            "GET host:80 HTTP/1.1", "GET * HTTP/1.1", "GET x HTTP/1.1", "GET ! HTTP/1.1", "GET /a#b HTTP/1.1",
            "GET /a b HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\u{7f} HTTP/1.1", "GET ftp://h/ HTTP/1.1",
            "GET http:///a HTTP/1.1", "GET http:/a HTTP/1.1", "GET http://u@h/a HTTP/1.1",
            "GET http://a,b/ HTTP/1.1",
            "GET /%zz HTTP/1.1", "GET /% HTTP/1.1", "GET /%2 HTTP/1.1", "GET /%u0041 HTTP/1.1",
            "GET /%00 HTTP/1.1",
            "G=\":<>(e),[T];?\" / HTTP/1.1", "SSH-2.0-OpenSSH_9.2", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
        ].map { .bad("H42, H45, H49, H51 \($0)", "\($0)\r\nHost: h\r\n\r\n") }
        + [
            .bad("H45 TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}"),
            Case("H43 1.9", get(version: "1.9"), .served(["get /a"])),
            Case("H44 2.0", get(version: "2.0"), .refused(505, "version_not_supported")),
            Case("H44 3.0", get(version: "3.0"), .refused(505, "version_not_supported")),
            Case("0.9", get(version: "0.9"), .refused(505, "version_not_supported")),
            Case("H44 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .refused(505, "version_not_supported")),
            Case("H46 get", "get / HTTP/1.1\r\nHost: h\r\n\r\n", .refused(501, "not_implemented")),
            Case("H46 FOO", "FOO / HTTP/1.1\r\nHost: h\r\n\r\n", .refused(501, "not_implemented")),
            Case("H46 GETX", "GETX / HTTP/1.1\r\nHost: h\r\n\r\n", .refused(501, "not_implemented")),
            Case(
                "H46 long", "\(String(repeating: "M", count: 300)) / HTTP/1.1\r\nHost: h\r\n\r\n",
                .refused(501, "not_implemented")),
            Case(
                "H47 CONNECT", "CONNECT host:443 HTTP/1.1\r\nHost: h\r\n\r\n",
                .refused(501, "not_implemented")),
            Case("H47 TRACE is the router's", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", .served(["trace /"])),
            Case("H48 absolute", get(target: "http://allowed:1/v1/x?y"), .served(["get /v1/x?y"])),
            Case("H48 absolute without path", get(target: "HTTPS://allowed?y"), .served(["get /?y"])),
            Case("H50 OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", .served(["options *"])),
            Case("H53 dots are data", get(target: "/v1/kv/../../admin"), .served(["get /v1/kv/../../admin"])),
            Case("H53 encoded dots are data", get(target: "/%2e%2e//x"), .served(["get /%2e%2e//x"])),
            Case(
                "raw UTF-8", get(target: "/kv/schl\u{fc}ssel?\u{e9}"),
                .served(["get /kv/schl\u{fc}ssel?\u{e9}"])),
            Case("two question marks", get(target: "/?a?b"), .served(["get /?a?b"])),
            Case("H66 close", get("Connection: foo, Close\r\n"), .servedAndClosed(["get /a"])),
            Case(
                "H66 close on a second line", get("Connection: x\r\nConnection: close\r\n"),
                .servedAndClosed(["get /a"])),
            Case(
                "H66 framing named as a hop",
                put("Connection: Content-Length\r\nContent-Length: 2\r\n", "hi"),
                .served(["put /a hi"])),
            Case("H66 keep-alive wishes", get("Keep-Alive: timeout=99999\r\n"), .served(["get /a"])),
            Case(
                "H67 upgrade",
                get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
                .served(["get /a"])),
            Case(
                "H58 Expect", put("Expect: foo\r\nContent-Length: 2\r\n", "hi"),
                .refused(417, "expectation_failed")),
            Case(
                "H58 two Expects", put("Expect: 100-continue\r\nExpect: foo\r\nContent-Length: 2\r\n", "hi"),
                .refused(417, "expectation_failed")),
            Case("H58 Expect in 1.0", get("Expect: foo\r\n", version: "1.0"), .servedAndClosed(["get /a"])),
        ]
}
