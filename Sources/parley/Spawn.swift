import Glibc
import Platform

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

    /// As a shell tells it in `$?`: 128 and the signal for a process that was killed.
    var shellCode: Int32 {
        switch self {
        case .exited(let code): code
        case .killed(let signal): 128 + signal
        }
    }

    /// How a process that this one started has ended; nil while it runs. Told once.
    static func look(at process: pid_t) -> Ending? {
        var status: Int32 = 0
        guard waitpid(process, &status, WNOHANG) == process else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
    }
}

/// Starting processes (`posix_spawn`), with no signal blocked.
enum Spawn {
    /// Starts a program. A name without a slash is looked up in `PATH` if `searchesPath`. In a process group
    /// of its own a terminal's Ctrl-C does not reach it. Before it runs, `connect` is done to its
    /// descriptors.
    static func start(
        _ program: String, _ words: [String], environment: [String], searchesPath: Bool = false,
        hasOwnGroup: Bool = true, connect: (inout posix_spawn_file_actions_t) -> Void = { _ in }
    ) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        connect(&actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // A broken pipe ends programs that do not expect to ignore it.
        var broken = sigset_t()
        sigemptyset(&broken)
        sigaddset(&broken, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &broken)
        posix_spawnattr_setpgroup(&attributes, 0)
        let group = hasOwnGroup ? POSIX_SPAWN_SETPGROUP : 0
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | Int32(group)))
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var child: pid_t = 0
        let failure =
            searchesPath
            ? posix_spawnp(&child, program, &actions, &attributes, &arguments, &variables)
            : posix_spawn(&child, program, &actions, &attributes, &arguments, &variables)
        guard failure == 0 else { throw SystemError(code: failure, call: "posix_spawn") }
        return child
    }

    /// The environment that this process was started with.
    static func inheritedEnvironment() -> [String] {
        guard let file = try? Files.open("/proc/self/environ", .read) else { return [] }
        let bytes = (try? Terminal.readAll(file.number, limit: 8 << 20)) ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The environment with some variables set, whatever they were.
    static func environment(with variables: [(name: String, value: String)]) -> [String] {
        let kept = inheritedEnvironment().filter { line in
            !variables.contains { line.hasPrefix($0.name + "=") }
        }
        return kept + variables.map { "\($0.name)=\($0.value)" }
    }
}
