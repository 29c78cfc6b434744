// The repository's own text, as these tests see it. Read with the C library alone, so that the tests start at once.

import Glibc
import Testing

/// A file of the repository.
struct SourceFile: Sendable {
    /// As seen from the top of the repository.
    let path: String
    let text: String

    /// Without line ends; numbered from 1 in reports.
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var name: String { String(path.split(separator: "/").last ?? "") }
    /// The target it belongs to, if it is below `Sources`.
    var target: String { String(path.split(separator: "/").dropFirst().first ?? "") }
    var isSwift: Bool { path.hasSuffix(".swift") }
}

/// The repository that this file is in.
enum Repository {
    static let root: String = {
        let parts = String(#filePath).split(separator: "/")
        return "/" + parts.dropLast(3).joined(separator: "/")
    }()

    static let sources = files(under: "Sources")
    static let tests = files(under: "Tests")
    static let targets = list("Sources")

    /// Every file below a folder, in the order of the paths.
    static func files(under folder: String) -> [SourceFile] {
        list(folder).flatMap { name -> [SourceFile] in
            let path = "\(folder)/\(name)"
            if let text = read(path) { return [SourceFile(path: path, text: text)] }
            return files(under: path)
        }
    }

    /// The names in a folder, sorted, without hidden ones.
    static func list(_ folder: String) -> [String] {
        guard let stream = opendir("\(root)/\(folder)") else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// A file's text; nil if it is a folder or not there.
    static func read(_ path: String) -> String? {
        let file = open("\(root)/\(path)", O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            guard count >= 0 else { return nil }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}

/// Fails the test with one line for each violation, as `file:line: what is wrong`.
func expectNone(_ violations: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    let text = violations.joined(separator: "\n")
    #expect(violations.isEmpty, "\(violations.count) violations:\n\(text)", sourceLocation: sourceLocation)
}

extension StringProtocol {
    /// How many blanks it begins with.
    var indentation: Int { prefix { $0 == " " }.count }
    /// Without the blanks that it begins with.
    var unindented: String { String(drop { $0 == " " }) }
    /// The line without what stands in string literals and behind `//`.
    var code: String {
        var result = ""
        var isQuoted = false
        var last: Character = " "
        for character in self {
            if character == "\"" && last != "\\" {
                isQuoted.toggle()
            } else if !isQuoted {
                if character == "/" && last == "/" {
                    result.removeLast()
                    return result
                }
                result.append(character)
            }
            last = character
        }
        return result
    }

    /// The words made of letters, digits and underscores.
    var words: [String] {
        let parts: [SubSequence] = split { !($0.isLetter || $0.isNumber || $0 == "_") }
        return parts.map { String($0) }
    }
}
