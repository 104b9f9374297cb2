import RoostAPI

/// That no other job of the owner may be like this one, and what becomes of a submit while one is there.
///
/// ```swift
/// JobOptions(unique: .key("report-7"))
/// JobOptions(delay: .seconds(10), unique: .by([.type, .payload], onConflict: .replace, maxWait: .seconds(60)))
/// ```
public struct Unique: Sendable, Hashable {
  /// What of a job counts.
  public enum Part: String, Sendable, Hashable, CaseIterable {
    case type, queue, group
    /// As what it means: order of names and spelling of numbers do not count.
    case payload
  }

  /// How long no other may come.
  public enum Until: Sendable, Hashable {
    /// Until its first attempt begins.
    case started
    /// Until it is ACKED, DEAD or CANCELLED.
    case ended
    /// So long from the submit, whatever becomes of the job: a second to 30 days.
    case window(Duration)
  }

  /// What becomes of a submit while another job is there.
  public enum OnConflict: String, Sendable, Hashable {
    /// The answer is the job that is there; ``SubmittedJob/isDuplicate`` says so.
    case existing
    /// It is refused with `not_unique`.
    case reject
    /// A job that waits is called off, and the new one takes its place.
    case replace
  }

  /// Nil where parts of the job count.
  public let key: String?
  /// Empty where a key counts.
  public let by: [Part]
  public let until: Until
  public let onConflict: OnConflict
  /// How long repeated submits put a job off at most, counted from the first; with ``OnConflict/replace`` alone.
  public let maxWait: Duration?

  /// Jobs of the same key, 1 to 255 bytes.
  public static func key(
    _ key: String, until: Until = .ended, onConflict: OnConflict = .existing, maxWait: Duration? = nil
  ) -> Unique {
    Unique(key: key, by: [], until: until, onConflict: onConflict, maxWait: maxWait)
  }

  /// Jobs that are the same in these parts.
  public static func by(
    _ parts: [Part], until: Until = .ended, onConflict: OnConflict = .existing, maxWait: Duration? = nil
  ) -> Unique {
    Unique(key: nil, by: parts, until: until, onConflict: onConflict, maxWait: maxWait)
  }

  private init(key: String?, by: [Part], until: Until, onConflict: OnConflict, maxWait: Duration?) {
    self.key = key
    self.by = by
    self.until = until
    self.onConflict = onConflict
    self.maxWait = maxWait
  }

  init?(_ fields: JSONFields) {
    key = fields.text("key")
    let parts: [String]? = (try? fields.json("by")?.decode()) ?? nil
    by = (parts ?? []).compactMap { Part(rawValue: $0) }
    if let window = fields.object("until")?.duration("for") {
      until = .window(window)
    } else {
      until = fields.text("until") == "started" ? .started : .ended
    }
    onConflict = fields.text("on_conflict").flatMap { OnConflict(rawValue: $0) } ?? .existing
    maxWait = fields.duration("max_wait")
    if key == nil, by.isEmpty { return nil }
  }
}

extension JSONWriter {
  mutating func field(_ name: StaticString, _ unique: Unique) {
    key(name)
    beginObject()
    if let key = unique.key {
      field("key", key)
    } else {
      key("by")
      strings(unique.by.map(\.rawValue))
    }
    switch unique.until {
    case .started: field("until", "started")
    case .ended: field("until", "ended")
    case .window(let time):
      key("until")
      beginObject()
      field("for", duration: time)
      endObject()
    }
    field("on_conflict", unique.onConflict.rawValue)
    if let time = unique.maxWait { field("max_wait", duration: time) }
    endObject()
  }
}
