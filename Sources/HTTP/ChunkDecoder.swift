/// Takes the chunked transfer coding off a body (RFC 9112, section 7.1). Extensions are checked and ignored,
/// trailers are checked and dropped.
struct ChunkDecoder: Sendable {
    private enum State: Sendable {
        case size
        case data(left: Int)
        case dataEnd
        case trailers
    }

    private var state = State.size
    private var extensionBytes = 0
    private var trailerBytes = 0

    /// Takes in what is there from `place` on, moves `place` behind what is done with, and appends the data
    /// to `body`, which may grow to `limit`. True: the body is complete.
    mutating func advance(
        _ input: [UInt8], from place: inout Int, into body: inout [UInt8], limit: Int, _ limits: Limits
    ) throws(ProtocolError) -> Bool {
        while place < input.count {
            switch state {
            case .size:
                guard
                    let line = try ChunkDecoder.line(
                        input, at: place, limit: limits.chunkLine, .bad("a chunk's first line is too long"))
                else { return false }
                let size = try self.size(input.span, line, limits)
                place = line.upperBound + 2
                if size > limit - body.count { throw ProtocolError(.contentTooLarge, "the body is too long") }
                state = size == 0 ? .trailers : .data(left: size)
            case .data(let left):
                let count = min(left, input.count - place)
                body.append(contentsOf: input[place..<place + count])
                place += count
                state = count == left ? .dataEnd : .data(left: left - count)
            case .dataEnd:
                guard input[place] == 13 else { throw ChunkDecoder.badEnd }
                guard place + 1 < input.count else { return false }
                guard input[place + 1] == 10 else { throw ChunkDecoder.badEnd }
                place += 2
                state = .size
            case .trailers:
                guard
                    let line = try ChunkDecoder.line(
                        input, at: place, limit: max(0, limits.trailers - trailerBytes),
                        ProtocolError(.fieldsTooLarge, "the trailers are too long"))
                else { return false }
                place = line.upperBound + 2
                if line.isEmpty { return true }
                try check(input.span, trailer: line)
                trailerBytes += line.count + 2
            }
        }
        return false
    }

    private static let badEnd = ProtocolError.bad("a chunk does not end where its size says")

    /// The content of the line at `start`, if it is complete.
    private static func line(
        _ input: [UInt8], at start: Int, limit: Int, _ tooLong: ProtocolError
    ) throws(ProtocolError) -> Range<Int>? {
        let found = firstLineFeed(input.span, from: start)
        guard (found ?? input.count) - start <= limit + 1 else { throw tooLong }
        guard let found else { return nil }
        guard found > start, input[found - 1] == 13 else { throw .bad("a line does not end in CR LF") }
        return start..<found - 1
    }

    private mutating func size(
        _ bytes: Span<UInt8>, _ line: Range<Int>, _ limits: Limits
    ) throws(ProtocolError) -> Int {
        var size = 0
        var place = line.lowerBound
        while place < line.upperBound, let digit = hexValue(bytes[place]) {
            guard place - line.lowerBound < 16, size <= Int.max >> 4 else {
                throw .bad("a chunk's size is out of range")
            }
            size = size << 4 | Int(digit)
            place += 1
        }
        guard place > line.lowerBound, place == line.upperBound || bytes[place] == UInt8(ascii: ";") else {
            throw .bad("a chunk's size is malformed")
        }
        extensionBytes += line.upperBound - place
        guard extensionBytes <= limits.chunkExtensions else {
            throw .bad("the chunk extensions are too long")
        }
        for index in place..<line.upperBound where !isValueByte(bytes[index]) {
            throw .bad("a chunk extension has a control character")
        }
        return size
    }

    private func check(_ bytes: Span<UInt8>, trailer line: Range<Int>) throws(ProtocolError) {
        let colon = try HeadParser.fieldName(bytes, line)
        for place in colon..<line.upperBound where !isValueByte(bytes[place]) {
            throw .bad("a trailer has a control character")
        }
    }
}
