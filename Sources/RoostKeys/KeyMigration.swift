/// Moves the keys of a data directory into Redis, revoked ones included. It may be repeated: what is there is skipped.
package struct KeyMigration: Sendable {
  /// What became of the keys.
  package struct Outcome: Sendable {
    package fileprivate(set) var added = 0
    package fileprivate(set) var present = 0
    /// They were there already and are revoked now, as in the data directory.
    package fileprivate(set) var revoked = 0
    /// Another key stands in Redis under their id; they were not moved.
    package fileprivate(set) var conflicts: [KeyRecord] = []
    /// They cannot be read in the data directory; they were not moved.
    package fileprivate(set) var unreadable: [KeyStoreError] = []

    package var total: Int { added + present + revoked + conflicts.count + unreadable.count }
  }

  private let source: EmbeddedKeyStore
  private let target: RedisKeyStore

  package init(from source: EmbeddedKeyStore, to target: RedisKeyStore) {
    self.source = source
    self.target = target
  }

  /// Copies every key; the data directory stays as it is.
  ///
  /// - Parameter setsAside: Whether to rename `keys.json` to `keys.json.migrated` afterwards. It is not done if there
  ///   are conflicts or records that cannot be read, or if a key was made or revoked meanwhile.
  package func run(setsAside: Bool) async throws(KeyStoreError) -> Outcome {
    let listing = try await source.list(owner: nil)
    var outcome = Outcome()
    outcome.unreadable = listing.unreadable
    for record in listing.records {
      switch try await target.adopt(record) {
      case .added: outcome.added += 1
      case .present: outcome.present += 1
      case .revoked: outcome.revoked += 1
      case .conflict: outcome.conflicts.append(record)
      }
    }
    if setsAside, outcome.conflicts.isEmpty, outcome.unreadable.isEmpty {
      try await source.setAside(ifItHolds: listing.records)
    }
    return outcome
  }
}
