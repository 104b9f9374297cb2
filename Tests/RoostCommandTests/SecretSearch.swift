import Foundation
import SecretWatch
import Testing

/// Fails the test if a secret of any test's key stands there.
func expectNoSecret(in bytes: [UInt8], from place: String) {
  if let complaint = SecretWatch.shared.complaint(about: bytes, from: place) {
    Issue.record("\(complaint)")
  }
}

/// Fails the test if a secret stands in what a daemon said, or in the logs of its directory.
func expectNoSecret(saidBy errors: String, withLogsIn directory: URL) {
  let complaints = SecretWatch.shared.complaints(aboutLogsIn: directory)
  for complaint in complaints { Issue.record("\(complaint)") }
  expectNoSecret(in: Array(errors.utf8), from: "standard error")
}
