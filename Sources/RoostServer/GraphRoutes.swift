import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys

/// Jobs that wait for others, together.
let graphRoutes: [Route] = [
  Route("GET", "/jobs/{id}/graph", .read) { (request, backend) throws(Rejection) in
    let view = try await refusable { () throws(Refusal) in
      try await backend.engine.graph(of: request.jobID, viewer: request.viewer)
    }
    var json = JSONWriter(capacity: 64 + view.jobs.count * 256)
    json.beginObject()
    json.field("job_id", request.jobID.description)
    json.key("jobs")
    json.beginArray()
    for (place, job) in view.jobs.enumerated() {
      json.graphJob(job, after: view.dependencies[place].map { view.jobs[$0].id })
    }
    json.endArray()
    json.field("truncated", view.isCut)
    json.endObject()
    return Answer(200, json)
  }
]

/// An item of a batch.
package struct BatchItem: Sendable {
  var spec: JobSpec
  /// What others of the batch call it.
  var ref: String?
  var waits: DependencyFields

  /// Whether the batch is one graph by it.
  var isOfGraph: Bool { ref != nil || waits.namesItems }
}

/// Submits the items of a batch of which some have names: all, or none.
func submitGraph(
  _ items: [Result<BatchItem, Rejection>], _ request: RouteRequest, _ backend: Backend
) async throws(Rejection) -> [Submitted] {
  var specs: [JobSpec] = []
  let places = try places(of: items)
  for (place, item) in items.enumerated() {
    do throws(Rejection) {
      var spec = try item.get().spec
      spec.options[.dependencies] = try item.get().waits.encoded(places)
      // Whether there is another like it is known when it is made: too late to refuse all.
      if spec.unique != nil {
        throw Rejection(
          .contradiction, field: "unique",
          "jobs of a graph are made together or not at all, and unique may make none: use idempotency_key, or leave it out"
        )
      }
      specs.append(spec)
    } catch {
      throw error.ofItem(place)
    }
  }
  let jobs = specs
  do throws(GraphRefusal) {
    return try await backend.engine.submit(graph: jobs, owner: request.caller.ownerID.text)
  } catch {
    guard let reason = error.reason else {
      throw Rejection(.contradiction, field: "depends_on", "jobs of the batch wait for each other: none would ever run")
    }
    let rejection =
      reason.refusal == .diskLow ? await Rejection(Refusal.diskLow).explained(by: backend.engine) : Rejection(reason)
    throw error.place.map { rejection.ofItem($0) } ?? rejection
  }
}

/// The places of the items that have names, each once.
private func places(of items: [Result<BatchItem, Rejection>]) throws(Rejection) -> [Name: Int] {
  var places: [Name: Int] = [:]
  for (place, item) in items.enumerated() {
    guard let ref = try? item.get().ref else { continue }
    guard places.updateValue(place, forKey: Name(ref)) == nil else {
      throw Rejection(.contradiction, field: "ref", "two jobs of the batch have the ref \(ref)").ofItem(place)
    }
  }
  return places
}

extension Rejection {
  /// The same, of an item of a batch of which nothing was submitted.
  fileprivate func ofItem(_ place: Int) -> Rejection {
    var copy = with("index", "\(place)")
    copy.message = "jobs[\(place)], and with it the batch, was not submitted: \(message)"
    return copy
  }
}

extension JSONWriter {
  /// A job of a graph, and those of the graph that it waits for.
  fileprivate mutating func graphJob(_ job: JobView, after others: [JobID]) {
    beginObject()
    field("job_id", job.id.description)
    field("state", job.state.name)
    field("queue", job.body.queue)
    field("type", job.body.type)
    key("depends_on")
    beginArray()
    for id in others { string(id.description) }
    endArray()
    if !others.isEmpty {
      field("on_dead", job.body.dependencyMode.onDead.name)
      field("when", job.body.dependencyMode.isEnded ? "ended" : "acked")
    }
    endObject()
  }
}
