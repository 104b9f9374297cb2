import RoostAPI
import RoostEngine
import RoostKeys

/// How the daemon is, for people, balancers and probes. No key is needed.
let healthRoutes: [Route] = [
  Route("GET", "/health", nil) { (_, _) throws(Rejection) in Answer(text: "OK") },
  Route("GET", "/healthz", nil) { (_, _) throws(Rejection) in
    var json = JSONWriter(capacity: 32)
    json.beginObject()
    json.field("status", "ok")
    json.endObject()
    return Answer(200, json)
  },
  Route("GET", "/readyz", nil) { (_, backend) throws(Rejection) in
    let health = await backend.engine.health()
    let keysAnswer = await answers(backend.keyStore)
    let isReady = health.isWritable && health.diskLevel == 0 && !health.hasCorruptPayload && keysAnswer
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
    json.field("keys", keysAnswer ? "ok" : "unavailable")
    json.endObject()
    json.endObject()
    return Answer(isReady ? 200 : 503, json)
  },
]

private func answers(_ store: any KeyStore) async -> Bool {
  do {
    try await store.check()
    return true
  } catch { return false }
}
