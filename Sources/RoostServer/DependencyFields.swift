import RoostAPI
import RoostCore

/// `depends_on`, `on_dead` and `when` of a job that is submitted.
struct DependencyFields {
  /// A job that is waited for.
  private enum Part: Hashable {
    case job(JobID)
    /// `#name`: an item of the same batch.
    case item(Name)
  }

  private var parts: [Part] = []
  private var onDead: DependencyList.OnDead?
  private var isEnded: Bool?

  static let refBytes = 64

  var namesJobs: Bool { !parts.isEmpty }

  /// Whether it names items of the same batch.
  var namesItems: Bool { parts.contains { if case .item = $0 { true } else { false } } }

  mutating func read(_ name: String, _ json: inout JSONReader) throws(Rejection) {
    switch name {
    case "on_dead": onDead = try json.choice(name, DependencyList.OnDead.allCases, \.name)
    case "when":
      let when = try json.string(name)
      guard when == "acked" || when == "ended" else { throw json.outOfRange(name, "acked or ended") }
      isEnded = when == "ended"
    default: try readJobs(name, &json)
    }
  }

  /// What is listed twice counts once.
  private mutating func readJobs(_ name: String, _ json: inout JSONReader) throws(Rejection) {
    var known: Set<Part> = []
    var found: [Part] = []
    let tooMany = json.outOfRange(name, "a list of at most \(DependencyList.mostJobs) jobs")
    try json.array(name) { (place, json) throws(Rejection) in
      guard place < DependencyList.mostJobs else { throw tooMany }
      let text = try json.plainText("\(name)[\(place)]", 1...Bounds.jobIDBytes)
      let part: Part
      if text.utf8.first == UInt8(ascii: "#") {
        part = .item(Name(text.dropFirst()))
      } else {
        guard let id = JobID(text), id.high >> 12 & 0xF == 8 else {
          throw Rejection(Refusal.dependencyNotFound).with("job_id", text)
        }
        part = .job(id)
      }
      if known.insert(part).inserted { found.append(part) }
    }
    parts = found
  }

  /// The `DependencyList`; nil where the job waits for none.
  ///
  /// - Parameter items: The places of the batch's items that have names.
  func encoded(_ items: [Name: Int] = [:]) throws(Rejection) -> [UInt8]? {
    guard !parts.isEmpty else {
      guard onDead == nil, isEnded == nil else {
        throw Rejection(
          .contradiction, field: onDead != nil ? "on_dead" : "when",
          "on_dead and when say how the jobs of depends_on are waited for: there are none")
      }
      return nil
    }
    var entries: [DependencyList.Entry] = []
    for part in parts {
      switch part {
      case .job(let id): entries.append(.job(id, wasAcked: false))
      case .item(let name):
        guard let place = items[name] else {
          throw Rejection(
            .outOfRange, field: "depends_on", "depends_on names #\(name), and no job of the batch has that ref")
        }
        entries.append(.item(place))
      }
    }
    return DependencyList.encode(
      DependencyList.Mode(onDead: onDead ?? .cancel, isEnded: isEnded ?? false), entries)
  }
}
