import RoostAPI
import RoostCore
import RoostPush

private enum PushField: String, CaseIterable { case url, concurrency, timeout, body }

private let pushTable = FieldTable(PushField.self)

let pushFields = pushTable.allNames.map { "push.\($0)" }
let pushSettings: [QueueSetting] = [.push, .pushConcurrency, .pushTimeout, .pushBody]

extension JSONReader {
  /// A URL that jobs may be delivered to, as `PushTarget` has it.
  mutating func pushTarget(_ name: String) throws(Rejection) -> [UInt8] {
    let text = try string(name)
    do throws(PushURL.Problem) {
      let url = try PushURL(text)
      return PushTarget.encode(origin: url.origin, rest: url.rest)
    } catch {
      throw outOfRange(name, error.reason)
    }
  }
}

/// What a queue says of deliveries, as a whole: what is not named returns to the daemon's default.
///
/// - Returns: Where its jobs are to be delivered; empty where that is not said.
func readPush(_ json: inout JSONReader, _ change: inout QueueSettingsChange) throws(Rejection) -> [UInt8] {
  var target: [UInt8] = []
  for setting in pushSettings { change.set(setting, nil) }
  try json.object("push", pushTable) { (field, json) throws(Rejection) in
    if try json.takeNull() { return }
    switch field {
    case .url:
      target = try json.pushTarget(field.rawValue)
      change.set(.push, 1)
    case .concurrency:
      change.set(.pushConcurrency, try json.integer(field.rawValue, QueueSetting.pushConcurrency.range))
    case .timeout: change.set(.pushTimeout, try json.duration(field.rawValue, QueueSetting.pushTimeout.range))
    case .body:
      let text = try json.string(field.rawValue)
      guard let body = PushBody.allCases.first(where: { $0.name == text }) else {
        throw json.outOfRange(field.rawValue, "job or payload")
      }
      change.set(.pushBody, body.rawValue)
    }
  }
  return target
}

extension JSONWriter {
  /// What a queue says of deliveries; nothing where it says nothing.
  mutating func push(_ settings: QueueSettings, url: String?) {
    guard pushSettings.contains(where: { settings[$0] != nil }) else { return }
    key("push")
    beginObject()
    if let url { field("url", url) }
    if let value = settings[.pushConcurrency] { field("concurrency", value) }
    if let value = settings[.pushTimeout] { field("timeout", DurationText.text(milliseconds: value)) }
    if let value = settings[.pushBody].flatMap({ PushBody(rawValue: $0) }) { field("body", value.name) }
    endObject()
  }
}
