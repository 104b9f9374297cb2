import Foundation
import RoostAPI
import RoostKeys
import RoostServer
import Testing

/// `docs/openapi.yaml` against the routes, both ways. `TestDaemon.send` compares every answer of the suite with it;
/// `OpenAPIAnswerTests` shows that what it promises can be had.
@Suite struct OpenAPITests {
  @Test("the daemon serves docs/openapi.yaml, byte for byte and without a key")
  func served() async throws {
    try await TestDaemon.run { daemon in
      let reply = try await daemon.send("GET", "/openapi.yaml")
      #expect(reply.status == 200 && reply.headers["content-type"] == "application/yaml")
      #expect(try Data(contentsOf: Contract.file) == Data(reply.body))
    }
  }

  @Test("every route stands in the contract, and every operation of the contract is a route")
  func routes() {
    let routes = RouteTable.all.routes.map { "\($0.method) \($0.path)" }
    let operations = Contract.shared.operations.map { "\($0.method) \($0.path)" }
    #expect(routes.sorted() == operations.sorted())
    #expect(Set(Contract.shared.operations.map(\.id)).count == operations.count, "each has an id of its own")
  }

  @Test("scope, query parameters and path parameters are the same in the contract and in the routes")
  func parameters() throws {
    for route in RouteTable.all.routes {
      let operation = try #require(Contract.shared.operation(route.method, route.path))
      let scopes = (operation.value["security"]?.array ?? []).compactMap { $0["key"]?.array.compactMap(\.string) }
      #expect(scopes == (route.scope.map { [[$0.rawValue]] } ?? []), "\(operation.id)")
      func names(_ place: String) -> [String] {
        operation.parameters.filter { $0["in"]?.string == place }.compactMap { $0["name"]?.string }
      }
      #expect(names("query").sorted() == route.parameters.sorted(), "\(operation.id)")
      let placeholders = route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
      #expect(names("path") == placeholders.map(String.init), "\(operation.id)")
    }
  }

  @Test("the fields of every body are the same in the contract and in the routes")
  func fields() throws {
    for route in RouteTable.all.routes {
      let operation = try #require(Contract.shared.operation(route.method, route.path))
      #expect(Set(Self.fields(operation.body)) == Set(route.fields), "\(operation.id)")
    }
  }

  @Test("every field of the contract is understood by its route")
  func understood() async throws {
    try await TestDaemon.run { daemon in
      for operation in Contract.shared.operations {
        for field in Self.fields(operation.body) {
          // An empty array is hardly ever a good value, but it says nothing against the name.
          let body = field.split(separator: ".").reversed().reduce("[]") { "{\"\($1)\":\($0)}" }
          let path = operation.path.replacingOccurrences(of: "{id}", with: UUID().uuidString)
          let reply = try await daemon.send(operation.method, path, daemon.admin, body)
          #expect(reply.code != "unknown_field", "\(operation.id) \(field)")
        }
      }
    }
  }

  @Test("every error code stands in the contract under its status, and no other does")
  func codes() throws {
    var documented: Set<String> = []
    for response in (Contract.shared.document["components"]?["responses"]?.object ?? [:]).values {
      documented.formUnion(Self.codes(response))
    }
    #expect(documented.sorted() == ErrorCode.allCases.map(\.rawValue).sorted())
    for operation in Contract.shared.operations {
      for (status, response) in operation.responses where status >= 400 {
        for code in Self.codes(response) {
          #expect(ErrorCode(rawValue: code)?.status == status, "\(operation.id): \(code)")
        }
      }
    }
  }

  @Test("the examples of the contract fit their schemas")
  func examples() {
    var count = 0
    for operation in Contract.shared.operations {
      let contents = [operation.value["requestBody"] ?? .null] + Array(operation.responses.values)
      for media in contents.flatMap({ ($0["content"]?.object ?? [:]).values }) {
        for (name, example) in media["examples"]?.object ?? [:] {
          var check = SchemaCheck(Contract.shared.document)
          check.check(example["value"] ?? .null, media["schema"] ?? .null, "\(operation.id) \(name)")
          #expect(check.problems == [])
          count += 1
        }
      }
    }
    #expect(count > 10)
  }

  /// The error codes that a response lists.
  private static func codes(_ response: JSONValue) -> [String] {
    let schema = response["content"]?["application/json"]?["schema"]
    return schema?["properties"]?["code"]?["enum"]?.array.compactMap(\.string) ?? []
  }

  /// The fields of a body, those of objects inside as `retry.max`.
  private static func fields(_ schema: JSONValue?) -> [String] {
    guard let schema else { return [] }
    let check = SchemaCheck(Contract.shared.document)
    return (check.resolve(schema)["properties"]?.object ?? [:]).flatMap { name, value in
      let choices = [value] + (value["anyOf"]?.array ?? []) + [value["items"] ?? .null]
      return [name] + choices.filter { $0["$ref"] != nil }.flatMap { fields($0).map { "\(name).\($0)" } }
    }
  }
}
