import RoostCore

/// Idempotency keys: whose they are, and what is compared of jobs that are submitted under the same one.
extension Engine {
  /// Scope owner + queue: the same key of another owner or for another queue is another key.
  func hash(ofKey key: String, owner: String, queue: String) -> KeyHash {
    var text: [UInt8] = []
    for part in [owner, queue, key] {
      text.append(UInt8(truncatingIfNeeded: part.utf8.count))
      text.append(contentsOf: part.utf8)
    }
    let hash = text.withUnsafeBytes { secret.hash128($0) }
    return KeyHash(low: hash.low, high: hash.high)
  }

  /// What no other job of an owner may have, with the hash of it: of the key that it says, or of what counts of the job. The
  /// payload counts as what it means.
  func hashed(_ unique: JobUnique, _ spec: JobSpec, owner: String) -> JobUnique {
    var text = [UInt8(truncatingIfNeeded: owner.utf8.count)] + Array(owner.utf8) + [unique.by.rawValue]
    func add(_ part: JobUnique.Parts, _ bytes: @autoclosure () -> [UInt8]) {
      guard unique.by.contains(part) else { return }
      let bytes = bytes()
      withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { text.append(contentsOf: $0) }
      text += bytes
    }
    text += unique.key
    add(.type, Array(spec.type.utf8))
    add(.queue, Array(spec.queue.utf8))
    add(.group, Array(spec.group.utf8))
    add(.payload, CanonicalJSON.bytes(of: spec.payload) ?? Array(spec.payload))
    let hash = text.withUnsafeBytes { secret.hash128($0) }
    var unique = unique
    unique.hash = KeyHash(low: hash.low, high: hash.high)
    return unique
  }

  /// What the job means, field by field and as a whole. The payload counts as JSON, tags in any order; the trace and the
  /// metadata tell of the request and do not count.
  ///
  /// - Returns: The fingerprint, and the `KeyFields`.
  func meaning(of spec: JobSpec, _ command: Command.Submit) -> (fingerprint: UInt64, fields: [UInt8]) {
    var hashes: [UInt64] = []
    var fields: [UInt8] = []
    let last = KeyFields.allCases.last { isSaid($0, by: spec) } ?? .tags
    for field in KeyFields.allCases where field.rawValue <= last.rawValue {
      let hash =
        isSaid(field, by: spec) ? bytes(of: field, spec, command).withUnsafeBytes { secret.hash128($0).low } : 0
      hashes.append(hash.littleEndian)
      fields += [UInt8(truncatingIfNeeded: hash), UInt8(truncatingIfNeeded: hash >> 8)]
    }
    return (hashes.withUnsafeBytes { secret.hash128($0).low }, fields)
  }

  /// Whether the field counts: those that every job has always do.
  private func isSaid(_ field: KeyFields, by spec: JobSpec) -> Bool {
    switch field {
    case .group: !spec.group.isEmpty
    case .timeout: spec.timeoutMilliseconds != nil
    case .maxExpiries: spec.maxExpiries != nil
    default: field.option.map { spec.options[$0] != nil } ?? true
    }
  }

  private func bytes(of field: KeyFields, _ spec: JobSpec, _ command: Command.Submit) -> [UInt8] {
    switch field {
    case .payload: CanonicalJSON.bytes(of: spec.payload) ?? Array(spec.payload)
    case .type: Array(spec.type.utf8)
    case .group: Array(spec.group.utf8)
    case .timeout: words(Int64(command.policy.timeoutMilliseconds))
    case .maxExpiries: words(Int64(command.policy.maxExpiries))
    case .priority: words(Int64(command.priority))
    case .delay: words(command.delayMilliseconds)
    case .runAt: words(command.runAtMilliseconds)
    case .maxRetries: words(Int64(command.maxRetries))
    case .retry:
      words(
        Int64(command.policy.retry.initialMilliseconds), Int64(command.policy.retry.factorThousandths),
        Int64(command.policy.retry.maxMilliseconds), Int64(command.policy.retry.jitter.rawValue))
        + (command.policy.retry.jitter == .added ? words(Int64(command.policy.retry.addedMilliseconds)) : [])
    case .expires, .unique, .dependencies, .batch, .callback: field.option.flatMap { spec.options[$0] } ?? []
    case .lease: words(Int64(command.policy.leaseMilliseconds))
    case .retention: words(command.policy.retentionMilliseconds)
    case .tags:
      spec.tags.map { tags in CanonicalJSON.sortedElements(of: tags)?.flatMap { $0 + [0] } ?? Array(tags) } ?? []
    }
  }

  private func words(_ values: Int64...) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  }

  /// As earlier versions made fingerprints: over the decoded options and the raw bytes. What they accepted is compared so.
  func byteFingerprint(of command: Command.Submit, body: [UInt8]) -> UInt64 {
    let bytes = body.withUnsafeBytes { secret.hash128($0) }
    let options: [Int64] = [
      Int64(bitPattern: bytes.low), Int64(bitPattern: bytes.high), Int64(command.priority), Int64(command.maxRetries),
      command.delayMilliseconds, command.runAtMilliseconds, Int64(command.policy.leaseMilliseconds),
      command.policy.retentionMilliseconds, Int64(command.policy.retry.initialMilliseconds),
      Int64(command.policy.retry.factorThousandths), Int64(command.policy.retry.maxMilliseconds),
      Int64(command.policy.retry.jitter.rawValue),
    ]
    return options.withUnsafeBytes { secret.hash128($0).low }
  }
}
