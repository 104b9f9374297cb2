import Logging

/// How a client reaches its daemon: time, repetition, trust. The defaults suit most programs.
public struct ClientConfiguration: Sendable {
  /// How failed requests are repeated.
  public var retry = Retry()
  /// How long one attempt may take, long polls not counted.
  public var requestTimeout: Duration = .seconds(30)
  /// Which certificates are believed behind an `https` URL.
  public var trustRoots = TrustRoots.system
  /// What is shown to a daemon that asks for certificates of its clients (`TLS_CLIENT_CA`); nil has none to show.
  public var certificate: Certificate?
  /// How many connections may be open at once. A worker's long poll takes one of them.
  public var maxConnections = 128
  /// Where repetitions (debug) and a worker's troubles (warning, error) are logged. Keys and payloads never are.
  public var logger = Logger(label: "roost.client")

  /// Whether the daemon's certificate must be for the name in the URL; false only for a daemon of this machine that was
  /// found by its data directory.
  package var checksCertificateName = true

  public init() {}

  /// When a request that got no answer, or 408, 429, 502, 503, 504 or 507, is sent again.
  ///
  /// Repetition is safe: a submit carries an idempotency key, an acknowledgement its lease. What is not safe to repeat
  /// (``Client/retry(_:)``) is sent again only where the daemon certainly did not do it.
  public struct Retry: Sendable {
    /// How often a request is sent at most; 1 repeats nothing.
    public var maxAttempts = 8
    /// The pause before the second attempt; each further one is twice as long. Half of each pause is random.
    public var initialBackoff: Duration = .milliseconds(50)
    /// The longest pause, unless the daemon asks for a longer one with `Retry-After`, which a worker follows for a
    /// minute at most.
    public var maxBackoff: Duration = .seconds(5)
    /// No attempt begins later than this after the first.
    public var deadline: Duration = .seconds(60)

    public init() {}

    /// Sends everything once.
    public static var never: Retry {
      var retry = Retry()
      retry.maxAttempts = 1
      return retry
    }
  }

  /// Whom to trust as the issuer of the daemon's certificate.
  public enum TrustRoots: Sendable {
    /// What the system trusts.
    case system
    /// The certificates in a PEM file, and no others.
    case file(String)
    /// The certificates in this PEM text, and no others.
    case pem(String)
  }

  /// A client's own certificate in PEM, first in its text, with those between it and its authority behind it, and its
  /// private key, not encrypted. Files are read once, when the client is made. One file may hold both.
  public enum Certificate: Sendable {
    case files(certificate: String, key: String)
    case pem(certificate: String, key: String)
  }
}

/// Pauses that double, half of each random, so that clients do not come back all at once.
package struct Backoff {
  private let initial: Duration
  private let longest: Duration
  private var next: Duration

  package init(_ retry: ClientConfiguration.Retry) {
    initial = retry.initialBackoff
    longest = retry.maxBackoff
    next = min(initial, longest)
  }

  /// - Parameter atLeast: What the daemon asks for.
  package mutating func pause(atLeast asked: Duration? = nil) -> Duration {
    let pause = next / 2 + next / 2 * Double.random(in: 0...1)
    next = min(next * 2, longest)
    return max(pause, asked ?? .zero)
  }

  package mutating func reset() { next = min(initial, longest) }
}
