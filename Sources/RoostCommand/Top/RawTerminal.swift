import Glibc

/// A terminal that shows a screen of its own and gives every key at once, until `restore`.
///
/// However the process ends, by a signal or a trap included, the terminal is as it was before.
enum RawTerminal {
  // Written by `enter` before a handler that reads it is in place, and never again while it is.
  nonisolated(unsafe) private static var former = termios()
  nonisolated(unsafe) private static var isRaw = false
  /// The end of the other screen, the cursor shown, no style.
  private static let leave: StaticString = "\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l"
  private static let ends = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGTERM, SIGHUP, SIGQUIT, SIGINT]

  /// - Returns: False where standard input or output is no terminal.
  static func enter() -> Bool {
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &former) == 0 else {
      return false
    }
    var raw = former
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
    raw.c_iflag &= ~tcflag_t(IXON | ICRNL | BRKINT | INPCK | ISTRIP)
    isRaw = true
    for number in ends {
      // Only what a handler of signals may call.
      signal(number) { number in
        RawTerminal.restore()
        Glibc.signal(number, SIG_DFL)
        raise(number)
      }
    }
    guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0 else {
      isRaw = false
      return false
    }
    StandardStream.output.write("\u{1B}[?1049h\u{1B}[?25l")
    return true
  }

  /// Gives the terminal back; again does nothing.
  static func restore() {
    guard isRaw else { return }
    isRaw = false
    _ = Glibc.write(STDOUT_FILENO, leave.utf8Start, leave.utf8CodeUnitCount)
    var settings = former
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
  }
}

/// What someone pressed.
enum Key: Equatable {
  case character(Character)
  case up, down, enter, escape
  /// Ctrl-C.
  case interrupt

  /// The keys in bytes that a terminal sent.
  static func keys(in bytes: ArraySlice<UInt8>) -> [Key] {
    var keys: [Key] = []
    var rest = bytes
    while let first = rest.popFirst() {
      switch first {
      case 0x1B where rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O"):
        rest = rest.dropFirst()
        while let next = rest.popFirst() {
          guard (0x40...0x7E).contains(next) else { continue }
          if next == UInt8(ascii: "A") { keys.append(.up) }
          if next == UInt8(ascii: "B") { keys.append(.down) }
          break
        }
      case 0x1B, 0x7F, 0x08: keys.append(.escape)
      case 0x03: keys.append(.interrupt)
      case 0x0D, 0x0A: keys.append(.enter)
      case 0x20...0x7E: keys.append(.character(Character(Unicode.Scalar(first))))
      default: break
      }
    }
    return keys
  }
}
