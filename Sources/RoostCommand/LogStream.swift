import Dispatch
import Glibc
import Logging
import Synchronization

/// Where log lines go: each is one write, whole and in turn.
///
/// A reader that stops reading must not stop the daemon. A line waits for it a second at most; then lines are counted
/// instead of written until it reads again, and a line says how many are missing.
package final class LogStream: Sendable {
  package static let standardError = LogStream(descriptor: StandardStream.error.rawValue)

  private struct State {
    /// Nobody read for as long as patience lasts.
    var isStuck = false
    var dropped = 0
    /// The last line was written in part only.
    var isTorn = false
    var format = LogFormat.text
  }

  private let descriptor: Int32
  private let patienceMilliseconds: Int32
  private let state: Mutex<State>
  private let repeated = RepeatedLines()

  /// - Parameter patienceMilliseconds: How long a line waits for a reader that does not read.
  package init(descriptor: Int32, format: LogFormat = .text, patienceMilliseconds: Int32 = 1_000) {
    self.descriptor = descriptor
    self.patienceMilliseconds = patienceMilliseconds
    state = Mutex(State(format: format))
  }

  /// How the stream itself speaks of lines that are missing.
  func speak(_ format: LogFormat) { state.withLock { $0.format = format } }

  /// Writes a line, unless many of its kind were written just now: then it is counted, and a line says so later.
  func write(_ line: @autoclosure () -> String, of kind: RepeatedLines.Kind) {
    let (verdict, kind) = repeated.note(kind)
    switch verdict {
    case .write: write(line: line())
    case .hold(isFirst: true):
      DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(Int(RepeatedLines.period.components.seconds))) {
        [self] in
        tell(kind, lines: repeated.take(kind))
      }
    case .hold(isFirst: false): break
    }
  }

  /// Says at once how many lines were held back: at the end of the process.
  package func tellHeldLines() {
    for (kind, lines) in repeated.takeAll().sorted(by: { $0.kind.message < $1.kind.message }) {
      tell(kind, lines: lines)
    }
  }

  private func tell(_ kind: RepeatedLines.Kind, lines: Int) {
    guard lines > 0 else { return }
    var metadata: Logger.Metadata = ["lines": .stringConvertible(lines)]
    if let code = kind.code { metadata["code"] = "\(code)" }
    let line = LogLine(kind.level, "\(kind.message): more lines like it were not written", metadata)
    write(line: line.text(as: state.withLock { $0.format }))
  }

  package func write(line: String) {
    state.withLock { state in
      guard isReady(state) else {
        state.isStuck = true
        state.dropped += 1
        return
      }
      state.isStuck = false
      if state.dropped > 0 {
        let note = LogLine(
          .warning, "log lines are missing: nobody read them", ["lines": .stringConvertible(state.dropped)])
        state.dropped = 0
        put(note.text(as: state.format), &state)
        guard isReady(state) else {
          state.isStuck = true
          state.dropped = 1
          return
        }
      }
      put(line, &state)
    }
  }

  private func put(_ line: String, _ state: inout State) {
    var bytes = Array(((state.isTorn ? "\n" : "") + line + "\n").utf8)[...]
    state.isTorn = false
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written > 0 {
        bytes = bytes.dropFirst(written)
      } else if errno == EAGAIN, isReady(state) {
        continue
      } else if errno != EINTR {
        state.isTorn = true
        return
      }
    }
  }

  /// Whether a line can be written at once. A pipe says so only when it has room for `LogLine.largest` bytes.
  private func isReady(_ state: State) -> Bool {
    var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while true {
      let count = Glibc.poll(&poll, 1, state.isStuck ? 0 : patienceMilliseconds)
      if count < 0, errno == EINTR { continue }
      return count > 0 && poll.revents & Int16(POLLOUT) != 0
    }
  }
}
