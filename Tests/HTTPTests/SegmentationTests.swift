import HTTP
import Primitives
import Testing

/// However damaged the input and however it is cut: the same requests, the same output, the same end.
@Suite struct SegmentationTests {
    static let seeds = [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "\r\nGET /kv/a%2fb?wait=30s HTTP/1.1\r\nHost: h:7070\r\nIf-None-Match: \"42\"\r\nConnection: keep-alive\r\n\r\n",
        "PUT /kv/x HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\nhello world",
        "POST /kv HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "HEAD http://h/a HTTP/1.1\r\nHost: h\r\n\r\n",
        "DELETE /kv/a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    ].map { Array($0.utf8) }

    static let words = [
        "\r\n", "\n", "\r", " ", "\t", ":", "\0", "%", "#", "\u{ff}", "Content-Length: 3\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Connection: close\r\n",
        "Expect: 100-continue\r\n", "Host: x\r\n", "0\r\n\r\n", "1\r\nx\r\n", "ffffffff", "HTTP/1.0",
        "HTTP/2.0", "GET ",
        "\r\n\r\n",
    ].map { Array($0.utf8) }

    static func damaged(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0...random.next(below: 3) { bytes += seeds[Int(random.next(below: UInt64(seeds.count)))] }
        for _ in 0..<random.next(below: 5) {
            let place = Int(random.next(below: UInt64(bytes.count)))
            switch random.next(below: 5) {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: words[Int(random.next(below: UInt64(words.count)))], at: place)
            case 3: bytes[place] ^= 1 << UInt8(random.next(below: 8))
            default:
                let end = min(bytes.count, place + Int(random.next(below: 40)))
                bytes.insert(contentsOf: bytes[place..<end], at: Int(random.next(below: UInt64(bytes.count))))
            }
            if bytes.isEmpty { bytes = seeds[0] }
        }
        return bytes
    }

    static func cut(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
        var segments: [[UInt8]] = []
        var rest = bytes[...]
        let longest = 1 + random.next(below: 60)
        while !rest.isEmpty {
            let count = 1 + Int(random.next(below: longest))
            segments.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return segments
    }

    @Test(arguments: 0..<8) func `segmentation never changes what happens`(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var tight = Limits()
        (tight.requestLine, tight.fieldLine, tight.head, tight.fieldCount) = (60, 50, 110, 4)
        (tight.body, tight.chunkLine, tight.chunkExtensions, tight.trailers) = (14, 8, 6, 10)
        var served = 0
        for round in 0..<500 {
            let bytes = Self.damaged(&random)
            let limits = round % 4 == 0 ? tight : Limits()
            let whole = Exchange([bytes], limits: limits, ending: true)
            served += whole.requests.count
            let single = Exchange(bytes.map { [$0] }, limits: limits, ending: true)
            let pieces = Exchange(Self.cut(bytes, &random), limits: limits, ending: true)
            guard whole == single, whole == pieces else {
                Issue.record(
                    "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self).debugDescription)"
                )
                return
            }
        }
        #expect(served > 300)
    }
}
