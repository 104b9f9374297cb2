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

  /// What the job means, field by field and as a whole. The payload counts as JSON, tags in any order; the trace and the
  /// metadata tell of the request and do not count.
  ///
  /// - Returns: The fingerprint, and the `KeyFields`.
  func meaning(of spec: JobSpec, _ command: Command.Submit) -> (fingerprint: UInt64, fields: [UInt8]) {
    var hashes: [UInt64] = []
    var fields: [UInt8] = []
    let last: KeyFields = spec.timeoutMilliseconds != nil ? .timeout : spec.group.isEmpty ? .tags : .group
    for field in KeyFields.allCases where field.rawValue <= last.rawValue {
      let isSaid = field != .group || !spec.group.isEmpty
      let hash = isSaid ? bytes(of: field, spec, command).withUnsafeBytes { secret.hash128($0).low } : 0
      hashes.append(hash.littleEndian)
      fields += [UInt8(truncatingIfNeeded: hash), UInt8(truncatingIfNeeded: hash >> 8)]
    }
    return (hashes.withUnsafeBytes { secret.hash128($0).low }, fields)
  }

  private func bytes(of field: KeyFields, _ spec: JobSpec, _ command: Command.Submit) -> [UInt8] {
    switch field {
    case .payload: CanonicalJSON.bytes(of: spec.payload) ?? Array(spec.payload)
    case .type: Array(spec.type.utf8)
    case .group: Array(spec.group.utf8)
    case .timeout: words(Int64(command.policy.timeoutMilliseconds))
    case .priority: words(Int64(command.priority))
    case .delay: words(command.delayMilliseconds)
    case .runAt: words(command.runAtMilliseconds)
    case .maxRetries: words(Int64(command.maxRetries))
    case .retry:
      words(
        Int64(command.policy.retry.initialMilliseconds), Int64(command.policy.retry.factorThousandths),
        Int64(command.policy.retry.maxMilliseconds), Int64(command.policy.retry.jitter.rawValue))
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
