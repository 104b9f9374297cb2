import Crypto
import Foundation

/// The bytes of `keys.json`: `{"checksum":"<SHA-256>","store":{"format":1,"keys":[…]}}` and a newline.
/// It is JSON, and the checksum covers the exact bytes of the value of `store`, so that no re-encoding is compared.
enum KeyFile {
  static let format = 1

  private struct Store: Codable {
    var format: Int
    var keys: [KeyRecord]
  }

  private struct FormatOnly: Codable {
    var format: Int
  }

  private static let opening = Array("{\"checksum\":\"".utf8)
  private static let middle = Array("\",\"store\":".utf8)
  private static let ending = Array("}\n".utf8)
  private static let checksumDigits = SHA256.byteCount * 2

  static func encode(_ records: [KeyRecord]) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let store = try? encoder.encode(Store(format: format, keys: records)) else {
      preconditionFailure("records consist of texts and numbers, which always encode")
    }
    return opening + Array(checksum(store).utf8) + middle + Array(store) + ending
  }

  /// Reads the file's bytes. Throws `.corrupt` for anything that was not written so, `.unknownFormat` for a later one.
  static func decode(_ bytes: [UInt8], file: String) throws(KeyStoreError) -> [KeyRecord] {
    let overhead = opening.count + checksumDigits + middle.count + ending.count
    let storeStart = overhead - ending.count
    guard bytes.count > overhead, bytes.starts(with: opening),
      bytes[(opening.count + checksumDigits)..<storeStart].elementsEqual(middle),
      bytes.suffix(ending.count).elementsEqual(ending)
    else {
      throw .corrupt(file: file, expected: "a checksum and a store", found: "\(bytes.count) bytes of another shape")
    }
    let store = Data(bytes[storeStart..<(bytes.count - ending.count)])
    let expected = String(decoding: bytes[opening.count..<(opening.count + checksumDigits)], as: UTF8.self)
    let found = checksum(store)
    guard expected == found else {
      throw .corrupt(file: file, expected: "checksum \(inert(expected))", found: found)
    }
    let decoder = JSONDecoder()
    if let later = try? decoder.decode(FormatOnly.self, from: store), later.format != format {
      throw .unknownFormat(file: file, found: later.format, supported: format)
    }
    do {
      return try decoder.decode(Store.self, from: store).keys
    } catch {
      // Not the decoder's own words: they could quote a hash.
      throw .corrupt(file: file, expected: "a list of keys", found: "fields of another shape")
    }
  }

  private static func checksum(_ store: Data) -> String {
    Hexadecimal.text(SHA256.hash(data: store))
  }

  /// Damaged bytes shall not reach a terminal as they are.
  private static func inert(_ text: String) -> String {
    String(decoding: text.utf8.map { Base62.isDigit($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }
}
