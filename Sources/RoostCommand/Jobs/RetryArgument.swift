import ArgumentParser
import RoostAPI
import RoostCore

/// Pauses between attempts: `2s..1m`, with `,factor=3` and `,jitter=equal` behind it if wanted, or HTTP's JSON object.
struct RetryArgument: ExpressibleByArgument {
  private enum Form {
    case policy(RetryPolicy)
    case json(ArraySlice<UInt8>)
  }

  private let form: Form

  init?(argument: String) {
    if let policy = RetryPolicy(setting: argument) {
      form = .policy(policy)
    } else {
      var reader = JSONReader(Array(argument.utf8))
      guard argument.first == "{", let value = try? reader.rawValue(), reader.isAtEnd() else { return nil }
      form = .json(value)
    }
  }

  /// The value of the field `retry`.
  func write(to json: inout JSONWriter) {
    switch form {
    case .json(let value): json.field("retry", raw: value)
    case .policy(let policy):
      json.key("retry")
      json.beginObject()
      json.field("initial", DurationText.text(milliseconds: Int64(policy.initialMilliseconds)))
      json.field("factor", raw: Array("\(Double(policy.factorThousandths) / 1_000)".utf8)[...])
      json.field("max", DurationText.text(milliseconds: Int64(policy.maxMilliseconds)))
      json.field("jitter", "\(policy.jitter)")
      json.endObject()
    }
  }
}

/// `name=value` on the command line.
struct MetadataArgument: ExpressibleByArgument {
  let name: String
  let value: String

  init?(argument: String) {
    guard let place = argument.firstIndex(of: "="), place > argument.startIndex else { return nil }
    name = String(argument[..<place])
    value = String(argument[argument.index(after: place)...])
  }
}
