// A child that outlives its parent keeps ports and locks. The parent holds the other end of the child's
// standard input: when it dies, however it dies, the kernel closes that end and the child learns of it.

import Glibc
import Platform

enum Lifeline {
    /// How long a node may take to stop after its parent is gone before it is ended the hard way.
    private static let patience: UInt32 = 15

    /// Starts a thread that sends this process SIGTERM when standard input ends.
    static func watchStandardInput() throws(CommandFailure) {
        do throws(SystemError) {
            _ = try startThread(named: "lifeline", owning: STDIN_FILENO) { descriptor in
                waitForEnd(of: descriptor)
                kill(getpid(), SIGTERM)
                sleep(patience)
                _exit(ExitStatus.failure.rawValue)
            }
        } catch {
            throw CommandFailure(.failure, "cannot watch standard input: \(error)")
        }
    }

    private static func waitForEnd(of descriptor: Int32) {
        var byte: UInt8 = 0
        while true {
            let count = read(descriptor, &byte, 1)
            if count == 0 || count < 0 && errno != EINTR { return }
        }
    }
}
