public import Primitives

/// How much and how slowly a client may send, and how much may wait to be read by it.
///
/// The defaults are those of the API contract. Sizes are bytes.
public struct Limits: Sendable {
    /// The longest request line without its line end; beyond it 414.
    public var requestLine = 8 * 1024
    /// The longest header line without its line end; beyond it 431. At most 65,535.
    public var fieldLine = 8 * 1024
    /// The longest header section, all lines with their line ends; beyond it 431.
    public var head = 32 * 1024
    /// How many header lines a request may have; beyond it 431.
    public var fieldCount = 100
    /// The longest body, unless ``bodyLimits`` says otherwise; beyond it 413.
    public var body = 2 * 1024 * 1024
    /// Body limits by the beginning of the raw path (without `/api/v1`); the first that fits counts.
    public var bodyLimits: [BodyLimit] = []
    /// The longest line with a chunk's size and extensions; beyond it 400.
    public var chunkLine = 256
    /// How many bytes of chunk extensions a body may have altogether; beyond it 400.
    public var chunkExtensions = 1024
    /// How many bytes of trailers a body may have; beyond it 431.
    public var trailers = 4 * 1024
    /// How long a head may take from its first byte (on a new connection: from the beginning); then 408.
    public var headTimeout = Instant.Span.seconds(10)
    /// How long a body may pause; then 408.
    public var bodyIdle = Instant.Span.seconds(30)
    /// The slowest pace of a body, bytes a second, after ``bodyIdle`` has passed; then 408. Zero: any pace.
    public var bodyRate = 1024
    /// How long a connection may stay open between two requests; then it is closed without a word.
    public var keepAliveIdle = Instant.Span.seconds(75)
    /// How long the client may take nothing of what waits to be written; then the connection is dropped.
    public var writeTimeout = Instant.Span.seconds(10)
    /// How long a closing connection reads on, so that the answer is not lost to a reset.
    public var lingerTimeout = Instant.Span.seconds(1)
    /// How many bytes a closing connection reads on.
    public var lingerBytes = 64 * 1024
    /// How much output may wait before a stream refuses more and the next pipelined request is held back.
    public var outputBuffer = 256 * 1024
    /// How much unread input may wait behind a request under way before reading stops.
    public var inputBuffer = 64 * 1024

    /// The contract's limits.
    public init() {}

    /// A body limit for one part of the path space.
    public struct BodyLimit: Sendable {
        /// The beginning of the raw path, as in `/snapshots`.
        public var prefix: String
        /// The longest body below it.
        public var bytes: Int
        /// A limit of `bytes` for every path that begins with `prefix`.
        public init(prefix: String, bytes: Int) {
            self.prefix = prefix
            self.bytes = bytes
        }
    }

    /// The limit for a request to `path`.
    func bodyLimit(of path: [UInt8]) -> Int {
        if bodyLimits.isEmpty { return body }
        let path = path[PathTable.prefixLength(of: path)...]
        return bodyLimits.first { path.starts(with: $0.prefix.utf8) }?.bytes ?? body
    }
}
