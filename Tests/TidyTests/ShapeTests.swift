// The shape of the sources: sizes, marks of unfinished work, reasons beside what the compiler can't check.
// The lists of exceptions may only become shorter.

import Testing

@Suite struct ShapeTests {
    private static let swift = Repository.sources.filter(\.isSwift)
    /// Sources, tests and everything that is shipped or read beside them.
    private static let everything =
        Repository.sources + Repository.tests + Repository.files(under: "docker")
        + Repository.files(under: "openapi")
        + ["Package.swift", "README.md"].compactMap { path in
            Repository.read(path).map { SourceFile(path: path, text: $0) }
        }

    /// One line for each line of these files in which something is found.
    private static func find(in files: [SourceFile], _ what: (Substring) -> String?) -> [String] {
        files.flatMap { file in
            file.lines.enumerated().compactMap { place, line in
                what(line).map { "\(file.path):\(place + 1): \($0)" }
            }
        }
    }

    @Test func `the sources were found`() {
        #expect(Self.swift.count > 100)
        #expect(Self.swift.contains { $0.path == "Sources/Primitives/Instant.swift" && $0.lines.count > 50 })
    }

    // MARK: Sizes

    @Test func `no file is longer than 500 lines`() {
        expectNone(
            (Self.swift + Repository.tests.filter(\.isSwift)).compactMap { file in
                let count = file.lines.count - 1
                return count > 500 ? "\(file.path):1: \(count) lines" : nil
            })
    }

    /// Lines that are longer for a reason.
    private static let wideFiles: [String: String] = [
        "Sources/API/Help.swift": "text as a terminal shows it"
    ]

    @Test func `no line is longer than 110 columns`() {
        expectNone(
            Self.find(in: Self.swift.filter { Self.wideFiles[$0.path] == nil }) { line in
                // Only what has that many bytes can have that many columns.
                line.utf8.count > 110 && line.count > 110 ? "\(line.count) columns" : nil
            })
        expectNone(Self.wideFiles.keys.sorted().filter { path in !Self.swift.contains { $0.path == path } })
    }

    /// Functions that are longer for a reason, with how long they may be.
    private static let longFunctions: [String: (lines: Int, reason: String)] = [:]

    @Test func `no function is longer than 100 lines`() {
        var violations: [String] = []
        var found: Set<String> = []
        for file in Self.swift {
            for function in Function.all(in: file) where function.count > 100 {
                let name = "\(file.path) \(function.name)"
                found.insert(name)
                guard let known = Self.longFunctions[name], function.count <= known.lines else {
                    violations.append(
                        "\(file.path):\(function.line): \(function.name) has \(function.count) lines")
                    continue
                }
            }
        }
        let settled = Self.longFunctions.keys.filter { !found.contains($0) }.sorted()
        expectNone(violations + settled.map { "\($0) is short enough now: take it off the list" })
    }

    @Test func `functions are measured`() {
        let text = """
            struct A {
                func one() -> Int { 1 }
                func two(
                    _ number: Int
                ) -> Int {
                    number
                }
                init() {
                    two(1)
                }
            }
            protocol P {
                func three()
                func four(
                    a: Int
                )
            }
            """
        let functions = Function.all(in: SourceFile(path: "Sources/A/A.swift", text: text))
        #expect(functions.map(\.name) == ["one", "two", "init", "three", "four"])
        #expect(functions.map(\.count) == [1, 5, 3, 1, 3])
        #expect(functions.map(\.line) == [2, 3, 8, 13, 14])
        let longest = Self.swift.flatMap { Function.all(in: $0) }.map(\.count).max() ?? 0
        #expect(longest > 30, "the functions were not found")
    }

    // MARK: Unfinished work

    @Test func `nothing is left to be done`() {
        let marks: Set<String> = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
        expectNone(
            Self.find(in: Self.everything.filter { !$0.path.hasPrefix("openapi") }) { line in
                marks.contains { line.contains($0) } ? line.words.first(where: marks.contains) : nil
            })
        expectNone(
            Self.find(in: Self.swift) { line in
                guard line.contains("fatalError") else { return nil }
                let call = line.filter { $0 != " " }.lowercased()
                let stubs = ["fatalerror(\"notimplemented", "fatalerror(\"unimplemented", "fatalerror()"]
                return stubs.contains { call.contains($0) } ? "a stub" : nil
            })
    }

    // MARK: Reasons

