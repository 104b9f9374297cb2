import Foundation
import Synchronization

/// A child process with its output on pipes, known to the guardian until it is waited for. However many
/// descriptors other tests hold, it starts: Foundation's `Process` would trap.
package struct SpawnedProcess {
  package let process: Int32
  package let output: Int32
  package let errors: Int32

  package init(_ command: [String], environment: [String: String]) throws {
    (process, output, errors) = try SocketPair.two { output, errors in
      try Self.guarded(command, environment) { actions in
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
      }
    }
  }

  /// Starts a child whose output goes to files: nobody has to read it for the child to go on.
  ///
  /// - Parameter command: The first word names the program by its whole path, or in `PATH`.
  /// - Returns: The process, to be waited for.
  package static func start(
    _ command: [String], in directory: URL, environment: [String: String], output: URL, errors: URL
  ) throws -> Int32 {
    // Glibc's own way to change the directory is not visible from Swift.
    try guarded(["env", "--chdir=\(directory.path)"] + command, environment) { actions in
      for (number, file) in [(1, output), (2, errors)] as [(Int32, URL)] {
        posix_spawn_file_actions_addopen(&actions, number, file.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
      }
    }
  }

  private static func guarded(
    _ command: [String], _ environment: [String: String], streams: (inout posix_spawn_file_actions_t) -> Void
  ) throws -> Int32 {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let process = try spawn(command, environment: environment.merging(["PATH": path]) { own, _ in own }, streams)
    Guardian.shared.watch(process)
    return process
  }

  /// Starts a child that nobody guards: it has to end by itself.
  ///
  /// - Parameters:
  ///   - environment: All of it.
  ///   - streams: Where the child's input, output and errors lead; its input is empty otherwise. It inherits nothing else.
  /// - Returns: The process, to be waited for.
  static func spawn(
    _ command: [String], environment: [String: String], _ streams: (inout posix_spawn_file_actions_t) -> Void
  ) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    streams(&actions)
    inheritNothingElse(&actions)
    // Threads of Dispatch block signals: a child that inherits that never hears SIGTERM, unless it unblocks it itself.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let variables = environment.map { "\($0)=\($1)" }
    var process: Int32 = 0
    let failure = withCStrings(command) { words in
      withCStrings(variables) { posix_spawnp(&process, command[0], &actions, &attributes, words, $0) }
    }
    guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
    return process
  }

  /// Reaps a child if it has ended.
  ///
  /// - Returns: The status as `waitpid` gives it; nil while it runs.
  package static func ended(_ process: Int32) -> Int32? {
    var status: Int32 = 0
    var outcome: Int32
    repeat { outcome = waitpid(process, &status, WNOHANG) } while outcome == -1 && errno == EINTR
    guard outcome == process else { return nil }
    Guardian.shared.forget(process)
    return status
  }

  /// Reaps a child.
  ///
  /// - Returns: The status as `waitpid` gives it.
  package static func wait(_ process: Int32) -> Int32 {
    let status = reap(process)
    Guardian.shared.forget(process)
    return status
  }

  static func reap(_ process: Int32) -> Int32 {
    var status: Int32 = 0
    while waitpid(process, &status, 0) == -1, errno == EINTR {}
    return status
  }

  /// What stands in a pipe at this moment.
  package static func available(_ descriptor: Int32) -> String {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}

/// Two ends that other children never inherit, not even those of a thread that spawns at this moment: sockets can be made
/// so in one call, a pipe cannot from Swift.
struct SocketPair {
  let ours: Int32
  let theirs: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
    (ours, theirs) = (ends[0], ends[1])
  }

  /// Starts a child with the far ends of two pairs.
  ///
  /// - Returns: The child and the near ends, for the caller to close.
  static func two(
    _ start: (_ first: Int32, _ second: Int32) throws -> Int32
  ) throws -> (process: Int32, first: Int32, second: Int32) {
    let (first, second) = (try SocketPair(), try SocketPair())
    defer {
      close(first.theirs)
      close(second.theirs)
    }
    do {
      return (try start(first.theirs, second.theirs), first.ours, second.ours)
    } catch {
      close(first.ours)
      close(second.ours)
      throw error
    }
  }
}

/// A shell that outlives the tests for a moment: when their end of its pipe closes, for whatever reason, it kills
/// the children that nobody has waited for.
private final class Guardian: Sendable {
  static let shared = Guardian()

  private let pipe: Mutex<Int32>

  private init() {
    let script = """
      trap '' INT TERM HUP
      declare -A children
      while read -r word child; do
        if [[ $word == watch ]]; then children[$child]=1; else unset "children[$child]"; fi
      done
      for child in "${!children[@]}"; do kill -9 "$child"; done
      """
    guard let ends = try? SocketPair() else { preconditionFailure("a socket is needed to guard children") }
    let process = try? SpawnedProcess.spawn(["bash", "-c", script], environment: ProcessInfo.processInfo.environment) {
      actions in
      posix_spawn_file_actions_adddup2(&actions, ends.theirs, 0)
      posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
      posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    }
    precondition(process != nil, "bash is needed to guard children")
    close(ends.theirs)
    pipe = Mutex(ends.ours)
  }

  func watch(_ process: Int32) { tell("watch \(process)\n") }
  func forget(_ process: Int32) { tell("forget \(process)\n") }

  private func tell(_ line: String) {
    pipe.withLock { pipe in _ = line.withCString { write(pipe, $0, strlen($0)) } }
  }
}

/// Other tests hold sockets that would stay open with a child, listening ones among them. Glibc's action for that (2.34)
/// is not visible from Swift.
private func inheritNothingElse(_ actions: inout posix_spawn_file_actions_t) {
  typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
  guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else {
    preconditionFailure("glibc 2.34 or later is needed")
  }
  let failure = unsafeBitCast(symbol, to: AddCloseFrom.self)(&actions, 3)
  precondition(failure == 0, "an action is added")
}

/// Calls the body with a null-terminated array of C strings.
private func withCStrings<Result>(
  _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let copies = texts.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return body(copies + [nil])
}
