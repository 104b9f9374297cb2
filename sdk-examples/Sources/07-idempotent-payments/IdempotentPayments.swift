import Foundation
import RoostClient

// Jobs run at least once, payments exactly once: the effect and the job's id are written in one transaction.
// Client and worker are one program here, so it needs an admin key; usually they are two.

struct Pay: JobPayload {
  static let jobType = "pay"
  static let jobDefaults = JobOptions(
    queue: "payments", retry: RetryPolicy(initial: .milliseconds(50), jitter: .none))
  var order: Int
  var cents: Int
}

@main
struct IdempotentPayments: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()
    let ledger = try Ledger(NSTemporaryDirectory() + "payments.sqlite")

    // The key follows from the order, so that a program that crashed and starts again submits no second payment.
    var jobs: [JobID] = []
    for order in 1...5 {
      let pay = Pay(order: order, cents: order * 100)
      let job = try await client.submit(pay, JobOptions(idempotencyKey: "order-\(order)"))
      let again = try await client.submit(pay, JobOptions(idempotencyKey: "order-\(order)"))
      precondition(again.id == job.id && again.isDuplicate)
      jobs.append(job.id)
    }

    var worker = Worker(client: client, queues: ["payments"])
    worker.handle(Pay.self) { pay, context in
      let isNew = try ledger.book(cents: pay.cents, job: context.id.rawValue, lease: context.leaseID)
      print("order \(pay.order): \(isNew ? "booked" : "was booked by an earlier attempt")")
      // What happens when a worker dies between its work and its answer: the job runs again.
      if pay.order == 3, context.attempt == 1 { throw Crash() }
    }
    let working = Task { [worker] in try await worker.run() }
    for job in jobs { _ = try await client.waitForCompletion(of: job) }
    working.cancel()
    try await working.value

    let (count, cents) = try ledger.sum()
    print("\(count) payments, \(cents) cents")
  }

  struct Crash: Error {}
}
