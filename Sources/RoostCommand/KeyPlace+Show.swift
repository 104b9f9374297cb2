import RoostKeys

extension KeyPlace {
  /// Prints a key that was just made: the only time it is shown. One that nobody can have seen is revoked again.
  func show(_ key: Secret, _ record: KeyRecord, _ service: KeyService) async throws(CommandFailure) {
    do throws(CommandFailure) {
      try CommandOutput.write(line: key.reveal())
    } catch {
      let what = "\(error.message); the key \(record.maskedKey) was made"
      do throws(KeyRejection) {
        let revoked = try await service.revoke(record.id, by: .commandLine)
        await audit().record(
          AuditEvent("key.revoke", by: .commandLine, target: revoked.id, details: revoked.auditDetails))
      } catch {
        throw CommandFailure(.outputLost, "\(what), and nobody has seen it: revoke it (\(inert(error.message)))")
      }
      throw CommandFailure(.outputLost, "\(what) and revoked at once, as nobody has seen it")
    }
  }
}
