import Glibc
import Platform

/// A process that this one started: its output can be read, it can be stopped, and it learns of this
/// process's death through its standard input.
final class ChildProcess {
    let pid: pid_t
    /// What it writes to standard output and error; not blocking, here and there.
    let output: Descriptor
    /// Never written to; closed by the kernel at the latest.
    private let lifeline: Descriptor
    private(set) var ending: Ending?

    /// Starts this program again with other arguments, in a process group of its own so that a terminal's
    /// Ctrl-C does not reach it, and with no signal blocked.
    init(arguments: [String]) throws(SystemError) {
        let input = try Pipe.make()
        let output = try Pipe.make()
        for number in [output.reading.number, output.writing.number] {
            // A node must never wait for this process to read its log: lines are dropped instead.
            try attempt("fcntl") { fcntl(number, F_SETFL, O_NONBLOCK) }
        }
        let (reading, writing) = (input.reading.number, output.writing.number)
        // Its environment holds where the program's libraries are.
        pid = try Spawn.start(
            ChildProcess.program(), ["parley"] + arguments, environment: Spawn.inheritedEnvironment()
        ) { actions in
            posix_spawn_file_actions_adddup2(&actions, reading, STDIN_FILENO)
            posix_spawn_file_actions_adddup2(&actions, writing, STDOUT_FILENO)
            posix_spawn_file_actions_adddup2(&actions, writing, STDERR_FILENO)
        }
        self.output = output.reading
        lifeline = input.writing
    }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: Int32) {
        if ending == nil { kill(pid, number) }
    }

    /// Looks whether the process has ended, without waiting for it.
    func reap() -> Ending? {
        if ending == nil { ending = Ending.look(at: pid) }
        return ending
    }

    /// This program's file, by its own name so that the children bear it in `ps`; the link to it if the file
    /// was replaced since.
    private static func program() -> String {
        let link = "/proc/self/exe"
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink(link, &path, path.count)
        guard count > 0, count < path.count else { return link }
        let target = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return access(target, X_OK) == 0 ? target : link
    }
}

/// Both ends of a pipe, neither of which other children inherit.
private struct Pipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor

    static func make() throws(SystemError) -> Pipe {
        var numbers: [Int32] = [-1, -1]
        try attempt("pipe") { pipe(&numbers) }
        let made = Pipe(reading: Descriptor(owning: numbers[0]), writing: Descriptor(owning: numbers[1]))
        // Only this thread starts processes, so none can be started between the two calls.
        for number in numbers { try attempt("fcntl") { fcntl(number, F_SETFD, FD_CLOEXEC) } }
        return made
    }
}
