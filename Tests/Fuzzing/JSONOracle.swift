import Foundation
import RoostAPI

/// The strict reader beside Foundation's: both take a text and read the same from it, or both refuse it.
enum JSONOracle {
  static func problem(with bytes: [UInt8]) -> String? {
    let ours = value(bytes)
    let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    switch (ours, theirs) {
    case (nil, nil): return nil
    case (nil, _?): return isStricter(bytes) ? nil : "only Foundation takes it"
    case (_?, nil): return hasHugeNumber(bytes) ? nil : "only Foundation refuses it"
    case (let ours?, let theirs?):
      let again = try? JSONSerialization.jsonObject(with: Data(ours), options: .fragmentsAllowed)
      guard (again as? NSObject) == (theirs as? NSObject) else { return "the value's bytes are not the value" }
      var reader = JSONReader(bytes)
      if let text = theirs as? String, let own = try? reader.string("text") {
        return own.unicodeScalars.elementsEqual(text.unicodeScalars) ? nil : "the text is \(own), not \(text)"
      }
      return nil
    }
  }

  private static func value(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var reader = JSONReader(bytes)
    do throws(Rejection) {
      let raw = try reader.rawValue()
      try reader.finish()
      return raw
    } catch { return nil }
  }

  /// What Foundation takes and RFC 8259, or `JSONReader`, does not: a byte order mark or another encoding, a comma
  /// before a closing bracket, and more than 64 levels.
  private static func isStricter(_ bytes: [UInt8]) -> Bool {
    if bytes.contains(0) || [[0xEF, 0xBB], [0xFE, 0xFF], [0xFF, 0xFE]].contains(Array(bytes.prefix(2))) {
      return true
    }
    if bytes.count(where: { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }) > JSONReader.depthLimit {
      return true
    }
    return String(decoding: bytes, as: UTF8.self).contains(/,[ \t\r\n]*[\]}]/)
  }

  /// Foundation refuses what no `Double` holds; a payload is kept as it was sent.
  private static func hasHugeNumber(_ bytes: [UInt8]) -> Bool {
    let numbers = String(decoding: bytes, as: UTF8.self).matches(of: /[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?/)
    return numbers.contains { match in
      match.output.0.utf8.count > 300 || Double(match.output.0).map { !$0.isFinite } ?? true
        || match.output.2 != nil && Double(match.output.0) == 0
    }
  }
}
