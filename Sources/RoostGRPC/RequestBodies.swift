import Foundation
import RoostAPI
import RoostProto
import RoostServer
import SwiftProtobuf

/// Messages as the bodies that HTTP takes for the same: so that one decoder knows every field, bound and refusal.
extension Roost_V1_SubmitRequest {
  /// The body of `POST /jobs`.
  ///
  /// - Throws: What is no JSON, before it could be taken for anything else.
  func body() throws(Rejection) -> [UInt8] {
    guard let value = try jsonValue([UInt8](payload), "payload") else {
      throw Rejection(.missingField, field: "payload", "payload is missing: give one JSON value")
    }
    var json = JSONWriter(capacity: value.count + 256)
    json.beginObject()
    json.field(given: "type", type)
    json.field(given: "queue", queue)
    json.field(given: "group", group)
    if hasPriority { json.field("priority", priority) }
    if hasDelay { json.field("delay", duration: try delay.milliseconds("delay")) }
    if hasRunAt { json.field("run_at", milliseconds: try runAt.milliseconds("run_at")) }
    switch retries {
    case .maxRetries(let count): json.field("max_retries", count)
    case .unlimitedRetries(true): json.field("max_retries", "unlimited")
    case .unlimitedRetries(false), nil: break
    }
    if hasRetry { try retry.write(to: &json) }
    if hasLease { json.field("lease", duration: try lease.milliseconds("lease")) }
    if hasTimeout { json.field("timeout", duration: try timeout.milliseconds("timeout")) }
    if hasRetention { json.field("retention", duration: try retention.milliseconds("retention")) }
    if !metadata.isEmpty { json.metadata(metadata) }
    if !tags.isEmpty {
      json.key("tags")
      json.texts(tags)
    }
    json.field(given: "traceparent", traceparent)
    json.field(given: "tracestate", tracestate)
    json.field(given: "idempotency_key", idempotencyKey)
    if hasMaxExpiries { json.field("max_expiries", maxExpiries) }
    try writeExpiry(to: &json)
    if hasUnique { try unique.write(to: &json) }
    writeTies(to: &json)
    json.field(given: "callback_url", callbackURL)
    if !more.isEmpty { try write(more: [UInt8](more), to: &json) }
    json.field("payload", raw: value)
    json.endObject()
    return json.bytes
  }

  private func writeExpiry(to json: inout JSONWriter) throws(Rejection) {
    if hasExpiresAt { json.field("expires_at", milliseconds: try expiresAt.milliseconds("expires_at")) }
    if hasExpiresIn { json.field("expires_in", duration: try expiresIn.milliseconds("expires_in")) }
    json.field(given: "on_expire", onExpire)
  }

  /// What ties it to other jobs.
  private func writeTies(to json: inout JSONWriter) {
    if !dependsOn.isEmpty {
      json.key("depends_on")
      json.texts(dependsOn)
    }
    json.field(given: "on_dead", onDead)
    json.field(given: "when", when)
    json.field(given: "ref", ref)
    json.field(given: "batch", batch)
    json.field(given: "lease_id", leaseID)
  }

  private func write(more: [UInt8], to json: inout JSONWriter) throws(Rejection) {
    guard let object = try jsonValue(more, "more"), object.first == UInt8(ascii: "{") else {
      throw Rejection(.wrongType, field: "more", "more must be a JSON object of fields of POST /jobs")
    }
    let fields = object.dropFirst().dropLast()
    if fields.contains(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) { json.raw(fields) }
  }
}

extension Roost_V1_RetryPolicy {
  fileprivate func write(to json: inout JSONWriter) throws(Rejection) {
    json.key("retry")
    json.beginObject()
    if hasInitial { json.field("initial", duration: try initial.milliseconds("retry.initial")) }
    if hasFactor {
      guard factor.isFinite, (1...100).contains(factor) else {
        throw Rejection(.outOfRange, field: "retry.factor", "retry.factor must be between 1 and 100")
      }
      json.field("factor", raw: Array("\(factor)".utf8)[...])
    }
    if hasMax { json.field("max", duration: try max.milliseconds("retry.max")) }
    json.field(given: "jitter", jitter)
    json.endObject()
  }
}

extension Roost_V1_Unique {
  fileprivate func write(to json: inout JSONWriter) throws(Rejection) {
    guard until.isEmpty || !hasUntilFor else {
      throw Rejection(
        .contradiction, field: "unique.until_for", "unique.until and unique.until_for contradict each other: give one")
    }
    json.key("unique")
    json.beginObject()
    json.field(given: "key", key)
    if !by.isEmpty {
      json.key("by")
      json.texts(by)
    }
    json.field(given: "until", until)
    if hasUntilFor {
      json.key("until")
      json.beginObject()
      json.field("for", duration: try untilFor.milliseconds("unique.until_for"))
      json.endObject()
    }
    json.field(given: "on_conflict", onConflict)
    if hasMaxWait { json.field("max_wait", duration: try maxWait.milliseconds("unique.max_wait")) }
    json.endObject()
  }
}

/// What a lease asks for: alone, or as the first message of a stream.
protocol LeaseAsked {
  var queues: [String] { get }
  var order: String { get }
  var weights: [String: UInt32] { get }
  var hasLease: Bool { get }
  var lease: Google_Protobuf_Duration { get }
  var workerID: String { get }
}

extension Roost_V1_LeaseRequest: LeaseAsked {}
extension Roost_V1_Open: LeaseAsked {}

extension LeaseAsked {
  /// The body of `POST /jobs/lease`.
  ///
  /// - Parameter maxJobs: 0 counts as 1.
  func body(waitMilliseconds: Int64, maxJobs: UInt32) throws(Rejection) -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    if !queues.isEmpty {
      json.key("queues")
      json.texts(queues)
    }
    json.field(given: "order", order)
    if !weights.isEmpty {
      json.key("weights")
      json.beginObject()
      for (queue, weight) in weights.sorted(by: { $0.key < $1.key }) {
        json.anyKey(queue)
        json.integer(weight)
      }
      json.endObject()
    }
    if hasLease { json.field("lease", duration: try lease.milliseconds("lease")) }
    if waitMilliseconds > 0 { json.field("wait", duration: waitMilliseconds) }
    json.field(given: "worker_id", workerID)
    json.field("max_jobs", maxJobs == 0 ? 1 : maxJobs)
    json.endObject()
    return json.bytes
  }
}

extension JSONWriter {
  /// A text that proto3 cannot leave out: an empty one was not given.
  fileprivate mutating func field(given name: StaticString, _ text: String) {
    if !text.isEmpty { field(name, text) }
  }

  fileprivate mutating func field(_ name: StaticString, duration milliseconds: Int64) {
    field(name, DurationText.text(milliseconds: milliseconds))
  }

  fileprivate mutating func texts(_ texts: [String]) {
    beginArray()
    for text in texts { string(text) }
    endArray()
  }

  /// In the order of its keys' bytes: a map has none. Of two keys that are the same text to Swift the generated code has
  /// kept one.
  fileprivate mutating func metadata(_ values: [String: String]) {
    key("metadata")
    beginObject()
    for (name, value) in values.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      anyKey(name)
      string(value)
    }
    endObject()
  }
}
