import RoostAPI
import RoostCore
import RoostEngine
import RoostKeys
import Synchronization

/// What came of something that took long.
struct Welcome<Value: Sendable>: Sendable {
  let value: Value
  /// Whether someone is there to take it; if not, the jobs that it leased have been handed back.
  let isAwaited: Bool
}

/// Runs something that may take long, and ends it when the client hangs up or its key ends: no job may go to a
/// connection that nobody reads, nor to a key that was revoked or has expired meanwhile.
///
/// - Parameter leases: Those that a value holds, to be handed back if nobody may have them.
/// - Throws: What the work throws, or why the key has ended, at once.
func whileWelcome<Value: Sendable>(
  _ request: RouteRequest, _ backend: Backend,
  leases: (Value) -> [(id: JobID, leaseID: LeaseID)] = { _ in [] },
  _ work: @escaping @Sendable () async throws(Rejection) -> Value
) async throws(Rejection) -> Welcome<Value> {
  // A task of its own, awaited here, because only it can be cancelled from elsewhere.
  let waiting = Task { () -> Result<Value, Rejection> in
    do throws(Rejection) { return .success(try await work()) } catch { return .failure(error) }
  }
  request.onDisconnect { waiting.cancel() }
  let watch = request.watchKey { _ in waiting.cancel() }
  defer { watch?.giveUp() }
  let outcome = await withTaskCancellationHandler {
    await waiting.value
  } onCancel: {
    waiting.cancel()
  }
  let value = try outcome.get()
  // Judged after the wait, whatever ended it: a job may have been granted in the instant in which the key ended.
  if let ended = await request.judgeKey() {
    await backend.engine.undelivered(batch: leases(value))
    throw ended
  }
  guard request.isDisconnected() else { return Welcome(value: value, isAwaited: true) }
  await backend.engine.undelivered(batch: leases(value))
  return Welcome(value: value, isAwaited: false)
}
