extension Limits {
    /// No name of a queue, a barrier and the like, and none of who uses them, is longer, in bytes.
    public static let nameBytes = 255

    /// Whether a text can be such a name: 1 to ``nameBytes`` bytes, without control characters.
    public static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= nameBytes && name.utf8.allSatisfy { $0 > 31 && $0 != 127 }
    }
}
