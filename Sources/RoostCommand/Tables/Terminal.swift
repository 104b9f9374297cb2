import Foundation
import Glibc

/// What standard output can show.
enum Terminal {
  /// Whether a person reads it.
  static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 }

  /// Whether it shows colours: a terminal that can, and nobody who does not want them (https://no-color.org).
  static var hasColour: Bool { isOutput && Variables["NO_COLOR"] == nil && Variables["TERM"] != "dumb" }

  /// Columns and rows of a terminal; nil where it is none.
  static func size(of descriptor: Int32 = STDOUT_FILENO) -> (columns: Int, rows: Int)? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}

/// How a cell looks where there are colours.
enum Style: String {
  case plain = ""
  case bold = "1"
  case faint = "2"
  case red = "31"
  case green = "32"
  case yellow = "33"
  case blue = "34"
  case reversed = "7"

  func applied(to text: String) -> String { self == .plain ? text : "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" }

  /// Of a state of a job, a schedule or an operation.
  init(state: String) {
    self =
      switch state.uppercased() {
      case "DEAD", "FAILED", "EXPIRED", "TIMED_OUT": .red
      case "ACKED", "DONE", "ACTIVE": .green
      case "RETRY", "PAUSED", "CANCELLED", "CANCEL_REQUESTED", "STOPPED": .yellow
      case "RUNNING": .blue
      default: .plain
      }
  }
}
