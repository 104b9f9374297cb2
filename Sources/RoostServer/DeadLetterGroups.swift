import RoostAPI
import RoostCore
import RoostEngine

/// Dead letters by the shape of their errors: how many there are of each, the first and the last.
struct DeadLetterGroups {
  /// Letters that one answer looks at, and pages of them: a page may take a fifth of a second.
  static let mostLetters = 10_000
  private static let mostPages = 60
  /// Shapes that are told apart; letters of further ones are counted together.
  private static let mostShapes = 1_000
  /// Names of queues and types that a group tells.
  private static let mostNames = 5

  struct Group {
    let shape: ErrorShape
    var count = 0
    var firstAt = Int64.max
    var lastAt = Int64.min
    /// The one that died last.
    var job: JobID?
    var queues: [String] = []
    var types: [String] = []

    fileprivate mutating func add(_ letter: JobView) {
      let time = letter.finishedAtMilliseconds ?? 0
      count += 1
      firstAt = min(firstAt, time)
      if time > lastAt { (lastAt, job) = (time, letter.id) }
      func note(_ name: String, in names: inout [String]) {
        if names.count < DeadLetterGroups.mostNames, !names.contains(where: { Name($0) == Name(name) }) {
          names.append(name)
        }
      }
      note(letter.body.queue, in: &queues)
      note(letter.body.type, in: &types)
    }
  }

  private var groups: [ErrorShape: Group] = [:]
  private(set) var examined = 0
  /// Letters of shapes beyond the bound.
  private(set) var others = 0
  /// Where letters go on that were not looked at.
  private(set) var next: UInt64?

  /// The largest first; among equals the one that was seen last.
  var sorted: [Group] {
    groups.values.sorted { ($1.count, $1.lastAt, $0.shape.text) < ($0.count, $0.lastAt, $1.shape.text) }
  }

  /// Looks at dead letters, the one that died last first.
  static func find(
    _ engine: Engine, _ filter: JobFilter, _ viewer: Viewer, after cursor: UInt64?
  ) async throws(Refusal) -> DeadLetterGroups {
    var found = DeadLetterGroups()
    found.next = cursor
    for _ in 0..<mostPages {
      let page = try await engine.deadJobs(filter, viewer: viewer, limit: 200, after: found.next)
      for letter in page.items { found.add(letter) }
      found.examined += page.examined
      found.next = page.next
      if page.next == nil || found.examined >= mostLetters { break }
    }
    return found
  }

  private mutating func add(_ letter: JobView) {
    let shape = ErrorShape(letter.lastError ?? "")
    if groups[shape] == nil, groups.count >= Self.mostShapes {
      others += 1
      return
    }
    groups[shape, default: Group(shape: shape)].add(letter)
  }
}

extension JSONWriter {
  mutating func deadLetterGroup(_ group: DeadLetterGroups.Group) {
    beginObject()
    field("shape", group.shape.id)
    field("error", group.shape.text)
    field("count", group.count)
    field("first_dead_at", milliseconds: group.firstAt)
    field("last_dead_at", milliseconds: group.lastAt)
    if let job = group.job { field("job_id", job.description) }
    key("queues")
    beginArray()
    for queue in group.queues { string(queue) }
    endArray()
    key("types")
    beginArray()
    for type in group.types { string(type) }
    endArray()
    endObject()
  }
}
