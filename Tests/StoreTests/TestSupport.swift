import Primitives

@testable import Store

/// Random keys and numbers that depend on a seed alone.
struct TestRandom {
    private var generator: SeededGenerator
    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func below(_ bound: Int) -> Int { Int(generator.next(below: UInt64(bound))) }

    /// Few enough keys that they meet again, with shared beginnings of several lengths.
    mutating func key() -> [UInt8] {
        let folders = ["", "a/", "a/b/", "users/profile/0000", "zz", "\u{0}"]
        var key = Array(folders[below(folders.count)].utf8)
        for _ in 0...below(3) { key.append([0, 48, 49, 50, 47, 255][below(6)]) }
        return key
    }

    mutating func value() -> [UInt8] {
        if below(3) == 0 { return Array(String(below(2000) - 1000).utf8) }
        return (0..<below(40)).map { _ in UInt8(below(256)) }
    }
}

extension Keyspace {
    /// Applies an operation as the next log entry.
    @discardableResult mutating func apply(_ operation: Operation, time: Int64 = 1000) -> Outcome {
        apply(
            Command(
                requestID: RequestID(high: 1, low: appliedIndex.rawValue),
                time: WallTime(milliseconds: time), operation: operation),
            index: appliedIndex.next, term: Term(1))
    }

    @discardableResult mutating func put(_ key: String, _ value: String, time: Int64 = 1000) -> Outcome {
        apply(
            .put(key: Array(key.utf8), value: Array(value.utf8), guard: nil, returnPrevious: false),
            time: time)
    }

    @discardableResult mutating func delete(_ key: String) -> Outcome {
        apply(.delete(key: Array(key.utf8), guard: nil, returnPrevious: false, mustExist: false))
    }

    /// All keys and values of a range as `a=1 b=2`.
    func text(
        _ range: KeyRange = .all, at revision: UInt64? = nil, limit: Int = .max, after: String? = nil,
        descending: Bool = false
    ) -> String {
        let result = self.range(
            range, at: revision.map { Revision($0) }, limit: limit, after: after.map { Array($0.utf8) },
            descending: descending)
        switch result {
        case .success(let page):
            return page.items.map { "\(string($0.key))=\(string($0.value))" }.joined(separator: " ")
                + (page.more ? " …" : "")
        case .failure(let error): return "\(error)"
        }
    }

    /// The bytes of a checkpoint.
    func checkpoint(configuration: [UInt8] = [7, 7]) -> [UInt8] {
        var writer = CheckpointWriter(self, cluster: ClusterID(99), configuration: configuration)
        var bytes: [UInt8] = []
        while let chunk = writer.next() { bytes += chunk }
        return bytes
    }

    /// The state that a checkpoint of this one gives, read in chunks of `size` bytes.
    func restored(inChunksOf size: Int = 1000) throws -> Keyspace {
        try Keyspace.restored(checkpoint(), inChunksOf: size, limits: limits)
    }

    static func restored(
        _ bytes: [UInt8], inChunksOf size: Int = .max, limits: Limits = Limits()
    ) throws(CheckpointError) -> Keyspace {
        var reader = CheckpointReader(limits: limits)
        var place = 0
        while place < bytes.count {
            let end = min(bytes.count, place + min(size, bytes.count))
            try reader.receive(Array(bytes[place..<end]))
            place = end
        }
        return try reader.finish()
    }
}

func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
