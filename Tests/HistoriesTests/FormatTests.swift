import Histories
import Primitives
import Testing

@Suite struct FormatTests {
    @Test func `what was written is read again`() throws {
        for seed in 0..<20 as Range<UInt64> {
            var options = Generator.Options()
            options.isExclusive = seed % 2 == 0
            options.unknown = 30
            let history = Generator.history(options, seed: seed)
            #expect(try History(parsing: history.encode()) == history)
        }
    }

    @Test func `every kind of operation and answer has its form`() throws {
        var script = Script()
        let key: [UInt8] = [0xff, 0]
        let all: [(HistoryOperation.Action, HistoryOperation.Outcome)] = [
            (.get(key, .at(Revision(7))), .ok(.absent, at: Revision(7))),
            (.get(key, .stale), .ok(.found(.init(value: [0xfe])))),
            (.list(.range(start: key, end: nil)), .ok(.items([]))),
            (
                .list(.range(start: [], end: key)),
                .ok(.items([.init(key: bytes("k"), .init())]), at: Revision(3))
            ),
            (.put(key, value: [], if: .value([0xfd])), .ok(.refused(.condition(.untold)))),
            (.put(key, value: [], if: .revision(Revision(4))), .ok(.refused(.condition(.absent)))),
            (.put(key, value: [], if: .exists), .ok(.refused(.condition(.revision(Revision(9)))))),
            (.delete(key, if: .absent, mustExist: true), .ok(.refused(.notFound))),
            (.delete(key), .ok(.deleted(0), at: Revision(3))),
            (.deleteRange(.prefix(key)), .ok(.deleted(3, revision: Revision(8)))),
            (.increment(key, by: -3), .ok(.refused(.notAnInteger))),
            (.increment(key, by: .max), .ok(.refused(.overflow))),
            (.increment(key, by: 1), .ok(.incremented(.min, version: 3))),
            (
                .batch([.init(key: key, value: key), .init(key: bytes("k"), value: [])], createOnly: true),
                .ok(.batch([.exists, .written(nil)]))
            ),
            (.batch([.init(key: key, value: key)]), .ok(.batch([.written(Revision(5))]))),
            (.put(key, value: key), .failed("no_leader")),
            (.put(key, value: key), .unknown("")),
        ]
        for (place, (action, outcome)) in all.enumerated() {
            script.add(place, Int64(place)...Int64(place + 5), action, outcome)
        }
        #expect(try History(parsing: script.history.encode()) == script.history)
    }

    @Test func `an unknown outcome needs no return`() throws {
        let text = """
            {"parley_history":1}
            {"id":3,"client":1,"invoked":-5,"op":"delete","key":"a","outcome":"unknown"}
            """
        let history = try History(parsing: bytes(text))
        #expect(history.operations[0].returned == nil && !history.isExclusive)
    }

    @Test(arguments: [
        ("", 1, "the file is empty; it must begin with a header"),
        ("{}\n", 1, "there is no member \"parley_history\""),
        (#"{"parley_history":2}"#, 1, "the form's version is not 1"),
        (#"{"parley_history":1,"x":1}"#, 1, "the member \"x\" has no place here"),
        ("[]", 1, "a JSON object is expected"),
        ("{", 1, "the text ends too early (at byte 1)"),
        ("H\n\n", 2, "the text ends too early (at byte 0)"),
        ("H\n{\"id\":1}", 2, "there is no member \"client\""),
        ("H\nG", 2, "there is no member \"outcome\""),
        ("H\nO{\"absent\":true},\"z\":0}", 2, "the member \"z\" has no place here"),
        ("H\nO{\"absent\":true,\"value\":\"\"}}", 2, "the member \"value\" has no place here"),
        ("H\nO{}}", 2, "there is no member \"value\""),
        ("H\nO{\"value\":7}}", 2, "\"value\" must be a string"),
        ("H\nO{\"value\":\"\",\"value_b64\":\"\"}}", 2, "both \"value\" and \"value_b64\" are there"),
        ("H\nO{\"value_b64\":\"?\"}}", 2, "\"value_b64\" must be padded base 64"),
        (
            "H\nO{\"value\":\"\",\"revision\":-1}}", 2,
            "\"revision\" must be a whole number that is not negative"
        ),
        ("H\nO{\"absent\":true}}\nO{\"absent\":true}}", 3, "the id 1 occurs twice"),
        ("H\nX\"op\":\"wait\"}", 2, "there is no operation \"wait\""),
        ("H\nX\"op\":\"get\",\"key\":\"\"}", 2, "the key is empty"),
        (
            "H\nX\"op\":\"put\",\"key\":\"a\",\"value\":\"\",\"if_absent\":true,\"if_exists\":true}", 2,
            "there is more than one condition"
        ),
        ("H\nX\"op\":\"list\"}", 2, "there must be either \"prefix\" or \"start\""),
        ("H\nX\"op\":\"get\",\"key\":\"a\",\"outcome\":\"perhaps\"}", 2, "there is no outcome \"perhaps\""),
        ("H\nX\"op\":\"get\",\"key\":\"a\",\"outcome\":\"failed\"}", 2, "there is no member \"returned\""),
        (
            "H\nX\"op\":\"get\",\"key\":\"a\",\"returned\":3,\"outcome\":\"failed\"}", 2,
            "it returned before it was invoked"
        ),
        (
            "H\nX\"op\":\"get\",\"key\":\"a\",\"consistency\":\"stale\",\"rev\":3,\"outcome\":\"unknown\"}",
            2,
            "\"rev\" and \"consistency\" exclude each other"
        ),
        ("H\nO{\"absent\":true}}\nY", 3, "client 1 had not returned from its last operation"),
        ("H\nO{\"absent\":true}}\nZ", 3, "the operation was invoked before the one of the line above"),
    ])
    func `a file that is wrong is refused with line and reason`(text: String, line: Int, reason: String) {
        let parts = [
            "H": #"{"parley_history":1}"#,
            "G": #"{"id":1,"client":1,"invoked":5,"op":"get","key":"a","returned":9}"#,
            "O":
                #"{"id":1,"client":1,"invoked":5,"op":"get","key":"a","returned":9,"outcome":"ok","answer":"#,
            "X": #"{"id":1,"client":1,"invoked":5,"#,
            "Y": #"{"id":2,"client":1,"invoked":8,"op":"get","key":"a","outcome":"unknown"}"#,
            "Z": #"{"id":2,"client":2,"invoked":4,"op":"get","key":"a","outcome":"unknown"}"#,
        ]
        var full = ""
        for character in text {
            let isLetter = full.isEmpty || full.hasSuffix("\n")
            full += isLetter ? parts[String(character)] ?? String(character) : String(character)
        }
        do throws(HistoryError) {
            _ = try History(parsing: bytes(full))
            Issue.record("accepted: \(full)")
        } catch {
            #expect(error.line == line && error.reason == reason, "\(error)")
        }
    }

    @Test func `no damage of a file stops the process`() throws {
        let text = Generator.history(Generator.Options(), seed: 1).encode()
        var random = SeededGenerator(seed: 1)
        for _ in 0..<500 {
            var damaged = text
            for _ in 0..<3 {
                damaged[Int(random.next(below: UInt64(damaged.count)))] = UInt8(random.next(below: 256))
            }
            _ = try? History(parsing: damaged)
        }
    }
}
