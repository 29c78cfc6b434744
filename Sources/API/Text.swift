// Small readers over bytes: numbers, lengths of time, and the nearest of several names. All strict, none
// traps.

import Primitives

/// The number that a plain decimal of ASCII digits stands for; nil for signs, blanks, or more than 64 bits.
func decimal(_ text: some Collection<UInt8>) -> UInt64? {
    guard !text.isEmpty, text.count <= 20 else { return nil }
    var value: UInt64 = 0
    for character in text {
        guard character >= 48, character <= 57 else { return nil }
        let (product, tooBig) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflow) = product.addingReportingOverflow(UInt64(character - 48))
        guard !tooBig, !overflow else { return nil }
        value = sum
    }
    return value
}

/// The number that a decimal with an optional minus sign stands for.
func signedDecimal(_ text: some Collection<UInt8>) -> Int64? {
    guard text.first == UInt8(ascii: "-") else { return decimal(text).flatMap { Int64(exactly: $0) } }
    guard let magnitude = decimal(text.dropFirst()) else { return nil }
    return magnitude == UInt64(Int64.max) + 1 ? .min : Int64(exactly: magnitude).map { -$0 }
}

/// The length of time that `250ms`, `30s`, `5m`, `1h` or a bare number of seconds stands for; nil for
/// anything else. Lengths beyond the clock's range are cut to it.
func parseSpan(_ text: [UInt8]) -> Instant.Span? {
    let digits = text.prefix { $0 >= 48 && $0 <= 57 }
    guard let count = decimal(digits) else { return nil }
    let unit: UInt64
    switch String(decoding: text[digits.endIndex...], as: UTF8.self) {
    case "ms": unit = 1_000_000
    case "", "s": unit = 1_000_000_000
    case "m": unit = 60_000_000_000
    case "h": unit = 3_600_000_000_000
    default: return nil
    }
    let (product, overflow) = count.multipliedReportingOverflow(by: unit)
    return Instant.Span(nanoseconds: overflow ? .max : Int64(clamping: product))
}

/// The candidate that takes the fewest single-character changes to reach, unless that is more than half of
/// it.
func nearest(to name: String, among candidates: [String]) -> String? {
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let distance = editDistance(Array(name.utf8.prefix(64)), Array(candidate.utf8))
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, best.name.utf8.count / 2) else { return nil }
    return best.name
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from `a` to `b` (optimal string
/// alignment, after Damerau 1964).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    var row = last
    for i in 0..<a.count {
        row[0] = i + 1
        for j in 0..<b.count {
            row[j + 1] = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1)
            }
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}

/// `bytes` as text if they are UTF-8, for messages to people; otherwise as escaped bytes, cut at 200.
func readable(_ bytes: some Collection<UInt8>) -> String {
    let short = Array(bytes.prefix(200))
    if let text = String(validating: short, as: UTF8.self) { return text }
    var text = ""
    for byte in short {
        text +=
            byte > 32 && byte < 127 ? String(UnicodeScalar(byte)) : "%" + hexadecimal(UInt64(byte), digits: 2)
    }
    return text
}
