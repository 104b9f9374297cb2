/// One answer of Redis, in its protocol's second version.
enum RedisReply: Sendable, Equatable {
  case status(String)
  case bytes([UInt8])
  case integer(Int64)
  case null
  case array([RedisReply])
  /// Only the error's first word, such as `NOPERM`: the rest may quote what was sent, and that may be secret.
  case error(code: String)

  /// The bulk string as text, if it is one and is UTF-8.
  var text: String? {
    guard case .bytes(let bytes) = self else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  var errorCode: String? {
    if case .error(let code) = self { code } else { nil }
  }
}

/// The answers to commands sent together, in their order, and the connection that carried them.
struct RedisReplies: Sendable {
  let replies: [RedisReply]
  /// WATCH holds on this connection only.
  let generation: UInt64
}

/// What an error of Redis means for the one who runs it.
enum RedisRefusal {
  static func text(_ command: String, _ code: String) -> String {
    let advice: String? =
      switch code {
      case "NOPERM": "its user needs the rights that docs/configuration.md lists"
      case "WRONGPASS", "NOAUTH": "check user and password in its address"
      case "LOADING": "it still loads its data"
      case "MISCONF": "it cannot save to its disk"
      case "OOM": "it is out of memory"
      case "READONLY": "it is a read-only replica, name the primary"
      case "MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT": "it is a cluster, name a single server"
      default: nil
      }
    return "Redis refuses \(command) with \(code)" + (advice.map { ": \($0)" } ?? "")
  }

  /// Errors after which another connection may fare better: to another server behind the name, or with new rights.
  static func endsConnection(_ code: String) -> Bool {
    ["NOAUTH", "READONLY", "MASTERDOWN"].contains(code)
  }
}
