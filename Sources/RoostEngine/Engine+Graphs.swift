import RoostCore
import RoostLog

/// Jobs that wait for others, submitted together and read together.
extension Engine {
  /// The jobs of a graph that an answer shows at most.
  package static let graphJobs = 200

  /// Accepts jobs of which some wait for others of them: all, or none. They are durable when this returns.
  ///
  /// - Parameter specs: At most `batchItems`; of those that wait for others the `DependencyList` names their places here.
  /// - Returns: In the order of `specs`.
  package func submit(graph specs: [JobSpec], owner: String) async throws(GraphRefusal) -> [Submitted] {
    guard let order = GraphOrder(of: specs) else { throw GraphRefusal(place: 0, reason: nil) }
    var jobs: [Command.Submit] = []
    var content: [UInt8] = []
    var fields: [[UInt8]] = []
    for place in order.places {
      let (command, bytes) = encode(specs[place], owner: owner)
      fields.append(command.fields(in: bytes))
      jobs.append(command.from(content.count))
      content += order.placed(bytes, command)
    }
    let encoded = Command.SubmitGraph.encode(jobs, content: content)
    let count = jobs.count
    let delivery = await answer(encoded) { base in
      .submitGraph(Command.SubmitGraph(bytes: ByteRange(offset: base, count: encoded.count), count: count))
    }
    switch delivery.answer {
    case .graph:
      var results = [Submitted?](repeating: nil, count: count)
      for (place, accepted) in zip(order.places, delivery.accepted) {
        results[place] = Submitted(accepted, queue: specs[place].queue, writer.board)
      }
      return results.map { $0! }
    case .graphRefused(let place, let refusal):
      let item = order.places[Int(place)]
      throw GraphRefusal(place: item, reason: Refused(refusal, of: specs[item]))
    case .graphConflict(let place, let conflict):
      let refused = await refused(conflict, fields[Int(place)], delivery.loader)
      throw GraphRefusal(place: order.places[Int(place)], reason: refused)
    case .refused(let refusal): throw GraphRefusal(place: nil, reason: Refused(refusal))
    default: preconditionFailure("a graph is answered as one")
    }
  }

  /// A job with those that it waits for and those that wait for it, and so on, the nearest first.
  package func graph(of id: JobID, viewer: Viewer) async throws(Refusal) -> GraphView {
    var asked = AskedBytes()
    let viewer = asked.add(viewer)
    let job = try reference(id)
    let delivery = try await ask(asked.bytes) { base in
      .readGraph(Command.ReadGraph(job: job, viewer: viewer.from(base), limit: Self.graphJobs))
    }
    guard case .graphView(_, _, _, _, let isCut) = delivery.answer else {
      preconditionFailure("a graph is answered as one")
    }
    var view = GraphView(jobs: [], dependencies: [], isCut: isCut)
    for image in delivery.jobs { view.jobs.append(try await listed(image, delivery)) }
    view.dependencies = Array(repeating: [], count: view.jobs.count)
    for link in delivery.links { view.dependencies[Int(link.holder)].append(Int(link.dependency)) }
    return view
  }
}

extension Engine {
  /// What became of the jobs that a leased job waited for.
  func outcomes(of job: LeasedJob) async throws(Refusal) -> [DependencyOutcome] {
    let reference = try reference(job.id)
    let delivery = try await ask { _ in .readDependencies(Command.ReadDependencies(job: reference)) }
    let images = Dictionary(delivery.jobs.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    var left = DependencyOutcome.mostResultBytes
    var outcomes: [DependencyOutcome] = []
    for id in job.body.dependencies {
      var outcome = DependencyOutcome(id: id, state: images[id]?.state)
      if let image = images[id], image.state == .acked, image.history != .none {
        // The newest entry is the result, in a record of its own or with all that was carried.
        if Int(image.historyBytes) > 4 * DependencyOutcome.mostResultBytes + (64 << 10) {
          outcome.isOmitted = true
        } else {
          do throws(Refusal) {
            let result = try await result(of: image, delivery.loader!)
            if let result, result.count <= left {
              (outcome.result, left) = (result, left - result.count)
            } else {
              outcome.isOmitted = result != nil
            }
          } catch {
            // Bytes that cannot be read are not this job's: whoever asks for them is told.
            outcome.isOmitted = true
          }
        }
      }
      outcomes.append(outcome)
    }
    return outcomes
  }

  private func result(of image: JobImage, _ loader: RecordLoader) async throws(Refusal) -> ArraySlice<UInt8>? {
    var result: ArraySlice<UInt8>?
    try await eachEntry(of: image, loader) { entry in
      if entry.outcome == .acked, !entry.text.isEmpty { result = [UInt8](entry.text)[...] }
      return false
    }
    return result
  }
}

/// Why a graph was not submitted.
package struct GraphRefusal: Error {
  /// Which job; nil: it concerns all of them.
  package var place: Int?
  /// Nil: the jobs wait for each other.
  package var reason: Refused?
}

/// Jobs that wait for each other.
package struct GraphView: Sendable {
  package var jobs: [JobView]
  /// Of each job, the places of those that it waits for.
  package var dependencies: [[Int]]
  /// There are more.
  package var isCut: Bool
}

/// Jobs of a graph in an order in which each stands behind those that it waits for.
struct GraphOrder {
  /// Places in the request.
  private(set) var places: [Int] = []
  /// Of each job of the request, its place here.
  private var positions: [Int]

  /// Nil where jobs wait for each other.
  init?(of specs: [JobSpec]) {
    positions = Array(repeating: 0, count: specs.count)
    let others = specs.map { Self.items(of: $0) }
    var waiting = others.map(\.count)
    var holders = [[Int]](repeating: [], count: specs.count)
    for (place, others) in others.enumerated() { for other in others { holders[other].append(place) } }
    places = specs.indices.filter { waiting[$0] == 0 }
    var at = 0
    while at < places.count {
      positions[places[at]] = at
      for holder in holders[places[at]] {
        waiting[holder] -= 1
        if waiting[holder] == 0 { places.append(holder) }
      }
      at += 1
    }
    guard places.count == specs.count else { return nil }
  }

  private static func items(of spec: JobSpec) -> [Int] {
    (spec.options[.dependencies] ?? []).withUnsafeBytes { bytes in
      guard let list = DependencyList(bytes) else { return [] }
      return (0..<list.count).compactMap { if case .item(let place) = list[$0] { place } else { nil } }
    }
  }

  /// A job's bytes, with the places of this order in its `DependencyList`.
  func placed(_ bytes: [UInt8], _ command: Command.Submit) -> [UInt8] {
    guard !command.dependencies.isEmpty else { return bytes }
    let range = Int(command.dependencies.offset)..<Int(command.dependencies.offset) + Int(command.dependencies.count)
    let list = bytes[range].withUnsafeBytes { raw -> [UInt8] in
      guard let list = DependencyList(raw) else { preconditionFailure("a list was encoded") }
      return DependencyList.encode(
        list.mode,
        (0..<list.count).map { place in
          if case .item(let other) = list[place] { .item(positions[other]) } else { list[place] }
        })
    }
    return bytes[..<range.lowerBound] + list + bytes[range.upperBound...]
  }
}
