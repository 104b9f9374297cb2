/// Where traces go and which: the environment variables of OpenTelemetry's specification, read once.
package struct TelemetryConfiguration: Sendable, Equatable {
  /// Of the collector, with the path: `http://127.0.0.1:4318/v1/traces`.
  package var endpoint: String
  package var headers: [Header] = []
  /// PEM files: whom to trust instead of the system's authorities, and what to show with which key.
  package var certificateFile: String?
  package var clientCertificateFile: String?
  package var clientKeyFile: String?
  /// What one export may take, milliseconds.
  package var timeoutMilliseconds: Int64 = 10_000
  package var sampler = Sampler.parentBased(root: .always(true))
  /// `service.name` and what else describes this process.
  package var resource: [Header] = []
  /// Spans that wait, at most; those beyond are dropped.
  package var mostQueued = 2_048
  package var mostInExport = 512
  package var delayMilliseconds: Int64 = 5_000

  package struct Header: Sendable, Equatable {
    package var name: String
    package var value: String
  }

  /// Variables that say something that cannot be, each with why.
  package struct Problems: Error, Equatable {
    package var texts: [String]
  }

  package init(endpoint: String) { self.endpoint = endpoint }

  /// - Parameters:
  ///   - environment: The process's.
  ///   - version: Of the daemon.
  /// - Returns: Nil: traces are not wanted (no endpoint, `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER=none`).
  package static func read(
    _ environment: [String: String], version: String
  ) throws(Problems) -> TelemetryConfiguration? {
    // An empty value is none, by the specification.
    let given = environment.filter { $0.key.hasPrefix("OTEL_") && !$0.value.isEmpty }
    guard given["OTEL_SDK_DISABLED"]?.lowercased() != "true" else { return nil }
    let exporter = given["OTEL_TRACES_EXPORTER"] ?? "otlp"
    guard exporter != "none" else { return nil }
    let base = given["OTEL_EXPORTER_OTLP_ENDPOINT"].map { ($0.hasSuffix("/") ? $0 : $0 + "/") + "v1/traces" }
    let own = given["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    guard let endpoint = own ?? base else { return nil }
    var reader = Reader(given: given)
    var configuration = TelemetryConfiguration(endpoint: endpoint)
    if exporter != "otlp" { reader.problem("OTEL_TRACES_EXPORTER", "must be otlp or none") }
    if let problem = Self.problem(ofEndpoint: endpoint) {
      reader.problem("OTEL_EXPORTER_OTLP_\(own == nil ? "" : "TRACES_")ENDPOINT", problem)
    }
    if reader.exporter("PROTOCOL").map({ $0.value != "http/protobuf" }) ?? false {
      reader.problem("OTEL_EXPORTER_OTLP_PROTOCOL", "must be http/protobuf: nothing else is spoken")
    }
    configuration.headers = reader.pairs(reader.exporter("HEADERS"), areHeaders: true)
    configuration.certificateFile = reader.exporter("CERTIFICATE")?.value
    configuration.clientCertificateFile = reader.exporter("CLIENT_CERTIFICATE")?.value
    configuration.clientKeyFile = reader.exporter("CLIENT_KEY")?.value
    if (configuration.clientCertificateFile == nil) != (configuration.clientKeyFile == nil) {
      reader.problem("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "goes with OTEL_EXPORTER_OTLP_CLIENT_KEY: give both")
    }
    configuration.timeoutMilliseconds = Int64(
      reader.number(reader.exporter("TIMEOUT"), 1...600_000) ?? 10_000)
    configuration.delayMilliseconds = Int64(reader.number("OTEL_BSP_SCHEDULE_DELAY", 1...600_000) ?? 5_000)
    configuration.mostQueued = reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 1...1_000_000) ?? 2_048
    configuration.mostInExport = min(
      reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1...100_000) ?? 512, configuration.mostQueued)
    if let name = given["OTEL_TRACES_SAMPLER"] {
      if let sampler = Sampler(name: name, argument: given["OTEL_TRACES_SAMPLER_ARG"]) {
        configuration.sampler = sampler
      } else {
        reader.problem(
          "OTEL_TRACES_SAMPLER", "is no sampler, or OTEL_TRACES_SAMPLER_ARG none of its arguments (0 to 1)")
      }
    }
    configuration.resource = Self.resource(&reader, version)
    guard reader.problems.isEmpty else { throw Problems(texts: reader.problems) }
    return configuration
  }

  /// What is wrong with a URL; it may hold secrets, and is not repeated.
  private static func problem(ofEndpoint url: String) -> String? {
    let scheme = ["http://", "https://"].first { url.lowercased().hasPrefix($0) }
    guard let scheme else { return "must begin with http:// or https://" }
    guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return "must be visible ASCII" }
    let authority = url.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
    if authority.isEmpty || authority.hasPrefix(":") { return "names no host" }
    return authority.contains("@")
      ? "must hold no user and password: OTEL_EXPORTER_OTLP_HEADERS may, as authorization=Basic%20…" : nil
  }

  private static func resource(_ reader: inout Reader, _ version: String) -> [Header] {
    var found = reader.pairs(reader.given["OTEL_RESOURCE_ATTRIBUTES"].map { ("OTEL_RESOURCE_ATTRIBUTES", $0) })
    if let name = reader.given["OTEL_SERVICE_NAME"] {
      found.removeAll { $0.name == "service.name" }
      found.append(Header(name: "service.name", value: name))
    }
    func add(_ name: String, _ value: String) {
      if !found.contains(where: { $0.name == name }) { found.append(Header(name: name, value: value)) }
    }
    add("service.name", "roost")
    add("service.version", version)
    add("telemetry.sdk.name", "roost")
    add("telemetry.sdk.language", "swift")
    add("telemetry.sdk.version", version)
    return found
  }

  private struct Reader {
    let given: [String: String]
    var problems: [String] = []

    mutating func problem(_ name: String, _ what: String) { problems.append("\(name) \(what)") }

    /// What is said of traces goes before what is said of everything.
    func exporter(_ name: String) -> (name: String, value: String)? {
      for full in ["OTEL_EXPORTER_OTLP_TRACES_\(name)", "OTEL_EXPORTER_OTLP_\(name)"] {
        if let value = given[full] { return (full, value) }
      }
      return nil
    }

    mutating func number(_ name: String, _ range: ClosedRange<Int>) -> Int? {
      number(given[name].map { (name, $0) }, range)
    }

    mutating func number(_ variable: (name: String, value: String)?, _ range: ClosedRange<Int>) -> Int? {
      guard let variable else { return nil }
      if let number = Int(variable.value), range.contains(number) { return number }
      problem(variable.name, "must be a number, \(range.lowerBound) to \(range.upperBound)")
      return nil
    }

    /// `name=value,name=value`, percent-encoded. Values may be secret: they are not repeated.
    mutating func pairs(_ variable: (name: String, value: String)?, areHeaders: Bool = false) -> [Header] {
      guard let variable else { return [] }
      var found: [Header] = []
      for pair in variable.value.split(separator: ",") {
        let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
          String($0).trimmed.decoded
        }
        guard halves.count == 2, let name = halves[0], let value = halves[1], !name.isEmpty,
          (name + value).utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), !areHeaders || name.isToken
        else {
          problem(variable.name, "must be a list such as name=value,name=value, percent-encoded")
          return []
        }
        found.append(Header(name: name, value: value))
      }
      return found
    }
  }
}

extension String {
  fileprivate var trimmed: String {
    var rest = self[...]
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  /// Whether it can be the name of a header (RFC 9110 5.6.2).
  fileprivate var isToken: Bool {
    utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
      }
    }
  }

  /// Nil where it is not percent-encoded.
  fileprivate var decoded: String? {
    var bytes: [UInt8] = []
    var rest = Array(utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, rest.first != UInt8(ascii: "+"),
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
