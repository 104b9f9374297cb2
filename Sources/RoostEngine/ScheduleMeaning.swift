import RoostCore

extension ScheduleDefinition {
  /// What is said, part by part: definitions that say the same in other words are alike. The payload and the metadata of
  /// the job count as JSON, its tags in any order.
  ///
  /// Sorting names may take milliseconds for a payload of 64 KiB: not for the writer's thread.
  var meaning: [[UInt8]] {
    var rest = self
    rest.body = []
    rest.job.payloadBytes = 0
    return [rest.bytes] + (body.withUnsafeBytes { JobBodyLayout($0)?.meaning } ?? [body])
  }
}

extension JobBodyLayout {
  fileprivate var meaning: [[UInt8]] {
    var parts: [[UInt8]] = []
    for part in [queue, type, owner, traceparent, group, options.bytes] { parts.append([UInt8](part)) }
    for part in [metadata, payload] {
      let json = [UInt8](part)
      parts.append(CanonicalJSON.bytes(of: json[...]) ?? json)
    }
    let tags = [UInt8](self.tags)
    parts += CanonicalJSON.sortedElements(of: tags[...]) ?? [tags]
    return parts
  }
}
