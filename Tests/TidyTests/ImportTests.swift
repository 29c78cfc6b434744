// Imports point only downwards. The compiler holds the package's own modules to Package.swift; this holds
// Package.swift to the table below, and the toolchain's modules to it as well.

import Testing

/// What each target may import.
///
/// The order is that of the layers: a target may only name targets of earlier layers. Those in one layer do not know
/// each other.
private let layers: [[String: (own: [String], toolchain: [String])]] = [
    [
        "CChecksum": ([], []), "CPlatform": ([], []), "CCurl": ([], []), "COpenAPI": ([], []),
        "CMemory": ([], []),
    ],
    [
        "Primitives": (["CChecksum"], [])
    ],
    [
        "Clocks": (["Primitives"], []),
        "Links": (["Primitives"], []),
        "Gossip": (["Primitives"], []),
        "Faults": (["Primitives"], []),
        "JSON": (["Primitives"], []),
        "HTTP": (["Primitives"], []),
        "Consensus": (["Primitives"], []),
        "Store": (["Primitives", "CMemory"], []),
        "Platform": (["Primitives", "CPlatform"], ["Glibc", "Synchronization"]),
        "Curl": (["Primitives", "CCurl"], []),
        "Telemetry": (["Primitives", "Logging"], ["Glibc", "Synchronization"]),
    ],
    [
        "WAL": (["Primitives", "Consensus"], []),
        "Replication": (["Primitives", "Consensus", "Store"], []),
        "HTTPServer": (["Primitives", "HTTP", "Platform"], ["Glibc"]),
        "PeerTransport": (["Primitives", "Platform", "Curl"], ["Synchronization"]),
        "Client": (["Primitives", "JSON", "Curl"], []),
        "Watches": (["Primitives", "JSON", "Store"], []),
    ],
    [
        "API": (
            [
                "Primitives", "Clocks", "Faults", "Gossip", "JSON", "HTTP", "Links", "Store", "Watches",
                "COpenAPI",
            ], []
        ),
        "Wire": (["Primitives", "Clocks", "JSON", "Consensus", "Replication"], []),
    ],
    [
        "NodeCore": (["Primitives", "Consensus", "Store", "WAL", "Replication", "Wire"], []),
        "Histories": (["Primitives", "JSON"], []),
    ],
    [
        "Simulator": (
            [
                "Primitives", "Consensus", "Store", "WAL", "Replication", "Wire", "NodeCore", "Histories",
                "Watches",
            ], []
        )
    ],
    [
        "NodeRuntime": (
            [
                "Primitives", "JSON", "HTTP", "Consensus", "Store", "WAL", "Wire", "Replication", "NodeCore",
                "Platform", "Telemetry", "HTTPServer", "PeerTransport", "API", "Watches",
                "Clocks", "Links", "Gossip", "Faults",
            ], ["Glibc"]
        )
    ],
    [
        "parley": (
            [
                "Primitives", "JSON", "Links", "Platform", "Telemetry", "NodeRuntime", "Client",
                "Histories", "Simulator", "ArgumentParser", "Logging",
            ],
            ["Glibc", "Synchronization"]
        )
    ],
]

/// Where a target may use a toolchain module although the rest of it may not.
private let onlyIn: [String: [String: Set<String>]] = [
    // The disk of the operating system, and a thread that waits for it.
    "NodeRuntime": ["Glibc": ["PosixDisk.swift", "Sleep.swift"]],
    // One call to the system for each readable or writable socket: a wrapper would only rename it.
    "HTTPServer": ["Glibc": ["Sockets.swift", "Acceptor.swift"]],
    // The sink: lines go to standard error under a lock.
    "Telemetry": ["Glibc": ["LogHandler.swift"], "Synchronization": ["LogHandler.swift"]],
]

/// Other packages, which are in no layer.
private let packages: Set<String> = ["ArgumentParser", "Logging"]

private let table = layers.reduce(into: [:]) { table, layer in table.merge(layer) { first, _ in first } }

@Suite struct ImportTests {
    private struct Import {
        var file: SourceFile
        var line: Int
        var module: String
    }

    private static let modifiers: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
    private static let kinds: Set<String> = [
        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
    ]

