import AsyncHTTPClient
import Foundation
import NIOCore
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What is posted for a job.
enum DeliveryContent {
  /// `{"job_id", "attempt", …, "payload"}`, or the payload alone.
  static func body(_ job: LeasedJob, _ form: PushBody) -> [UInt8] {
    guard form == .job else { return Array(job.body.payload) }
    var json = JSONWriter(capacity: job.body.payload.count + 512)
    json.beginObject()
    json.field("job_id", job.id.description)
    json.field("attempt", job.attempt)
    json.field("queue", job.body.queue)
    json.field("type", job.body.type)
    if !job.body.group.isEmpty { json.field("group", job.body.group) }
    json.field("priority", job.priority)
    json.field("created_at", milliseconds: job.createdAtMilliseconds)
    if let (name, instant) = job.body.schedule {
      json.key("schedule")
      json.beginObject()
      json.field("name", name)
      json.field("at", milliseconds: instant * 1_000)
      json.endObject()
    }
    if let batch = job.body.batch { json.field("batch", batch.description) }
    json.field("metadata", raw: job.body.metadata ?? Array("{}".utf8)[...])
    if let tags = job.body.tags { json.field("tags", raw: tags) }
    if let trace = job.body.traceparent { json.field("traceparent", trace) }
    if let state = job.body.tracestate { json.field("tracestate", state) }
    if !job.dependencies.isEmpty {
      json.key("dependencies")
      json.beginArray()
      for outcome in job.dependencies { json.dependency(outcome) }
      json.endArray()
    }
    json.field("payload", raw: job.body.payload)
    json.endObject()
    return json.bytes
  }

  static func headers(
    _ job: LeasedJob, _ body: [UInt8], secrets: [SigningSecret], now: Date, agent: String
  ) -> [(String, String)] {
    var headers = [
      ("content-type", "application/json"), ("user-agent", agent), ("roost-job-id", job.id.description),
      ("roost-attempt", "\(job.attempt)"), ("roost-queue", job.body.queue),
    ]
    // What is no trace context is not a header's business; without the one the other says nothing.
    if let trace = job.body.traceparent, trace.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
      headers.append(("traceparent", trace))
      if let state = job.body.tracestate, state.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
        headers.append(("tracestate", state))
      }
    }
    headers += PushSignature.headers(
      id: job.id.description, seconds: Int64(now.timeIntervalSince1970), body: body, secrets: secrets)
    return headers
  }
}

extension JSONWriter {
  /// What became of a job that the delivered one waited for.
  package mutating func dependency(_ outcome: DependencyOutcome) {
    beginObject()
    field("job_id", outcome.id.description)
    if let state = outcome.state { field("state", state.name) }
    if let result = outcome.result { field("result", raw: result) }
    if outcome.isOmitted { field("result_omitted", true) }
    endObject()
  }
}

/// What a target answered.
package struct DeliveryAnswer: Sendable {
  let status: Int
  /// Of its body as much as is kept of one, and one byte more where it has more.
  let body: [UInt8]
  let retryAfter: String?

  package init(status: Int, body: [UInt8], retryAfter: String?) {
    (self.status, self.body, self.retryAfter) = (status, body, retryAfter)
  }
}

/// What becomes of a job by its delivery.
package enum DeliveryOutcome: Sendable, Equatable {
  /// - Parameter result: JSON; nil: none is kept.
  case acknowledged(result: [UInt8]?)
  /// - Parameter after: Milliseconds; nil: by the job's own policy.
  case retried(error: String, after: Int64?)
  case dead(error: String)
  /// The target is gone for good.
  case gone(error: String)

  /// Bytes of an answer's body that a result may have.
  static let mostResultBytes = 64 << 10
  /// Of it what an error shows.
  private static let mostErrorBytes = 1_024
  /// Milliseconds that a target may ask for at most.
  static let longestRetryAfter: Int64 = 7 * 86_400_000

  package init(_ answer: DeliveryAnswer, now: Date) {
    switch answer.status {
    case 200..<300: self = .acknowledged(result: Self.result(answer.body))
    case 408, 425, 429, 500...: self = .retried(error: Self.error(answer), after: Self.pause(answer.retryAfter, now))
    case 410: self = .gone(error: Self.error(answer))
    case 300..<400: self = .dead(error: "HTTP \(answer.status): redirects are not followed")
    default: self = .dead(error: Self.error(answer))
    }
  }

  /// An answer's body as a job's result: JSON as it is, other text as a string; nil where it is neither, empty or too long.
  static func result(_ body: [UInt8]) -> [UInt8]? {
    guard !body.isEmpty, body.count <= mostResultBytes else { return nil }
    var json = JSONReader(body)
    if let value = try? json.rawValue(), (try? json.finish()) != nil { return Array(value) }
    guard let text = String(validating: body, as: UTF8.self) else { return nil }
    var out = JSONWriter(capacity: body.count + 2)
    out.string(text)
    return out.bytes
  }

  private static func error(_ answer: DeliveryAnswer) -> String {
    let text = String(decoding: answer.body.prefix(mostErrorBytes), as: UTF8.self)
    let shown = String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }))
    return shown.isEmpty ? "HTTP \(answer.status)" : "HTTP \(answer.status): \(shown)"
  }

  /// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3); milliseconds from now.
  static func pause(_ text: String?, _ now: Date) -> Int64? {
    guard let text = text?.trimmingCharacters(in: .whitespaces), !text.isEmpty else { return nil }
    if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      return min(longestRetryAfter, (Int64(text) ?? .max / 1_000) * 1_000)
    }
    guard let seconds = seconds(ofDate: text) else { return nil }
    return min(longestRetryAfter, max(0, seconds * 1_000 - Int64(now.timeIntervalSince1970 * 1_000)))
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// `Sun, 06 Nov 1994 08:49:37 GMT`, as seconds since 1970.
  private static func seconds(ofDate text: String) -> Int64? {
    let words = text.split(separator: " ").map(String.init)
    guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: words[2]), let day = Int64(words[1]),
      let year = Int64(words[3]), (1970...2_200).contains(year), (1...31).contains(day)
    else { return nil }
    let time = words[4].split(separator: ":").compactMap { Int64($0) }
    guard time.count == 3, (0..<24).contains(time[0]), (0..<60).contains(time[1]), (0...60).contains(time[2]) else {
      return nil
    }
    // Days since 1970, the year beginning with March (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = month < 2 ? year - 1 : year
    let ofYear = (153 * Int64((month + 10) % 12) + 2) / 5 + day - 1
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + ofYear - 719_468
    return days * 86_400 + time[0] * 3_600 + time[1] * 60 + time[2]
  }
}

/// Why a delivery did not come to an answer.
enum DeliveryFailure: Error {
  /// The address may not be dialled.
  case forbidden(String)
  case timedOut
  /// Too many look-ups of its owner are under way.
  case noTurn
}
