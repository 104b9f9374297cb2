import RoostCore

/// What owners may have. Bytes are bounded by nothing or at none, as the model does not know how large records are.
extension ReferenceModel {
  mutating func set(_ owner: String, _ quota: OwnerQuota, _ answer: Answer) throws(Violation) {
    if quota == quotas[owner] ?? OwnerQuota() { return try look(atOwner: owner, answer) }
    if now.conditions.diskLevel >= 3 { return try refused(.diskLow, answer, "a quota") }
    if quotas[owner] == nil, quotas.count >= limits.maxQuotas {
      return try refused(.tooManyQuotas, answer, "a quota")
    }
    quotas[owner] = quota.isEmpty ? nil : quota
    try look(atOwner: owner, answer)
  }

  func look(atOwner owner: String, _ answer: Answer) throws(Violation) {
    guard case .owner(let image) = answer else { throw Violation(message: "a look at an owner: \(answer)") }
    try expect(image.quota == quotas[owner] ?? OwnerQuota(), "the quota of \(owner) is \(image.quota)")
    try expect(Int(image.waiting) == waiting(of: owner), "\(image.waiting) jobs of \(owner) wait")
    try expect((image.waitingBytes > 0) == (image.waiting > 0), "\(image.waitingBytes) bytes of \(owner) wait")
  }

  func overQuota(_ owner: String) -> Refusal? {
    guard let quota = quotas[owner] else { return nil }
    if let most = quota.waitingJobs, waiting(of: owner) >= most { return .quotaOfJobs }
    return quota.waitingBytes == 0 ? .quotaOfBytes : nil
  }

  private func waiting(of owner: String) -> Int {
    jobs.values.count { $0.state.isWaiting && $0.wanted.owner == owner }
  }
}
