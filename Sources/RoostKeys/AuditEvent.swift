import Foundation
import RoostAPI

/// One line of the audit log: who changed, or tried to change, what others rely on, and what came of it.
/// It names keys by their public ids; there is no field that a secret could stand in.
package struct AuditEvent: Sendable, Encodable {
  /// Who did it.
  package enum Actor: Sendable {
    /// Someone with a key, over the network.
    case key(Caller)
    /// Someone with access to the data directory, by the system's user number.
    case commandLine
    /// The daemon itself, at its start.
    case daemon
  }

  /// What was asked, such as `key.create`.
  package let action: String
  package let actor: Actor
  /// The id of the key, job or queue it is about; nil if there is none, or if what was given is no id.
  package var target: String?
  /// `done`, or the code that it was refused with.
  package let outcome: String
  /// Where the request came from, an address or the /64 of one.
  package var address: String?
  package var requestID: String?
  /// More about it: the owner and type of a new key, the id of the key it replaces.
  package var details: [String: String]

  package init(
    _ action: String, by actor: Actor, target: String?, outcome: String = "done", details: [String: String] = [:]
  ) {
    self.action = action
    self.actor = actor
    self.target = target
    self.outcome = outcome
    self.details = details
  }

  /// The same with one more detail.
  func with(_ name: String, _ value: String) -> AuditEvent {
    var copy = self
    copy.details[name] = value
    return copy
  }

  /// Whether it happened, rather than being refused.
  package var isDone: Bool { outcome == "done" }

  /// Whose refusals are counted together.
  var actorName: String {
    switch actor {
    case .key(let caller): caller.keyID
    case .commandLine: "command line"
    case .daemon: "daemon"
    }
  }

  /// Name and value, in the order of the line; what is absent is left out.
  var fields: [(String, String)] {
    var fields = [("event", action), ("outcome", outcome)]
    switch actor {
    case .key(let caller):
      fields += [("actor", "key"), ("actor_key", caller.keyID), ("actor_owner", caller.ownerID.text)]
      fields += [("actor_type", caller.type.rawValue)]
    case .commandLine: fields += [("actor", "command_line"), ("actor_uid", "\(getuid())")]
    case .daemon: fields.append(("actor", "daemon"))
    }
    if let target { fields.append(("target", target)) }
    if let address { fields.append(("address", address)) }
    if let requestID { fields.append(("request_id", requestID)) }
    return fields + details.sorted { $0.key < $1.key }
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Name.self)
    for (name, value) in fields { try container.encode(value, forKey: Name(stringValue: name)) }
  }
}
