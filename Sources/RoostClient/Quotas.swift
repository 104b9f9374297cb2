import RoostAPI

/// What an owner may have and ask; nil: no bound.
public struct OwnerQuota: Sendable, Hashable {
  /// Jobs that wait: SCHEDULED, READY, RETRY.
  public var waitingJobs: Int?
  /// Bytes in the log of those jobs.
  public var waitingBytes: Int?
  /// Requests a second on the long run, of all its keys together, those of admins left out; 1 to 1,000,000.
  public var requestsPerSecond: Int?
  /// Requests at once; nil: as many as a second may have.
  public var burst: Int?

  public init(
    waitingJobs: Int? = nil, waitingBytes: Int? = nil, requestsPerSecond: Int? = nil, burst: Int? = nil
  ) {
    self.waitingJobs = waitingJobs
    self.waitingBytes = waitingBytes
    self.requestsPerSecond = requestsPerSecond
    self.burst = burst
  }
}

/// An owner's quota, and what of it is used.
public struct OwnerUsage: Sendable, Hashable {
  public let owner: String
  public let quota: OwnerQuota
  public let waitingJobs: Int
  public let waitingBytes: Int
}

extension Client {
  /// What an owner may have, and has. The key must be an admin's.
  public func quota(ofOwner owner: String) async throws -> OwnerUsage {
    try OwnerUsage(JSONFields(try await transport.send(.get(quotaPath(owner)))))
  }

  /// Says what an owner may have and ask; `OwnerQuota()` takes it back. The key must be an admin's.
  ///
  /// - Returns: What holds from now on.
  @discardableResult
  public func setQuota(_ quota: OwnerQuota, ofOwner owner: String) async throws -> OwnerUsage {
    var json = JSONWriter()
    json.beginObject()
    if let most = quota.waitingJobs { json.field("waiting_jobs", most) }
    if let most = quota.waitingBytes { json.field("waiting_bytes", most) }
    if let most = quota.requestsPerSecond { json.field("requests_per_second", most) }
    if let most = quota.burst { json.field("burst", most) }
    json.endObject()
    return try OwnerUsage(JSONFields(try await transport.send(.put(quotaPath(owner), json.bytes))))
  }

  private func quotaPath(_ owner: String) -> String { "/admin/owners/\(percentEncoded(owner))/quota" }
}

extension OwnerUsage {
  fileprivate init(_ fields: JSONFields) throws(RoostError) {
    owner = try fields.required("owner_id", JSONFields.text)
    let quota = try fields.required("quota", JSONFields.object)
    self.quota = OwnerQuota(
      waitingJobs: quota.integer("waiting_jobs"), waitingBytes: quota.integer("waiting_bytes"),
      requestsPerSecond: quota.integer("requests_per_second"), burst: quota.integer("burst"))
    let used = try fields.required("used", JSONFields.object)
    waitingJobs = used.integer("waiting_jobs") ?? 0
    waitingBytes = used.integer("waiting_bytes") ?? 0
  }
}
