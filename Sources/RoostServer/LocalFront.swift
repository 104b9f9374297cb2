import Foundation
import RoostAPI
import RoostEngine
import RoostKeys
import Synchronization

/// The routes without a network: requests of the own process, all of one caller. The same handlers as behind HTTP.
package final class LocalFront: Sendable {
  private let backend: Backend
  private let caller: Caller
  private let table = RouteTable.all

  package struct Reply: Sendable {
    package let status: Int
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]
  }

  /// - Parameters:
  ///   - keys: What routes for keys ask.
  ///   - caller: Who asks everything.
  package init(engine: Engine, keys: any KeyStore, caller: Caller, maxPayloadBytes: Int = 1 << 20) {
    backend = Backend(
      engine: engine, keys: KeyService(store: keys), keyHealth: KeyStoreHealth(keys), lastUse: { _ in nil },
      maxPayloadBytes: maxPayloadBytes,
      metrics: DaemonMetrics(
        registry: PrometheusRegistry(), version: "test", namedQueues: 200, budget: ByteBudget(limit: 1 << 30)))
    self.caller = caller
  }

  /// Answers a request; one whose task is cancelled is a client that hung up.
  ///
  /// - Parameter target: From `/`, query included.
  package func answer(_ method: String, _ target: String, body: [UInt8]) async -> Reply {
    let id = "local"
    do throws(Rejection) {
      let answer = try await perform(method, target, body)
      return Reply(status: answer.status, headers: answer.headers.map { ($0.name, $0.value) }, body: answer.body)
    } catch {
      let answer = Answer(error, requestID: id)
      return Reply(status: answer.status, headers: answer.headers.map { ($0.name, $0.value) }, body: answer.body)
    }
  }

  private func perform(_ method: String, _ target: String, _ body: [UInt8]) async throws(Rejection) -> Answer {
    let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let (route, parameter) = try find(method, String(halves[0]))
    if let scope = route.scope, !caller.may(ScopeSet(scope)) {
      throw Rejection(.forbiddenScope, "this key may not do that")
    }
    let query = try Query(halves.count > 1 ? halves[1] : "", known: route.parameters)
    var request = RouteRequest(
      parameter: parameter, query: query, body: body, identity: route.scope == nil ? nil : caller)
    let line = Line()
    request.onDisconnect = { line.onCut($0) }
    request.isDisconnected = { line.isCut }
    let asked = request
    do {
      return try await withTaskCancellationHandler {
        try await route.handler(asked, backend)
      } onCancel: {
        line.cut()
      }
    } catch let rejection as Rejection {
      throw rejection
    } catch {
      preconditionFailure("a route throws rejections alone")
    }
  }

  private func find(_ method: String, _ path: String) throws(Rejection) -> (Route, parameter: String) {
    let (method, path) = (Array(method.utf8), Array(path.utf8))
    let found = method.withUnsafeBytes { method in
      path.withUnsafeBytes { path in
        do throws(Rejection) {
          return Result<(Route, parameter: String), Rejection>.success(try table.find(method, path))
        } catch {
          return .failure(error)
        }
      }
    }
    return try found.get()
  }
}

/// What stands for a connection: whether it is cut, and who wants to hear of it.
private final class Line: Sendable {
  private struct State {
    var isCut = false
    var listener: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  var isCut: Bool { state.withLock { $0.isCut } }

  func onCut(_ listener: @escaping @Sendable () -> Void) {
    let isCut = state.withLock { state in
      state.listener = listener
      return state.isCut
    }
    if isCut { listener() }
  }

  func cut() {
    let listener = state.withLock { state in
      state.isCut = true
      return state.listener
    }
    listener?()
  }
}
