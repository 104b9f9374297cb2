import Foundation

/// Compares values with schemas of the contract: the part of JSON Schema 2020-12 that it uses.
///
/// Answers may gain fields, so the contract leaves its answers open; a test must know every one of them. So an object
/// whose schema names properties has no others here.
struct SchemaCheck {
  let document: JSONValue
  /// What did not fit, each with where.
  private(set) var problems: [String] = []
  /// The properties that were there, as `Schema.property`.
  private(set) var seen: Set<String> = []

  init(_ document: JSONValue) {
    self.document = document
  }

  mutating func check(_ value: JSONValue, _ schema: JSONValue, _ place: String, in name: String = "") {
    if let reference = schema["$ref"]?.string {
      check(value, resolve(schema), place, in: String(reference.split(separator: "/").last ?? ""))
    }
    for part in schema["allOf"]?.array ?? [] { check(value, part, place, in: name) }
    let choices = (schema["anyOf"] ?? schema["oneOf"])?.array ?? []
    if !choices.isEmpty {
      if let found = choices.lazy.compactMap({ [self] in trial(value, $0, name) }).first {
        seen.formUnion(found)
      } else {
        problems.append("\(place) fits no choice")
      }
    }
    checkValue(value, schema, place)
    if case .object(let fields) = value { checkObject(fields, schema, place, in: name) }
    if case .array(let items) = value {
      checkRange(Double(items.count), schema, "minItems", "maxItems", place)
      for (index, item) in items.enumerated() {
        if let inner = schema["items"] { check(item, inner, "\(place)[\(index)]", in: name) }
      }
    }
  }

  /// What is seen of a choice; nil if the value does not fit it.
  private func trial(_ value: JSONValue, _ schema: JSONValue, _ name: String) -> Set<String>? {
    var trial = SchemaCheck(document)
    trial.check(value, schema, "", in: name)
    return trial.problems.isEmpty ? trial.seen : nil
  }

  private mutating func checkValue(_ value: JSONValue, _ schema: JSONValue, _ place: String) {
    if let type = schema["type"] {
      let allowed = type.string.map { [$0] } ?? type.array.compactMap(\.string)
      if !allowed.contains(where: value.typeNames.contains) { problems.append("\(place) is not \(allowed)") }
    }
    if let constant = schema["const"], constant != value { problems.append("\(place) is not \(constant)") }
    if let choices = schema["enum"]?.array, !choices.contains(value) {
      problems.append("\(place) is \(value), none of \(choices)")
    }
    if let number = value.number { checkRange(number, schema, "minimum", "maximum", place) }
    guard let text = value.string else { return }
    checkRange(Double(text.count), schema, "minLength", "maxLength", place)
    if let pattern = schema["pattern"]?.string ?? Self.patterns[schema["format"]?.string ?? ""],
      text.range(of: pattern, options: .regularExpression) == nil
    {
      problems.append("\(place) is \(text), not like \(pattern)")
    }
  }

  private mutating func checkRange(
    _ number: Double, _ schema: JSONValue, _ low: String, _ high: String, _ place: String
  ) {
    if let least = schema[low]?.number, number < least { problems.append("\(place) is below \(low)") }
    if let most = schema[high]?.number, number > most { problems.append("\(place) is above \(high)") }
  }

  private mutating func checkObject(
    _ fields: [String: JSONValue], _ schema: JSONValue, _ place: String, in name: String
  ) {
    for field in schema["required"]?.array.compactMap(\.string) ?? [] where fields[field] == nil {
      problems.append("\(place).\(field) is missing")
    }
    let own = schema["properties"]?.object ?? [:]
    let known = propertyNames(schema)
    for (field, value) in fields {
      if let inner = own[field] {
        seen.insert("\(name).\(field)")
        check(value, inner, "\(place).\(field)", in: "\(name).\(field)")
      } else if let inner = schema["additionalProperties"], inner != .boolean(false) {
        check(value, inner, "\(place).\(field)", in: name)
      } else if !known.isEmpty, !known.contains(field) {
        problems.append("\(place).\(field) stands not in the contract")
      }
    }
  }

  /// The properties that a schema names, through references and parts.
  private func propertyNames(_ schema: JSONValue) -> Set<String> {
    var names = Set((schema["properties"]?.object ?? [:]).keys)
    if schema["$ref"] != nil { names.formUnion(propertyNames(resolve(schema))) }
    for part in schema["allOf"]?.array ?? [] { names.formUnion(propertyNames(part)) }
    return names
  }

  /// What a reference points at; a value without one is itself.
  func resolve(_ value: JSONValue) -> JSONValue {
    guard let reference = value["$ref"]?.string else { return value }
    let target = reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] ?? .null }
    precondition(target != .null, "\(reference) points nowhere")
    return resolve(target)
  }

  /// Answers' times are in UTC with milliseconds, but requests' examples need not be.
  private static let patterns = [
    "date-time": #"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"#,
    "uuid": #"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"#,
  ]
}
