import RoostAPI
import RoostKeys

/// The settings of `roost serve`, by their names in the environment; `docs/configuration.md` describes each.
package enum Setting: String, CaseIterable, Sendable {
  case port = "PORT"
  case host = "HOST"
  case dataDirectory = "WAL_DIR"
  case leaseDuration = "LEASE_DURATION"
  case leaseCheckInterval = "LEASE_CHECK_INTERVAL"
  case retention = "RETENTION"
  case retentionMaxJobs = "RETENTION_MAX_JOBS"
  case idempotencyWindow = "IDEMPOTENCY_WINDOW"
  case maxPayloadBytes = "MAX_PAYLOAD_BYTES"
  case maxQueues = "MAX_QUEUES"
  case memoryLimit = "MEMORY_LIMIT"
  case segmentBytes = "SEGMENT_BYTES"
  case requireLeaseID = "REQUIRE_LEASE_ID"
  case accessLog = "ACCESS_LOG"
  case logLevel = "LOG_LEVEL"
  case logFormat = "LOG_FORMAT"
  case shutdownTimeout = "SHUTDOWN_TIMEOUT"
  case allowPlaintext = "ALLOW_PLAINTEXT"
  /// A secret, so its flag names a file.
  case redisURL = "REDIS_URL"

  /// The same name as a flag.
  package var flag: String {
    "--" + rawValue.lowercased().replacing("_", with: "-") + (self == .redisURL ? "-file" : "")
  }
}

/// Where a setting's value came from.
enum SettingSource: Sendable, CustomStringConvertible {
  case flag(String)
  case environment

  var description: String {
    switch self {
    case .flag(let name): "flag \(name)"
    case .environment: "environment"
    }
  }
}

/// Flags and environment on their way into a configuration; collects what is wrong instead of stopping at the first.
struct SettingValues {
  private let flags: [Setting: String]
  private let environment: [String: String]
  private(set) var problems: [String] = []
  private(set) var sources: [Setting: SettingSource] = [:]

  init(flags: [Setting: String], environment: [String: String]) {
    self.flags = flags
    self.environment = environment
  }

  mutating func text(_ setting: Setting, into value: inout String) {
    read(setting, "some text", into: &value) { $0 }
  }

  mutating func integer(_ setting: Setting, _ range: ClosedRange<Int>, into value: inout Int) {
    read(setting, "a whole number from \(range.lowerBound) to \(range.upperBound)", into: &value) { text in
      Int(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A number of bytes, with `KiB`, `MiB` or `GiB` behind it if wanted.
  mutating func bytes(_ setting: Setting, _ range: ClosedRange<Int>, into value: inout Int) {
    let expected = "a number of bytes from \(range.lowerBound) to \(range.upperBound), such as 1048576 or 1MiB"
    read(setting, expected, into: &value) { text in
      let units = ["KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]
      let unit = units.first { text.hasSuffix($0.key) }
      guard let number = Int(unit.map { text.dropLast($0.key.count) } ?? text[...]) else { return nil }
      let (total, isTooLarge) = number.multipliedReportingOverflow(by: unit?.value ?? 1)
      return !isTooLarge && range.contains(total) ? total : nil
    }
  }

  mutating func duration(_ setting: Setting, _ range: ClosedRange<Int64>, into value: inout Int64) {
    let (least, most) = (
      DurationText.text(milliseconds: range.lowerBound), DurationText.text(milliseconds: range.upperBound)
    )
    read(setting, "a duration from \(least) to \(most), such as 30s or 1h30m", into: &value) { text in
      DurationText.milliseconds(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  mutating func boolean(_ setting: Setting, into value: inout Bool) {
    let words = ["true": true, "1": true, "on": true, "false": false, "0": false, "off": false]
    read(setting, "true or false", into: &value) { words[$0.lowercased()] }
  }

  mutating func choice<Value: RawRepresentable<String>>(
    _ setting: Setting, _ choices: [Value], into value: inout Value
  ) {
    let expected = "one of \(choices.map(\.rawValue).joined(separator: ", "))"
    read(setting, expected, into: &value) { text in choices.first { $0.rawValue == text.lowercased() } }
  }

  /// The address of Redis, in a variable or in the file that the flag names. What is wrong with it is told without it.
  mutating func redisAddress(into value: inout RedisAddress?) {
    do throws(RedisAddress.Problem) {
      if let file = flags[.redisURL] {
        sources[.redisURL] = .flag(Setting.redisURL.flag)
        value = try RedisAddress(file: file)
      } else if let text = environment[Setting.redisURL.rawValue], !text.isEmpty {
        sources[.redisURL] = .environment
        value = try RedisAddress(Secret(text))
      }
    } catch {
      report(.redisURL, error.description)
    }
  }

  /// Settings of later releases: to ignore one would be to run otherwise than was asked.
  mutating func refuseUnsupported() {
    let instead = [
      ("TLS_CERT", "put a TLS proxy in front"), ("TLS_KEY", "put a TLS proxy in front"),
    ]
    for (name, reason) in instead where environment[name]?.isEmpty == false {
      problems.append("\(name) (environment): this release does not know it: \(reason). Unset it")
    }
  }

  /// Notes a problem with a value that was read.
  mutating func report(_ setting: Setting, _ problem: String) {
    problems.append("\(setting.rawValue) (\(sources[setting]?.description ?? "default")): \(problem)")
  }

  func shown(_ text: String) -> String { "\"\(inert(text))\"" }

  /// An empty variable counts as none, as in compose files; an empty flag is an error.
  private mutating func read<Value>(
    _ setting: Setting, _ expected: String, into value: inout Value, _ parse: (String) -> Value?
  ) {
    let text: String
    if let flag = flags[setting] {
      text = flag
      sources[setting] = .flag(setting.flag)
    } else if let variable = environment[setting.rawValue], !variable.isEmpty {
      text = variable
      sources[setting] = .environment
    } else {
      return
    }
    if !text.isEmpty, let parsed = parse(text) {
      value = parsed
    } else {
      report(setting, "\(shown(text)) is not \(expected)")
    }
  }
}
