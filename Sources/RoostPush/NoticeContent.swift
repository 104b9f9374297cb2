import RoostAPI
import RoostCore
import RoostEngine

/// What a webhook is sent: an event in the form that Standard Webhooks recommends.
package enum NoticeContent {
  /// `{"type", "timestamp", "data": {"webhook", "job_id", "queue", …}}`
  package static func json(_ notice: WebhookNotice, owner: String, webhook: String) -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.beginObject()
    json.field("type", notice.event.name)
    json.field("timestamp", milliseconds: notice.at)
    json.key("data")
    json.beginObject()
    json.field("webhook", webhook)
    json.field("owner_id", owner)
    if let job = notice.job { json.field("job_id", job.description) }
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    if !notice.queue.isEmpty { json.field("queue", text(notice.queue)) }
    if !notice.type.isEmpty { json.field("type", text(notice.type)) }
    if !notice.group.isEmpty { json.field("group", text(notice.group)) }
    if let state = notice.state { json.field("state", state.name) }
    if let outcome = notice.outcome { json.field("outcome", outcome.wireName) }
    if notice.attempt > 0 { json.field("attempt", Int(notice.attempt)) }
    if !notice.reason.isEmpty { json.field("reason", text(notice.reason)) }
    if notice.createdAt != 0 { json.field("created_at", milliseconds: notice.createdAt) }
    if notice.retryAt != 0 { json.field("retry_at", milliseconds: notice.retryAt) }
    json.endObject()
    json.endObject()
    return json.bytes
  }
}
