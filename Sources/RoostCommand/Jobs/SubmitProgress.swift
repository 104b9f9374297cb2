import Glibc

/// How far a file is, in one line of a terminal that is written over, and what was refused.
struct SubmitProgress {
  private let name: String
  private let isShown = isatty(STDERR_FILENO) == 1
  private let begun = ContinuousClock.now
  private var shown: ContinuousClock.Instant?

  /// How many refusals are told one by one.
  private static let mostTold = 20

  init(_ name: String) { self.name = inert(name) }

  mutating func show(_ tally: FileSubmission.Tally, _ reader: LineReader, waitsForRoom: Bool) {
    let now = ContinuousClock.now
    guard isShown, waitsForRoom || shown.map({ now - $0 >= .milliseconds(100) }) ?? true else { return }
    shown = now
    let seconds = max(0.001, begun.duration(to: now) / .seconds(1))
    let rate = Int(Double(tally.submitted + tally.duplicates) / seconds)
    var parts = [name]
    if let total = reader.totalBytes, total > 0 {
      let share = min(1, Double(reader.readBytes) / Double(total))
      let done = Int(share * 20)
      parts.append("[\(String(repeating: "#", count: done))\(String(repeating: "-", count: 20 - done))]")
      parts.append("\(Int(share * 100)) %")
    }
    parts.append("\(tally.text), \(rate)/s")
    if waitsForRoom { parts.append("waiting: the daemon takes no more for the moment") }
    StandardStream.error.write("\r\u{1B}[K" + parts.joined(separator: "  "))
  }

  /// Says why a line was refused, of the first ones.
  mutating func tell(refusal number: Int, _ text: String) {
    guard number <= Self.mostTold + 1 else { return }
    clear()
    StandardStream.error.write(line: number <= Self.mostTold ? text : "more lines are refused and not told")
  }

  func end() { clear() }

  private func clear() { if isShown, shown != nil { StandardStream.error.write("\r\u{1B}[K") } }
}

/// Where refused lines go, to be mended and submitted.
struct RejectsFile {
  private let descriptor: Int32?

  /// - Parameter path: Made or emptied; nil: they go nowhere.
  init(_ path: String?) throws(CommandFailure) {
    guard let path else {
      descriptor = nil
      return
    }
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      throw CommandFailure(.usage, "cannot write \(inert(path)): \(String(cString: strerror(errno)))")
    }
    descriptor = file
  }

  func write(_ line: [UInt8]) {
    guard let descriptor else { return }
    var rest = (line + [UInt8(ascii: "\n")])[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func end() { if let descriptor { close(descriptor) } }
}
