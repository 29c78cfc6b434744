import JSON
import Testing

@Suite struct WriterTests {
    static func text(pretty: Bool = false, _ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter(pretty: pretty)
        body(&writer)
        return String(decoding: writer.take(), as: UTF8.self)
    }

    @Test func `members and elements are separated by themselves`() {
        let text = Self.text { writer in
            writer.beginObject()
            writer.field("key", "config/db")
            writer.field("revision", 44)
            writer.name("items")
            writer.beginArray()
            writer.number(-1)
            writer.number(UInt64.max)
            writer.number(Int64.min)
            writer.bool(false)
            writer.null()
            writer.beginObject()
            writer.endObject()
            writer.endArray()
            writer.field("on", true)
            writer.endObject()
            writer.lineEnd()
        }
        #expect(
            text
                == #"{"key":"config/db","revision":44,"items":[-1,18446744073709551615,-9223372036854775808,"#
                + #"false,null,{}],"on":true}"# + "\n")
    }

    @Test func `pretty text is indented by two spaces`() {
        let text = Self.text(pretty: true) { writer in
            writer.beginObject()
            writer.name("a")
            writer.beginArray()
            writer.number(1)
            writer.number(2)
            writer.endArray()
            writer.name("b")
            writer.beginObject()
            writer.endObject()
            writer.endObject()
        }
        #expect(text == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}")
    }

    @Test func `what must be escaped is escaped and the rest is left`() {
        let text = Self.text { $0.string("\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}\u{e9}\u{20ac}\u{1f600}<&>") }
        #expect(text == "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\u{e9}\u{20ac}\u{1f600}<&>\"")
    }

    @Test(
        arguments: [
            ([], #"{"value":""}"#), (Array("db\n".utf8), #"{"value":"db\n"}"#),
            ([0], #"{"value":"\u0000"}"#), ([255, 254], #"{"value_b64":"//4="}"#),
            ([0x61, 0xc3], #"{"value_b64":"YcM="}"#), ([0xed, 0xa0, 0x80], #"{"value_b64":"7aCA"}"#),
        ] as [([UInt8], String)])
    func `bytes are text if they can be and base 64 if not`(bytes: [UInt8], expected: String) {
        let text = Self.text { writer in
            writer.beginObject()
            writer.bytesField("value", bytes)
            writer.endObject()
        }
        #expect(text == expected)
    }

    @Test func `doubles are written in a form that reads back exactly`() throws {
        for number in [
            0, -0.0, 0.1, 1e16, 1e-7, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1 / 3, -12345.678,
        ] as [Double] {
            let text = Self.text { $0.number(number) }
            let back = try JSONValue(parsing: text).double
            #expect(back?.bitPattern == number.bitPattern || number == 0 && back == 0, "\(text)")
        }
        #expect(Self.text { $0.number(Double.nan) } == "null")
        #expect(Self.text { $0.number(Double.infinity) } == "null")
    }

    @Test func `a writer goes on after what is there`() {
        var writer = JSONWriter(continuing: Array("data: ".utf8))
        writer.beginArray()
        writer.raw(Array("{\"a\":1}".utf8))
        writer.string("x")
        writer.endArray()
        #expect(String(decoding: writer.take(), as: UTF8.self) == #"data: [{"a":1},"x"]"#)
        #expect(writer.bytes.isEmpty)
    }

    @Test func `values are compared and looked into`() throws {
        let value = try JSONValue(parsing: #"{"a":[1,-2,1.5,"t",true,null,18446744073709551615]}"#)
        let elements = try #require(value["a"]?.elements)
        #expect(elements.map(\.integer) == [1, -2, nil, nil, nil, nil, nil])
        #expect(elements.map(\.unsigned) == [1, nil, nil, nil, nil, nil, .max])
        #expect(elements.map(\.double) == [1, -2, 1.5, nil, nil, nil, Double(UInt64.max)])
        #expect(elements.map(\.string) == [nil, nil, nil, "t", nil, nil, nil])
        #expect(elements.map(\.bool) == [nil, nil, nil, nil, true, nil, nil])
        #expect(elements.map(\.isNull) == [false, false, false, false, false, true, false])
        #expect(value["a"]?[3] == .string("t"))
        #expect(value["a"]?[9] == nil && value["b"] == nil && value[0] == nil && value.members?.count == 1)
    }
}
