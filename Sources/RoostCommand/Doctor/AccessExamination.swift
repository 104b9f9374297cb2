import CoreFoundation
import Foundation
import Glibc
import RoostKeys
import RoostServer

/// Looks at keys, Redis and TLS.
struct AccessExamination {
  private let configuration: ServeConfiguration

  init(_ configuration: ServeConfiguration) { self.configuration = configuration }

  func findings() async -> [Finding] {
    [keyFiles(), await store()] + (configuration.tlsCertificateFile.map { [tls($0)] } ?? [])
  }

  /// Files that hold keys, or what is needed to judge them.
  private func keyFiles() -> Finding {
    var loose: [String] = []
    for name in ["keys.json", "admin.key", "admin.key.new", "dev.keys"] {
      let path = configuration.dataDirectory + "/" + name
      var status = stat()
      guard stat(path, &status) == 0 else { continue }
      if status.st_mode & 0o077 != 0 { loose.append(path) }
    }
    guard loose.isEmpty else {
      return Finding(
        "key files", .problem, "others may read or write \(inert(loose.joined(separator: ", ")))",
        "chmod 600 \(inert(loose.joined(separator: " "))), and rotate the keys: roost keys rotate")
    }
    if !ServeConfiguration.isLoopback(configuration.host),
      FileManager.default.fileExists(atPath: configuration.dataDirectory + "/dev.keys")
    {
      return Finding(
        "key files", .warning, "keys of --dev are in use on an address beyond loopback",
        "make keys with roost keys create, and revoke the development keys")
    }
    return Finding("key files", .ok, "nobody else may read them")
  }

  private func store() async -> Finding {
    guard let address = configuration.redis else {
      let path = configuration.dataDirectory
      guard FileManager.default.fileExists(atPath: path) else {
        return Finding("key store", .ok, "in the data directory, made by the first start")
      }
      do throws(KeyStoreError) {
        let isEmpty = try await EmbeddedKeyStore(directory: path).isEmpty()
        return Finding("key store", .ok, "in the data directory\(isEmpty ? ", without keys yet" : "")")
      } catch {
        return Finding("key store", .problem, inert("\(error)"), "restore keys.json from a backup")
      }
    }
    do throws(KeyStoreError) {
      let begun = ContinuousClock.now
      let isEmpty = try await RedisKeyStore(address, listens: false).isEmpty()
      let took = begun.duration(to: .now)
      let text = "Redis at \(inert("\(address)")) answered within \(took.short)"
      return took > .milliseconds(100)
        ? Finding("key store", .warning, text, "every key that is seen first waits for it: bring it nearer")
        : Finding("key store", .ok, text + (isEmpty ? ", without keys yet" : ""))
    } catch {
      return Finding(
        "key store", .problem, inert("\(error)"), "check REDIS_URL, and that Redis runs and lets this machine in")
    }
  }

  private func tls(_ certificate: String) -> Finding {
    do throws(TLSProblem) {
      let (begin, end) = try TLSIdentity.validity(ofCertificate: certificate)
      let now = time(nil)
      let days = (end - now) / 86_400
      if end < now {
        return Finding(
          "TLS", .problem, "the certificate has expired \(-days) days ago",
          "renew it; SIGHUP makes the daemon read it again")
      }
      if begin > now { return Finding("TLS", .problem, "the certificate is not valid yet", "check it, and the clock") }
      if days < 14 {
        return Finding(
          "TLS", .warning, "the certificate expires in \(days) days", "renew it; SIGHUP makes the daemon read it again")
      }
      if let key = configuration.tlsKeyFile, Self.isReadableByOthers(key) {
        return Finding("TLS", .warning, "others may read the private key \(inert(key))", "chmod 600 \(inert(key))")
      }
      return Finding("TLS", .ok, "the certificate is good for \(days) days")
    } catch {
      return Finding("TLS", .problem, inert("\(error)"), "docs/tls.md says how to make a certificate")
    }
  }

  private static func isReadableByOthers(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o007 != 0
  }
}
