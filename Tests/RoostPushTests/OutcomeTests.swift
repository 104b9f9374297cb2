import Crypto
import Foundation
import RoostKeys
import RoostPush
import Testing

/// What becomes of a job by its target's answer, and how deliveries are signed.
@Suite("Push outcomes")
struct OutcomeTests {
  private static let now = Date(timeIntervalSince1970: 1_800_000_000)

  private func outcome(_ status: Int, _ body: String = "", retryAfter: String? = nil) -> DeliveryOutcome {
    DeliveryOutcome(
      DeliveryAnswer(status: status, body: Array(body.utf8), retryAfter: retryAfter), now: Self.now)
  }

  @Test("2xx acknowledges, and the body is the result: JSON as it is, other text as a string, up to 64 KiB")
  func results() {
    #expect(outcome(200) == .acknowledged(result: nil))
    #expect(outcome(204, #" {"a": 1} "#) == .acknowledged(result: Array(#"{"a": 1}"#.utf8)))
    #expect(outcome(201, #"say "hi""#) == .acknowledged(result: Array(#""say \"hi\"""#.utf8)))
    #expect(outcome(200, String(repeating: "1", count: 65_537)) == .acknowledged(result: nil))
    let invalid = DeliveryAnswer(status: 200, body: [0xFF, 0xFE], retryAfter: nil)
    #expect(DeliveryOutcome(invalid, now: Self.now) == .acknowledged(result: nil))
  }

  @Test("408, 425, 429 and 5xx are tried again", arguments: [408, 425, 429, 500, 502, 503, 504, 599])
  func retried(status: Int) { #expect(outcome(status) == .retried(error: "HTTP \(status)", after: nil)) }

  @Test(
    "any other 4xx ends the job for good, and so does a redirect",
    arguments: [301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 413, 422])
  func dead(status: Int) {
    guard case .dead(let error) = outcome(status) else {
      Issue.record("\(outcome(status))")
      return
    }
    #expect(error.hasPrefix("HTTP \(status)"))
  }

  @Test("410 is gone, and an error shows the beginning of the body without control characters")
  func gone() {
    #expect(outcome(410, "bye\u{1B}[0m\n") == .gone(error: "HTTP 410: bye[0m"))
    guard case .dead(let error) = outcome(400, String(repeating: "x", count: 5_000)) else {
      Issue.record("not dead")
      return
    }
    #expect(error.utf8.count == 10 + 1_024)
  }

  @Test(
    "Retry-After is honoured, in seconds or as a date, a week at most",
    arguments: [
      ("0", 0), ("17", 17_000), ("999999999999", 604_800_000), ("Fri, 15 Jan 2027 08:01:00 GMT", 60_000),
      ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("soon", nil), ("-5", nil), ("", nil),
      ("Fri, 32 Jan 2027 08:01:00 GMT", nil),
      ("Fri, 15 Jan 2027 08:01:00 CET", nil),
    ] as [(String, Int64?)])
  func retryAfter(text: String, milliseconds: Int64?) {
    #expect(outcome(503, retryAfter: text) == .retried(error: "HTTP 503", after: milliseconds))
  }

  @Test("each live secret signs id, time and body as Standard Webhooks says")
  func signature() throws {
    let secrets = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"].compactMap {
      SigningSecret("whsec_" + $0)
    }
    #expect(secrets.count == 2)
    let body = Array(#"{"test": 2432232314}"#.utf8)
    let headers = PushSignature.headers(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1_614_265_330, body: body, secrets: secrets)
    #expect(headers.map(\.0) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
    let signatures = headers[2].1.split(separator: " ")
    // The example of the specification.
    #expect(signatures[0] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    #expect(signatures.count == 2 && signatures[1].hasPrefix("v1,") && signatures[1] != signatures[0])
    #expect(PushSignature.headers(id: "a", seconds: 1, body: body, secrets: []).count == 2)
  }

  @Test("a secret is whsec_ and 24 to 64 bytes, and shows itself to nobody")
  func secrets() throws {
    let secret = SigningSecret.random()
    #expect(SigningSecret(secret.reveal()) == secret)
    #expect("\(secret)" == "<redacted>" && "\(String(reflecting: secret))" == "<redacted>")
    for text in [
      "", "whsec_", "whsec_AAAA", "whsec_" + String(repeating: "A", count: 88), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
      "whsec_!!!!",
    ] {
      #expect(SigningSecret(text) == nil, "\(text)")
    }
  }
}
