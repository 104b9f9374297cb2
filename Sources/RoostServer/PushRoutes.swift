import Foundation
import RoostAPI
import RoostKeys
import RoostPush

/// Deliveries by HTTP: what they are signed with, and how the hosts are that they go to.
let pushRoutes: [Route] = [
  Route("GET", "/push/targets", .admin, audit: .refused("push.targets")) { (_, backend) throws(Rejection) in
    let targets = backend.targets.all
    var json = JSONWriter(capacity: targets.count * 256 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for target in targets { json.target(target) }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/push/secret", .submit, parameters: ["owner_id", "queue"]) { (request, backend) throws(Rejection) in
    let holder = try holder(request, owner: request.query["owner_id"], queue: request.query["queue"])
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    json.holder(holder)
    json.key("secrets")
    json.beginArray()
    for entry in backend.signing.listed(holder, at: Date()) {
      json.beginObject()
      json.times(of: entry)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return Answer(200, json)
  },
  Route("POST", "/push/secret", .submit, fields: secretTable.allNames, audit: .always("push.set_secret")) {
    (request, backend) throws(Rejection) in
    let wish = try decodeSecret(request.body)
    let holder = try holder(request, owner: wish.ownerID, queue: wish.queue)
    guard backend.signing.hasRoom(for: holder) else {
      throw Rejection(.overloaded, "\(SigningSecrets.mostHolders) owners and queues have a secret: remove one first")
    }
    let now = Date()
    let entry = try await writable { () throws(KeyStoreError) in
      try await backend.signing.set(
        wish.secret ?? .random(), for: holder, keepingOldUntil: now + Double(wish.keepOldMilliseconds) / 1_000, at: now)
    }
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    json.holder(holder)
    json.field("secret", entry.secret.reveal())
    json.times(of: entry)
    if let old = backend.signing.listed(holder, at: now).dropFirst().first?.until {
      json.field("old_until", milliseconds: milliseconds(old))
    }
    json.endObject()
    var answer = Answer(201, json)
    answer.audited = (holder.auditName, [:])
    return answer
  },
  Route(
    "DELETE", "/push/secret", .submit, parameters: ["owner_id", "queue"], audit: .always("push.remove_secret")
  ) { (request, backend) throws(Rejection) in
    let holder = try holder(request, owner: request.query["owner_id"], queue: request.query["queue"])
    let wasThere = try await writable { () throws(KeyStoreError) in try await backend.signing.remove(holder) }
    var json = JSONWriter(capacity: 128)
    json.beginObject()
    json.holder(holder)
    json.field("removed", wasThere)
    json.endObject()
    var answer = Answer(200, json)
    answer.audited = (holder.auditName, [:])
    return answer
  },
]

private enum SecretField: String, CaseIterable { case ownerID = "owner_id", queue, secret, keepOld = "keep_old" }

private let secretTable = FieldTable(SecretField.self)

private struct SecretWish {
  var ownerID: String?
  var queue: String?
  /// Nil: the daemon makes one.
  var secret: SigningSecret?
  var keepOldMilliseconds: Int64 = 86_400_000
}

private func decodeSecret(_ body: [UInt8]) throws(Rejection) -> SecretWish {
  var wish = SecretWish()
  try decodeOptional(body, secretTable) { (field, json) throws(Rejection) in
    switch field {
    case .ownerID: wish.ownerID = try json.plainText("owner_id", 1...128)
    case .queue: wish.queue = try json.queueName("queue")
    case .secret:
      guard let secret = SigningSecret(try json.string("secret")) else {
        // Not what was given: it may be a secret, if of another form.
        throw Rejection(.outOfRange, field: "secret", "secret must be whsec_ and 24 to 64 bytes in Base64")
      }
      wish.secret = secret
    case .keepOld: wish.keepOldMilliseconds = try json.duration("keep_old", 0...2_592_000_000)
    }
  }
  return wish
}

/// Whose secret is meant: the caller's own, or, for an admin, any owner's or queue's.
private func holder(
  _ request: RouteRequest, owner: String?, queue: String?
) throws(Rejection) -> SigningSecrets.Holder {
  guard owner == nil || queue == nil else {
    throw Rejection(.contradiction, field: "queue", "owner_id and queue contradict each other: give one of them")
  }
  let isAdmin = request.caller.type == .admin
  if let queue {
    guard isQueueName(queue) else {
      throw Rejection(.outOfRange, field: "queue", "a queue has 1 to 200 characters of A-Z a-z 0-9 . _ : -")
    }
    guard isAdmin else { throw Rejection(.forbidden, "the secret of a queue is an admin's to set") }
    return .queue(queue)
  }
  guard let owner, Name(owner) != request.caller.ownerID else { return .owner(request.caller.ownerID) }
  guard isAdmin else { throw Rejection(.forbidden, "another owner's secret is an admin's to set") }
  guard (1...128).contains(owner.utf8.count) else {
    throw Rejection(.outOfRange, field: "owner_id", "owner_id must have 1 to 128 bytes")
  }
  return .owner(Name(owner))
}

private func writable<Value>(
  _ work: () async throws(KeyStoreError) -> Value
) async throws(Rejection) -> Value {
  do throws(KeyStoreError) {
    return try await work()
  } catch {
    if case .full = error {
      throw Rejection(.diskLow, "the disk is full, and the secrets cannot be written: free space")
    }
    throw Rejection(
      .authUnavailable, "the secrets cannot be written: look into the daemon's log and its data directory")
  }
}

private func milliseconds(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1_000).rounded()) }

extension SigningSecrets.Holder {
  fileprivate var auditName: String {
    switch self {
    case .owner(let name): name.text
    case .queue(let name): name
    }
  }
}

extension JSONWriter {
  fileprivate mutating func holder(_ holder: SigningSecrets.Holder) {
    switch holder {
    case .owner(let name): field("owner_id", name.text)
    case .queue(let name): field("queue", name)
    }
  }

  fileprivate mutating func times(of entry: SigningSecrets.Entry) {
    field("created_at", milliseconds: milliseconds(entry.createdAt))
    if let until = entry.until { field("until", milliseconds: milliseconds(until)) }
  }

  fileprivate mutating func target(_ target: PushTargets.Target) {
    beginObject()
    field("origin", target.origin)
    field("in_flight", target.inFlight)
    field("delivered", Int64(clamping: target.delivered))
    field("failed", Int64(clamping: target.failed))
    field("failures_running", target.failuresRunning)
    field("breaker", target.isBroken ? "open" : "closed")
    if let status = target.lastStatus { field("last_status", status) }
    if let error = target.lastError { field("last_error", error) }
    if let date = target.lastAt { field("last_at", milliseconds: milliseconds(date)) }
    endObject()
  }
}
