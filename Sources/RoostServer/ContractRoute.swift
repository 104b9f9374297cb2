import COpenAPI
import RoostAPI

/// The contract for programs, `docs/openapi.yaml`, as it was when the daemon was built.
let contractRoutes: [Route] = [
  Route("GET", "/openapi.yaml") {
    var answer = Answer(text: "")
    answer.body = Array(UnsafeBufferPointer(start: roost_openapi(), count: roost_openapi_count()))
    answer.contentType = "application/yaml"
    return answer
  }
]
