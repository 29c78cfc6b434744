// Just enough HTTP/1.1 to know where a response ends (RFC 9112, section 6): a load generator must not spend
// its time on what it does not need. It is no model for a client that faces strangers.

/// Follows the bytes of one response at a time on a connection that stays open.
struct ResponseParser {
    /// What the bytes so far amount to.
    enum Progress: Equatable {
        case incomplete
        /// The whole response has come.
        case complete(status: Int, closes: Bool)
        /// The server speaks something else, or more than was asked for.
        case malformed(String)
    }

    private enum State: Equatable {
        case head
        case body(left: Int)
        case chunkSize
        case chunkData(left: Int)
        case trailers
        case done
    }

    private static let headLimit = 64 << 10

    private var state = State.head
    /// The head, a chunk's size line or a trailer line, as far as it has come.
    private var line: [UInt8] = []
    private var status = 0
    private var closes = false

    /// Makes ready for the next response.
    mutating func reset() {
        state = .head
        line.removeAll(keepingCapacity: true)
        closes = false
    }

    /// Goes on with the bytes that came.
    mutating func feed(_ bytes: ArraySlice<UInt8>) -> Progress {
        var rest = bytes
        while !rest.isEmpty {
            let problem: String?
            switch state {
            case .head: problem = feedHead(&rest)
            case .body(let left): problem = feedBody(&rest, left)
            case .chunkSize: problem = feedChunkSize(&rest)
            case .chunkData(let left): problem = feedChunkData(&rest, left)
            case .trailers: problem = feedTrailer(&rest)
            case .done: problem = "bytes after the end of the response"
            }
            if let problem { return .malformed(problem) }
        }
        return state == .done ? .complete(status: status, closes: closes) : .incomplete
    }

    private mutating func feedBody(_ rest: inout ArraySlice<UInt8>, _ left: Int) -> String? {
        let count = min(left, rest.count)
        rest = rest.dropFirst(count)
        state = count == left ? .done : .body(left: left - count)
        return nil
    }

    private mutating func feedChunkData(_ rest: inout ArraySlice<UInt8>, _ left: Int) -> String? {
        let count = min(left, rest.count)
        rest = rest.dropFirst(count)
        state = count == left ? .chunkSize : .chunkData(left: left - count)
        return nil
    }

    private mutating func feedHead(_ rest: inout ArraySlice<UInt8>) -> String? {
        var place = rest.startIndex
        while place < rest.endIndex {
            let byte = rest[place]
            line.append(byte)
            place += 1
            let count = line.count
            if byte == 10, count >= 4, line[count - 2] == 13, line[count - 3] == 10, line[count - 4] == 13 {
                rest = rest[place...]
                return finishHead()
            }
        }
        rest = rest[place...]
        return line.count > ResponseParser.headLimit ? "the head is too long" : nil
    }

    private mutating func finishHead() -> String? {
        defer { line.removeAll(keepingCapacity: true) }
        let lines = line.split(separator: 10)
        guard let first = lines.first, first.count >= 12, first.starts(with: "HTTP/1.".utf8),
            let code = decimal(first[(first.startIndex + 9)..<(first.startIndex + 12)])
        else { return "not an HTTP/1.1 response" }
        // 100 and its kin announce the response that follows.
        guard code >= 200 else { return nil }
        status = code
        closes = first[first.startIndex + 7] == UInt8(ascii: "0")
        var length: Int?
        var isChunked = false
        for field in lines.dropFirst() {
            if let value = self.value(of: "content-length", in: field) {
                guard let number = decimal(value) else { return "a Content-Length that is no number" }
                length = number
            } else if let value = self.value(of: "transfer-encoding", in: field) {
                isChunked = lowercased(value) == Array("chunked".utf8)
            } else if let value = self.value(of: "connection", in: field) {
                closes = lowercased(value) == Array("close".utf8)
            }
        }
        switch (isChunked, length) {
        case (true, _): state = .chunkSize
        case (false, let length?): state = length == 0 ? .done : .body(left: length)
        case (false, nil):
            guard status == 204 || status == 304 else { return "a response without a length" }
            state = .done
        }
        return nil
    }

    private mutating func feedChunkSize(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard takeLine(&rest) else { return nil }
        defer { line.removeAll(keepingCapacity: true) }
        // The end of the chunk before leaves an empty line here.
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 13 }
        if digits.isEmpty { return nil }
        guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else {
            return "a chunk's size that is no number"
        }
        state = size == 0 ? .trailers : .chunkData(left: size)
        return nil
    }

    private mutating func feedTrailer(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard takeLine(&rest) else { return nil }
        if line == [13] { state = .done }
        line.removeAll(keepingCapacity: true)
        return nil
    }

    /// Moves bytes into `line` up to a line feed, which is dropped; false if it has not come yet.
    private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) -> Bool {
        guard let end = rest.firstIndex(of: 10) else {
            line.append(contentsOf: rest)
            rest = []
            return false
        }
        line.append(contentsOf: rest[..<end])
        rest = rest[(end + 1)...]
        return true
    }

    /// The value of the field in this line, if it has this name, without the white space around it.
    private func value(of name: StaticString, in field: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let count = name.utf8CodeUnitCount
        guard field.count > count, field[field.startIndex + count] == UInt8(ascii: ":") else { return nil }
        let matches = name.withUTF8Buffer { letters in
            for place in 0..<count where field[field.startIndex + place] | 0x20 != letters[place] | 0x20 {
                return false
            }
            return true
        }
        guard matches else { return nil }
        var value = field[(field.startIndex + count + 1)...]
        while let first = value.first, first == 32 || first == 9 { value = value.dropFirst() }
        while let last = value.last, last == 32 || last == 9 || last == 13 { value = value.dropLast() }
        return value
    }

    private func lowercased(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.map { (65...90).contains($0) ? $0 | 0x20 : $0 }
    }

    private func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 15 else { return nil }
        var number = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
            number = number * 10 + Int(digit - 48)
        }
        return number
    }
}
