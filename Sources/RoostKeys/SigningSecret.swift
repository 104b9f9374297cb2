import Crypto
import Foundation

/// What deliveries are signed with, as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in Base64.
package struct SigningSecret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let bytes: [UInt8]

  package static let prefix = "whsec_"

  /// A new one, of 32 random bytes.
  package static func random() -> SigningSecret {
    SigningSecret(bytes: SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) })
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// Nil where the text is no secret.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.prefix), text.utf8.count <= 128,
      let data = Data(base64Encoded: String(text.dropFirst(Self.prefix.count))), (24...64).contains(data.count)
    else { return nil }
    bytes = Array(data)
  }

  /// The secret itself: only for the one who made it, and for the file that keeps it.
  package func reveal() -> String { Self.prefix + Data(bytes).base64EncodedString() }
  /// The same as the key of a signature.
  package func revealBytes() -> [UInt8] { bytes }

  package var description: String { "<redacted>" }
  package var debugDescription: String { "<redacted>" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
