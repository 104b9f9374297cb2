import Foundation
import Logging
import NIOCore
import RoostCore
import RoostEngine
import RoostKeys
import RoostPush
import RoostServer

/// What `roost serve` runs with: flags over environment over settings file over defaults, read once and checked as a
/// whole.
package struct ServeConfiguration: Sendable {
  private var values: [Setting: SettingValue] = [:]
  /// Where each value came from that is not the default.
  package private(set) var sources: [Setting: SettingSource] = [:]
  /// What is odd without being wrong, for the log.
  package private(set) var warnings: [String] = []
  /// Where keys stand; nil: in the data directory.
  package private(set) var redis: RedisAddress?
  /// Development keys, printed at every start; loopback only.
  package let isDevelopment: Bool

  /// Reads and checks everything.
  ///
  /// - Parameters:
  ///   - flags: As given on the command line.
  ///   - configFile: The settings file, before the one that `ROOST_CONFIG` names.
  ///   - redisURLFile: A file whose first line is the address of Redis, before `REDIS_URL`.
  ///   - unknownArguments: What the command line has beside flags that exist.
  /// - Throws: Every problem at once, each with where the value came from.
  package init(
    flags: [Setting: String] = [:], environment: [String: String] = [:], configFile: String? = nil,
    redisURLFile: String? = nil, unknownArguments: [String] = [], isDevelopment: Bool = false
  ) throws(ConfigurationProblems) {
    self.isDevelopment = isDevelopment
    let variable = environment["ROOST_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    let file = (configFile ?? variable).map(SettingsFile.init)
    var problems = StrayArguments.problems(unknownArguments)
    let variables = StrayVariables(environment)
    problems += variables.problems
    warnings = variables.warnings
    problems += file?.problems ?? []
    problems += take(SettingReader(flags: flags, environment: environment, file: file))
    problems += takeRedis(redisURLFile)
    problems += contradictions
    if !problems.isEmpty { throw ConfigurationProblems(problems: problems, logFormat: logFormat) }
  }

  /// - Returns: What is wrong with single values; their settings keep the default.
  private mutating func take(_ reader: SettingReader) -> [String] {
    var problems: [String] = []
    for setting in Setting.allCases {
      let definition = setting.definition
      if let standard = definition.standard { values[setting] = definition.kind.parse(standard) }
      guard let (text, source) = reader.read(setting) else { continue }
      sources[setting] = source
      if let value = definition.kind.parse(text) {
        values[setting] = value
      } else {
        let shown = definition.isSecret ? "its value" : "\"\(inert(text))\""
        problems.append(problem(setting, "\(shown) is not \(definition.kind.expected)"))
      }
    }
    return problems
  }

  /// - Returns: What is wrong with the address, told without it.
  private mutating func takeRedis(_ file: String?) -> [String] {
    do throws(RedisAddress.Problem) {
      if let file {
        sources[.redisURL] = .flag("--redis-url-file")
        redis = try RedisAddress(file: file)
      } else if let text = text(.redisURL) {
        redis = try RedisAddress(Secret(text))
      }
      return []
    } catch {
      return [problem(.redisURL, inert("\(error)"))]
    }
  }

  /// A problem with a setting, with where its value came from.
  func problem(_ setting: Setting, _ what: String) -> String {
    "\(setting.rawValue) (\(sources[setting]?.description ?? "default")): \(what)"
  }

  /// Settings that are good each for itself and not together.
  private var contradictions: [String] {
    var problems: [String] = []
    func require(_ isSo: Bool, _ setting: Setting, _ what: String) {
      if !isSo { problems.append(problem(setting, what)) }
    }
    func given(_ setting: Setting) -> Bool { sources[setting] != nil }
    let isServingTLS = given(.tlsCertificate) || given(.tlsKey)
    if !Self.isLoopback(host) {
      let beyond = "\"\(inert(host))\" is not a loopback address, and"
      require(!isDevelopment, .host, "\(beyond) --dev prints keys that anyone could use")
      require(
        isDevelopment || allowsPlaintext || isServingTLS, .host,
        "\(beyond) keys would cross the network unencrypted: set TLS_CERT and TLS_KEY, or put a TLS proxy in front and "
          + "set ALLOW_PLAINTEXT=true")
    }
    require(!given(.tlsCertificate) || given(.tlsKey), .tlsCertificate, "it needs TLS_KEY, which is not set")
    require(!given(.tlsKey) || given(.tlsCertificate), .tlsKey, "it needs TLS_CERT, which is not set")
    require(!given(.tlsClientCA) || isServingTLS, .tlsClientCA, "it needs TLS_CERT and TLS_KEY, which are not set")
    require(!given(.metricsHost) || given(.metricsPort), .metricsHost, "it needs METRICS_PORT, which is not set")
    require(
      metricsPort != port || port == 0 || metricsHost != host, .metricsPort,
      "it is PORT, too: choose another, or leave it out to have /metrics on PORT")
    require(
      grpcPort == nil || grpcPort == 0 || grpcPort != port && (grpcPort != metricsPort || metricsHost != host),
      .grpcPort,
      "it is PORT or METRICS_PORT, too: choose another")
    let hasKeySet = given(.jwtKeySetFile) || given(.jwtKeySetURL)
    require(
      !given(.jwtKeySetURL) || !given(.jwtKeySetFile), .jwtKeySetURL, "JWT_JWKS_FILE is set, too: give one of them")
    require(
      jwtKeySetURL.map(KeySetURL.isAcceptable) ?? true, .jwtKeySetURL,
      "it is no https URL: keys that anybody on the way could replace protect nothing")
    for setting in [Setting.jwtIssuer, .jwtAudience] {
      require(!hasKeySet || given(setting), setting, "a key set needs it, and it is not set")
      require(!given(setting) || hasKeySet, setting, "it needs JWT_JWKS_FILE or JWT_JWKS_URL, which are not set")
    }
    require(
      leaseCheckMilliseconds <= leaseMilliseconds, .leaseCheckInterval,
      "leases would be checked more seldom than they last: it must be at most LEASE_DURATION, "
        + shown(.leaseDuration))
    require(
      pushAllowed != nil, .pushAllow, "it is no list of addresses and ranges, such as 10.1.0.0/16,fd00::/8")
    require(pushPorts != nil, .pushPorts, "it is no list of ports and ranges, such as 80,443,1024-65535")
    require(
      defaultRetry != nil, .defaultRetry,
      "it is no retry policy, such as 5s..10m or 5s..10m,factor=3,jitter=equal: pauses up to 1d..7d, a factor from 1 to "
        + "100, and a jitter of none, full, equal, decorrelated, or up to 1d")
    require(
      !logsAccess || logLevel <= .info, .accessLog,
      "its lines are of level info, and LOG_LEVEL is \(logLevel.rawValue): they would not be written")
    return problems
  }

  static func isLoopback(_ host: String) -> Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}

/// The values, by what the daemon does with them.
extension ServeConfiguration {
  package var host: String { text(.host) ?? "" }
  /// 0: the system chooses one.
  package var port: Int { number(.port) ?? 0 }
  package var allowsPlaintext: Bool { isSo(.allowPlaintext) }
  package var tlsCertificateFile: String? { text(.tlsCertificate) }
  package var tlsKeyFile: String? { text(.tlsKey) }
  package var tlsClientCAFile: String? { text(.tlsClientCA) }
  package var dataDirectory: String { text(.dataDirectory) ?? "" }
  package var adminKeyFile: String? { text(.adminKeyFile) }
  package var jwtKeySetFile: String? { text(.jwtKeySetFile) }
  package var jwtKeySetURL: String? { text(.jwtKeySetURL) }
  package var jwtIssuer: String? { text(.jwtIssuer) }
  package var jwtAudience: String? { text(.jwtAudience) }
  package var authFailuresPerMinute: Int { number(.authFailuresPerMinute) ?? 0 }
  package var leaseMilliseconds: Int64 { milliseconds(.leaseDuration) }
  package var leaseCheckMilliseconds: Int64 { milliseconds(.leaseCheckInterval) }
  package var requiresLeaseID: Bool { isSo(.requireLeaseID) }
  package var retentionMilliseconds: Int64 { milliseconds(.retention) }
  package var defaultMaxRetries: UInt16 { UInt16(clamping: number(.defaultMaxRetries) ?? 3) }
  /// Nil where the text is no retry policy.
  package var defaultRetry: RetryPolicy? {
    guard let text = text(.defaultRetry) else { return .standard }
    return RetryPolicy(setting: text)
  }
  package var defaultTimeoutMilliseconds: Int64 { milliseconds(.defaultTimeout) }
  package var retentionMaxJobs: Int { number(.retentionMaxJobs) ?? 0 }
  /// nil: DEAD jobs stay.
  package var deadRetentionMilliseconds: Int64? { number(.deadRetention).map(Int64.init) }
  package var idempotencyWindowMilliseconds: Int64 { milliseconds(.idempotencyWindow) }
  package var maxPayloadBytes: Int { number(.maxPayloadBytes) ?? 0 }
  package var maxQueues: Int { number(.maxQueues) ?? 0 }
  package var maxSchedules: Int { number(.maxSchedules) ?? 0 }
  package var maxBatches: Int { number(.maxBatches) ?? 0 }
  package var queueIdleMilliseconds: Int64 { milliseconds(.queueIdle) }
  package var maxWaiters: Int { number(.maxWaiters) ?? 0 }
  package var maxConnections: Int { number(.maxConnections) ?? 0 }
  /// Event loops for connections.
  package var loops: Int { number(.loops) ?? max(1, System.coreCount - 1) }
  package var idleTimeout: Duration { .milliseconds(milliseconds(.idleTimeout)) }
  package var bodyTimeout: Duration { .milliseconds(milliseconds(.bodyTimeout)) }
  package var eventsRetention: EventsRetention {
    EventsRetention(
      nanoseconds: milliseconds(.eventsRetention) * 1_000_000, bytes: number(.eventsRetentionBytes) ?? 0)
  }
  package var eventsListeners: Int { number(.eventsListeners) ?? 0 }
  /// nil: no limit.
  package var memoryLimitBytes: Int? { number(.memoryLimit) }
  package var segmentBytes: Int { number(.segmentBytes) ?? 0 }
  /// Nil where the text is no list of ranges.
  package var pushAllowed: [AddressRange]? {
    let texts = (text(.pushAllow) ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    let ranges = texts.compactMap { AddressRange($0) }
    return ranges.count == texts.count ? ranges : nil
  }
  /// Nil where the text is no list of ports.
  package var pushPorts: [ClosedRange<Int>]? { (text(.pushPorts)).flatMap { portRanges($0) } }
  package var pushAuthorityFile: String? { text(.pushCA) }
  package var pushConcurrency: Int64 { Int64(number(.pushConcurrency) ?? 0) }
  package var pushTimeoutMilliseconds: Int64 { milliseconds(.pushTimeout) }
  /// nil: metrics are served on the main listener.
  package var metricsPort: Int? { number(.metricsPort) }
  package var metricsHost: String { text(.metricsHost) ?? "" }
  package var metricsQueues: Int { number(.metricsQueues) ?? 0 }
  /// nil: no gRPC.
  package var grpcPort: Int? { number(.grpcPort) }
  package var dashboard: DashboardMode { text(.dashboard).flatMap { DashboardMode(rawValue: $0) } ?? .on }
  package var logsAccess: Bool { isSo(.accessLog) }
  package var logLevel: Logger.Level { text(.logLevel).flatMap { Logger.Level(rawValue: $0) } ?? .info }
  package var logFormat: LogFormat { text(.logFormat).flatMap { LogFormat(rawValue: $0) } ?? .text }
  package var shutdownMilliseconds: Int64 { milliseconds(.shutdownTimeout) }

  private func text(_ setting: Setting) -> String? {
    if case .text(let text) = values[setting] { text } else { nil }
  }

  private func number(_ setting: Setting) -> Int? {
    if case .number(let number) = values[setting] { number } else { nil }
  }

  private func milliseconds(_ setting: Setting) -> Int64 { Int64(number(setting) ?? 0) }

  private func isSo(_ setting: Setting) -> Bool { values[setting] == .truth(true) }
}

/// The values as a person reads them.
extension ServeConfiguration {
  /// One line a setting: name, value, and where it came from. Secrets are not in it.
  package var printed: String {
    Setting.allCases.map { setting in
      "\(setting.rawValue)=\(shown(setting))  # \(sources[setting]?.description ?? "default")"
    }.joined(separator: "\n")
  }

  /// The settings that are not the default, for the log.
  package var given: [(name: String, value: String)] {
    Setting.allCases.filter { sources[$0] != nil }.map { ($0.rawValue, shown($0)) }
  }

  private func shown(_ setting: Setting) -> String {
    guard let value = values[setting] else { return "" }
    return setting.definition.isSecret ? "(redacted)" : inert(setting.definition.kind.text(value))
  }
}

/// Everything that is wrong with a configuration.
package struct ConfigurationProblems: Error, CustomStringConvertible {
  package let problems: [String]
  /// How they are to be logged, as far as that could be read.
  package let logFormat: LogFormat

  /// The first line of `description`.
  var summary: String {
    "the configuration has \(problems.count == 1 ? "a problem" : "\(problems.count) problems"), nothing was started"
  }

  package var description: String {
    "\(summary):\n" + problems.map { "  \($0)" }.joined(separator: "\n")
  }
}

/// `80,443,1024-65535`; nil where a text is no such list.
private func portRanges(_ text: String) -> [ClosedRange<Int>]? {
  let parts = text.split(separator: ",", omittingEmptySubsequences: false)
  let ranges = parts.compactMap { part -> ClosedRange<Int>? in
    let ends = part.split(separator: "-", omittingEmptySubsequences: false).map {
      Int($0.trimmingCharacters(in: .whitespaces)).flatMap { (1...65_535).contains($0) ? $0 : nil }
    }
    guard let first = ends[0], ends.count == 1 || ends.count == 2, let last = ends[ends.count - 1], first <= last else {
      return nil
    }
    return first...last
  }
  return ranges.count == parts.count ? ranges : nil
}
