import Foundation
import RoostAPI
import RoostClient

extension RoostConnection {
  /// Asks and prints the answer's JSON on standard output.
  ///
  /// - Throws: As for a change.
  func printAnswer(get path: String) async throws(CommandFailure) {
    try CommandOutput.check()
    try AnswerText(try await answer(to: .get, path).body).write()
  }

  /// Changes something and prints the answer's JSON on standard output.
  ///
  /// - Parameter done: What a success has changed, for a message where the answer cannot be printed.
  /// - Throws: `refused` with the daemon's code and message; `unavailable` if no answer came; `outputLost` before
  ///   anything is asked where standard output cannot be written, and behind it where that shows only then.
  func printAnswer(
    to method: Method, _ path: String, body: JSONWriter? = nil, done: Done,
    timeoutMilliseconds: Int64 = 30_000
  ) async throws(CommandFailure) {
    try CommandOutput.check()
    let reply = try await answer(to: method, path, body: body, timeoutMilliseconds: timeoutMilliseconds)
    try AnswerText(reply.body).write(after: "\(done.text(reply)) all the same")
  }

  /// What a request has changed.
  enum Done {
    /// What happened to the job that the answer names: `submitted`.
    case job(String)
    /// What happened to something else that the answer names in a field: an `operation` was `begun`.
    case named(String, by: String, String)
    /// A sentence: `the queue was paused`.
    case said(String)

    /// A request for an operation.
    static func begun(dryRun: Bool) -> Done {
      dryRun
        ? .said("the jobs were counted, and nothing was changed")
        : .named("operation", by: "operation_id", "begun")
    }

    fileprivate func text(_ reply: Reply) -> String {
      switch self {
      case .job(let what): return "\(JobAnswer(reply).name) was \(what)"
      case .named(let what, let field, let done):
        let name = JSONValue(reply.body)?[field].shown ?? ""
        return name.isEmpty ? "the \(what) was \(done)" : "\(what) \(name) was \(done)"
      case .said(let what): return what
      }
    }
  }

  /// Sends a request that must succeed.
  func answer(
    to method: Method, _ path: String, body: JSONWriter? = nil, timeoutMilliseconds: Int64 = 30_000
  ) async throws(CommandFailure) -> Reply {
    try DescriptorLimit.ofClient()
    let reply: Reply
    do throws(Unreachable) {
      reply = try await send(method, path, body: body?.bytes, timeoutMilliseconds: timeoutMilliseconds)
    } catch {
      throw CommandFailure(.unavailable, inert("\(error)"))
    }
    guard reply.isSuccess else { throw CommandFailure(refusal: reply) }
    return reply
  }
}

extension CommandFailure {
  /// What the daemon refused, with its code and message.
  fileprivate init(refusal reply: RoostConnection.Reply) {
    struct Wire: Decodable {
      let code, message: String
    }
    guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(reply.body)) else {
      let shown = inert(String(decoding: reply.body.prefix(200), as: UTF8.self))
      self.init(.refused, "status \(reply.status), and no answer of a Roost daemon: \(shown)")
      return
    }
    self.init(.refused, "\(inert(wire.code)): \(inert(wire.message))")
    code = wire.code
  }
}

/// What an answer says of a job: enough to name it where the answer itself is lost.
struct JobAnswer: Decodable {
  let jobID: String?
  let leaseID: String?

  private enum CodingKeys: String, CodingKey {
    case jobID = "job_id"
    case leaseID = "lease_id"
  }

  init(_ reply: RoostConnection.Reply) {
    self = (try? JSONDecoder().decode(Self.self, from: Data(reply.body))) ?? Self(jobID: nil, leaseID: nil)
  }

  private init(jobID: String?, leaseID: String?) {
    (self.jobID, self.leaseID) = (jobID, leaseID)
  }

  var name: String { jobID.map { "job \(inert($0))" } ?? "the job" }
}
