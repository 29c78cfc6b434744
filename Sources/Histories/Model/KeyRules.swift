/// What of a key is told anywhere; what is not told need not be kept in its state.
struct KeyTraits {
    var tracksRevisions = false
    var tracksCreation = false
    var tracksVersions = false
}

/// What holds for every step of a model.
final class KeyRules: Sendable {
    let values: ValueTable
    /// By key.
    let traits: [KeyTraits]
    /// Whether a revision of a key is known to be somebody's, so that no pending one can be it.
    let isOwned: @Sendable (_ key: Int, _ revision: UInt64) -> Bool

    init(
        values: ValueTable, traits: [KeyTraits], isOwned: @escaping @Sendable (Int, UInt64) -> Bool
    ) {
        self.values = values
        self.traits = traits
        self.isOwned = isOwned
    }
}
