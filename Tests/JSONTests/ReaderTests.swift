import JSON
import Testing

@Suite struct ReaderTests {
    static func error(_ text: String) -> JSONError? {
        do throws(JSONError) {
            _ = try JSONValue(parsing: text)
            return nil
        } catch { return error }
    }

    @Test func `members are read one by one and unknown ones are the caller's to see`() throws {
        var reader = try JSONReader(
            Array(#" {"to" : "n2", "max":18446744073709551615,"x":[1,{"y":null}], "on":true} "#.utf8))
        var seen: [String] = []
        try reader.beginObject()
        while let name = try reader.nextName() {
            seen.append(name)
            switch name {
            case "to": #expect(try reader.string() == "n2")
            case "max": #expect(try reader.uint64() == .max)
            case "on": #expect(try reader.bool())
            default: try reader.skip()
            }
        }
        try reader.finish()
        #expect(seen == ["to", "max", "x", "on"])
    }

    @Test(
        arguments: [
            ("", .unexpectedEnd, 0), ("{", .unexpectedEnd, 1), (#"{"a":1"#, .unexpectedEnd, 6),
            (#"{"a""#, .unexpectedEnd, 4), ("[1", .unexpectedEnd, 2), (#""abc"#, .unexpectedEnd, 4),
            ("tru", .unexpectedEnd, 3), ("1 2", .trailingBytes, 2), ("{}{}", .trailingBytes, 2),
            ("NaN", .expectedValue, 0), ("Infinity", .expectedValue, 0), ("// c\n1", .expectedValue, 0),
            ("'a'", .expectedValue, 0), ("+1", .expectedValue, 0), (".5", .expectedValue, 0),
            ("nul!", .expectedValue, 0), ("[1,]", .expectedValue, 3), ("[,1]", .expectedValue, 1),
            ("01", .malformedNumber, 0), ("1.", .malformedNumber, 0), ("-", .malformedNumber, 0),
            ("1e", .malformedNumber, 0), ("1e+", .malformedNumber, 0), ("-01", .malformedNumber, 0),
            ("0x10", .trailingBytes, 1), ("1_000", .trailingBytes, 1),
            (#"{"a":1,}"#, .expectedName, 7), ("{a:1}", .expectedName, 1), (#"{"a" 1}"#, .expectedColon, 5),
            (#"{"a":1 "b":2}"#, .expectedCommaOrBrace, 7), ("[1 2]", .expectedCommaOrBracket, 3),
            ("[1}", .expectedCommaOrBracket, 2), (#"{"a":1]"#, .expectedCommaOrBrace, 6),
            ("\"a\u{1}\"", .controlCharacter, 2), ("\"a\nb\"", .controlCharacter, 2),
            (#""\x""#, .malformedEscape, 1), (#""\u12g4""#, .malformedEscape, 1),
            (#""\u12""#, .malformedEscape, 1),
            (#""\ud800""#, .loneSurrogate, 1), (#""\udc00""#, .loneSurrogate, 1),
            (#""\ud800\u0041""#, .loneSurrogate, 1), (#""\ud800\ud800""#, .loneSurrogate, 1),
            (#"{"a":1,"a":2}"#, .duplicateName, 7), (#"{"a":1,"\u0061":2}"#, .duplicateName, 7),
            ("1e400", .numberOutOfRange, 0), ("-1e400", .numberOutOfRange, 0),
            ("18446744073709551616", .numberOutOfRange, 0), ("-9223372036854775809", .numberOutOfRange, 0),
            ("\u{feff}1", .byteOrderMark, 0),
        ] as [(String, JSONError.Reason, Int)])
    func `a faulty text is refused with the reason and the place`(
        text: String, reason: JSONError.Reason, offset: Int
    ) {
        #expect(Self.error(text) == JSONError(reason, at: offset), "\(text)")
    }

    @Test(
        arguments: [
            [0x22, 0xff, 0x22], [0x22, 0xc0, 0xae, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
            [0x22, 0xe2, 0x82, 0x22],
            [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xf0, 0x80, 0x80, 0xaf, 0x22], [0x22, 0x80, 0x22],
        ] as [[UInt8]])
    func `bytes that are not UTF-8 are refused`(text: [UInt8]) {
        #expect(throws: JSONError(.invalidUTF8, at: 1)) { try JSONValue(parsing: text) }
    }

    @Test func `UTF-16 is refused`() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0xff, 0xfe, 0x31, 0]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0, 0x31]) }
    }

    @Test func `whole numbers are exact or refused`() throws {
        func int(_ text: String) throws -> Int64 {
            var reader = try JSONReader(Array(text.utf8))
            return try reader.int64()
        }
        func uint(_ text: String) throws -> UInt64 {
            var reader = try JSONReader(Array(text.utf8))
            return try reader.uint64()
        }
        #expect(try int("9223372036854775807") == .max)
        #expect(try int("-9223372036854775808") == .min)
        #expect(try int("9007199254740993") == 9_007_199_254_740_993)
        #expect(try int("-0") == 0)
        #expect(try uint("18446744073709551615") == .max)
        for text in ["9223372036854775808", "-9223372036854775809", String(repeating: "9", count: 100_000)] {
            #expect(throws: JSONError(.numberOutOfRange, at: 0)) { try int(text) }
        }
        for text in ["-1", "18446744073709551616"] {
            #expect(throws: JSONError(.numberOutOfRange, at: 0)) { try uint(text) }
        }
        for text in ["1.0", "1E2", "1e400"] {
            #expect(throws: JSONError(.notAnInteger, at: 0)) { try int(text) }
        }
        #expect(throws: JSONError(.expectedNumber, at: 0)) { try int("\"1\"") }
    }

    @Test func `the wrong type is refused with what was expected`() throws {
        func reader(_ text: String) throws -> JSONReader { try JSONReader(Array(text.utf8)) }
        var first = try reader(" 1")
        #expect(throws: JSONError(.expectedObject, at: 1)) { try first.beginObject() }
        #expect(throws: JSONError(.expectedArray, at: 1)) { try first.beginArray() }
        #expect(throws: JSONError(.expectedString, at: 1)) { try first.string() }
        #expect(throws: JSONError(.expectedString, at: 1)) { try first.bytes() }
        #expect(throws: JSONError(.expectedBool, at: 1)) { try first.bool() }
        #expect(try !first.null())
        var second = try reader("null")
        #expect(throws: JSONError(.expectedNumber, at: 0)) { try second.double() }
        #expect(try second.null())
        try second.finish()
    }

    @Test func `sixty-four levels are read and one more is refused without recursion`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(Self.error(nested(64)) == nil)
        #expect(Self.error(nested(65)) == JSONError(.tooDeep, at: 64))
        #expect(Self.error(String(repeating: "[", count: 100_000)) == JSONError(.tooDeep, at: 64))
        let objects = String(repeating: #"{"a":"#, count: 300_000)
        #expect(Self.error(objects) == JSONError(.tooDeep, at: 64 * 5))
        var reader = try JSONReader(Array(objects.utf8))
        #expect(throws: JSONError(.tooDeep, at: 64 * 5)) { try reader.skip() }
    }

    @Test func `repeated names are found in large objects and in nested ones that are skipped`() throws {
        let names = (0..<2000).map { "\"k\($0)\":0" }
        #expect(Self.error("{\(names.joined(separator: ","))}") == nil)
        #expect(Self.error("{\((names + ["\"k7\":1"]).joined(separator: ","))}")?.reason == .duplicateName)
        #expect(
            Self.error("{\((names + ["\"\\u006b7\":1"]).joined(separator: ","))}")?.reason == .duplicateName)
        #expect(Self.error(#"{"a":{"b":{"a":1},"c":{"a":1}},"b":[{"a":1},{"a":1}]}"#) == nil)
        var reader = try JSONReader(Array(#"{"a":{"b":1,"b":2}}"#.utf8))
        #expect(throws: JSONError(.duplicateName, at: 12)) { try reader.skip() }
    }

    @Test func `names that differ only in normalisation are two names`() {
        #expect(Self.error("{\"\u{e9}\":1,\"e\u{301}\":2}") == nil)
    }

    @Test func `an empty name and a very long one are names`() throws {
        let long = String(repeating: "k", count: 65_536)
        let value = try JSONValue(parsing: "{\"\":1,\"\(long)\":2}")
        #expect(value[""]?.integer == 1)
        #expect(value[long]?.integer == 2)
    }

    @Test func `escapes become what they stand for`() throws {
        let text = #""\"\\\/\b\f\n\r\t\u0000\u00e9\u20ac\ud83d\ude00""#
        let expected = "\"\\/\u{8}\u{c}\n\r\t\0\u{e9}\u{20ac}\u{1f600}"
        #expect(try JSONValue(parsing: text).string == expected)
        var reader = try JSONReader(Array(text.utf8))
        #expect(try reader.bytes() == Array(expected.utf8))
    }

    @Test func `base 64 is decoded or refused`() throws {
        var reader = try JSONReader(Array(#"["AP8=","\u0041P8=","AP8","A"]"#.utf8))
        try reader.beginArray()
        for _ in 0..<2 {
            #expect(try reader.nextElement())
            #expect(try reader.base64() == [0, 255])
        }
        #expect(try reader.nextElement())
        #expect(throws: JSONError(.malformedBase64, at: 20)) { try reader.base64() }
    }

    @Test func `offsets of a slice count from its beginning`() {
        let text = Array("{}\n[1,]".utf8)
        #expect(throws: JSONError(.expectedValue, at: 3)) { try JSONValue(parsing: text[3...]) }
    }

    @Test func `strings are checked alike at every offset within a word`() throws {
        for lead in 0..<17 {
            for tail in 0..<17 {
                let text =
                    String(repeating: "a", count: lead) + "\u{e9}\"\\\u{1}"
                    + String(repeating: "b", count: tail)
                var writer = JSONWriter()
                writer.string(text)
                #expect(try JSONValue(parsing: writer.take()).string == text)
                let raw =
                    "\"" + String(repeating: "a", count: lead) + "\u{1f}"
                    + String(repeating: "b", count: tail)
                #expect(Self.error(raw) == JSONError(.controlCharacter, at: lead + 1))
            }
        }
    }
}
