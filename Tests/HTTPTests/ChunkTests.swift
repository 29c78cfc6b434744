import HTTP
import Testing

/// Chunked bodies of the hostile-input catalogue.
@Suite struct ChunkTests {
    static func put(_ body: String) -> String {
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    }

    static let cases: [Case] =
        [
            Case("plain", put("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), .served(["put /a hello world"])),
            Case(
                "upper-case and leading zeros", put("00A\r\n0123456789\r\n0\r\n\r\n"),
                .served(["put /a 0123456789"])),
            Case(
                "H23 extensions", put("5;a=b\r\nhello\r\n5;a=\"x\\\"y\"\r\nhello\r\n0\r\n\r\n"),
                .served(["put /a hellohello"])),
            Case(
                "H27 trailers", put("2\r\nhi\r\n0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n"),
                .served(["put /a hi"])),
            Case(
                "H28 long trailers", put("0\r\nX: \(String(repeating: "y", count: 65536))\r\n\r\n"),
                .refused(431, "fields_too_large")),
            Case(
                "H28 many trailers", put("0\r\n" + String(repeating: "X: y\r\n", count: 1000)),
                .refused(431, "fields_too_large")),
            .bad("H28 malformed trailer", put("0\r\nX y\r\n\r\n")),
            .bad("H28 folded trailer", put("0\r\nX: y\r\n z\r\n\r\n")),
            .bad("H28 control character in a trailer", put("0\r\nX: \u{1}\r\n\r\n")),
            .bad("H20 seventeen digits", put("00000000000000005\r\nhello\r\n0\r\n\r\n")),
            .bad("H20 all bits", put("ffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
            Case(
                "H20 in range but too long", put("7fffffffffffffff\r\nhello\r\n"),
                .refused(413, "content_too_large")),
            .bad("H21 LF only", put("5\nhello\r\n0\r\n\r\n")),
            .bad("H21 CR and another byte", put("5\rxhello\r\n0\r\n\r\n")),
            .bad("H22 no line end after the data", put("5\r\nhello0\r\n\r\n")),
            .bad("H22 longer than its size", put("5\r\nhello!\r\n0\r\n\r\n")),
            .bad("H22 LF after the data", put("5\r\nhello\n0\r\n\r\n")),
            .bad("H22 CR and another byte after the data", put("5\r\nhello\rx0\r\n\r\n")),
            .bad(
                "H24 long extension", put("5;a=\(String(repeating: "b", count: 10240))\r\nhello\r\n0\r\n\r\n")
            ),
            .bad(
                "H24 many extensions",
                put(String(repeating: "1;\(String(repeating: "b", count: 200))\r\nx\r\n", count: 6))),
            .bad("H24 CR in an extension", put("5;a=\"\r\"\r\nhello\r\n0\r\n\r\n")),
            .bad("H24 LF in an extension", put("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n")),
            .bad("NUL in an extension", put("5;a=\u{0}\r\nhello\r\n0\r\n\r\n")),
            .bad("the end with a bare LF", put("0\r\n\n")),
        ]
        + ["0x5", "+5", "-5", "5_0", " 5", "5 ", "", "g", "5 ;a", "5,"].map {
            .bad("H19 size \($0)", put("\($0)\r\nhello\r\n0\r\n\r\n"))
        }

    @Test(arguments: cases) func `chunked bodies`(row: Case) { row.check() }

    @Test func `a million chunks of one byte cost no more than their bytes`() {
        var limits = Limits()
        limits.body = 100_000
        var connection = Connection(limits: limits, at: Exchange.moment)
        connection.received(Array(Self.put("").utf8), at: Exchange.moment)
        let chunks = Array(String(repeating: "1\r\nx\r\n", count: 1000).utf8)
        var fed = 0
        while fed < 1_000_000, connection.wantsRead {
            connection.received(chunks, at: Exchange.moment)
            fed += 1000
        }
        #expect(fed == 101_000)
        #expect(String(decoding: connection.output, as: UTF8.self).hasPrefix("HTTP/1.1 413 "))
    }

    @Test func `a body limit may depend on the path`() {
        var limits = Limits()
        limits.body = 4
        limits.bodyLimits = [Limits.BodyLimit(prefix: "/snapshots", bytes: 8)]
        for (path, served) in [
            ("/a", false), ("/snapshots/x", true), ("/api/v1/snapshots", true), ("/api/v1x", false),
        ] {
            let length = "PUT \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n12345678"
            let chunked =
                "PUT \(path) HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n"
            for text in [length, chunked] {
                let exchange = Exchange(text, limits: limits)
                #expect(exchange.requests == (served ? ["put \(path) 12345678"] : []))
                #expect(exchange.output.hasPrefix(served ? "HTTP/1.1 200" : "HTTP/1.1 413"))
            }
        }
    }
}
