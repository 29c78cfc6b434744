import ArgumentParser

/// The fences of a write.
struct FenceOptions: ParsableArguments {
    @Option(
        name: .customLong("fence"),
        help: ArgumentHelp(
            "Only while this lock is held with this token; may be given up to 16 times. Also "
                + "elections/name:token and semaphores/name:token. Names are written as in a URL's path.",
            valueName: "name:token"))
    var fences: [String] = []

    /// As the parameter `fence` takes them; nil if there are none.
    var list: String? { fences.isEmpty ? nil : fences.joined(separator: ",") }
}
