import CoreFoundation
import Glibc

/// Standard output of a command. What cannot be written there is a failure: a key, a lease or an answer that nobody
/// sees must not pass for one that somebody has.
enum CommandOutput {
  /// Those of the commands that ask a daemon, for their help.
  static let exitCodes =
    "Exit codes: 0 done, 1 the daemon refused it, 64 a wrong flag, 69 no daemon answered, 74 the output was lost."

  /// Makes sure that something can be written, as far as that can be known: to be called before anything is changed.
  ///
  /// - Throws: `outputLost` where standard output is closed, its reader gone, or its device full.
  static func check() throws(CommandFailure) {
    guard let failure = obstacle() else { return }
    throw CommandFailure(.outputLost, "\(lost(failure)); nothing was done")
  }

  /// Writes all of it.
  ///
  /// - Parameter done: What has happened all the same, for the message: `job … was submitted`.
  static func write(_ text: String, after done: String? = nil) throws(CommandFailure) {
    guard let failure = StandardStream.output.write(text) else { return }
    throw CommandFailure(.outputLost, lost(failure) + (done.map { "; \($0)" } ?? ""))
  }

  static func write(line: String, after done: String? = nil) throws(CommandFailure) {
    try write(line + "\n", after: done)
  }

  private static func lost(_ failure: Int32) -> String {
    "standard output cannot be written: \(String(cString: strerror(failure)))"
  }

  private static func obstacle() -> Int32? {
    let descriptor = StandardStream.output.rawValue
    let flags = fcntl(descriptor, F_GETFL)
    if flags < 0 { return errno }
    if flags & O_ACCMODE == O_RDONLY { return EBADF }
    var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    if Glibc.poll(&poll, 1, 0) > 0, poll.revents & Int16(POLLERR) != 0 { return EPIPE }
    // Devices such as /dev/full refuse even nothing.
    if Glibc.write(descriptor, "", 0) < 0 { return errno }
    return hasFullDisk(descriptor) ? ENOSPC : nil
  }

  private static func hasFullDisk(_ descriptor: Int32) -> Bool {
    var file = stat()
    guard fstat(descriptor, &file) == 0, file.st_mode & S_IFMT == S_IFREG else { return false }
    var disk = statvfs()
    guard fstatvfs(descriptor, &disk) == 0, disk.f_blocks > 0 else { return false }
    return (geteuid() == 0 ? disk.f_bfree : disk.f_bavail) == 0
  }
}
