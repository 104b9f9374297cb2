import Foundation
import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Webhooks: URLs that are told of events of an owner's jobs.
let webhookRoutes: [Route] = [
  Route("GET", "/webhooks", .read, parameters: ["owner_id", "limit", "cursor"]) {
    (request, backend) throws(Rejection) in
    let owner = try listedOwner(request)
    let limit = try request.query.limit()
    let after = try ownedCursor(request).map { WebhookName(owner: $0.owner, name: $0.name) }
    let page = try await refusable { () throws(Refusal) in
      try await backend.engine.webhooks(owner: owner, limit: limit, after: after)
    }
    var json = JSONWriter(capacity: page.webhooks.count * 512 + 32)
    json.beginObject()
    json.key("items")
    json.beginArray()
    for webhook in page.webhooks { json.webhook(webhook, backend.signing) }
    json.endArray()
    if page.hasMore, let last = page.webhooks.last {
      json.field("next_cursor", ownedCursor(behind: last.owner, last.name))
    }
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/webhooks/{webhook}", .read, parameters: ["owner_id"]) { (request, backend) throws(Rejection) in
    let name = try webhookName(request)
    return webhookAnswer(
      200, try await refusable { () throws(Refusal) in try await backend.engine.webhook(name) }, backend)
  },
  Route(
    "PUT", "/webhooks/{webhook}", .submit, parameters: ["owner_id"], fields: webhookTable.allNames,
    audit: .always("webhook.set")
  ) { (request, backend) throws(Rejection) in
    let name = try webhookName(request)
    let (definition, secret) = try decodeWebhook(request)
    let (webhook, isNew) = try await set(name, definition, secret, backend)
    return webhookAnswer(isNew ? 201 : 200, webhook, backend)
  },
  Route("DELETE", "/webhooks/{webhook}", .submit, parameters: ["owner_id"], audit: .always("webhook.delete")) {
    (request, backend) throws(Rejection) in
    let name = try webhookName(request)
    try requireNoFields(request.body)
    let webhook = try await refusable { () throws(Refusal) in try await backend.engine.remove(webhook: name) }
    let answer = webhookAnswer(200, webhook, backend)
    // Behind it: what still says something is signed as before.
    _ = try await writable { () throws(KeyStoreError) in try await backend.signing.remove(name.holder) }
    return answer
  },
  Route(
    "POST", "/webhooks/{webhook}/pause", .submit, parameters: ["owner_id"], fields: reasonTable.allNames,
    audit: .always("webhook.pause")
  ) { (request, backend) throws(Rejection) in
    let name = try webhookName(request)
    var said = ""
    try decodeOptional(request.body, reasonTable) { (_, json) throws(Rejection) in
      said = try json.plainText("reason", 0...255)
    }
    let reason = said
    return webhookAnswer(
      200, try await refusable { () throws(Refusal) in try await backend.engine.pause(webhook: name, reason: reason) },
      backend)
  },
  Route("POST", "/webhooks/{webhook}/resume", .submit, parameters: ["owner_id"], audit: .always("webhook.resume")) {
    (request, backend) throws(Rejection) in
    let name = try webhookName(request)
    try requireNoFields(request.body)
    return webhookAnswer(
      200, try await refusable { () throws(Refusal) in try await backend.engine.resume(webhook: name) }, backend)
  },
  Route("POST", "/webhooks/{webhook}/test", .submit, parameters: ["owner_id"], audit: .always("webhook.test")) {
    (request, backend) throws(Rejection) in
    let name = try webhookName(request)
    try requireNoFields(request.body)
    let job = try await refusable { () throws(Refusal) in try await backend.engine.test(webhook: name) }
    var json = JSONWriter(capacity: 224)
    json.submitted(job)
    return Answer(201, json)
  },
]

/// The webhook that a path names. Whose it is the key says, or `owner_id` where the caller is an admin.
private func webhookName(_ request: RouteRequest) throws(Rejection) -> WebhookName {
  guard isScheduleName(request.parameter) else {
    throw Rejection(
      .outOfRange, field: "webhook",
      "a webhook has 1 to \(Bounds.scheduleBytes) characters of A-Z a-z 0-9 . _ : - and does not begin with _")
  }
  let owner = try namedOwner(request, otherwise: .webhookNotFound) ?? request.caller.ownerID.text
  return WebhookName(owner: owner, name: request.parameter)
}

extension WebhookName {
  fileprivate var holder: SigningSecrets.Holder { .webhook(owner: Name(owner), name: name) }
}

/// Sets a webhook and its secret. The secret first: no delivery is signed with another. Where the webhook is refused it is
/// taken back.
private func set(
  _ name: WebhookName, _ definition: WebhookDefinition, _ change: SecretChange, _ backend: Backend
) async throws(Rejection) -> (webhook: WebhookView, isNew: Bool) {
  let now = Date()
  let known = backend.signing.listed(name.holder, at: now)
  if case .set(let secret) = change, known.first?.secret != secret {
    guard backend.signing.hasRoom(for: name.holder) else {
      throw Rejection(
        .overloaded, "\(SigningSecrets.mostHolders) owners, queues and webhooks have a secret: remove one first")
    }
    _ = try await writable { () throws(KeyStoreError) in
      try await backend.signing.set(secret, for: name.holder, keepingOldUntil: now + 86_400, at: now)
    }
  }
  let result: (webhook: WebhookView, isNew: Bool)
  do throws(Refusal) {
    result = try await backend.engine.set(webhook: name, definition)
  } catch {
    if case .set = change, known.isEmpty { _ = try? await backend.signing.remove(name.holder) }
    throw Rejection(error)
  }
  if case .remove = change {
    _ = try await writable { () throws(KeyStoreError) in try await backend.signing.remove(name.holder) }
  }
  return result
}

private func webhookAnswer(_ status: Int, _ webhook: WebhookView, _ backend: Backend) -> Answer {
  var json = JSONWriter(capacity: 1_024)
  json.webhook(webhook, backend.signing)
  return Answer(status, json)
}
