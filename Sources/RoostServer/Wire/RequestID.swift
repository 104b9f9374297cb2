import NIOCore
import RoostKeys
import Synchronization

/// The name of a request, in its answer and in the log: the client's, or one that no other request of this process has.
struct RequestID: Sendable, CustomStringConvertible {
  private enum Source { case given(String), made(UInt64) }

  private static let process = String(UInt64.random(in: .min ... .max), radix: 16) + "-"
  private static let count = Atomic<UInt64>(0)

  private let source: Source

  /// A name for a request whose client gave it none.
  static func made() -> RequestID {
    RequestID(source: .made(count.wrappingAdd(1, ordering: .relaxed).newValue))
  }

  /// The client's if it is 1 to 128 visible ASCII characters; keys in it are masked.
  static func given(_ text: String?) -> RequestID {
    guard let text, (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      return made()
    }
    return RequestID(source: .given(APIKey.masked(text)))
  }

  var description: String {
    switch source {
    case .given(let text): text
    case .made(let number): Self.process + String(number, radix: 16)
    }
  }

  func write(into buffer: inout ByteBuffer) {
    switch source {
    case .given(let text): buffer.writeString(text)
    case .made(let number):
      buffer.writeString(Self.process)
      var shift = max(0, 60 - number.leadingZeroBitCount / 4 * 4)
      while shift >= 0 {
        let digit = UInt8(truncatingIfNeeded: number >> UInt64(shift)) & 15
        buffer.writeInteger(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        shift -= 4
      }
    }
  }
}
