// Searching in sorted arrays.

extension [UInt64] {
    /// The place of the first number above another, in ascending numbers.
    func firstPlace(above number: UInt64) -> Int { firstPlace { $0 > number } }
}

extension Array {
    /// The place of the first element that is so, where all behind it are so, too.
    func firstPlace(where isSo: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isSo(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
