import ArgumentParser

/// The flags of `roost serve`, taken as text: `ServeConfiguration` checks them together with the environment.
struct ServeOptions: ParsableArguments {
  @Option(help: "Port to listen on; 0 lets the system choose (PORT, 8080).") var port: String?
  @Option(help: "Address to listen on (HOST, 127.0.0.1).") var host: String?
  @Option(help: "Data directory, made if missing (WAL_DIR, ./data).") var walDir: String?
  @Option(help: "Lease of a job that names none (LEASE_DURATION, 30s).") var leaseDuration: String?
  @Option(help: "How often leases are checked (LEASE_CHECK_INTERVAL, 1s).") var leaseCheckInterval: String?
  @Option(help: "How long finished jobs are kept (RETENTION, 1d).") var retention: String?
  @Option(help: "How many finished jobs are kept (RETENTION_MAX_JOBS, 1000000).") var retentionMaxJobs: String?
  @Option(help: "How long an idempotency key outlives its job (IDEMPOTENCY_WINDOW, 1h).")
  var idempotencyWindow: String?
  @Option(help: "Largest payload (MAX_PAYLOAD_BYTES, 1MiB).") var maxPayloadBytes: String?
  @Option(help: "How many queues there may be (MAX_QUEUES, 10000).") var maxQueues: String?
  @Option(help: "Refuse submits above this much memory (MEMORY_LIMIT, none).") var memoryLimit: String?
  @Option(help: "Size of a log segment (SEGMENT_BYTES, 64MiB).") var segmentBytes: String?
  @Flag(inversion: .prefixedNo, help: "Refuse acknowledgements without a lease id (REQUIRE_LEASE_ID).")
  var requireLeaseId: Bool?
  @Flag(inversion: .prefixedNo, help: "Log every request (ACCESS_LOG).") var accessLog: Bool?
  @Option(help: "trace, debug, info, notice, warning, error or critical (LOG_LEVEL, info).") var logLevel: String?
  @Option(help: "text (LOG_FORMAT).") var logFormat: String?
  @Option(help: "Time for requests in flight to end after SIGTERM (SHUTDOWN_TIMEOUT, 30s).")
  var shutdownTimeout: String?
  @Flag(inversion: .prefixedNo, help: "Allow an address beyond loopback without TLS (ALLOW_PLAINTEXT).")
  var allowPlaintext: Bool?

  @Option(help: "File whose first line is the address of Redis, which then keeps the keys (REDIS_URL, none).")
  var redisUrlFile: String?

  /// What was given, by setting.
  var given: [Setting: String] {
    let all: [Setting: String?] = [
      .port: port, .host: host, .dataDirectory: walDir, .leaseDuration: leaseDuration,
      .leaseCheckInterval: leaseCheckInterval, .retention: retention, .retentionMaxJobs: retentionMaxJobs,
      .idempotencyWindow: idempotencyWindow, .maxPayloadBytes: maxPayloadBytes, .maxQueues: maxQueues,
      .memoryLimit: memoryLimit, .segmentBytes: segmentBytes, .requireLeaseID: requireLeaseId.map(String.init),
      .accessLog: accessLog.map(String.init), .logLevel: logLevel, .logFormat: logFormat,
      .shutdownTimeout: shutdownTimeout, .allowPlaintext: allowPlaintext.map(String.init),
      .redisURL: redisUrlFile,
    ]
    return all.compactMapValues { $0 }
  }
}
