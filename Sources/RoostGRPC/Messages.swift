import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostProto
import RoostServer
import SwiftProtobuf

/// The largest message, bytes, in either direction: what clients take unless they are told otherwise.
package let mostMessageBytes = 4 << 20
/// Of payload and result in one message: what goes beside them finds room.
let mostValueBytes = mostMessageBytes - (512 << 10)
/// Of all results of dependencies in one message: beside them the jobs themselves may have a mebibyte and more.
private let mostResultBytes = 2 << 20

extension Roost_V1_SubmitResponse {
  init(_ job: Submitted) {
    self.init()
    jobID = job.id.description
    state = job.state.name
    queue = job.queue
    runAt = .init(milliseconds: job.runAtMilliseconds ?? job.createdAtMilliseconds)
    createdAt = .init(milliseconds: job.createdAtMilliseconds)
    idempotent = job.isIdempotent
    duplicate = job.isDuplicate
  }
}

extension Roost_V1_Error {
  init(_ rejection: Rejection) {
    self.init()
    let told = rejection.masked
    code = told.code.rawValue
    message = told.message
    if let name = told.field { field = name }
    if !told.details.isEmpty { details = Data(told.detailsJSON) }
    if let seconds = told.retryAfterSeconds { retryAfter = .init(seconds: seconds, nanos: 0) }
  }
}

extension [Roost_V1_LeasedJob] {
  /// The jobs of one message. Results of what they waited for find the room that is left: up to a mebibyte each they
  /// would be more than a message may have.
  init(_ jobs: [LeasedJob]) {
    let payloads = jobs.reduce(0) { $0 + $1.body.payload.count }
    let ids = jobs.reduce(0) { $0 + $1.dependencies.count * 64 }
    var room = Swift.min(mostResultBytes, Swift.max(0, mostValueBytes - payloads)) - ids
    self = jobs.map { Roost_V1_LeasedJob($0, &room) }
  }
}

extension Roost_V1_LeasedJob {
  /// - Parameter room: For results of jobs that it waited for.
  fileprivate init(_ job: LeasedJob, _ room: inout Int) {
    self.init()
    jobID = job.id.description
    leaseID = job.leaseID.description
    if job.body.payload.count <= mostValueBytes { payload = Data(job.body.payload) } else { omitted = true }
    type = job.body.type
    queue = job.body.queue
    source = job.body.source
    group = job.body.group
    priority = Int32(job.priority)
    attempt = UInt32(job.attempt)
    if job.maxRetries < Int(JobPolicy.unlimitedRetries) { maxRetries = UInt32(job.maxRetries) }
    leaseUntil = .init(milliseconds: job.leaseUntilMilliseconds)
    lease = .init(milliseconds: job.leaseMilliseconds)
    if let time = job.deadlineMilliseconds {
      timeout = .init(milliseconds: job.timeoutMilliseconds)
      deadline = .init(milliseconds: time)
    }
    createdAt = .init(milliseconds: job.createdAtMilliseconds)
    if let time = job.expiresAtMilliseconds { expiresAt = .init(milliseconds: time) }
    if let bytes = job.body.metadata { metadata = texts(ofObject: bytes) }
    if let bytes = job.body.tags { tags = texts(ofArray: bytes) }
    if let trace = job.body.traceparent { traceparent = trace }
    if let state = job.body.tracestate { tracestate = state }
    if let made = job.body.schedule { schedule = Roost_V1_Schedule(made) }
    if let id = job.body.batch { batch = id.description }
    for outcome in job.dependencies { dependencies.append(Roost_V1_DependencyOutcome(outcome, &room)) }
  }
}

extension Roost_V1_DependencyOutcome {
  fileprivate init(_ outcome: DependencyOutcome, _ room: inout Int) {
    self.init()
    jobID = outcome.id.description
    if let known = outcome.state { state = known.name }
    resultOmitted = outcome.isOmitted
    guard let bytes = outcome.result else { return }
    resultOmitted = bytes.count > room
    guard !resultOmitted else { return }
    room -= bytes.count
    result = Data(bytes)
  }
}

extension Roost_V1_Unique {
  /// As it was said.
  fileprivate init(_ unique: JobUnique) {
    self.init()
    if unique.by.isEmpty { key = String(decoding: unique.key, as: UTF8.self) }
    by = JobUnique.Parts.named.filter { unique.by.contains($0.part) }.map(\.name)
    switch unique.until {
    case .started: until = "started"
    case .ended: until = "ended"
    case .window(let milliseconds): untilFor = .init(milliseconds: milliseconds)
    }
    onConflict = "\(unique.onConflict)"
    if unique.maxWaitMilliseconds > 0 { maxWait = .init(milliseconds: unique.maxWaitMilliseconds) }
  }
}