    private static let imports: [Import] = Repository.sources.filter(\.isSwift).flatMap { file in
        file.lines.enumerated().compactMap { place, line in
            guard line.contains("import ") else { return nil }
            var words = line.code.split(separator: " ").map(String.init)
            while let first = words.first, modifiers.contains(first) || first.hasPrefix("@") {
                words.removeFirst()
            }
            guard line.indentation == 0, words.count > 1, words[0] == "import" else { return nil }
            if kinds.contains(words[1]) { words.remove(at: 1) }
            guard words.count > 1, let module = words[1].split(separator: ".").first else { return nil }
            return Import(file: file, line: place + 1, module: String(module))
        }
    }

    @Test func `every target is in the table, and every line of the table is a target`() {
        #expect(Repository.targets == table.keys.sorted())
        #expect(Self.imports.count > 100, "the imports were not found")
    }

    @Test func `the table points downwards`() {
        var below = packages
        for layer in layers {
            for (target, allowed) in layer.sorted(by: { $0.key < $1.key }) {
                let upwards = allowed.own.filter { !below.contains($0) }
                #expect(upwards.isEmpty, "\(target) names \(upwards)")
            }
            below.formUnion(layer.keys)
        }
    }

    @Test func `no file imports more than its target may`() {
        expectNone(
            Self.imports.compactMap { found in
                guard let allowed = table[found.file.target] else { return nil }
                let isAllowed =
                    if let files = onlyIn[found.file.target]?[found.module] {
                        files.contains(found.file.name)
                    } else {
                        allowed.own.contains(found.module) || allowed.toolchain.contains(found.module)
                    }
                return isAllowed
                    ? nil
                    : "\(found.file.path):\(found.line): \(found.file.target) may not import \(found.module) here"
            })
    }

    @Test func `no source imports Foundation`() {
        expectNone(
            Self.imports.filter { $0.module.hasPrefix("Foundation") }.map {
                "\($0.file.path):\($0.line): Foundation"
            })
    }

    @Test func `nothing is allowed that nobody uses`() {
        var unused: [String] = []
        for (target, allowed) in table.sorted(by: { $0.key < $1.key }) {
            let used = Set(Self.imports.filter { $0.file.target == target }.map(\.module))
            // C targets have no imports to look at.
            guard !used.isEmpty else { continue }
            for module in allowed.own + allowed.toolchain where !used.contains(module) {
                unused.append("\(target) does not use \(module)")
            }
        }
        expectNone(unused)
    }

    @Test func `Package.swift says the same as the table`() throws {
        let manifest = try #require(Repository.read("Package.swift"))
        var seen: Set<String> = []
        for declaration in Self.calls(
            in: manifest, of: [".target(", ".executableTarget(", ".systemLibrary("])
        {
            let name = try #require(Self.strings(after: "name:", in: declaration).first)
            let dependencies = Self.dependencies(of: declaration)
            seen.insert(name)
            #expect(Set(dependencies) == Set(table[name]?.own ?? []), "target \(name)")
        }
        #expect(seen.sorted() == table.keys.sorted())
    }

    /// The arguments of every call that begins so.
    private static func calls(in text: String, of openings: [String]) -> [String] {
        var result: [String] = []
        var rest = Substring(text)
        while let start = openings.compactMap({ rest.range(of: $0) }).min(by: {
            $0.lowerBound < $1.lowerBound
        }) {
            rest = rest[start.upperBound...]
            var depth = 1
            let end = rest.firstIndex { character in
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
                return depth == 0
            }
            guard let end else { break }
            result.append(String(rest[..<end]))
            rest = rest[end...]
        }
        return result
    }

    /// The string literals after a label, up to the next closing bracket.
    private static func strings(after label: String, in text: String) -> [String] {
        guard let start = text.range(of: label) else { return [] }
        let list = text[start.upperBound...].prefix { $0 != "]" }
        return list.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    private static func dependencies(of declaration: String) -> [String] {
        guard let start = declaration.range(of: "dependencies: [") else { return [] }
        let list = declaration[start.upperBound...].prefix { $0 != "]" }
        let products = ["log": "Logging", "arguments": "ArgumentParser"]
        return list.split { $0 == "," || $0 == "\n" || $0 == " " }.map { word in
            word.hasPrefix("\"")
                ? String(word.dropFirst().dropLast()) : products[String(word)] ?? String(word)
        }
    }
}

extension StringProtocol {
    /// Where a text stands first.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
