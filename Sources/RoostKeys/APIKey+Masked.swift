/// Keys in text that others will read.
extension APIKey {
  /// How a key is named in logs and answers: type and id, the secret hidden.
  package static func masked(type: KeyType, id: String) -> String {
    "\(type.rawValue)_\(id)_***"
  }

  /// The text with every key in it masked: `/keys/client_4fT…_***`. A bare id stays as it is.
  ///
  /// Mistyped, cut and percent-encoded keys are masked too, so it errs on the safe side: whatever follows
  /// `client_`, `worker_` or `admin_` up to a delimiter is hidden unless it is short enough to be only an id.
  ///
  /// - Parameter bareSecrets: Hides, too, every run of letters and digits that is long enough to be a secret alone.
  package static func masked(_ text: String, bareSecrets: Bool = false) -> String {
    var rest = Array(text.utf8)[...]
    var result: [UInt8] = []
    while !rest.isEmpty {
      if bareSecrets, result.last.map(Base62.isDigit) != true {
        let run = rest.prefix(while: Base62.isDigit)
        if run.count >= secretLength {
          result.append(contentsOf: "***".utf8)
          rest.removeFirst(run.count)
          continue
        }
      }
      guard let marker = typeMarkerLength(rest) else {
        result.append(rest.removeFirst())
        continue
      }
      result.append(contentsOf: rest.prefix(marker))
      rest.removeFirst(marker)
      let body = rest.prefix { !isDelimiter($0) }
      if body.count > idLength {
        result.append(contentsOf: body.prefix(while: Base62.isDigit).prefix(idLength))
        result.append(contentsOf: "_***".utf8)
      } else {
        result.append(contentsOf: body)
      }
      rest.removeFirst(body.count)
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// The text, masked if a whole key stands in it: for names and owners, which may look like the beginning of a key.
  package static func shown(_ text: String) -> String { stands(in: text) ? masked(text) : text }

  /// Whether a whole key, by form and checksum, is a word of the text.
  static func stands(in text: String) -> Bool {
    text.utf8.split { !Base62.isDigit($0) && $0 != UInt8(ascii: "_") }.contains { APIKey(Substring($0)) != nil }
  }

  private static let typeNames = KeyType.allCases.map { Array($0.rawValue.utf8) }
  private static let separators = [Array("_".utf8), Array("%5f".utf8)]

  /// The length of `client_` and the like at the beginning, in any case, the underscore perhaps percent-encoded.
  private static func typeMarkerLength(_ text: ArraySlice<UInt8>) -> Int? {
    for name in typeNames where startsWithLowercased(text, name) {
      for separator in separators where startsWithLowercased(text.dropFirst(name.count), separator) {
        return name.count + separator.count
      }
    }
    return nil
  }

  private static func startsWithLowercased(_ text: ArraySlice<UInt8>, _ prefix: [UInt8]) -> Bool {
    text.count >= prefix.count
      && zip(text, prefix).allSatisfy { byte, expected in
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 == expected : byte == expected
      }
  }

  private static func isDelimiter(_ byte: UInt8) -> Bool {
    byte <= 0x20 || "/?&=\"'`,;:<>()[]{}|\\".utf8.contains(byte)
  }
}
