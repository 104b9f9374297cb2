import RoostAPI
import SwiftProtobuf

extension SwiftProtobuf.Google_Protobuf_Duration {
  init(milliseconds: Int64) {
    self.init(seconds: milliseconds / 1_000, nanos: Int32(milliseconds % 1_000) * 1_000_000)
  }

  /// Milliseconds, what is finer cut off.
  ///
  /// - Throws: `outOfRange` for what is negative, no duration, or beyond three hundred years.
  func milliseconds(_ name: String) throws(Rejection) -> Int64 {
    guard (0...10_000_000_000).contains(seconds), (0...999_999_999).contains(nanos) else {
      throw Rejection(.outOfRange, field: name, "\(name) must be a duration that is not negative, such as 30 s")
    }
    return seconds * 1_000 + Int64(nanos) / 1_000_000
  }
}

extension SwiftProtobuf.Google_Protobuf_Timestamp {
  /// - Parameter milliseconds: Since 1970.
  init(milliseconds: Int64) {
    let seconds = (milliseconds - (milliseconds < 0 ? 999 : 0)) / 1_000
    self.init(seconds: seconds, nanos: Int32(milliseconds - seconds * 1_000) * 1_000_000)
  }

  /// Since 1970, what is finer cut off.
  ///
  /// - Throws: `outOfRange` for what is no time between 1970 and 2100.
  func milliseconds(_ name: String) throws(Rejection) -> Int64 {
    guard (0..<4_102_444_800).contains(seconds), (0...999_999_999).contains(nanos) else {
      throw Rejection(.outOfRange, field: name, "\(name) must be a time between the years 1970 and 2100")
    }
    return seconds * 1_000 + Int64(nanos) / 1_000_000
  }
}
