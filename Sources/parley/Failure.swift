import Client
import Platform

/// What the program tells the shell.
enum ExitStatus: Int32 {
    /// Done.
    case success = 0
    /// It did not work.
    case failure = 1
    /// The command line is wrong.
    case usage = 2
    /// There is no such key.
    case notFound = 3
    /// The condition of a write does not hold.
    case preconditionFailed = 4
    /// The cluster is unavailable, or nobody knows whether a write happened or a history is sound.
    case unavailable = 5
    /// What a command was to hold was not to be had in time (`EX_TEMPFAIL` of sysexits).
    case notHad = 75
    /// What a command held was lost while it ran, and the command was stopped.
    case lost = 76
}

/// Ends the program with one line on standard error.
struct CommandFailure: Error {
    var code: ExitStatus
    /// Without the program's name before it or a line feed after it.
    var message: String

    init(_ code: ExitStatus, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A wrong flag, argument or environment variable.
    static func usage(_ message: String) -> CommandFailure { CommandFailure(.usage, message) }

    init(_ error: ClientError) {
        let code: ExitStatus =
            switch error {
            case .refused(let problem) where problem.status == 412: .preconditionFailed
            case .refused(let problem) where problem.status == 404: .notFound
            case .refused, .malformed: .failure
            case .unavailable, .unknownOutcome: .unavailable
            }
        self.init(code, "\(error)")
    }
}

/// Runs system calls and turns their error into the program's, after words that say what was tried.
func system<Result: ~Copyable>(
    _ purpose: String, _ body: () throws(SystemError) -> Result
) throws(CommandFailure) -> Result {
    do throws(SystemError) {
        return try body()
    } catch {
        throw CommandFailure(.failure, "\(purpose): \(error)")
    }
}
