import ArgumentParser
import Foundation
import RoostAPI
import RoostKeys

/// `roost keys`: makes, lists and revokes keys in Redis or in a data directory, beside a running daemon or without one.
struct KeysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Make, list and revoke API keys.",
    discussion: """
      Keys stand in Redis if REDIS_URL or --redis-url-file says where it is, as for roost serve; else in the data \
      directory.

      Exit codes: 0 done, 1 refused, 64 a wrong flag, 69 Redis did not answer, 73 the key store cannot be used, 74 the \
      output was lost.
      """,
    subcommands: [
      Create.self, List.self, Rotate.self, Revoke.self, KeysWhoAmICommand.self, KeysMintCommand.self,
      MigrateKeysCommand.self, ImportKeysCommand.self,
    ])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key and print it on stdout: the only time it is shown.")

    @OptionGroup var place: KeyPlace
    @Option(help: "What the key is for.") var name: String
    @Option(help: "Whose key it is.") var owner: String
    @Option(help: "client, worker or admin.") var type: KeyType
    @Option(help: "A queue, or a prefix followed by *; may be given more than once (default: all queues).")
    var queue: [String] = []
    @Option(help: "Until it expires, such as 12h, 1h30m or 90d.") var expiresIn: KeyLifetime?
    @Option(help: "When it expires, such as 2027-01-31T00:00:00Z.") var expiresAt: KeyExpiry?

    func validate() throws {
      if expiresIn != nil, expiresAt != nil {
        throw ValidationError("Give --expires-in or --expires-at, not both.")
      }
    }

    func run() async throws {
      let expiry = expiresAt?.date ?? expiresIn.map { Date().addingTimeInterval($0.seconds) }
      try CommandOutput.check()
      let service = try place.service()
      let created = try await answer { () throws(KeyRejection) in
        try await service.create(
          name: name, ownerID: owner, type: type, queues: queue.isEmpty ? nil : queue, expiresAt: expiry,
          by: .commandLine)
      }
      await place.audit().record(
        AuditEvent(
          "key.create", by: .commandLine, target: created.record.id, details: created.record.auditDetails))
      try await place.show(created.key, created.record, service)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List all keys, without their secrets.")

    @OptionGroup var place: KeyPlace
    @Flag(help: "Print a JSON array.") var json = false

    func run() async throws {
      let service = try place.service()
      let listing = try await answer { () throws(KeyRejection) in try await service.listAll(by: .commandLine) }
      for error in listing.unreadable { StandardStream.error.write(line: "left out: \(inert("\(error)"))") }
      if listing.foreign > 0 {
        StandardStream.error.write(
          line: "left out: \(listing.foreign) keys of another system that stand among Roost's; "
            + "`roost keys import` takes them over")
      }
      let rows = listing.records.map(KeyRow.init)
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try CommandOutput.write(line: String(decoding: try encoder.encode(rows), as: UTF8.self))
      } else {
        try CommandOutput.write(line: KeyRow.table(rows))
      }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Revoke a key, given its id or the whole key.")

    @OptionGroup var place: KeyPlace
    @Argument(help: "The key's id.") var id: String

    func run() async throws {
      try CommandOutput.check()
      let service = try place.service()
      let record = try await answer { () throws(KeyRejection) in try await service.revoke(id, by: .commandLine) }
      await place.audit().record(
        AuditEvent(
          "key.revoke", by: .commandLine, target: record.id,
          details: ["key_owner": record.ownerID.text, "key_type": record.type.rawValue]))
      try CommandOutput.write(line: "revoked \(record.maskedKey)", after: "the key is revoked all the same")
    }
  }
}

/// Turns a refusal into a message and an exit status.
func answer<Value>(_ work: () async throws(KeyRejection) -> Value) async throws(CommandFailure) -> Value {
  do throws(KeyRejection) {
    return try await work()
  } catch {
    if case .unavailable(let error) = error { throw CommandFailure(store: error) }
    throw CommandFailure(.refused, inert(error.message))
  }
}

/// A key as the listing shows it.
private struct KeyRow: Encodable {
  let id, name, ownerID, type, status, createdAt: String
  let queues: [String]
  let expiresAt, revokedAt: String?

  private enum CodingKeys: String, CodingKey {
    case id, name, type, status, queues
    case ownerID = "owner_id"
    case createdAt = "created_at"
    case expiresAt = "expires_at"
    case revokedAt = "revoked_at"
  }

  init(_ record: KeyRecord) {
    id = record.id
    // Others may have written the record, and a whole key into it.
    name = APIKey.shown(record.name)
    ownerID = APIKey.shown(record.ownerID.text)
    type = record.type.rawValue
    status = record.revokedAt != nil ? "revoked" : record.isExpired(at: Date()) ? "expired" : "active"
    queues = record.queues.map(\.description)
    createdAt = record.createdAt.formatted(.iso8601)
    expiresAt = record.expiresAt?.formatted(.iso8601)
    revokedAt = record.revokedAt?.formatted(.iso8601)
  }

  static func table(_ rows: [KeyRow]) -> String {
    let heading = ["ID", "TYPE", "STATUS", "OWNER", "NAME", "QUEUES", "CREATED", "EXPIRES"]
    let lines =
      [heading]
      + rows.map {
        [
          $0.id, $0.type, $0.status, $0.ownerID, $0.name, $0.queues.joined(separator: ","), $0.createdAt,
          $0.expiresAt ?? "never",
        ]
      }
    let widths = heading.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}

/// A duration as everywhere else, such as `1h30m` or `90d`; at most a century.
struct KeyLifetime: ExpressibleByArgument {
  let seconds: Double

  init?(argument: String) {
    guard let milliseconds = DurationText.milliseconds(argument), (1...3_155_760_000_000).contains(milliseconds) else {
      return nil
    }
    seconds = Double(milliseconds) / 1_000
  }
}

/// A time such as `2027-01-31T00:00:00Z`.
struct KeyExpiry: ExpressibleByArgument {
  let date: Date

  init?(argument: String) {
    guard let milliseconds = Timestamp.milliseconds(argument) else { return nil }
    date = Date(timeIntervalSince1970: Double(milliseconds) / 1_000)
  }
}

extension KeyType: ExpressibleByArgument {}
