import Primitives

/// The way from one node to another: requests of the first, and answers to requests of the second.
struct Link: Sendable {
    /// Draws of this link alone, so that what happens on one does not change the others.
    var random: SeededGenerator
    /// How many partitions cut it.
    var cuts = 0
    /// How many clogs hold it up.
    var clogs = 0
    /// What is held up, in the order sent.
    var held: [Due] = []
    /// When the last message that was sent arrives, for those that must not overtake it.
    var lastArrival: Int64 = 0

    // Of requests that are sent this way:

    /// Whether the sender has a connection that has worked.
    var isEstablished = false
    /// Whether the receiver sees a connection.
    var isSeen = false
    /// Until when requests fail at once, because connecting failed.
    var restsUntil: Int64 = 0
    private var rest: Int64 = 0
    /// Requests without an answer, by time; those that were answered since are passed over.
    var open: [PostID] = []
    /// Whether a sweep is planned.
    var isSwept = false

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// As in the transport: each failure to connect in a row doubles the rest, from 20 ms up to 100 ms.
    mutating func becomeUnreachable(at time: Int64) {
        isEstablished = false
        guard restsUntil <= time else { return }
        rest = rest == 0 ? 20_000_000 : min(2 * rest, 100_000_000)
        restsUntil = time + rest
    }

    mutating func becomeReachable() {
        isEstablished = true
        rest = 0
        restsUntil = 0
    }
}

/// Names a request of a peer while it is on its way: places are used again, with another generation.
struct PostID: Sendable, Equatable {
    var place: Int32
    var generation: Int32
}

/// A request of one node to another, with its answer.
struct Post {
    var generation: Int32 = 0
    var from = 0
    var to = 0
    /// The sender's life.
    var life = 0
    var batch: UInt64 = 0
    var sent: Int64 = 0
    var body: [UInt8] = []
    /// The answer on its way; nil if it is without messages.
    var answer: [UInt8]?
    /// What is on its way in its name.
    var underWay = 0
    /// Whether the sender has an answer or has given up.
    var isClosed = true
    /// Whether the sender, when it hears of a broken connection, is sure that nothing arrived.
    var reached = true
    /// Whether the answer is a refusal of the body as a whole.
    var isDamaged = false
    /// The receiver's life that has taken it, by copy; 0 if none has.
    var taken = (first: 0, second: 0)
    /// Whether the receiver has answered, by copy.
    var isAnswered = (first: false, second: false)

    var id: PostID { PostID(place: -1, generation: generation) }
}

/// All requests on their way.
struct Posts {
    private(set) var all: [Post] = []
    private var free: [Int32] = []

    subscript(id: PostID) -> Post {
        _read { yield all[Int(id.place)] }
        _modify { yield &all[Int(id.place)] }
    }

    func contains(_ id: PostID) -> Bool { all[Int(id.place)].generation == id.generation }

    mutating func insert(_ post: Post) -> PostID {
        var post = post
        post.isClosed = false
        if let place = free.popLast() {
            post.generation = all[Int(place)].generation + 1
            all[Int(place)] = post
            return PostID(place: place, generation: post.generation)
        }
        post.generation = 1
        all.append(post)
        return PostID(place: Int32(all.count - 1), generation: 1)
    }

    /// Forgets the request if neither the sender waits for it nor anything is on its way.
    mutating func release(_ id: PostID) {
        let place = Int(id.place)
        guard all[place].isClosed, all[place].underWay == 0 else { return }
        all[place].generation += 1
        all[place].body = []
        all[place].answer = nil
        free.append(id.place)
    }
}

/// A snapshot that a node fetches from another, part by part.
struct FetchState {
    var generation: Int32 = 0
    var node = 0
    var life = 0
    var id: UInt64 = 0
    var source = 0
    var index: UInt64 = 0
    var term: UInt64 = 0
    var offset: UInt64 = 0
    var total: UInt64?
    /// Counts questions, so that a late failure is known as one.
    var attempt: Int32 = 0
    var isOpen = false
    /// The part on its way, and the size of the whole.
    var part: (bytes: [UInt8]?, offset: UInt64, total: UInt64)?
}
