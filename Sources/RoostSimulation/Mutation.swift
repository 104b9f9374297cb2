import RoostCore
import RoostLog

/// A mistake put into core, store or log on purpose; `MutationGate` shows that it is noticed.
package enum Mutation: Hashable, Sendable, CaseIterable {
  case core(Defect)
  case log(LogDefect)

  package static var allCases: [Mutation] {
    Defect.allCases.map { .core($0) } + LogDefect.allCases.map { .log($0) }
  }

  /// As the table and `roost-sim --defect` name it.
  package var name: String {
    switch self {
    case .core(let defect): defect.rawValue
    case .log(let defect): defect.rawValue
    }
  }

  package init?(name: String) {
    guard let found = Mutation.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  /// What a user would lose by it.
  package var harm: String {
    switch self {
    case .core(let defect): defect.harm
    case .log(let defect): defect.harm
    }
  }
}

extension Set<Mutation> {
  var core: Set<Defect> { Set<Defect>(compactMap { if case .core(let defect) = $0 { defect } else { nil } }) }
  var log: Set<LogDefect> { Set<LogDefect>(compactMap { if case .log(let defect) = $0 { defect } else { nil } }) }
}

extension Defect {
  fileprivate var harm: String {
    switch self {
    case .replyBeforeSync: "an answered request is gone after a crash"
    case .trimBeforeCopies: "waiting jobs are gone after a crash during compaction"
    case .staleCarry: "compaction takes an acknowledgement back"
    case .orderLostInCarry: "compaction moves an old job behind newer ones"
    case .keyLostInCarry: "after compaction a repeated submit makes a second job"
    case .historyLostInCarry: "compaction loses results and errors"
    case .stubNotCarried: "after compaction a repeated submit of a finished job runs it again"
    case .totalsNotCarried: "a queue's totals fall back after compaction and a restart"
    case .idleTimeNotCarried: "a queue without jobs stays longer after compaction and a restart"
    case .queueForgottenUnlogged: "a queue that went is back after a restart, with totals of its former life"
    case .noTokenCheck: "a worker that lost its lease ends another's attempt"
    case .noSealCheck: "a guessed id opens someone's job"
    case .noFingerprintCheck: "another body under a used key is taken for the same job"
    case .ruleLostInCarry: "after compaction a repeated submit is refused as another job"
    case .otherEndTaken: "a worker believes that its other result was kept"
    case .anyReceipt: "a worker hears that it ended a job which another one ended"
    case .deadLeaveEarly: "dead letters vanish before anyone has looked"
    case .deletesWaiting: "a job that was to be tried again is gone"
    case .keyFreedWithJob: "a late repetition of a submit runs the job again"
    case .leaseNumberReused: "a token of before the restart may pass for a new one"
    case .epochNotRaised: "two lives of the daemon cannot be told apart"
    case .noGrace: "jobs that workers still hold are given to others after a restart"
    case .downtimeNotClamped: "a wrong clock at boot lets delays of years pass at once"
    case .stallNotClamped: "a stalled disk or a paused machine ends healthy leases"
    case .graceForgotten: "a daemon that was stopped ends leases whose workers have asked in time"
    case .jumpBelieved: "a wrong wall clock runs jobs before their time"
    case .timeLostInCarry: "after compaction a job tells another time than before"
    case .extendNotLogged: "an extended lease ends early after a restart"
    case .timeoutExtended: "a worker that hangs, and whose heart beats on, keeps its job for ever"
    case .countersLostInCarry: "after compaction a job that kills its workers begins to count anew"
    case .crashLoopGoesOn: "one job kills all workers, one after the other"
    case .twinsTaken: "two runs of one report write over each other"
    case .twinReplayed: "a replayed job runs beside the one that took its place"
    case .uniqueLostInCarry: "after compaction and a restart a second run begins beside the first"
    case .uniqueFreedWithJob: "what was to be once an hour comes twice"
    case .uniqueStubNotCarried: "after compaction what was to be once an hour comes twice"
    case .placeLost: "whoever changes a job in line goes to its end"
    case .putOffForEver: "a busy document is never indexed"
    case .lateJobGiven: "an offer that ended yesterday is mailed today"
    case .expiresWhileSuspect: "a wrong wall clock empties the queues"
    case .deadLetterIgnored: "what failed stays dead where nobody looks"
    case .queueLostInCarry: "after compaction and a restart moved jobs are back where they failed"
    case .changeNotLogged: "a job that was put off runs at its old time after a restart"
    case .cancelLostInReplay: "a cancelled job goes on after a restart"
    case .attemptsKept: "a replayed dead letter dies at its first failure"
    case .retentionDropsRunning: "a job vanishes from its worker's hands"
    case .reserveForgotten: "on a full disk acknowledgements are refused"
    case .carrySpendsReserve: "compaction on a full disk leaves no room for acknowledgements"
    case .expiryHeldBack: "on a full disk the jobs of dead workers stay with them"
    case .pauseIgnored: "jobs of a queue that an operator paused run all the same"
    case .concurrencyIgnored: "an upstream that bears two calls at once gets twenty"
    case .rateIgnored: "an upstream gets more calls a second than it allows"
    case .rateLostInReplay: "each restart lets a burst through"
    case .rateNotCarried: "a restart after compaction lets a burst through"
    case .setupNotCarried: "compaction and a restart undo settings and pauses"
    case .agingIgnored: "jobs of a low priority starve"
    case .operationSkips: "a purge leaves jobs behind, and says that it is done"
    case .drainingGives: "a queue under deletion is never empty, as its workers go on"
    case .operationNotCarried: "a replay of a million dead letters stops half-way after compaction and a restart"
    case .groupPauseIgnored: "a tenant that an operator stopped goes on"
    case .groupLimitIgnored: "one tenant's jobs take all workers"
    case .groupHoldIgnored: "an upstream that asked for a pause is called on"
    case .quotaIgnored: "one owner fills the log, whatever was allowed"
    case .quotaNotCarried: "compaction and a restart lift quotas"
    case .otherStatesUnlisted: "a list of several states leaves jobs out"
    case .groupNotCarried: "compaction and a restart undo what was said of groups"
    case .turnsIgnored: "a tenant with a million jobs keeps all others waiting"
    case .orderIgnored: "a later job of a customer runs before an earlier one"
    case .firesWhileSuspect: "a wrong wall clock makes the jobs of a night at noon"
    case .editRepeats: "whoever changes a schedule pays twice"
    case .failuresIgnored: "a broken report is tried each night for a year"
    case .overlapIgnored: "a slow run is overtaken by the next one, and both write"
    case .fireUnlogged: "each restart fires the last instant again"
    case .scheduleNotCarried: "compaction and a restart end all schedules"
    case .catchUpIgnored: "a daemon that was down for a day makes a thousand jobs at once"
    case .pauseMadeUp: "a schedule that goes on makes up for what was not to be"
    case .runsUnbounded: "a schedule of one run never ends"
    case .graphHalfMade: "a workflow that was refused runs its first step"
    case .batchNumberReused: "who asks for a batch that is long over is shown another"
    case .closedBatchTakes: "a batch that was closed grows behind its maker's back"
    case .leaversUncounted: "after a restart a batch with a dead job is complete"
    case .completionUnlogged: "each restart makes a batch's last job again"
    case .batchNotCarried: "compaction and a restart end all batches"
    case .dependentsForgotten: "a job that waits for others waits for ever"
    case .dependencyLeaves: "a job fails as what it waited for is gone, although that went well"
    case .dependenciesLostInCarry: "after compaction and a restart a job lacks the results of those it waited for"
    case .deliveryLeased: "a worker gets a job that was to go to a URL"
    case .originLimitIgnored: "a host that bears four calls at once gets a thousand"
    case .breakerIgnored: "a host that is down is called for each of a million jobs"
    case .brokenDeliveriesKept: "what was on its way when the daemon died waits for the end of its lease"
    case .scopeLostInReplay: "after compaction and a restart two users' jobs of one account run side by side"
    case .perLeaseIgnored: "a customer's later jobs run beside the earlier ones"
    case .maxAgeIgnored: "a worker gets the reminders of last week"
    case .maxDeadIgnored: "dead letters that nobody looks at fill the memory"
    case .fullQueueTakes: "a queue grows beyond its bound"
    case .queueDefaultsIgnored: "jobs run with other retries, priority or delay than their queue says"
    case .listedOrderIgnored: "a worker's queues are not taken in the order it asked for"
    case .waitersPassedOver: "a worker waits on while others, who came later, are given jobs"
    }
  }
}

extension LogDefect {
  fileprivate var harm: String {
    switch self {
    case .skipSync: "what was answered was never on the disk"
    case .syncTriedAgain: "what a failed sync dropped is answered as durable"
    case .vanishedNotNoticed: "a daemon goes on answering into a directory that was removed"
    case .skipDirectorySync: "a whole segment is gone after a power cut"
    case .spareNotSynced: "a power cut leaves a segment without a header: no start"
    case .useWithoutHead: "a lost last segment is not missed"
    case .unlinkBeforeHead: "a crash in a trim leaves a log that does not start"
    case .tornTailLeft: "old bytes behind new frames: a later start fails"
    case .cacheBelieved: "what a start has read and told is gone after a power cut"
    case .noChainCheck: "a lost stretch of the log is passed over"
    case .noHeaderChecksum: "damage to a frame's times and counts is believed"
    case .noRecordsChecksum: "damaged or half-written records are believed"
    case .headNotCompared: "a lost end of the log is passed over"
    }
  }
}
