import RoostClient

/// Looking at what was submitted.
extension TestQueue {
  /// A job of a type, its payload decoded.
  public struct Submitted<Payload: Sendable>: Sendable {
    public let job: Job
    public let payload: Payload
  }

  /// What was expected and is not so. Tests let it through: it says what was there instead.
  public struct Unexpected: Error, CustomStringConvertible {
    public let description: String
  }

  /// Every job of a payload's type that there is, whatever became of it, the oldest first.
  public func submitted<Payload: JobPayload>(_ type: Payload.Type) async throws -> [Submitted<Payload>] {
    var found: [Submitted<Payload>] = []
    for job in try await jobs() where job.type == Payload.jobType {
      guard let payload = job.payload else { continue }
      found.append(Submitted(job: job, payload: try payload.decode(as: Payload.self)))
    }
    return found
  }

  /// Every job that there is, with its payload, the oldest first.
  public func jobs() async throws -> [Job] {
    var jobs: [Job] = []
    for try await job in client.jobs(pageSize: 200) {
      jobs.append(try await client.job(job.id, includingPayload: true))
    }
    return jobs.reversed()
  }

  /// Makes sure that jobs of a payload's type were submitted.
  ///
  /// - Parameters:
  ///   - count: How many; nil: one at least.
  ///   - isMeant: Which of them count.
  /// - Returns: They, the oldest first.
  /// - Throws: ``Unexpected``, which says what was submitted instead.
  @discardableResult
  public func expectSubmitted<Payload: JobPayload>(
    _ type: Payload.Type, count: Int? = nil, where isMeant: (Payload) -> Bool = { _ in true }
  ) async throws -> [Submitted<Payload>] {
    let all = try await submitted(type)
    let meant = all.filter { isMeant($0.payload) }
    if count.map({ $0 == meant.count }) ?? !meant.isEmpty { return meant }
    let wanted = count.map { "\($0) jobs" } ?? "a job"
    let others = try await jobs().map { "\($0.type.isEmpty ? "(no type)" : $0.type) \($0.payload?.text ?? "")" }
    throw Unexpected(
      description: "expected \(wanted) of type \(Payload.jobType), found \(meant.count) among \(all.count); submitted: "
        + (others.isEmpty ? "nothing" : others.joined(separator: ", ")))
  }

  /// Makes sure that no job of a payload's type was submitted.
  public func expectNotSubmitted<Payload: JobPayload>(
    _ type: Payload.Type, where isMeant: (Payload) -> Bool = { _ in true }
  ) async throws { try await expectSubmitted(type, count: 0, where: isMeant) }
}
