import ArgumentParser
import RoostKeys

extension KeysCommand {
  /// `roost keys rotate`: a second key with the rights of the first, so that holders can change over without a gap.
  struct Rotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key with the rights of another and print it on stdout; both work until you revoke the old one.",
      discussion: """
        Owner, type, name and queues are the same. If the old key expires, the new one lives as long, counted from now.
        Give the new key to every holder, then revoke the old one.
        """)

    @OptionGroup var place: KeyPlace
    @Argument(help: "The old key's id.") var id: String

    func run() async throws {
      try CommandOutput.check()
      let service = try place.service()
      let (old, new) = try await answer { () throws(KeyRejection) in try await service.replace(id, by: .commandLine) }
      await place.audit().record(
        AuditEvent(
          "key.rotate", by: .commandLine, target: new.record.id,
          details: new.record.auditDetails.merging(["replaces": old.id]) { own, _ in own }))
      try await place.show(new.key, new.record, service)
      StandardStream.error.write(
        line: "\(old.maskedKey) still works. When every holder has the new key: roost keys revoke \(old.id)")
    }
  }
}
