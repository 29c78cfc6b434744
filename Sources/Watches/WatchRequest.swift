// What a client asked to be told.

public import Primitives
public import Store

/// One range of keys, and what is wanted of its changes.
public struct WatchPart: Hashable, Sendable {
    /// Kinds of changes.
    public enum Kind: String, Hashable, Sendable { case put, delete }

    /// What the client calls this range on a stream with several; nil if there is only one.
    public var id: String?
    /// The keys.
    public var range: KeyRange
    /// The only kind of change that is wanted; nil: both.
    public var only: Kind?
    /// Whether values are left out.
    public var isKeysOnly = false
    /// Whether each change tells what was there before.
    public var withPrevious = false

    /// All changes of a range, with values.
    public init(id: String? = nil, range: KeyRange) {
        self.id = id
        self.range = range
    }

    /// Whether a change of a key of the range is wanted.
    func wants(_ change: Change) -> Bool {
        switch only {
        case nil: true
        case .put?: !change.isDelete
        case .delete?: change.isDelete
        }
    }
}

/// The form of a stream.
public enum WatchFormat: Hashable, Sendable {
    /// One JSON object a line (NDJSON).
    case lines
    /// Server-sent events (WHATWG HTML, section 9.2).
    case events
}

/// Everything that decides what a stream carries. Streams with equal filters carry the same bytes.
public struct WatchFilter: Hashable, Sendable {
    /// The ranges, at least one.
    public var parts: [WatchPart]
    /// The form.
    public var format: WatchFormat

    /// Makes the filter.
    public init(parts: [WatchPart], format: WatchFormat) {
        self.parts = parts
        self.format = format
    }
}

/// A stream that a client asked for.
public struct WatchRequest: Sendable {
    /// Where the stream begins.
    public enum Start: Hashable, Sendable {
        /// After the state of this moment.
        case now
        /// With this revision.
        case from(Revision)
        /// With the items of this moment, and then what follows.
        case snapshot
    }

    /// What it carries.
    public var filter: WatchFilter
    /// Where it begins.
    public var start: Start
    /// After how many revisions it ends; nil: never.
    public var most: Int?
    /// After what time it ends; nil: never.
    public var wait: Instant.Span?
    /// How often a bookmark comes at least; nil: only when nothing else does.
    public var bookmarks: Instant.Span?

    /// A stream without an end.
    public init(filter: WatchFilter, start: Start) {
        self.filter = filter
        self.start = start
    }
}
