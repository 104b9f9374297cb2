import RoostKeys
import RoostServer

/// What every route shows to whom: the rules of visibility, as a table that the tests walk.
///
/// A new route needs a row here.
struct VisibilityMatrix {
  /// What a route gives access to.
  enum Access {
    /// Anything, without a key.
    case open
    /// One job, named in the path or in the body.
    case job
    /// A queue, named in the body, to put jobs into or take them from.
    case useOfQueue
    /// A queue, named in the path, to look at.
    case sightOfQueue
    /// A list that shows to each caller what it may see; `VisibilityTests.lists` knows what.
    case list
    /// A schedule of the job's owner that makes jobs in its queue.
    case schedule
    /// The same, to make jobs in its queue.
    case useOfSchedule
    /// A batch of the job's owner.
    case batch
    /// A key of the job's owner.
    case key
    /// Whatever the scope alone decides.
    case scopeOnly
  }

  /// A job or queue that someone asks for.
  struct Target {
    let job: String
    let queue: String
    let key: String
    let batch: String
  }

  struct Row {
    let access: Access
    let body: (@Sendable (Target) -> String)?

    init(_ access: Access, _ body: (@Sendable (Target) -> String)? = nil) {
      self.access = access
      self.body = body
    }
  }

  /// How a caller is answered.
  enum Verdict: Equatable {
    case granted
    /// 403 `forbidden_scope`.
    case lacksScope
    /// 403 `queue_forbidden`.
    case queueForbidden
    /// As if it did not exist.
    case hidden
    /// 403 `forbidden`: another's key.
    case keyForbidden
  }

