import Logging
import RoostKeys
import Synchronization
import Testing

struct SecretTests {
  private let text = "Zq7LmTn3vXbRk9WdHs2PfYc5GjA"

  @Test("a secret cannot be printed: no description, interpolation, dump, mirror or collection shows it")
  func printed() {
    let secret = Secret(text)
    struct Holder {
      let key: Secret
      let perhaps: Secret?
    }
    let holder = Holder(key: secret, perhaps: secret)
    let values: [Any] = [secret, Optional(secret) as Any, [secret], ["k": secret], (secret, 1), holder]
    for value in values {
      var shown = "\(value)" + String(describing: value) + String(reflecting: value)
      dump(value, to: &shown)
      print(value, to: &shown)
      debugPrint(value, to: &shown)
      #expect(!shown.contains(text) && !shown.contains(String(text.dropFirst(4))), "\(type(of: value))")
      #expect(!Self.everything(in: value).contains { $0.contains(text) })
    }
    #expect(secret.description == "<redacted>" && secret.debugDescription == "<redacted>")
    #expect(Mirror(reflecting: secret).children.isEmpty)
    #expect(secret.reveal() == text)
  }

  @Test("a secret has no encoding and no equality that could give it away")
  func conformances() {
    let secret: Any = Secret(text)
    #expect(!(secret is any Encodable) && !(secret is any Decodable))
    #expect(!(secret is any LosslessStringConvertible) && !(secret is any TextOutputStreamable))
    #expect(!(secret is any Equatable), "equality would be a comparison whose time tells")
    #expect(Secret(text).matches(Secret(text[...])) && !Secret(text).matches(Secret(text.dropLast() + "x")))
    #expect(!Secret(text).matches(Secret("")))
  }

  @Test("a secret in a log line's message or metadata is redacted")
  func logged() {
    let lines = Lines()
    let logger = Logger(label: "test") { _ in LineCollector(lines: lines) }
    let (secret, key) = (Secret(text), APIKey.mint(.client))
    logger.critical(
      "\(secret) \(key)",
      metadata: ["a": "\(secret)", "b": .stringConvertible(secret), "c": ["\(secret)"], "d": .stringConvertible(key)])
    let all = lines.all
    #expect(all.contains("<redacted>") && all.contains(key.id))
    #expect(!all.contains(text) && !all.contains(key.secret.reveal()))
  }

  @Test("what comes out of an Authorization header is a secret, whole")
  func header() throws {
    let key = APIKey.mint(.worker).whole.reveal()
    let presented = try Authenticator.token(inHeader: "Bearer  \(key)")
    #expect(presented.reveal() == key)
    #expect(!"\(presented) \(String(reflecting: presented))".contains(key))
  }

  /// Every text that reflection can reach.
  private static func everything(in value: Any) -> [String] {
    let mirror = Mirror(reflecting: value)
    let own = ["\(value)"]
    return mirror.children.reduce(into: own) { $0 += everything(in: $1.value) }
  }
}

/// Lines as a log handler got them.
final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  var all: String { lines.withLock { $0.joined(separator: "\n") } }
  func add(_ line: String) { lines.withLock { $0.append(line) } }
}

/// Writes events down with all their metadata.
struct LineCollector: LogHandler {
  let lines: Lines
  var logLevel = Logger.Level.trace
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    lines.add("\(event.message) \(event.metadata ?? [:])")
  }
}
