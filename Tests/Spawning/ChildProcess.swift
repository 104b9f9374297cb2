import Foundation

/// A child that ends when its standard input does; its output and errors come together.
package struct ChildProcess {
  private let process: Int32
  private let input: Int32
  private let output: Int32

  package init(_ command: [String]) throws {
    (process, input, output) = try SocketPair.two { input, output in
      try SpawnedProcess.spawn(command, environment: ProcessInfo.processInfo.environment) { actions in
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
      }
    }
  }

  /// Waits for more of what it prints; nil at the end.
  package func read() -> String? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = Foundation.read(output, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  /// Ends its input and waits until it has ended, too.
  ///
  /// - Returns: The status as `waitpid` gives it.
  @discardableResult
  package func hangUp() -> Int32 {
    close(input)
    let status = SpawnedProcess.reap(process)
    close(output)
    return status
  }
}
