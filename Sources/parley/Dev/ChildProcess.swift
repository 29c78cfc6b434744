import Glibc
import Platform

/// A process that this one started: its output can be read, it can be stopped, and it learns of this
/// process's death through its standard input.
final class ChildProcess {
    /// How a process ended.
    enum Ending: Equatable {
        case exited(Int32)
        case killed(signal: Int32)

        var description: String {
            switch self {
            case .exited(let code): "exited with \(code)"
            case .killed(let signal): "was killed by signal \(signal)"
            }
        }
    }

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
        pid = try ChildProcess.spawn(
            ["parley"] + arguments, input: input.reading.number, output: output.writing.number)
        self.output = output.reading
        lifeline = input.writing
    }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: Int32) {
        if ending == nil { kill(pid, number) }
    }

    /// Looks whether the process has ended, without waiting for it.
    func reap() -> Ending? {
        guard ending == nil else { return ending }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        let signal = status & 0x7f
        ending = signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
        return ending
    }

    private static func spawn(_ words: [String], input: Int32, output: Int32) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var arguments = words.map { strdup($0) } + [nil]
        var environment = inheritedEnvironment().map { strdup($0) } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, program(), &actions, &attributes, &arguments, &environment)
        guard failure == 0 else { throw SystemError(code: failure, call: "posix_spawn") }
        return child
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

    /// The environment that this process was started with: it holds where the program's libraries are.
    private static func inheritedEnvironment() -> [String] {
        guard let file = try? Files.open("/proc/self/environ", .read) else { return [] }
        let bytes = (try? Terminal.readAll(file.number, limit: 8 << 20)) ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
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
