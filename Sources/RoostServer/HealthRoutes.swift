import RoostAPI
import RoostEngine
import RoostKeys

/// How the daemon is, for people, balancers and probes. No key is needed.
let healthRoutes: [Route] = [
  Route("GET", "/health") { Answer(text: "OK") },
  Route("GET", "/healthz") {
    var json = JSONWriter(capacity: 32)
    json.beginObject()
    json.field("status", "ok")
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/readyz", nil, early: { progress, _ in replaying(progress) }) { (_, backend) throws(Rejection) in
    let health = await backend.engine.health()
    let keys = await backend.keyHealth.state()
    let isReady = health.isWritable && health.diskLevel == 0 && !health.hasCorruptPayload && keys == .ok
    var json = JSONWriter(capacity: 192)
    json.beginObject()
    json.field("status", isReady ? "ready" : "not_ready")
    json.key("checks")
    json.beginObject()
    json.field("log", health.isWritable ? "ok" : "not_writable")
    json.field("disk", health.diskLevel == 0 ? "ok" : "low")
    json.field("disk_level", health.diskLevel)
    json.field("memory", health.isMemoryLow ? "low" : "ok")
    json.field("clock", health.isClockSuspect ? "suspect" : "ok")
    json.field("payloads", health.hasCorruptPayload ? "corrupt" : "ok")
    json.field("keys", keys.wireName)
    json.endObject()
    json.endObject()
    return Answer(isReady ? 200 : 503, json)
  },
]

/// The answer of `/readyz` while the log is replayed: what else there is to check is not known yet.
private func replaying(_ progress: ReplayProgress) -> Answer {
  var json = JSONWriter(capacity: 128)
  json.beginObject()
  json.field("status", "not_ready")
  json.key("checks")
  json.beginObject()
  json.field("log", "replaying")
  json.endObject()
  json.key("replay")
  json.beginObject()
  json.field("bytes", progress.bytes)
  json.field("of_bytes", progress.ofBytes)
  json.endObject()
  json.endObject()
  return Answer(503, json)
}

extension KeyStoreHealth.State {
  fileprivate var wireName: String {
    switch self {
    case .ok: "ok"
    case .unavailable: "unavailable"
    case .empty: "empty"
    }
  }
}
