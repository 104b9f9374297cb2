import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Keys: made, listed, revoked. Only the answer to the creation carries a whole key.
let keyRoutes: [Route] = [
  Route("GET", "/whoami", .read) { (request, backend) throws(Rejection) in
    let caller = request.caller
    let owner = try await refusable { () throws(Refusal) in try await backend.engine.owner(caller.ownerID.text) }
    var json = JSONWriter(capacity: 384)
    json.beginObject()
    json.field("key_id", caller.keyID)
    json.field("owner_id", caller.ownerID.text)
    json.field("type", caller.type.rawValue)
    json.rights(caller.scopes, caller.queues)
    if let date = caller.expiresAt { json.field("expires_at", milliseconds: milliseconds(date)) }
    if !owner.quota.isEmpty { json.quota(owner) }
    json.endObject()
    return Answer(200, json)
  },
  Route(
    "POST", "/admin/keys", .createKeys, fields: keyTable.allNames, audit: .always("key.create")
  ) { (request, backend) throws(Rejection) in
    let wish = try decodeKey(request.body)
    let made = try await refusableKey { () throws(KeyRejection) in
      try await backend.keys.create(
        name: wish.name, ownerID: wish.ownerID, type: wish.type, queues: wish.queues, expiresAt: wish.expiresAt,
        by: .caller(request.caller))
    }
    var json = JSONWriter(capacity: 512)
    json.keyRecord(made.record, shown: made.key.reveal(), lastUse: nil)
    var answer = Answer(201, json)
    answer.audited = (made.record.id, made.record.auditDetails)
    return answer
  },
  Route("GET", "/admin/keys", .admin, audit: .refused("key.list_all")) { (request, backend) throws(Rejection) in
    let listing = try await refusableKey { () throws(KeyRejection) in
      try await backend.keys.listAll(by: .caller(request.caller))
    }
    return keyList(listing.records, backend)
  },
  Route("GET", "/keys", .readKeys) { (request, backend) throws(Rejection) in
    let listing = try await refusableKey { () throws(KeyRejection) in
      try await backend.keys.list(ownedBy: request.caller)
    }
    return keyList(listing.records, backend)
  },
  Route("DELETE", "/keys/{id}", .revokeKeys, audit: .always("key.revoke")) { (request, backend) throws(Rejection) in
    let record = try await refusableKey { () throws(KeyRejection) in
      try await backend.keys.revoke(request.parameter, by: .caller(request.caller))
    }
    var json = JSONWriter(capacity: 192)
    json.beginObject()
    json.field("message", "Key revoked successfully")
    json.field("key", record.maskedKey)
    json.field("id", record.id)
    if let date = record.revokedAt { json.field("revoked_at", milliseconds: milliseconds(date)) }
    json.endObject()
    var answer = Answer(200, json)
    answer.audited = (record.id, ["key_owner": record.ownerID.text, "key_type": record.type.rawValue])
    return answer
  },
]

private enum KeyField: String, CaseIterable { case name, ownerID = "owner_id", type, queues, expiresAt = "expires_at" }

private let keyTable = FieldTable(KeyField.self)

private struct KeyWish {
  var name = ""
  var ownerID = ""
  var type = KeyType.client
  var queues: [String]?
  var expiresAt: Date?
}

private func decodeKey(_ body: [UInt8]) throws(Rejection) -> KeyWish {
  var wish = KeyWish()
  var given = Set<String>()
  try decodeOptional(body, keyTable) { (field, json) throws(Rejection) in
    given.insert(field.rawValue)
    switch field {
    case .name: wish.name = try json.string("name")
    case .ownerID: wish.ownerID = try json.string("owner_id")
    case .type:
      guard let type = KeyType(rawValue: try json.string("type")) else {
        throw Rejection(.outOfRange, field: "type", "type must be client, worker or admin")
      }
      wish.type = type
    case .queues:
      var queues: [String] = []
      try json.array("queues") { (place, json) throws(Rejection) in
        queues.append(try json.string("queues[\(place)]"))
      }
      wish.queues = queues
    case .expiresAt:
      wish.expiresAt = Date(timeIntervalSince1970: Double(try json.timestamp("expires_at")) / 1_000)
    }
  }
  for field in ["name", "owner_id", "type"] where !given.contains(field) {
    throw Rejection(.missingField, field: field, "\(field) is missing")
  }
  return wish
}

private func keyList(_ records: [KeyRecord], _ backend: Backend) -> Answer {
  var json = JSONWriter(capacity: records.count * 352 + 2)
  json.beginArray()
  for record in records { json.keyRecord(record, shown: record.maskedKey, lastUse: backend.lastUse(record.id)) }
  json.endArray()
  return Answer(200, json)
}

private func milliseconds(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1_000).rounded()) }

extension JSONWriter {
  /// - Parameter shown: The whole key at its creation, the masked one ever after.
  fileprivate mutating func keyRecord(_ record: KeyRecord, shown: String, lastUse: Date?) {
    beginObject()
    field("key", shown)
    field("id", record.id)
    field("name", record.name)
    field("owner_id", record.ownerID.text)
    field("type", record.type.rawValue)
    rights(record.scopes, record.queues)
    field("created_at", milliseconds: milliseconds(record.createdAt))
    if let date = record.expiresAt { field("expires_at", milliseconds: milliseconds(date)) }
    if let date = record.revokedAt { field("revoked_at", milliseconds: milliseconds(date)) }
    if let lastUse { field("last_used_at", milliseconds: milliseconds(lastUse)) }
    endObject()
  }

  /// What a key may do, and where.
  fileprivate mutating func rights(_ scopes: ScopeSet, _ queues: [QueuePattern]) {
    key("scopes")
    beginArray()
    for scope in scopes.listed { string(scope.rawValue) }
    endArray()
    key("queues")
    beginArray()
    for queue in queues { string(queue.description) }
    endArray()
  }
}
