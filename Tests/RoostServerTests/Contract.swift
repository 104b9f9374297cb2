import Foundation
import RoostAPI
import Yams

/// `docs/openapi.yaml`, read once: what is compared with the routes, and with every answer of this suite.
struct Contract: Sendable {
  static let shared = Contract()

  let document: JSONValue
  let operations: [Operation]

  /// One method of one path.
  struct Operation: Sendable {
    let method: String
    let path: String
    let value: JSONValue
    /// References resolved, by status.
    let responses: [Int: JSONValue]
    /// References resolved, the path's own too.
    let parameters: [JSONValue]

    var id: String { value["operationId"]?.string ?? "" }

    /// The schema of its body, with a reference where it has one.
    var body: JSONValue? { value["requestBody"]?["content"]?["application/json"]?["schema"] }
  }

  /// An answer compared with the contract.
  struct Finding: Sendable {
    var operation: String?
    var problems: [String] = []
    var seen: Set<String> = []
  }

  private init() {
    do {
      document = JSONValue(yaml: try Yams.load(yaml: String(contentsOf: Self.file, encoding: .utf8)))
    } catch { fatalError("docs/openapi.yaml cannot be read: \(error)") }
    let check = SchemaCheck(document)
    operations = (document["paths"]?.object ?? [:]).flatMap { path, item in
      item.object.compactMap { method, value in
        guard method != "parameters" else { return nil }
        let responses = (value["responses"]?.object ?? [:]).map { (Int($0) ?? 0, check.resolve($1)) }
        let parameters = (item["parameters"]?.array ?? []) + (value["parameters"]?.array ?? [])
        return Operation(
          method: method.uppercased(), path: path, value: value,
          responses: Dictionary(uniqueKeysWithValues: responses), parameters: parameters.map(check.resolve))
      }
    }
  }

  static let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("docs/openapi.yaml")

  /// The operation of a request; nil where the contract knows none.
  func operation(_ method: String, _ target: String) -> Operation? {
    var path = target.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    if path.first == "v1" { path = path.dropFirst() }
    let fitting = operations.filter { operation in
      let pattern = operation.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
      return pattern.count == path.count && zip(pattern, path).allSatisfy { $0.first == "{" ? !$1.isEmpty : $0 == $1 }
    }
    // A path that has a name of its own is no other's parameter.
    let named = fitting.filter { !$0.path.contains("{") }
    return (named.isEmpty ? fitting : named).first { $0.method == (method == "HEAD" ? "GET" : method) }
  }

  /// Compares an answer with what the contract says of its request.
  func examine(_ method: String, _ target: String, _ reply: Reply) -> Finding {
    let place = "\(method) \(target.prefix(80)): \(reply.status)"
    guard let operation = operation(method, target) else {
      let code = ErrorCode(rawValue: reply.code ?? "")
      return Finding(problems: code?.status == reply.status ? [] : ["\(place) has code \(reply.code ?? "none")"])
    }
    var finding = Finding(operation: operation.id)
    guard let response = operation.responses[reply.status] else {
      finding.problems.append("\(place) \(reply.code ?? "") stands not in the contract")
      return finding
    }
    let check = SchemaCheck(document)
    for (name, header) in response["headers"]?.object ?? [:]
    where check.resolve(header)["required"] == .boolean(true) && reply.headers[name.lowercased()] == nil {
      finding.problems.append("\(place) lacks the header \(name)")
    }
    if method != "HEAD", reply.status != 304 { examineBody(response, reply, place, &finding) }
    return finding
  }

  private func examineBody(_ response: JSONValue, _ reply: Reply, _ place: String, _ finding: inout Finding) {
    let type = String(reply.headers["content-type"]?.prefix { $0 != ";" } ?? "")
    guard let schema = response["content"]?[type]?["schema"] else {
      return finding.problems.append("\(place) is \(type), which stands not in the contract")
    }
    do {
      var check = SchemaCheck(document)
      check.check(type.hasSuffix("json") ? try JSONValue(json: reply.body) : .string(reply.text), schema, place)
      finding.problems += check.problems
      finding.seen = check.seen
    } catch { finding.problems.append("\(place) is no JSON: \(error)") }
  }
}
