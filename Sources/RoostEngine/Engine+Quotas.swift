import RoostCore
import Synchronization

/// What an owner may have and ask, and what it has.
package struct OwnerView: Sendable {
  package var quota: OwnerQuota
  package var waitingJobs: Int
  package var waitingBytes: Int64
}

extension Engine {
  /// - Throws: What every read may meet.
  package func owner(_ name: String) async throws(Refusal) -> OwnerView {
    var asked = AskedBytes()
    let owner = asked.add(name)
    return try await ownerView(asked.bytes) { .readQuota(Command.ReadQuota(owner: owner.from($0))) }
  }

  /// Says what an owner may have and ask; an empty quota takes it back.
  ///
  /// - Parameter name: 1…255 bytes; it need not be an owner of anything yet.
  /// - Throws: `tooManyQuotas`, `diskLow`, and what every write may meet.
  package func set(_ quota: OwnerQuota, ofOwner name: String) async throws(Refusal) -> OwnerView {
    var asked = AskedBytes()
    let owner = asked.add(name)
    return try await ownerView(asked.bytes) {
      .setQuota(Command.SetQuota(owner: owner.from($0), quota: quota))
    }
  }

  private func ownerView(_ bytes: [UInt8], _ command: (Int) -> Command) async throws(Refusal) -> OwnerView {
    let delivery = try await ask(bytes, command)
    guard case .owner(let image) = delivery.answer else { preconditionFailure("an owner is answered as such") }
    return OwnerView(quota: image.quota, waitingJobs: Int(image.waiting), waitingBytes: image.waitingBytes)
  }

  /// A copy of all quotas, which the writer leaves whenever one has changed.
  package var quotas: QuotaBoard { writer.quotas }
}

/// The quotas of all owners, for whoever counts requests: reading it asks the writer nothing.
package final class QuotaBoard: Sendable {
  /// By the bytes of the owners' names: two names may be equal to Unicode.
  private let quotas = Mutex<[[UInt8]: OwnerQuota]>([:])
  private let countsRequests = Atomic<Bool>(false)
  private let version = Atomic<UInt64>(0)

  /// Whether any quota bounds requests; false where nobody has one.
  package var isNeeded: Bool { countsRequests.load(ordering: .relaxed) }

  package func quota(of owner: String) -> OwnerQuota? {
    quotas.withLock { $0[Array(owner.utf8)] }
  }

  /// Takes over what changed.
  func update(_ machine: borrowing StateMachine) {
    let now = machine.quotaVersion
    guard version.load(ordering: .relaxed) != now else { return }
    version.store(now, ordering: .relaxed)
    let all = Dictionary(machine.allQuotas.map { (Array($0.owner.utf8), $0.quota) }, uniquingKeysWith: { $1 })
    quotas.withLock { $0 = all }
    countsRequests.store(all.values.contains { $0.requestsPerSecond != nil }, ordering: .relaxed)
  }
}
