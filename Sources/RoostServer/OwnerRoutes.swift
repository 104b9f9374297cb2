import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// What owners may have and ask.
let ownerRoutes: [Route] = [
  Route("GET", "/admin/owners/{owner}/quota", .admin, audit: .refused("owner.quota")) {
    (request, backend) throws(Rejection) in
    let owner = try ownerName(request)
    return quotaAnswer(owner, try await refusable { () throws(Refusal) in try await backend.engine.owner(owner) })
  },
  Route(
    "PUT", "/admin/owners/{owner}/quota", .admin, fields: quotaTable.allNames, audit: .always("owner.quota")
  ) { (request, backend) throws(Rejection) in
    let (owner, quota) = (try ownerName(request), try decodeQuota(request.body))
    return quotaAnswer(
      owner, try await refusable { () throws(Refusal) in try await backend.engine.set(quota, ofOwner: owner) })
  },
]

private enum QuotaField: String, CaseIterable {
  case waitingJobs = "waiting_jobs", waitingBytes = "waiting_bytes", requests = "requests_per_second", burst
}

private let quotaTable = FieldTable(QuotaField.self)

private func ownerName(_ request: RouteRequest) throws(Rejection) -> String {
  let name = request.parameter
  guard (1...KeyRecord.maximumTextBytes).contains(name.utf8.count),
    !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
  else {
    throw Rejection(
      .outOfRange, field: "owner",
      "an owner has 1 to \(KeyRecord.maximumTextBytes) bytes without control characters")
  }
  return name
}

/// What is not said has no bound; `{}`, or no body, takes the quota back.
private func decodeQuota(_ body: [UInt8]) throws(Rejection) -> OwnerQuota {
  var quota = OwnerQuota()
  var burst: UInt32?
  try decodeOptional(body, quotaTable) { (field, json) throws(Rejection) in
    switch field {
    case .waitingJobs: quota.waitingJobs = UInt64(try json.integer("waiting_jobs", 0...Int64(OwnerQuota.mostWaiting)))
    case .waitingBytes:
      quota.waitingBytes = UInt64(try json.integer("waiting_bytes", 0...Int64(OwnerQuota.mostWaiting)))
    case .requests:
      quota.requestsPerSecond = UInt32(try json.integer("requests_per_second", 1...Int64(OwnerQuota.mostRequests)))
    case .burst: burst = UInt32(try json.integer("burst", 1...Int64(OwnerQuota.mostRequests)))
    }
  }
  guard burst == nil || quota.requestsPerSecond != nil else {
    throw Rejection(.contradiction, field: "burst", "burst goes with requests_per_second")
  }
  quota.burst = burst ?? quota.requestsPerSecond ?? 1
  return quota
}

private func quotaAnswer(_ name: String, _ owner: OwnerView) -> Answer {
  var json = JSONWriter(capacity: 256)
  json.beginObject()
  json.field("owner_id", name)
  json.quota(owner)
  json.endObject()
  var answer = Answer(200, json)
  answer.audited = (name, [:])
  return answer
}

extension JSONWriter {
  /// `quota`, `used` and `left`: of what is bounded.
  mutating func quota(_ owner: OwnerView) {
    let quota = owner.quota
    key("quota")
    beginObject()
    if let most = quota.waitingJobs { field("waiting_jobs", most) }
    if let most = quota.waitingBytes { field("waiting_bytes", most) }
    if let most = quota.requestsPerSecond {
      field("requests_per_second", most)
      field("burst", quota.burst)
    }
    endObject()
    key("used")
    beginObject()
    field("waiting_jobs", owner.waitingJobs)
    field("waiting_bytes", owner.waitingBytes)
    endObject()
    key("left")
    beginObject()
    if let most = quota.waitingJobs { field("waiting_jobs", max(0, Int64(most) - Int64(owner.waitingJobs))) }
    if let most = quota.waitingBytes { field("waiting_bytes", max(0, Int64(most) - owner.waitingBytes)) }
    endObject()
  }
}
