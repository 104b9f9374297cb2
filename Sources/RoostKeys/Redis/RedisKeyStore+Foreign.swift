import RoostAPI

/// The keys of another system under the names of Roost's: what `ForeignKeys` asks of Redis.
extension RedisKeyStore {
  /// What stands behind `api_key:` in the names that are no record of Roost's.
  func foreignKeys() async throws(KeyStoreError) -> [[UInt8]] {
    let prefix = Array(RedisKeyModel.hash("").utf8)
    var found = Set<[UInt8]>()
    var cursor = "0"
    repeat {
      let question = RedisCommand("SCAN", cursor, "MATCH", RedisKeyModel.hash("*"), "COUNT", "1000")
      let answer = try await ask([question])
      let parts = try array(answer, at: 0, of: question)
      guard parts.count == 2, let next = parts[0].text, case .array(let names) = parts[1] else {
        throw unexpected(question.name, answer)
      }
      for case .bytes(let name) in names where name.starts(with: prefix) {
        let rest = Array(name.dropFirst(prefix.count))
        if !APIKey.isID(rest) { found.insert(rest) }
      }
      cursor = next
    } while cursor != "0"
    return found.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// The fields of the other system's record; nil if it is no hash of texts. No error names it: its name is the key.
  func foreignFields(_ key: ForeignKey) async throws(KeyStoreError) -> [Name: String]? {
    let question = RedisCommand("HGETALL", RedisKeyModel.hash(key.whole.reveal()))
    let answer = try await commands.send([question])
    if let code = answer.replies[0].errorCode {
      if code == "WRONGTYPE" { return nil }
      throw refusal(question, code, answer)
    }
    return try? RedisKeyModel.texts("", try array(answer, at: 0, of: question))
  }

  /// Takes over a record that `ForeignKeys` made of another system's. When it was first taken over stands.
  func adopt(foreign record: KeyRecord) async throws(KeyStoreError) -> Adoption {
    try await change(watching: [RedisKeyModel.hash(record.id)]) { () throws(KeyStoreError) in
      guard let found = try await self.find(record.id) else {
        try await self.checkSets(for: [record])
        return .write(RedisKeyModel.creation(record), .added)
      }
      guard found.foreignScopes != nil, found.secretHash.isSame(as: record.secretHash) else { return .leave(.conflict) }
      if let date = record.revokedAt, found.revokedAt == nil {
        return .write(RedisKeyModel.revocation(record.id, at: date), .revoked)
      }
      return .leave(.present)
    }
  }

  /// Deletes the other system's record of a key, and the key from the sets.
  func removeForeign(_ key: ForeignKey, _ record: KeyRecord) async throws(KeyStoreError) {
    let whole = key.whole.reveal()
    let sets = [
      RedisKeyModel.active, RedisKeyModel.revoked, RedisKeyModel.owner(record.ownerID), RedisKeyModel.type(record.type),
    ]
    let removals = sets.map { RedisCommand("SREM", $0, whole) } + [RedisCommand("DEL", RedisKeyModel.hash(whole))]
    try await change(watching: [RedisKeyModel.hash(record.id)]) { () throws(KeyStoreError) in .write(removals, ()) }
  }
}
