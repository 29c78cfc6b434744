// The requests of a measurement, as bytes ready to send, in Parley's own dialect and in etcd's JSON.

import ArgumentParser
import Client
import Primitives

/// What is measured.
enum BenchOperation: String, CaseIterable, ExpressibleByArgument {
    /// Puts of random keys.
    case put
    /// Linearizable reads of random keys.
    case get
    /// Reads of random keys that need not be fresh.
    case stale
    /// Puts and linearizable reads, in the proportion of `--write-percent`.
    case mixed
    /// Linearizable reads of `--range` keys from a random one on.
    case range
}

/// How to say it.
enum BenchDialect {
    case native
    case etcd
}

/// Makes the requests.
struct Workload {
    var dialect: BenchDialect
    var keys: Int
    var valueSize: Int
    var rangeSize: Int
    var writePercent: Int
    var prefix: String

    private var generator: SeededGenerator
    private let keyTexts: [[UInt8]]
    /// Values as they are sent: base 64 for etcd.
    private let values: [[UInt8]]
    private let rangeEnd: [UInt8]

    init(
        dialect: BenchDialect, keys: Int, valueSize: Int, rangeSize: Int, writePercent: Int, prefix: String,
        seed: UInt64
    ) {
        self.dialect = dialect
        self.keys = keys
        self.valueSize = valueSize
        self.rangeSize = rangeSize
        self.writePercent = writePercent
        self.prefix = prefix
        var generator = SeededGenerator(seed: seed)
        func form(_ bytes: [UInt8]) -> [UInt8] {
            guard dialect == .etcd else { return Array(percentEncoded(bytes).utf8) }
            var text: [UInt8] = []
            Base64.encode(bytes, into: &text)
            return text
        }
        keyTexts = (0..<keys).map { place in
            let digits = String(place)
            return form(
                Array((prefix + String(repeating: "0", count: max(0, 8 - digits.count)) + digits).utf8))
        }
        // Letters that hardly compress, so that no layer below gains by what real values would not give.
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        values = (0..<16).map { _ in
            let value = (0..<valueSize).map { _ in letters[Int(generator.next(below: 64))] }
            return dialect == .etcd ? form(value) : value
        }
        rangeEnd = form(Array((prefix + ":").utf8))
        self.generator = generator
    }

    /// Appends a request of this kind to `bytes`; `host` is the value of its `Host` field.
    mutating func append(_ operation: BenchOperation, host: [UInt8], to bytes: inout [UInt8]) {
        let key = Int(generator.next(below: UInt64(keys)))
        switch operation {
        case .put: appendPut(key, host: host, to: &bytes)
        case .get: appendGet(key, stale: false, host: host, to: &bytes)
        case .stale: appendGet(key, stale: true, host: host, to: &bytes)
        case .range: appendRange(key, host: host, to: &bytes)
        case .mixed:
            if generator.next(below: 100) < UInt64(writePercent) {
                appendPut(key, host: host, to: &bytes)
            } else {
                appendGet(key, stale: false, host: host, to: &bytes)
            }
        }
    }

    /// Appends a put of the key with this number.
    mutating func appendPut(_ key: Int, host: [UInt8], to bytes: inout [UInt8]) {
        let value = values[Int(generator.next(below: UInt64(values.count)))]
        switch dialect {
        case .native:
            bytes += "PUT /kv/".utf8
            bytes += keyTexts[key]
            finish(host, length: value.count, to: &bytes)
            bytes += value
        case .etcd:
            post(
                "/v3/kv/put", host,
                [
                    Array("{\"key\":\"".utf8), keyTexts[key], Array("\",\"value\":\"".utf8), value,
                    Array("\"}".utf8),
                ], to: &bytes)
        }
    }

    private func appendGet(_ key: Int, stale: Bool, host: [UInt8], to bytes: inout [UInt8]) {
        switch dialect {
        case .native:
            bytes += "GET /kv/".utf8
            bytes += keyTexts[key]
            if stale { bytes += "?consistency=stale".utf8 }
            finish(host, length: nil, to: &bytes)
        case .etcd:
            let end = stale ? "\",\"serializable\":true}" : "\"}"
            post(
                "/v3/kv/range", host, [Array("{\"key\":\"".utf8), keyTexts[key], Array(end.utf8)], to: &bytes)
        }
    }

    private func appendRange(_ key: Int, host: [UInt8], to bytes: inout [UInt8]) {
        switch dialect {
        case .native:
            bytes += "GET /kv?start=".utf8
            bytes += keyTexts[key]
            bytes += "&limit=\(rangeSize)".utf8
            finish(host, length: nil, to: &bytes)
        case .etcd:
            post(
                "/v3/kv/range", host,
                [
                    Array("{\"key\":\"".utf8), keyTexts[key], Array("\",\"range_end\":\"".utf8), rangeEnd,
                    Array("\",\"limit\":\(rangeSize)}".utf8),
                ], to: &bytes)
        }
    }

    private func post(_ path: String, _ host: [UInt8], _ body: [[UInt8]], to bytes: inout [UInt8]) {
        bytes += "POST ".utf8
        bytes += path.utf8
        finish(host, length: body.reduce(0) { $0 + $1.count }, to: &bytes)
        for part in body { bytes += part }
    }

    /// The rest of the head after the target.
    private func finish(_ host: [UInt8], length: Int?, to bytes: inout [UInt8]) {
        bytes += " HTTP/1.1\r\nHost: ".utf8
        bytes += host
        if let length {
            bytes += "\r\nContent-Type: ".utf8
            bytes += dialect == .etcd ? "application/json".utf8 : "application/octet-stream".utf8
            bytes += "\r\nContent-Length: \(length)".utf8
        }
        bytes += "\r\n\r\n".utf8
    }
}