  /// By method and path. Rows of routes that do not exist do no harm.
  static let rows: [String: Row] = [
    "GET /health": Row(.open), "GET /healthz": Row(.open), "GET /readyz": Row(.open),
    "GET /metrics": Row(.open), "GET /openapi.yaml": Row(.open),
    "GET /": Row(.open), "GET /ui/{file}": Row(.open),
    "POST /jobs": Row(.useOfQueue) { #"{"payload":1,"queue":"\#($0.queue)"}"# },
    "POST /jobs/batch": Row(.useOfQueue) { #"{"jobs":[{"payload":1,"queue":"\#($0.queue)"}]}"# },
    "POST /jobs/lease": Row(.useOfQueue) { #"{"queues":["\#($0.queue)"]}"# },
    "GET /jobs": Row(.list), "GET /dlq": Row(.list), "GET /dlq/groups": Row(.list), "GET /queues": Row(.list),
    "GET /keys": Row(.list),
    "GET /jobs/{id}": Row(.job), "GET /jobs/{id}/history": Row(.job), "GET /jobs/{id}/graph": Row(.job),
    "GET /dlq/{id}": Row(.job),
    "PATCH /jobs/{id}": Row(.job), "DELETE /jobs/{id}": Row(.job), "DELETE /dlq/{id}": Row(.job),
    "POST /jobs/{id}/cancel": Row(.job), "POST /jobs/{id}/retry": Row(.job), "POST /jobs/{id}/dlq": Row(.job),
    "POST /jobs/{id}/unblock": Row(.job), "POST /dlq/{id}/replay": Row(.job),
    "POST /jobs/{id}/ack": Row(.job) { _ in #"{"lease_id":"1-1"}"# },
    "POST /jobs/{id}/fail": Row(.job) { _ in #"{"lease_id":"1-1","error":"e"}"# },
    "POST /jobs/{id}/extend": Row(.job) { _ in #"{"lease_id":"1-1"}"# },
    "POST /jobs/{id}/release": Row(.job) { _ in #"{"lease_id":"1-1"}"# },
    "POST /jobs/ack": Row(.job) { #"{"items":[{"job_id":"\#($0.job)","lease_id":"1-1"}]}"# },
    "POST /jobs/fail": Row(.job) { #"{"items":[{"job_id":"\#($0.job)","lease_id":"1-1","error":"e"}]}"# },
    "POST /jobs/extend": Row(.job) { #"{"items":[{"job_id":"\#($0.job)","lease_id":"1-1"}]}"# },
    "GET /queues/{queue}": Row(.sightOfQueue), "GET /queues/{queue}/jobs": Row(.sightOfQueue),
    "PATCH /queues/{queue}": Row(.useOfQueue) { _ in #"{"aging":"1h"}"# },
    "POST /queues/{queue}/pause": Row(.useOfQueue), "POST /queues/{queue}/resume": Row(.useOfQueue),
    "GET /whoami": Row(.scopeOnly), "GET /stats": Row(.scopeOnly), "GET /events": Row(.scopeOnly),
    "GET /stats/series": Row(.scopeOnly), "GET /workers": Row(.scopeOnly),
    "GET /queues/{queue}/groups": Row(.sightOfQueue), "GET /queues/{queue}/groups/{group}": Row(.sightOfQueue),
    "PATCH /queues/{queue}/groups/{group}": Row(.useOfQueue) { _ in #"{"weight":2}"# },
    "POST /queues/{queue}/groups/{group}/pause": Row(.useOfQueue),
    "POST /queues/{queue}/groups/{group}/resume": Row(.useOfQueue),
    "DELETE /queues/{queue}": Row(.useOfQueue), "POST /queues/{queue}/purge": Row(.useOfQueue),
    "POST /queues/{queue}/move": Row(.useOfQueue) { #"{"to":"\#($0.queue)-x","dry_run":true}"# },
    "POST /operations": Row(.useOfQueue) { #"{"action":"replay","queue":"\#($0.queue)","dry_run":true}"# },
    "GET /operations": Row(.scopeOnly), "GET /operations/{id}": Row(.scopeOnly),
    "DELETE /operations/{id}": Row(.scopeOnly),
    "POST /batches": Row(.useOfQueue) { #"{"then":{"payload":1,"queue":"\#($0.queue)"}}"# },
    "GET /batches": Row(.scopeOnly), "GET /batches/{id}": Row(.batch), "POST /batches/{id}/close": Row(.batch),
    "POST /batches/{id}/cancel": Row(.batch),
    "GET /schedules": Row(.list), "POST /schedules/preview": Row(.scopeOnly) { _ in #"{"cron":"@daily"}"# },
    "GET /schedules/{schedule}": Row(.schedule), "GET /schedules/{schedule}/runs": Row(.schedule),
    "PUT /schedules/{schedule}": Row(.useOfSchedule) {
      #"{"cron":"@daily","job":{"payload":1,"queue":"\#($0.queue)"}}"#
    },
    "DELETE /schedules/{schedule}": Row(.schedule), "POST /schedules/{schedule}/pause": Row(.schedule),
    "POST /schedules/{schedule}/resume": Row(.schedule), "POST /schedules/{schedule}/trigger": Row(.useOfSchedule),
    "POST /schedules/{schedule}/backfill": Row(.useOfSchedule) { _ in
      #"{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}"#
    },
    "GET /audit": Row(.scopeOnly), "GET /admin/owners/{owner}/quota": Row(.scopeOnly),
    "PUT /admin/owners/{owner}/quota": Row(.scopeOnly),
    "GET /push/targets": Row(.scopeOnly), "GET /push/secret": Row(.scopeOnly), "POST /push/secret": Row(.scopeOnly),
    "DELETE /push/secret": Row(.scopeOnly),
    "POST /admin/keys": Row(.scopeOnly) { _ in #"{"name":"n","owner_id":"o","type":"client"}"# },
    "GET /admin/keys": Row(.scopeOnly), "DELETE /keys/{id}": Row(.key),
  ]

  /// What the rules say.
  ///
  /// - Parameters:
  ///   - isOwner: The caller's owner is the job's.
  ///   - mayUseQueue: The caller's key names the job's queue.
  static func verdict(
    _ route: Route, _ access: Access, _ type: KeyType, isOwner: Bool, mayUseQueue: Bool
  ) -> Verdict {
    if let scope = route.scope, !type.scopes.contains(ScopeSet(scope)) { return .lacksScope }
    switch access {
    case .open, .list, .scopeOnly: return .granted
    case .useOfQueue: return mayUseQueue ? .granted : .queueForbidden
    case .sightOfQueue: return type == .admin || mayUseQueue ? .granted : .queueForbidden
    case .job: return mayView(type, isOwner: isOwner, mayUseQueue: mayUseQueue) ? .granted : .hidden
    case .schedule, .batch: return type == .admin || isOwner ? .granted : .hidden
    case .useOfSchedule:
      return type != .admin && !isOwner ? .hidden : mayUseQueue ? .granted : .queueForbidden
    case .key: return type == .admin || isOwner ? .granted : .keyForbidden
    }
  }

  /// Clients see the jobs of their owner, workers those of their queues, admins all.
  static func mayView(_ type: KeyType, isOwner: Bool, mayUseQueue: Bool) -> Bool {
    switch type {
    case .client: isOwner
    case .worker: mayUseQueue
    case .admin: true
    }
  }
}
