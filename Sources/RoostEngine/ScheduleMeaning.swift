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
    let parts = body.withUnsafeBytes { bytes -> [[UInt8]]? in
      guard let layout = JobBodyLayout(bytes) else { return nil }
      let metadata = Array(layout.metadata)
      let tags = Array(layout.tags)
      let payload = Array(layout.payload)
      return [layout.queue, layout.type, layout.owner, layout.traceparent, layout.group].map { Array($0) } + [
        Array(layout.options.bytes), CanonicalJSON.bytes(of: metadata[...]) ?? metadata,
        CanonicalJSON.sortedElements(of: tags[...])?.flatMap { $0 + [0] } ?? tags,
        CanonicalJSON.bytes(of: payload[...]) ?? payload,
      ]
    }
    return [rest.bytes] + (parts ?? [body])
  }
}
