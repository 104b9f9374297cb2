import CSupervise
import Foundation
import Glibc
import Synchronization

/// A command under a supervisor of its own (`CSupervise`): when it has ended, nothing that it started runs on.
final class SupervisedChild: Sendable {
  /// What became of a command.
  struct Ending: Sendable {
    enum Reason: Sendable, Equatable {
      case exited(Int32)
      case signalled(Int32)
      /// It did not begin, with the error number.
      case notStarted(Int32)
      /// Its supervisor was killed, and the command with it.
      case unsupervised
    }

    var reason: Reason
    /// Its standard output; nil if that was larger than the bound.
    var output: [UInt8]?
    /// The end of what it wrote on standard error.
    var errors: [UInt8]
  }

  private let supervisor: Int32
  private let input: Int32
  private let output: Int32
  private let errors: Int32
  private let control: Int32
  /// Whether the control socket still is this child's: its number belongs to somebody else later.
  private let isOpen = Mutex(true)

  /// Starts a command. Whoever has done that calls ``run(input:outputBytes:errorBytes:)``.
  ///
  /// - Parameter environment: All of it, `NAME=value`.
  /// - Throws: The error number where not even a supervisor could be started.
  init(_ command: [String], environment: [[CChar]]) throws(StartFailure) {
    var child = roost_child()
    let words = command.map { strdup($0) }
    let variables = environment.map { variable in variable.withUnsafeBufferPointer { strdup($0.baseAddress!) } }
    defer { for copy in words + variables { free(copy) } }
    let failure = roost_child_start(words + [nil], variables + [nil], &child)
    guard failure == 0 else { throw StartFailure(number: failure) }
    (supervisor, input, output, errors, control) =
      (child.supervisor, child.input, child.output, child.errors, child.control)
  }

  struct StartFailure: Error {
    let number: Int32
  }

  /// Sends SIGTERM to the command's process group, and SIGKILL to all of it once the grace is over.
  func terminate(grace: Duration) {
    isOpen.withLock { isOpen in
      if isOpen { roost_child_terminate(control, UInt32(clamping: grace.wholeMilliseconds)) }
    }
  }

  /// Gives the command its input and waits until it and all its descendants have ended. Blocks: for a thread of its own.
  /// Output beyond the bounds is read and dropped, so that the command goes on.
  func run(input bytes: [UInt8], outputBytes: Int, errorBytes: Int) -> Ending {
    var streams = Streams(input: input, output: output, errors: errors, bytes: bytes)
    streams.outputBytes = outputBytes
    streams.errorBytes = errorBytes
    var report = roost_report()
    var said: Int32 = 0
    while said == 0 {
      streams.transfer(or: control)
      said = roost_child_report(control, &report)
    }
    // What it wrote before its end is in the pipes.
    streams.finish()
    isOpen.withLock { isOpen in
      close(control)
      isOpen = false
    }
    var status: Int32 = 0
    while waitpid(supervisor, &status, 0) < 0, errno == EINTR {}
    return Ending(reason: Self.reason(said, report), output: streams.result, errors: streams.lastErrors)
  }

  private static func reason(_ said: Int32, _ report: roost_report) -> Ending.Reason {
    guard said > 0 else { return .unsupervised }
    if report.kind == Int32(ROOST_CHILD_NOT_STARTED) { return .notStarted(report.value) }
    let signal = report.value & 0x7F
    return signal == 0 ? .exited((report.value >> 8) & 0xFF) : .signalled(signal)
  }
}

/// The three pipes of a command, none of which may make it, or its worker, wait for the others.
private struct Streams {
  private var input: Int32?
  private var output: Int32?
  private var errors: Int32?
  private var bytes: ArraySlice<UInt8>
  private var collected: [UInt8] = []
  private var isTooLarge = false
  private var errorTail: [UInt8] = []
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)
  var outputBytes = 0
  var errorBytes = 0

  init(input: Int32, output: Int32, errors: Int32, bytes: [UInt8]) {
    (self.input, self.output, self.errors) = (input, output, errors)
    self.bytes = bytes[...]
    if bytes.isEmpty { Self.end(&self.input) }
  }

  var result: [UInt8]? { isTooLarge ? nil : collected }
  var lastErrors: [UInt8] { Array(errorTail.suffix(errorBytes)) }

  /// Waits until a pipe, or the control socket, has something to do, and does it.
  mutating func transfer(or control: Int32) {
    var events = [
      pollfd(fd: control, events: Int16(POLLIN), revents: 0),
      pollfd(fd: input ?? -1, events: Int16(POLLOUT), revents: 0),
      pollfd(fd: output ?? -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: errors ?? -1, events: Int16(POLLIN), revents: 0),
    ]
    guard poll(&events, nfds_t(events.count), -1) > 0 else { return }
    if events[1].revents != 0 { write() }
    if events[2].revents != 0 { _ = readOutput() }
    if events[3].revents != 0 { _ = readErrors() }
  }

  /// Reads what is left, and closes everything.
  mutating func finish() {
    Self.end(&input)
    while readOutput() {}
    while readErrors() {}
    Self.end(&output)
    Self.end(&errors)
  }

  /// A command need not read its input: that it has closed it is no error.
  private mutating func write() {
    guard let input else { return }
    let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
    if count >= 0 { bytes = bytes.dropFirst(count) } else if errno == EAGAIN || errno == EINTR { return }
    if count < 0 || bytes.isEmpty { Self.end(&self.input) }
  }

  private mutating func readOutput() -> Bool {
    let (count, isAtEnd) = read(output)
    if isAtEnd { Self.end(&output) }
    isTooLarge = isTooLarge || collected.count + count > outputBytes
    if isTooLarge { collected = [] } else { collected += buffer[..<count] }
    return count > 0
  }

  private mutating func readErrors() -> Bool {
    let (count, isAtEnd) = read(errors)
    if isAtEnd { Self.end(&errors) }
    errorTail += buffer[..<count]
    if errorTail.count > 16 * errorBytes { errorTail = lastErrors }
    return count > 0
  }

  private mutating func read(_ descriptor: Int32?) -> (count: Int, isAtEnd: Bool) {
    guard let descriptor else { return (0, false) }
    let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EAGAIN || errno == EINTR { return (0, false) }
    return count > 0 ? (count, false) : (0, true)
  }

  private static func end(_ descriptor: inout Int32?) {
    if let open = descriptor { close(open) }
    descriptor = nil
  }
}

extension Duration {
  /// What is finer is cut off.
  var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    let whole = seconds.multipliedReportingOverflow(by: 1_000)
    return whole.overflow ? .max : whole.partialValue + attoseconds / 1_000_000_000_000_000
  }
}
