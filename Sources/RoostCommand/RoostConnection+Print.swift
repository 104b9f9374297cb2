import Foundation
import RoostAPI
import RoostClient

extension RoostConnection {
  /// Sends a request and prints the answer's JSON on standard output.
  ///
  /// - Parameter done: What a success has changed, for a message where the answer cannot be printed: `submitted`.
  /// - Throws: `refused` with the daemon's code and message; `unavailable` if no answer came; `outputLost` before
  ///   anything is asked where standard output cannot be written, and behind it where that shows only then.
  func printAnswer(
    to method: Method, _ path: String, body: JSONWriter? = nil, done: String? = nil,
    timeoutMilliseconds: Int64 = 30_000
  ) async throws(CommandFailure) {
    try CommandOutput.check()
    let reply = try await answer(to: method, path, body: body, timeoutMilliseconds: timeoutMilliseconds)
    try AnswerText(reply.body).write(after: done.map { "\(JobAnswer(reply).name) was \($0) all the same" })
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
