// What `parley lock watch` and `parley elect watch` have in common.

import ArgumentParser
import Client
import Glibc
import JSON
import Primitives

let watchDiscussion = """
    Each line is the JSON of how it stands. When a node fails, the next endpoint goes on with the state as \
    it is then: states may be left out, and the latest always comes. Ends with 5 if no node answers for as \
    long as --timeout says.
    """

/// Refuses a number of states that means nothing.
func checkStates(_ most: Int?) throws {
    if let most, most < 1 { throw ValidationError("--max \(most): it must be at least 1") }
}

/// Shows the states of a lock or an election as they come.
func followStates(
    _ kind: ClaimKind, _ name: String, _ most: Int?, _ connection: ClientOptions
) throws {
    let client = try connection.client()
    let stream = ChangeStream(statesOf: kind, name, endpoints: client.endpoints, timeout: client.timeout)
    var left = most ?? .max
    var last: [UInt8] = []
    try calling { () throws(ClientError) in
        try stream.follow(pause: { usleep(100_000) }) { line in
            // Signs of life tell nothing, and a new stream begins with what may be known.
            guard line.json["name"] != nil, line.bytes != last else { return true }
            last = line.bytes
            Terminal.write(line.bytes + [10])
            left -= 1
            return left > 0
        }
    }
}
