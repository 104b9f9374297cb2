import Logging
import RoostAPI
import RoostKeys

/// What `roost serve` runs with: flags over environment over defaults, read once and checked as a whole.
package struct ServeConfiguration: Sendable {
  package var host = "127.0.0.1"
  /// 0: the system chooses one.
  package var port = 8080
  package var dataDirectory = "./data"
  package var leaseMilliseconds: Int64 = 30_000
  package var leaseCheckMilliseconds: Int64 = 1_000
  package var retentionMilliseconds: Int64 = 86_400_000
  package var retentionMaxJobs = 1_000_000
  package var idempotencyWindowMilliseconds: Int64 = 3_600_000
  package var maxPayloadBytes = 1 << 20
  package var maxQueues = 10_000
  /// nil: no limit.
  package var memoryLimitBytes: Int?
  package var segmentBytes = 64 << 20
  package var requiresLeaseID = false
  package var logsAccess = false
  package var logLevel = Logger.Level.info
  package var logFormat = LogFormat.text
  package var shutdownMilliseconds: Int64 = 30_000
  package var allowsPlaintext = false
  /// Where keys stand; nil: in the data directory.
  package var redis: RedisAddress?
  /// Development keys, printed at every start; loopback only.
  package var isDevelopment = false

  package enum LogFormat: String, Sendable, CaseIterable {
    case text
  }

  /// Reads and checks everything.
  ///
  /// - Parameter flags: As given on the command line.
  /// - Throws: Every problem at once, each with where the value came from.
  package init(
    flags: [Setting: String] = [:], environment: [String: String] = [:], isDevelopment: Bool = false
  ) throws(ConfigurationProblems) {
    var values = SettingValues(flags: flags, environment: environment)
    self.isDevelopment = isDevelopment
    values.text(.host, into: &host)
    values.integer(.port, 0...65_535, into: &port)
    values.text(.dataDirectory, into: &dataDirectory)
    values.duration(.leaseDuration, 1_000...43_200_000, into: &leaseMilliseconds)
    values.duration(.leaseCheckInterval, 10...60_000, into: &leaseCheckMilliseconds)
    values.duration(.retention, 0...315_360_000_000, into: &retentionMilliseconds)
    values.integer(.retentionMaxJobs, 0...1_000_000_000, into: &retentionMaxJobs)
    values.duration(.idempotencyWindow, 0...315_360_000_000, into: &idempotencyWindowMilliseconds)
    values.bytes(.maxPayloadBytes, 1_024...(8 << 20), into: &maxPayloadBytes)
    values.integer(.maxQueues, 1...1_000_000, into: &maxQueues)
    var memoryLimit = 0
    values.bytes(.memoryLimit, (16 << 20)...(1 << 50), into: &memoryLimit)
    memoryLimitBytes = memoryLimit == 0 ? nil : memoryLimit
    values.bytes(.segmentBytes, (64 << 10)...(1 << 30), into: &segmentBytes)
    values.boolean(.requireLeaseID, into: &requiresLeaseID)
    values.boolean(.accessLog, into: &logsAccess)
    values.choice(.logLevel, Logger.Level.allCases, into: &logLevel)
    values.choice(.logFormat, LogFormat.allCases, into: &logFormat)
    values.duration(.shutdownTimeout, 100...600_000, into: &shutdownMilliseconds)
    values.boolean(.allowPlaintext, into: &allowsPlaintext)
    values.redisAddress(into: &redis)
    values.refuseUnsupported()
    checkAddress(&values)
    if !values.problems.isEmpty { throw ConfigurationProblems(problems: values.problems) }
    sources = values.sources
  }

  /// Where each value came from that is not the default.
  private(set) var sources: [Setting: SettingSource] = [:]

  private func checkAddress(_ values: inout SettingValues) {
    guard !Self.isLoopback(host) else { return }
    if isDevelopment {
      values.report(
        .host, "\(values.shown(host)) is not a loopback address, and --dev prints keys that anyone could use")
    } else if !allowsPlaintext {
      values.report(
        .host,
        "\(values.shown(host)) is not a loopback address, and keys would cross the network unencrypted. "
          + "Put a TLS proxy in front and set ALLOW_PLAINTEXT=true")
    }
  }

  static func isLoopback(_ host: String) -> Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// One line a setting: name, value, and where it came from.
  package var printed: String {
    let values: [(Setting, String)] = [
      (.port, "\(port)"), (.host, host), (.dataDirectory, dataDirectory),
      (.leaseDuration, DurationText.text(milliseconds: leaseMilliseconds)),
      (.leaseCheckInterval, DurationText.text(milliseconds: leaseCheckMilliseconds)),
      (.retention, DurationText.text(milliseconds: retentionMilliseconds)),
      (.retentionMaxJobs, "\(retentionMaxJobs)"),
      (.idempotencyWindow, DurationText.text(milliseconds: idempotencyWindowMilliseconds)),
      (.maxPayloadBytes, "\(maxPayloadBytes)"), (.maxQueues, "\(maxQueues)"),
      (.memoryLimit, memoryLimitBytes.map(String.init) ?? ""), (.segmentBytes, "\(segmentBytes)"),
      (.requireLeaseID, "\(requiresLeaseID)"), (.accessLog, "\(logsAccess)"), (.logLevel, logLevel.rawValue),
      (.logFormat, logFormat.rawValue), (.shutdownTimeout, DurationText.text(milliseconds: shutdownMilliseconds)),
      (.allowPlaintext, "\(allowsPlaintext)"),
      (.redisURL, redis.map { "\($0)" } ?? ""),
    ]
    return values.map { setting, value in
      "\(setting.rawValue)=\(inert(value))  # \(sources[setting]?.description ?? "default")"
    }.joined(separator: "\n")
  }
}

/// Everything that is wrong with a configuration.
package struct ConfigurationProblems: Error, CustomStringConvertible {
  package let problems: [String]

  package var description: String {
    "the configuration has \(problems.count == 1 ? "a problem" : "\(problems.count) problems"), nothing was started:\n"
      + problems.map { "  \($0)" }.joined(separator: "\n")
  }
}
