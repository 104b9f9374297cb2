import ArgumentParser

/// The flags of `roost serve`, taken as text: `ServeConfiguration` checks them together with everything else.
struct ServeOptions: ParsableArguments {
  @Option(.port) var port: String?
  @Option(.host) var host: String?
  @Flag(.allowPlaintext) var allowPlaintext: Bool?
  @Option(.tlsCertificate) var tlsCertificate: String?
  @Option(.tlsKey) var tlsKey: String?
  @Option(.tlsClientCA) var tlsClientCA: String?
  @Option(.dataDirectory) var dataDirectory: String?
  /// What the flag was called before in other commands; taken here, too.
  @Option(name: .customLong("data"), help: .private) var formerDataDirectory: String?
  @Option(.adminKeyFile) var adminKeyFile: String?
  @Option(.jwtKeySetFile) var jwtKeySetFile: String?
  @Option(.jwtKeySetURL) var jwtKeySetURL: String?
  @Option(.jwtIssuer) var jwtIssuer: String?
  @Option(.jwtAudience) var jwtAudience: String?
  @Option(.authFailuresPerMinute) var authFailuresPerMinute: String?
  @Option(.leaseDuration) var leaseDuration: String?
  @Option(.leaseCheckInterval) var leaseCheckInterval: String?
  @Flag(.requireLeaseID) var requireLeaseID: Bool?
  @Option(.retention) var retention: String?
  @Option(.retentionMaxJobs) var retentionMaxJobs: String?
  @Option(.deadRetention) var deadRetention: String?
  @Option(.defaultMaxRetries) var defaultMaxRetries: String?
  @Option(.defaultRetry) var defaultRetry: String?
  @Option(.defaultTimeout) var defaultTimeout: String?
  @Option(.idempotencyWindow) var idempotencyWindow: String?
  @Option(.maxPayloadBytes) var maxPayloadBytes: String?
  @Option(.maxQueues) var maxQueues: String?
  @Option(.queueIdle) var queueIdle: String?
  @Option(.maxSchedules) var maxSchedules: String?
  @Option(.maxBatches) var maxBatches: String?
  @Option(.maxWaiters) var maxWaiters: String?
  @Option(.maxConnections) var maxConnections: String?
  @Option(.loops) var loops: String?
  @Option(.idleTimeout) var idleTimeout: String?
  @Option(.bodyTimeout) var bodyTimeout: String?
  @Option(.eventsRetention) var eventsRetention: String?
  @Option(.eventsRetentionBytes) var eventsRetentionBytes: String?
  @Option(.eventsListeners) var eventsListeners: String?
  @Option(.memoryLimit) var memoryLimit: String?
  @Option(.segmentBytes) var segmentBytes: String?
  @Option(.metricsPort) var metricsPort: String?
  @Option(.metricsHost) var metricsHost: String?
  @Option(.metricsQueues) var metricsQueues: String?
  @Option(.grpcPort) var grpcPort: String?
  @Option(.pushAllow) var pushAllow: String?
  @Option(.pushPorts) var pushPorts: String?
  @Option(.pushCA) var pushCA: String?
  @Option(.pushConcurrency) var pushConcurrency: String?
  @Option(.pushTimeout) var pushTimeout: String?
  @Option(.dashboard) var dashboard: String?
  @Flag(.accessLog) var accessLog: Bool?
  @Option(.logLevel) var logLevel: String?
  @Option(.logFormat) var logFormat: String?
  @Option(.shutdownTimeout) var shutdownTimeout: String?

  /// What was given, by setting.
  var given: [Setting: String] {
    let all: [Setting: String?] = [
      .port: port, .host: host, .allowPlaintext: allowPlaintext.map(String.init), .tlsCertificate: tlsCertificate,
      .tlsKey: tlsKey, .tlsClientCA: tlsClientCA,
      .dataDirectory: dataDirectory ?? formerDataDirectory,
      .jwtKeySetFile: jwtKeySetFile, .jwtKeySetURL: jwtKeySetURL, .jwtIssuer: jwtIssuer, .jwtAudience: jwtAudience,
      .adminKeyFile: adminKeyFile, .authFailuresPerMinute: authFailuresPerMinute, .leaseDuration: leaseDuration,
      .leaseCheckInterval: leaseCheckInterval, .requireLeaseID: requireLeaseID.map(String.init),
      .defaultMaxRetries: defaultMaxRetries, .retention: retention, .retentionMaxJobs: retentionMaxJobs,
      .defaultRetry: defaultRetry, .defaultTimeout: defaultTimeout, .deadRetention: deadRetention,
      .idempotencyWindow: idempotencyWindow,
      .maxPayloadBytes: maxPayloadBytes, .maxQueues: maxQueues, .queueIdle: queueIdle,
      .maxSchedules: maxSchedules, .maxBatches: maxBatches, .maxWaiters: maxWaiters,
      .maxConnections: maxConnections, .loops: loops, .idleTimeout: idleTimeout, .bodyTimeout: bodyTimeout,
      .eventsRetention: eventsRetention, .eventsRetentionBytes: eventsRetentionBytes,
      .eventsListeners: eventsListeners,
      .memoryLimit: memoryLimit, .segmentBytes: segmentBytes, .metricsPort: metricsPort, .metricsHost: metricsHost,
      .metricsQueues: metricsQueues, .grpcPort: grpcPort, .dashboard: dashboard,
      .pushAllow: pushAllow, .pushPorts: pushPorts, .pushCA: pushCA, .pushConcurrency: pushConcurrency,
      .pushTimeout: pushTimeout,
      .accessLog: accessLog.map(String.init), .logLevel: logLevel, .logFormat: logFormat,
      .shutdownTimeout: shutdownTimeout,
    ]
    return all.compactMapValues { $0 }
  }
}

extension Option where Value == String? {
  /// The flag of a setting, with the help of its row in the table.
  fileprivate init(_ setting: Setting) {
    self.init(name: .customLong(setting.flagName), help: setting.help)
  }
}

extension Flag where Value == Bool? {
  /// The flags that turn a setting on and off.
  fileprivate init(_ setting: Setting) {
    self.init(name: .customLong(setting.flagName), inversion: .prefixedNo, exclusivity: .exclusive, help: setting.help)
  }
}

extension Setting {
  fileprivate var help: ArgumentHelp {
    let plain = plainText(ofMarkdown: definition.summary)
    let standard = definition.standard.map { ", \($0)" } ?? ""
    return ArgumentHelp("\(plain) (\(rawValue)\(standard))", valueName: valueName)
  }

  private var valueName: String {
    switch definition.kind {
    case .integer: "number"
    case .bytes: "bytes"
    case .duration: "duration"
    case .boolean: "bool"
    case .choice: "name"
    case .text(let what): what.split(separator: " ").last.map(String.init) ?? what
    case .address: "address"
    }
  }
}

/// Markdown as a terminal shows it: no marks for code, and of a link the document it leads to.
func plainText(ofMarkdown text: String) -> String {
  text.replacing("`", with: "").replacing(/\[([^\]]*)\]\(([^)]*)\)/) { link in
    link.1.hasSuffix(".md") ? "docs/\(link.1)" : String(link.1)
  }
}