    /// What the compiler takes on trust needs a reason beside it.
    @Test(arguments: [
        "@unchecked Sendable", "nonisolated(unsafe)", "try!", "as!", "unsafeBitCast", "@preconcurrency",
    ])
    func `a reason stands beside what the compiler can't check`(mark: String) {
        var violations: [String] = []
        for file in Self.swift {
            let lines = file.lines
            for (place, line) in lines.enumerated() where line.contains(mark) && line.code.contains(mark) {
                // Several in a row share the reason of the first.
                var first = place
                while first > 0, lines[first - 1].code.contains(mark) { first -= 1 }
                let isExplained =
                    line.contains("//") || (first > 0 && lines[first - 1].unindented.hasPrefix("//"))
                if !isExplained { violations.append("\(file.path):\(place + 1): \(mark) without a reason") }
            }
        }
        expectNone(violations)
    }

    // MARK: Text

    @Test func `every file ends with a line end, and with one`() {
        expectNone(
            Self.everything.filter { !$0.text.isEmpty }.compactMap { file in
                if file.text.utf8.last != 10 {
                    return "\(file.path):\(file.lines.count): no line end at the end"
                }
                return file.text.hasSuffix("\n\n")
                    ? "\(file.path):\(file.lines.count): blank lines at the end" : nil
            })
    }

    @Test func `no text names a folder of somebody's machine`() {
        let folders = ["/wo" + "rk/", "/home" + "/", "/Users" + "/", "/root" + "/"]
        expectNone(
            Self.find(in: Self.everything) { line in
                folders.first { line.contains($0) }.map { "'\($0)'" }
            })
        expectNone(
            Self.find(in: Repository.sources) { line in
                line.contains("/tmp" + "/") ? "a temporary folder" : nil
            })
    }

    // MARK: Documents

    /// Targets whose one or two concerns their comments explain well enough.
    private static let small: [String: String] = [
        "CChecksum": "one C function",
        "CMemory": "one C function",
        "CPlatform": "a few C functions for what Swift can't import",
        "CCurl": "a module map and the variadic calls of libcurl",
        "COpenAPI": "one embedded document",
        "Primitives": "types without a design of their own",
        "Curl": "a thin layer over libcurl, explained in PeerTransport's document",
        "Telemetry": "metrics and log lines, each in a file of its own",
        "Client": "explained with the command line, in parley's document",
    ]

    @Test func `every target is explained in a document, unless it is small`() {
        let documented = Set(
            Repository.sources.filter { $0.path.hasSuffix(".md") }.compactMap { file -> String? in
                let parts = file.path.split(separator: "/")
                return parts.count == 4 && parts[2] == "\(parts[1]).docc" ? String(parts[1]) : nil
            })
        for target in Repository.targets {
            let isSmall = Self.small[target] != nil
            #expect(documented.contains(target) || isSmall, "Sources/\(target) has no \(target).docc")
            #expect(
                !(documented.contains(target) && isSmall), "\(target) is documented: take it off the list")
        }
        #expect(Self.small.keys.allSatisfy(Repository.targets.contains))
    }
}

/// A function as it stands in a file.
private struct Function {
    var name: String
    /// The line of its declaration.
    var line: Int
    /// How many lines it has, with declaration and closing brace.
    var count: Int

    /// Functions and initializers, told by the indentation that the formatter gives them.
    static func all(in file: SourceFile) -> [Function] {
        let lines = file.lines
        return lines.indices.compactMap { place in
            guard let name = name(in: lines[place]) else { return nil }
            return Function(name: name, line: place + 1, count: end(from: place, in: lines) - place + 1)
        }
    }

    private static func name(in line: Substring) -> String? {
        guard line.contains("func ") || line.contains("init") else { return nil }
        let words = line.code.words
        if let place = words.firstIndex(of: "func"), place + 1 < words.count, line.code.contains("func ") {
            return words[place + 1]
        }
        let start = words.first {
            !["public", "private", "fileprivate", "package", "convenience", "required"].contains($0)
        }
        guard let start, ["init", "deinit"].contains(start) else { return nil }
        let after = line.code.drop { $0 == " " }
        return after.hasSuffix("{") || after.hasSuffix("(") || after.hasSuffix("}") ? start : nil
    }

    private static func end(from start: Int, in lines: [Substring]) -> Int {
        let indentation = lines[start].indentation
        var last = start
        for place in (start + 1)..<max(lines.count, start + 1) {
            let line = lines[place]
            if line.isEmpty || line.indentation > indentation { continue }
            // On the same level: the end of the signature, the end of the body, or the next declaration.
            guard line.indentation == indentation, let first = line.unindented.first, ")}{".contains(first)
            else { break }
            last = place
            if first == "}" { break }
        }
        return last
    }
}
