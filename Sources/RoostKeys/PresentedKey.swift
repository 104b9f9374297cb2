import Crypto

/// A key as a request presents it, its form checked and nothing else.
enum PresentedKey {
  case own(APIKey)
  /// No key of Roost's by its form: perhaps one that was taken over from another system.
  case foreign(ForeignKey)

  /// nil if the text can be no key at all.
  init?(_ text: String) {
    if let key = APIKey(text) {
      self = .own(key)
    } else if let key = ForeignKey(text) {
      self = .foreign(key)
    } else {
      return nil
    }
  }

  /// Under which it is stored.
  var id: String {
    switch self {
    case .own(let key): key.id
    case .foreign(let key): key.id
    }
  }

  /// nil: it does not say.
  var type: KeyType? {
    switch self {
    case .own(let key): key.type
    case .foreign: nil
    }
  }

  /// What a record keeps the hash of.
  var hashed: Secret {
    switch self {
    case .own(let key): key.secret
    case .foreign(let key): key.whole
    }
  }

  var whole: Secret {
    switch self {
    case .own(let key): key.whole
    case .foreign(let key): key.whole
    }
  }
}

/// A key that another system made: any text. `roost keys import` takes it over, and then it counts here, too.
///
/// Its id is computed from it, so that it is found without being stored. The id is public: a text that can be guessed
/// can be guessed by its id, so such a key should be replaced soon.
struct ForeignKey {
  /// Bytes of the texts that can be taken over.
  static let lengths = 12...256
  /// With fewer bytes it is likely to be guessable.
  static let sureBytes = 20

  let id: String
  let whole: Secret

  /// nil unless it is visible ASCII of a bearable length, and no key of Roost's with a typing mistake.
  init?(_ text: String) {
    guard Self.lengths.contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      !APIKey.isNearly(text)
    else { return nil }
    // Not a prefix of the hash that is stored: the id would give a part of it away.
    let hash = SHA256.hash(data: Array("roost foreign key \(text)".utf8))
    id = Base62.text(hash.prefix(APIKey.idLength))
    whole = Secret(text)
  }
}
