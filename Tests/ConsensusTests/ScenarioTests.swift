import Foundation
import Testing

/// Replays the files of `Scenarios`. With `PARLEY_REWRITE=1` they are rewritten instead: only keep a change
/// whose cause you understand.
@Suite struct ScenarioTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
        path: "Scenarios")

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test func `there are scenarios`() { #expect(Self.names.count >= 8) }

    @Test(arguments: names) func `the transcript is as written`(_ name: String) throws {
        let file = Self.folder.appending(path: name)
        let text = try String(contentsOf: file, encoding: .utf8)
        let runner = ScenarioRunner()
        var rewritten: [String] = []
        for block in text.split(separator: "\n\n") {
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            let divider = lines.firstIndex(of: "----") ?? lines.count
            let commands = lines[..<divider].filter { !$0.isEmpty }
            // A block of nothing but comments is a comment.
            guard commands.contains(where: { !$0.hasPrefix("#") }) else {
                rewritten.append(commands.joined(separator: "\n"))
                continue
            }
            let expected = lines.dropFirst(divider + 1).filter { !$0.isEmpty }.joined(separator: "\n")
            let actual = runner.run(Array(commands))
            if !Self.rewrites { #expect(actual == expected, "\(name): \(commands.joined(separator: "; "))") }
            rewritten.append((commands + ["----", actual]).joined(separator: "\n"))
        }
        if Self.rewrites {
            try (rewritten.joined(separator: "\n\n") + "\n").write(
                to: file, atomically: true, encoding: .utf8)
        }
    }

    static let rewrites = ProcessInfo.processInfo.environment["PARLEY_REWRITE"] == "1"
}
