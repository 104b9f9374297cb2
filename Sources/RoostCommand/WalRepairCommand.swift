import ArgumentParser
import Foundation
import RoostCore
import RoostEngine
import RoostLog

/// `roost wal repair`: makes of a damaged log one that opens; says first what is lost, and sets everything aside.
struct WalRepairCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair", abstract: "Make a damaged log open again, and say in jobs what is lost.",
    discussion: """
      Says what cannot be read and what that costs, and asks. Then everything is set aside in a directory below \
      (damaged-1, …), and what is whole is written as a new log: job ids and keys stay valid, no id, epoch or lease comes \
      twice. Interrupted, it is run again. If there is a backup, compare before you choose.

      Exit codes: 0 repaired, or nothing was to be repaired; 65 damaged and nothing changed, as nobody said yes; \
      69 a daemon holds the directory; 73 it cannot be used; 74 the output was lost.
      """)

  @OptionGroup var data: DataDirectoryArgument
  @Flag(help: "Do not ask.") var yes = false

  private var directory: String { data.path }

  func run() async throws {
    // Every segment is held open.
    _ = DescriptorLimit.raised()
    do {
      try repair()
    } catch let error as LogError {
      throw CommandFailure(reading: directory, error)
    }
  }

  private func repair() throws {
    let looking = try LinuxDisk(inspecting: directory)
    if let holder = looking.lockHolder(SegmentName.lock) { throw LogError.locked(by: holder.process) }
    let hold = try LogHold.find(on: looking)
    var aside: String?
    switch hold {
    case nil:
      guard try isDamaged(looking) else { return }
      if let log = try? LoadedLog(looking, ignoresStamp: true) {
        return try mendHead(log.takeMachine().jobCount, isStampWrong: log.snapshot.wrongStamp != nil)
      }
    case .repair(let name)?:
      aside = name
      try say("a repair did not come to its end; it begins again with what stands in \(inert(name))")
    case let hold?: throw LogError.onHold(hold)
    }
    let source = try aside.map { try LinuxDisk(inspecting: "\(directory)/\($0)") } ?? looking
    var random = SystemRandomNumberGenerator()
    let repair = try LogRepair(source, newSecret: SipKey(k0: random.next(), k1: random.next()))
    try say(RepairReport(repair).text)
    try requireAgreement("Set everything aside and go on with what is left? Type yes:")
    let name = try LogAside(directory).move(to: aside)
    let disk = try LinuxDisk(directory: directory, create: false)
    let shortened = try repair.write(to: disk, identity: (random.next(), random.next()))
    try LogHold.lift(on: disk)
    let done = "the log is repaired all the same"
    if shortened > 0 { try say("\(counted(shortened, "job")) lost the older part of the history", after: done) }
    try say(
      "repaired: \(counted(repair.jobs, "job")); all that was there before stands in \(inert("\(directory)/\(name)"))",
      after: done)
  }

  /// Whether a daemon would refuse it.
  private func isDamaged(_ disk: LinuxDisk) throws -> Bool {
    let jobs: Int
    do throws(LogError) {
      let log = try LoadedLog(disk)
      if let corruption = try HeadMending.find(on: disk) { throw .corrupt(corruption) }
      jobs = log.takeMachine().jobCount
    } catch .corrupt(let corruption) {
      try say("DAMAGE \(inert(corruption.description))")
      return true
    }
    try say("nothing to repair: the log is whole, \(counted(jobs, "job"))")
    return false
  }

  /// `HEAD` is all that is damaged: one slot of it, or what it says of epoch and times.
  private func mendHead(_ jobs: Int, isStampWrong: Bool) throws {
    let whole = isStampWrong ? "Everything else is whole" : "The other slot of HEAD is whole, and so is the log"
    try say("\(whole): nothing is lost, \(counted(jobs, "job")).")
    try requireAgreement(
      isStampWrong
        ? "Write epoch and times of the last frame into HEAD? Type yes:" : "Write the damaged slot anew? Type yes:")
    let name = try LogAside(directory).mendHead()
    try say(
      "repaired: \(counted(jobs, "job")); HEAD as it was stands in \(inert("\(directory)/\(name)"))",
      after: "HEAD is repaired all the same")
  }

  private func requireAgreement(_ question: String) throws {
    guard try agreed(question) else {
      throw CommandFailure(.corruptLog, "nothing was changed; `roost wal repair --yes` repairs as said above")
    }
  }

  private func agreed(_ question: String) throws(CommandFailure) -> Bool {
    if yes { return true }
    guard isatty(STDIN_FILENO) == 1 else { return false }
    try say(question)
    return readLine(strippingNewline: true) == "yes"
  }

  private func say(_ text: String, after done: String? = nil) throws(CommandFailure) {
    try CommandOutput.write(line: text, after: done)
  }
}
