import Foundation

/// A child with one socket as its standard input and another as its output and error. Both are closed in every other
/// child, also in one that another test starts at this moment, so that their ends are seen.
struct ChildProcess {
  private let process: Int32
  private let input: Int32
  private let output: Int32

  init(_ command: [String]) throws {
    let (input, output) = (try Self.pair(), try Self.pair())
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input.theirs, 0)
    posix_spawn_file_actions_adddup2(&actions, output.theirs, 1)
    posix_spawn_file_actions_adddup2(&actions, output.theirs, 2)
    var words = command.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: Int32 = 0
    let failure = posix_spawnp(&process, command[0], &actions, nil, &words, environ)
    close(input.theirs)
    close(output.theirs)
    guard failure == 0 else {
      close(input.ours)
      close(output.ours)
      throw RedisServer.Failure(description: "\(command[0]) cannot be started: \(failure)")
    }
    (self.process, self.input, self.output) = (process, input.ours, output.ours)
  }

  /// Waits for more of what it prints; nil at the end.
  func read() -> String? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = Foundation.read(output, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  /// Ends its input and waits until it has ended, too.
  ///
  /// - Returns: The status as `waitpid` gives it.
  @discardableResult
  func hangUp() -> Int32 {
    close(input)
    var status: Int32 = 0
    while waitpid(process, &status, 0) == -1, errno == EINTR {}
    close(output)
    return status
  }

  private static func pair() throws -> (ours: Int32, theirs: Int32) {
    var ends: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw RedisServer.Failure(description: "no sockets for a child: \(errno)")
    }
    return (ends[0], ends[1])
  }
}
