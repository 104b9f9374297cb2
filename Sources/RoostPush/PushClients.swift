import AsyncHTTPClient
import NIOCore
import NIOSSL

/// HTTP clients, one for each host and the address that was judged for it: a connection goes to that address and to no
/// other, and is used again only while the host has it.
actor PushClients {
  private struct Entry {
    let client: HTTPClient
    var users = 0
    var lastUse: ContinuousClock.Instant
  }

  private struct Key: Hashable {
    let origin: String
    let address: String
  }

  private static let mostIdle = 256
  private static let longestIdle = Duration.seconds(30)

  private let group: any EventLoopGroup
  private let authorities: [NIOSSLCertificate]
  /// Made with the first client: the system's authorities are some hundred certificates.
  private var tls: TLSConfiguration?
  private var entries: [Key: Entry] = [:]
  private var lastSweep = ContinuousClock.now

  /// - Parameter authority: `PUSH_CA`, a PEM file of authorities to trust besides the system's.
  init(group: any EventLoopGroup, authority: String?) throws {
    self.group = group
    authorities = try authority.map { try NIOSSLCertificate.fromPEMFile($0) } ?? []
  }

  /// Runs an exchange with a client whose connections for this URL go to the address.
  func with<Value: Sendable>(
    _ url: PushURL, at address: String, _ body: @Sendable (HTTPClient) async throws -> Value
  ) async throws -> Value {
    let key = Key(origin: url.origin, address: address)
    let client = open(key, url.host)
    defer { close(key) }
    return try await body(client)
  }

  private func open(_ key: Key, _ host: String) -> HTTPClient {
    let now = ContinuousClock.now
    // A sweep looks at all of them: with thousands in use it must not come with each.
    let pause = entries.count > 2 * Self.mostIdle ? Duration.milliseconds(200) : .seconds(5)
    if now - lastSweep > pause { sweep(now) }
    if entries[key] == nil { entries[key] = Entry(client: make(host, key), lastUse: now) }
    entries[key]!.users += 1
    return entries[key]!.client
  }

  private func close(_ key: Key) {
    entries[key]?.users -= 1
    entries[key]?.lastUse = .now
  }

  private func make(_ host: String, _ key: Key) -> HTTPClient {
    var configuration = HTTPClient.Configuration(
      tlsConfiguration: key.origin.hasPrefix("https:") ? trust() : nil, redirectConfiguration: .disallow, proxy: nil,
      decompression: .disabled)
    configuration.dnsOverride = [host: key.address]
    configuration.httpVersion = .http1Only
    configuration.timeout.connect = .seconds(10)
    configuration.connectionPool.idleTimeout = .seconds(20)
    configuration.connectionPool.retryConnectionEstablishment = false
    // How many run at once is the queue's to say.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 10_000
    return HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
  }

  /// Lets clients go that nobody has used for a while.
  private func sweep(_ now: ContinuousClock.Instant) {
    lastSweep = now
    let idle = entries.filter { $0.value.users == 0 }.sorted { $0.value.lastUse < $1.value.lastUse }
    let tooMany = max(0, idle.count - Self.mostIdle)
    for (place, (key, entry)) in idle.enumerated() where place < tooMany || now - entry.lastUse > Self.longestIdle {
      entries[key] = nil
      entry.client.shutdown { _ in }
    }
  }

  /// Whom deliveries trust. The certificates are read once: each client refers to the same.
  private func trust() -> TLSConfiguration {
    if let tls { return tls }
    var made = TLSConfiguration.makeClientConfiguration()
    let system = Self.systemRoots.lazy.compactMap { try? NIOSSLCertificate.fromPEMFile($0) }.first { !$0.isEmpty }
    if let system {
      made.trustRoots = .certificates(system + authorities)
    } else if !authorities.isEmpty {
      made.additionalTrustRoots = [.certificates(authorities)]
    }
    tls = made
    return made
  }

  /// Where distributions keep the authorities that they trust.
  private static let systemRoots = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]

  /// Ends every client; nobody uses one any more. Nobody waits for that either: a connection that is being opened to a
  /// host that says nothing ends with its time limit only.
  func stop() {
    for entry in entries.values { entry.client.shutdown { _ in } }
    entries = [:]
  }
}
