import Foundation
import JSON
import Testing

/// The files of JSONTestSuite: `y_` must be accepted, `n_` refused, `i_` is ours to decide and pinned here.
@Suite struct CorpusTests {
    static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .appendingPathComponent("../../../shared/corpora/json").standardizedFileURL

    static let files =
        (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?
        .filter { $0.hasSuffix(".json") }.sorted() ?? []

    /// Files that the suite accepts and we refuse.
    static let refused: [String: JSONError.Reason] = [
        "y_object_duplicated_key.json": .duplicateName,
        "y_object_duplicated_key_and_value.json": .duplicateName,
    ]

    /// The undecided files that we accept; all others are refused.
    static let accepted: Set<String> = [
        "i_number_double_huge_neg_exp.json",
        "i_number_real_underflow.json",
    ]

    static func verdict(_ file: String) throws -> JSONError? {
        let text = [UInt8](try Data(contentsOf: folder.appendingPathComponent(file)))
        var skipError: JSONError?
        do throws(JSONError) {
            var reader = try JSONReader(text)
            try reader.skip()
            try reader.finish()
        } catch { skipError = error }
        do throws(JSONError) {
            _ = try JSONValue(parsing: text)
            #expect(skipError == nil, "skipping and reading agree on \(file)")
            return nil
        } catch {
            #expect(skipError == error || error.reason == .numberOutOfRange, "\(file): \(error)")
            return error
        }
    }

    @Test(.enabled(if: !files.isEmpty, "the corpus is not beside the repository"))
    func `every file of the public suite has its verdict`() throws {
        #expect(Self.files.count == 318)
        for file in Self.files {
            let error = try Self.verdict(file)
            switch file.first {
            case "y": #expect(error?.reason == Self.refused[file], "\(file)")
            case "n": #expect(error != nil, "\(file)")
            default: #expect((error == nil) == Self.accepted.contains(file), "\(file): \(error as Any)")
            }
        }
    }

    @Test(.enabled(if: !files.isEmpty, "the corpus is not beside the repository"))
    func `whatever is accepted survives being written and read again`() throws {
        for file in Self.files {
            let text = [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent(file)))
            guard let value = try? JSONValue(parsing: text) else { continue }
            #expect(try JSONValue(parsing: value.serialized()) == value, "\(file)")
            #expect(try JSONValue(parsing: value.serialized(pretty: true)) == value, "\(file)")
        }
    }

    @Test(.enabled(if: !files.isEmpty, "the corpus is not beside the repository"))
    func `no beginning and no damage of a file stops the process`() throws {
        for file in Self.files {
            let text = [UInt8](try Data(contentsOf: Self.folder.appendingPathComponent(file)))
            guard text.count < 300 else { continue }
            for end in text.indices {
                _ = try? JSONValue(parsing: text[..<end])
                var damaged = text
                damaged[end] ^= UInt8(truncatingIfNeeded: 1 << (end % 8))
                _ = try? JSONValue(parsing: damaged)
            }
        }
    }
}