extension Roost_V1_Schedule {
  /// - Parameter made: The name, and the instant in seconds since 1970.
  fileprivate init(_ made: (name: String, instant: Int64)) {
    self.init()
    name = made.name
    at = Google_Protobuf_Timestamp(seconds: made.instant)
  }
}

extension Roost_V1_Job {
  init(_ job: JobView, withPayload: Bool) {
    self.init()
    jobID = job.id.description
    queue = job.body.queue
    source = job.body.source
    group = job.body.group
    type = job.body.type
    state = job.state.name
    priority = Int32(job.priority)
    attempts = UInt32(job.attempts)
    if job.maxRetries < Int(JobPolicy.unlimitedRetries) { maxRetries = UInt32(job.maxRetries) }
    ownerID = job.body.owner
    setTimes(job)
    if let worker = job.workerID { workerID = worker }
    cancelRequested = job.cancelRequested
    if let error = job.lastError { resultError = error }
    if let reason = job.cancelReason { cancelReason = reason }
    if let bytes = job.body.metadata { metadata = texts(ofObject: bytes) }
    if let bytes = job.body.tags { tags = texts(ofArray: bytes) }
    if let trace = job.body.traceparent { traceparent = trace }
    if let state = job.body.tracestate { tracestate = state }
    if let made = job.body.schedule { schedule = Roost_V1_Schedule(made) }
    if let bytes = job.progress { progress = Data(bytes) }
    setCounters(job)
    setTies(job.body)
    setValues(job, withPayload: withPayload)
  }

  /// What became of the attempts so far.
  private mutating func setCounters(_ job: JobView) {
    failures = UInt32(job.failures)
    expiries = UInt32(job.expiries)
    interruptions = UInt32(job.interruptions)
    if let most = job.maxExpiries { maxExpiries = UInt32(most) }
  }

  /// What ties it to others, and where it is delivered.
  private mutating func setTies(_ body: JobBody) {
    if let id = body.batch { batch = id.description }
    if let said = body.unique { unique = Roost_V1_Unique(said) }
    if let target = body.target { callbackURL = target.url }
    guard !body.dependencies.isEmpty else { return }
    dependsOn = body.dependencies.map(\.description)
    onDead = body.dependencyMode.onDead.name
    when = body.dependencyMode.isEnded ? "ended" : "acked"
  }

  private mutating func setTimes(_ job: JobView) {
    createdAt = .init(milliseconds: job.createdAtMilliseconds)
    if let time = job.runAtMilliseconds { runAt = .init(milliseconds: time) }
    if let time = job.startedAtMilliseconds { startedAt = .init(milliseconds: time) }
    if let time = job.leaseUntilMilliseconds { leaseUntil = .init(milliseconds: time) }
    if let time = job.deadlineMilliseconds { deadline = .init(milliseconds: time) }
    if let time = job.expiresAtMilliseconds { expiresAt = .init(milliseconds: time) }
    if let time = job.finishedAtMilliseconds { finishedAt = .init(milliseconds: time) }
  }

  private mutating func setValues(_ job: JobView, withPayload: Bool) {
    let wanted = (job.result?.count ?? 0) + (withPayload ? job.body.payload.count : 0)
    guard wanted <= mostValueBytes else {
      omitted = true
      return
    }
    if let bytes = job.result { result = Data(bytes) }
    if withPayload { payload = Data(job.body.payload) }
  }
}

extension Roost_V1_EndResponse {
  init(_ id: JobID, _ after: AttemptEnd.After) {
    self.init()
    jobID = id.description
    state = after.state.name
    if let time = after.runAtMilliseconds { runAt = .init(milliseconds: time) }
  }
}

/// The texts of an object of texts: it was read before it was taken.
private func texts(ofObject bytes: ArraySlice<UInt8>) -> [String: String] {
  var json = JSONReader(Array(bytes))
  var texts: [String: String] = [:]
  try? json.dictionary("metadata") { (name, json) throws(Rejection) in texts[name] = try json.string(name) }
  return texts
}

/// The texts of an array of texts: it was read before it was taken.
private func texts(ofArray bytes: ArraySlice<UInt8>) -> [String] {
  var json = JSONReader(Array(bytes))
  var texts: [String] = []
  try? json.array("tags") { (_, json) throws(Rejection) in texts.append(try json.string("tags")) }
  return texts
}
