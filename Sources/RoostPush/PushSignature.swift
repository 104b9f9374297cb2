import Crypto
import Foundation
import RoostKeys

/// The headers of Standard Webhooks (standardwebhooks.com): an HMAC-SHA256 over id, time and body.
package enum PushSignature {
  /// - Parameter secrets: One signature for each: while one is rotated there are two.
  package static func headers(id: String, seconds: Int64, body: [UInt8], secrets: [SigningSecret]) -> [(String, String)]
  {
    var headers = [("webhook-id", id), ("webhook-timestamp", "\(seconds)")]
    guard !secrets.isEmpty else { return headers }
    let signed = Array("\(id).\(seconds).".utf8) + body
    let signatures = secrets.map { secret in
      let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: secret.revealBytes()))
      return "v1," + Data(code).base64EncodedString()
    }
    headers.append(("webhook-signature", signatures.joined(separator: " ")))
    return headers
  }
}
