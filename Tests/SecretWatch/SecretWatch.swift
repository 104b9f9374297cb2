import Foundation
import RoostKeys
import Synchronization

/// Knows the keys of all tests of this process and finds their secrets where none may stand: in logs and in answers.
///
/// It finds parts, too: any 12 characters in a row of a secret, or of the hash that is stored of it. The clients and
/// daemons of the tests register what they send and search what they get, so that every test takes part.
package final class SecretWatch: Sendable {
  package static let shared = SecretWatch()

  /// The shortest part that counts; the chance that another text holds it by accident is one in 10²¹.
  private static let window = 12

  /// The public id of the key, by part of its secret.
  private let parts = Mutex<[ArraySlice<UInt8>: String]>([:])

  package init() {}

  /// Notes every whole key that stands in the text.
  package func register(keysIn text: String) {
    for word in text.utf8.split(whereSeparator: { !Self.isDigit($0) && $0 != UInt8(ascii: "_") }) {
      guard let key = APIKey(Substring(word)) else { continue }
      let hash = SecretHash(of: key.secret).hex
      for secret in [key.secret.reveal(), hash] {
        let bytes = Array(secret.utf8)
        parts.withLock { parts in
          for start in 0...(bytes.count - Self.window) { parts[bytes[start..<(start + Self.window)]] = key.id }
        }
      }
    }
  }

  /// The ids of the keys whose secrets stand in the bytes, in whole or in part.
  package func keysShown(in bytes: [UInt8]) -> Set<String> {
    let parts = parts.withLock { $0 }
    var found = Set<String>()
    var run = 0
    for (place, byte) in bytes.enumerated() {
      run = Self.isDigit(byte) ? run + 1 : 0
      guard run >= Self.window else { continue }
      if let id = parts[bytes[(place + 1 - Self.window)...place]] { found.insert(id) }
    }
    return found
  }

  /// What is wrong with a text that may hold no secret; nil if nothing is. The complaint holds none itself.
  package func complaint(about bytes: [UInt8], from place: String) -> String? {
    let ids = keysShown(in: bytes).sorted()
    return ids.isEmpty ? nil : "\(place) shows the secrets of the keys \(ids.joined(separator: ", "))"
  }

  /// Notes the keys that stand in files of their own below a directory, and searches its logs.
  package func complaints(aboutLogsIn directory: URL) -> [String] {
    let names = FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
    func content(_ name: String) -> [UInt8] {
      Array((try? Data(contentsOf: directory.appendingPathComponent(name))) ?? Data())
    }
    for name in names where name.hasSuffix("admin.key") || name.hasSuffix("dev.keys") {
      register(keysIn: String(decoding: content(name), as: UTF8.self))
    }
    return names.filter { $0.contains(".log") }.compactMap { complaint(about: content($0), from: $0) }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
  }
}
