import ArgumentParser
import Client
import Glibc
import JSON
import Platform

/// Reads and writes many keys at once.
struct TransactionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "txn",
        abstract: "Read and write many keys at once, if guards hold.",
        discussion: """
            The transaction is JSON as POST /txn takes it, an argument or what standard \
            input brings (-). The answer is printed as it came.

              parley txn '{"if":[{"key":"a","value":"10"}],
                           "then":[{"put":{"key":"a","value":"5"}},{"incr":{"key":"b","by":5}}],
                           "else":[{"get":{"key":"a"}}]}'

            Exits with 4 if the guards do not hold and there is no else, or a fence's token is \
            not current, and with 5 if the cluster is unavailable or the outcome is unknown.
            """)

    @Argument(help: "The transaction; - for standard input.") var transaction: String
    @Flag(help: "Tell what would be, and change nothing.") var dryRun = false
    @OptionGroup(title: "Fences") var fences: FenceOptions
    @OptionGroup(title: "Connection") var connection: ClientOptions

    /// The most that a request's body may hold.
    private static let limit = 2 << 20

    func run() throws {
        var client = try connection.client()
        let body = try bytes()
        let answer = try calling { () throws(ClientError) in
            try client.transact(body, isDryRun: dryRun, fences: fences.list)
        }
        printAnswer(answer.body)
    }

    private func bytes() throws(CommandFailure) -> [UInt8] {
        if transaction != "-" { return Array(transaction.utf8) }
        do throws(SystemError) {
            guard let bytes = try Terminal.readAll(STDIN_FILENO, limit: Self.limit) else {
                throw SystemError(code: EFBIG, call: "read")
            }
            return bytes
        } catch {
            throw CommandFailure(.failure, "cannot read the transaction: \(error.reason)")
        }
    }
}
