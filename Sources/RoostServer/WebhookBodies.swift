import RoostAPI
import RoostCore
import RoostKeys

// What callers say of webhooks.

enum WebhookField: String, CaseIterable { case url, events, queues, types, secret, description }

let webhookTable = FieldTable(WebhookField.self)

/// What becomes of a webhook's own secret.
enum SecretChange: Sendable {
  /// It stays as it is.
  case keep
  case remove
  case set(SigningSecret)
}

/// What a webhook is to be, and what becomes of its secret.
func decodeWebhook(_ request: RouteRequest) throws(Rejection) -> (WebhookDefinition, SecretChange) {
  var definition = WebhookDefinition(target: [], events: 0)
  var secret = SecretChange.keep
  var json = JSONReader(request.body)
  try json.object("", webhookTable) { (field, json) throws(Rejection) in
    let name = field.rawValue
    if try json.takeNull() {
      if field == .secret { secret = .remove }
      return
    }
    switch field {
    case .url: definition.target = try json.pushTarget(name)
    case .events: definition.events = try json.webhookEvents(name)
    case .queues:
      definition.queues = try json.names(name) { (text) throws(Rejection) in
        guard isQueueName(text), text.utf8.first != UInt8(ascii: "_") else {
          throw Rejection(
            .outOfRange, field: name,
            "\(name) must be names of queues: A-Z a-z 0-9 . _ : -, of which the first is no _")
        }
        try request.requireVisible(queue: text)
      }
    case .types:
      definition.types = try json.names(name) { (text) throws(Rejection) in
        guard (1...200).contains(text.utf8.count) else {
          throw Rejection(.outOfRange, field: name, "\(name) must be types of 1 to 200 bytes")
        }
      }
    case .secret:
      guard let said = SigningSecret(try json.string(name)) else {
        // Not what was given: it may be a secret, if of another form.
        throw Rejection(.outOfRange, field: name, "secret must be whsec_ and 24 to 64 bytes in Base64")
      }
      secret = .set(said)
    case .description: definition.description = Array(try json.plainText(name, 0...255).utf8)
    }
  }
  try json.finish()
  guard !definition.target.isEmpty else {
    throw Rejection(.missingField, field: "url", "url is missing: where events are sent")
  }
  guard definition.events != 0 else {
    throw Rejection(
      .missingField, field: "events", "events is missing: one or more of \(eventNames.joined(separator: ", "))")
  }
  let isOfQueues = WebhookEvent.ofQueues.contains { definition.asks(for: $0) }
  guard !isOfQueues || request.caller.type == .admin else {
    throw Rejection(.forbidden, field: "events", "events of queues are an admin's to ask for: they belong to no owner")
  }
  return (definition, secret)
}

private let eventNames = WebhookEvent.subscribable.map(\.name)

extension JSONReader {
  fileprivate mutating func webhookEvents(_ name: String) throws(Rejection) -> UInt32 {
    var events: UInt32 = 0
    _ = try names(name) { (text) throws(Rejection) in
      guard let event = WebhookEvent.subscribable.first(where: { $0.name == text }) else {
        throw Rejection(
          .outOfRange, field: name, "\(name) must be one or more of \(eventNames.joined(separator: ", "))")
      }
      events |= event.bit
    }
    return events
  }

  /// At most as many names as a webhook may say, without repetitions, in the order of their bytes.
  fileprivate mutating func names(
    _ name: String, _ check: (String) throws(Rejection) -> Void
  ) throws(Rejection) -> [[UInt8]] {
    var found: [[UInt8]] = []
    try array(name) { (_, json) throws(Rejection) in
      let text = try json.string(name)
      try check(text)
      let bytes = Array(text.utf8)
      if !found.contains(bytes) { found.append(bytes) }
      guard found.count <= WebhookDefinition.mostNames else {
        throw Rejection(.outOfRange, field: name, "\(name) must be \(WebhookDefinition.mostNames) names at most")
      }
    }
    return found.sorted { $0.lexicographicallyPrecedes($1) }
  }
}
