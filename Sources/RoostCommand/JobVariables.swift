import CSupervise
import Foundation
import Glibc
import RoostAPI
import RoostClient

/// The environment of a job's command: that of the worker, the job's facts, and no key.
struct JobVariables {
  /// `NAME=value` each, as C takes it.
  let environment: [[CChar]]

  /// What no command inherits: a fact that this job does not have must not be that of a worker around this one, and what
  /// opens the daemon is the worker's.
  private static let withheld = [
    "ROOST_JOB_ID", "ROOST_QUEUE", "ROOST_GROUP", "ROOST_TYPE", "ROOST_ATTEMPT", "ROOST_MAX_RETRIES",
    "ROOST_LAST_ATTEMPT", "ROOST_PRIORITY", "ROOST_CREATED_AT", "ROOST_LEASE_ID", "ROOST_LEASE_UNTIL", "ROOST_TAGS",
    "ROOST_METADATA", "ROOST_TRACEPARENT", "ROOST_TRACESTATE", "ROOST_KEY", "ROOST_CERT", "ROOST_CERT_KEY", "REDIS_URL",
  ]

  init(_ job: JobContext) {
    var facts = [
      ("ROOST_JOB_ID", job.id.rawValue), ("ROOST_QUEUE", job.queue), ("ROOST_TYPE", job.type),
      ("ROOST_ATTEMPT", "\(job.attempt)"),
      ("ROOST_MAX_RETRIES", job.maxRetries == QueueSettings.unlimitedRetries ? "unlimited" : "\(job.maxRetries)"),
      ("ROOST_LAST_ATTEMPT", "\(job.isLastAttempt)"), ("ROOST_PRIORITY", "\(job.priority.rawValue)"),
      ("ROOST_LEASE_ID", job.leaseID), ("ROOST_TAGS", Self.json(job.tags)), ("ROOST_METADATA", Self.json(job.metadata)),
    ]
    if let group = job.group { facts.append(("ROOST_GROUP", group)) }
    if let time = job.createdAt { facts.append(("ROOST_CREATED_AT", Self.text(time))) }
    if let time = job.leaseUntil { facts.append(("ROOST_LEASE_UNTIL", Self.text(time))) }
    if let traceparent = job.traceparent { facts.append(("ROOST_TRACEPARENT", traceparent)) }
    if let tracestate = job.tracestate { facts.append(("ROOST_TRACESTATE", tracestate)) }
    environment = Self.inherited() + facts.map { Array("\($0.0)=\($0.1)".utf8CString) }
  }

  /// Byte for byte: a variable need not be UTF-8.
  private static func inherited() -> [[CChar]] {
    var variables: [[CChar]] = []
    var next = roost_environment()
    while let list = next, let variable = list.pointee {
      next = list + 1
      let name = variable.withMemoryRebound(to: UInt8.self, capacity: strlen(variable)) { bytes in
        String(
          decoding: UnsafeBufferPointer(start: bytes, count: strlen(variable)).prefix { $0 != 0x3D }, as: UTF8.self)
      }
      guard !withheld.contains(name) else { continue }
      variables.append(Array(UnsafeBufferPointer(start: variable, count: strlen(variable) + 1)))
    }
    return variables
  }

  /// The text of a value that always encodes.
  private static func json(_ value: some Encodable) -> String { (try? RawJSON(encoding: value).text) ?? "null" }

  private static func text(_ time: Date) -> String {
    Timestamp.text(milliseconds: Int64((time.timeIntervalSince1970 * 1_000).rounded()))
  }
}
