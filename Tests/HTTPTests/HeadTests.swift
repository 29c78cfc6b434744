import HTTP
import Testing

@Suite struct HeadTests {
    @Test(arguments: HeadCases.lengths) func `bodies of announced length`(row: Case) { row.check() }
    @Test(arguments: HeadCases.codings) func `transfer codings`(row: Case) { row.check() }
    @Test(arguments: HeadCases.lines) func `header lines`(row: Case) { row.check() }
    @Test(arguments: HeadCases.hosts) func `hosts`(row: Case) { row.check() }
    @Test(arguments: HeadCases.requestLines) func `request lines and connection options`(row: Case) {
        row.check()
    }

    @Test func `fields are found by name in any case and without white space around the value`() {
        let text =
            "GET http://over:1/ HTTP/1.1\r\nHost: h\r\nIf-MATCH: \t\"42\" \r\nX-A: 1\r\nx-a: 2\r\nX-B: \u{e9}\r\n\r\n"
        var connection = Connection(at: Exchange.moment)
        connection.received(Array(text.utf8), at: Exchange.moment)
        let request = connection.nextRequest()
        #expect(request?.fieldText("if-match") == "\"42\"")
        #expect(request?.fields(named: "x-a").map { String(decoding: $0, as: UTF8.self) } == ["1", "2"])
        #expect(request?.fieldText("x-b") == "\u{e9}")
        #expect(request?.field("x-c") == nil)
        #expect(request.map { String(decoding: $0.authority, as: UTF8.self) } == "over:1")
        #expect(request?.announcesBody == false)
    }

    @Test func `a request can be made without a connection`() {
        let request = Request(
            method: .put, target: "/kv/a?prev", fields: [("Host", "n1:7070"), ("If-Match", "*")], body: [1])
        #expect(Exchange.describe(request) == "put /kv/a?prev \u{1}")
        #expect(request.fieldText("if-match") == "*" && request.announcesBody)
        #expect(String(decoding: request.authority, as: UTF8.self) == "n1:7070")
    }
}
