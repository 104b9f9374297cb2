/// Why a request was refused. Each has one code on the wire; a refusal changes nothing.
package enum Refusal: UInt8, Error, Sendable, CaseIterable, BitwiseCopyable {
  /// No such job, or not one the caller may see.
  case jobNotFound = 1
  /// The job's lease has ended, or another worker holds it.
  case leaseLost
  /// A lease id is needed (`REQUIRE_LEASE_ID`) and none was given.
  case leaseRequired
  /// The job is not RUNNING, so there is nothing to acknowledge.
  case notRunning
  /// The attempt had ended before, and otherwise.
  case alreadyEnded
  /// The job is finished (ACKED or DEAD) and cannot be cancelled.
  case jobFinished
  /// The job's state does not allow this (for example replaying a READY job).
  case wrongState
  /// The same idempotency key was used with another body.
  case idempotencyConflict
  /// `MAX_QUEUES` different queues exist.
  case tooManyQueues
  /// The record would not fit into a frame.
  case tooLarge
  /// Too many requests wait for the disk.
  case overloaded
  /// The disk is nearly full.
  case diskLow
  /// `MEMORY_LIMIT` is reached.
  case memoryLow
  /// The log failed while the request was under way, or could not be read: it may or may not have happened.
  case outcomeUnknown
  /// The stored bytes of the job do not match their checksum.
  case payloadCorrupt
  /// The daemon is stopping.
  case stopping
  /// The queue holds as many waiting jobs, or bytes of them, as it may.
  case queueFull
  /// The payload is larger than the queue takes.
  case payloadTooLarge
  /// The queue is being deleted.
  case draining
  /// The queue that is to go holds jobs.
  case queueNotEmpty
  /// As many operations run as may.
  case tooManyOperations
  /// The queue runs the jobs of a group in their order, and the job asks for a priority.
  case priorityInOrder
  /// A job with a target of its own, for a queue whose groups are ordered.
  case callbackInOrder
  /// No such schedule, or not one the caller may see.
  case scheduleNotFound
  /// `MAX_SCHEDULES` exist.
  case tooManySchedules
  /// A job that is to be waited for is not there, or not its owner's, or has left without saying that it was ACKED.
  case dependencyNotFound
  /// No such batch, or not one the caller may see.
  case batchNotFound
  /// A job is to join a batch that is not there, or not its owner's.
  case unknownBatch
  /// The batch takes no more jobs.
  case batchClosed
  /// `MAX_BATCHES` exist.
  case tooManyBatches
  /// Jobs that have not ended need the result of this one.
  case hasDependents
  /// Another job holds the key of this one.
  case notUnique
  /// The queue runs the jobs of a group in their order, and the job would take another's place.
  case replaceInOrder
  /// The owner has as many waiting jobs, or bytes of them, as its quota allows.
  case quotaOfJobs
  case quotaOfBytes
  /// As many owners have quotas as may.
  case tooManyQuotas
}
