// Queues, barriers and whatever else has a name that stands in a path.

extension Call {
    /// The path of a named thing: the name is one segment, whatever is in it.
    public static func path(_ collection: String, _ name: String, _ rest: String = "") -> String {
        let segment =
            switch name {
            case ".": "%2E"
            case "..": "%2E%2E"
            default: percentEncoded(Array(name.utf8))
            }
        return collection + "/" + segment + rest
    }
}
