import Foundation
import RoostClient

// Makes a test video, has a worker transcode it and take a thumbnail with ffmpeg, and watches the progress.
// Client and worker are one program here, so it needs an admin key; usually they are two.

struct Transcode: JobPayload {
  static let jobType = "video.transcode"
  var input: String
  var output: String
  var height: Int
}

struct Thumbnail: JobPayload {
  static let jobType = "video.thumbnail"
  var input: String
  var output: String
  var atSecond: Double
}

@main
struct VideoProcessing: RoostProgram {
  static func run() async throws {
    let client = try Client.fromEnvironment()
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("roost-video-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    let source = folder.appendingPathComponent("source.mp4").path
    try await ffmpeg(["-f", "lavfi", "-i", "testsrc=duration=4:size=640x360:rate=25", "-pix_fmt", "yuv420p", source])
    print("made a test video of \(try await duration(of: source)) s")

    let working = Task { try await worker(client).run() }
    // One job after the other through the same queue; a retry overwrites what a failed attempt left.
    let small = folder.appendingPathComponent("small.mp4").path
    let transcode = try await client.submit(
      Transcode(input: source, output: small, height: 180), JobOptions(queue: "video", maxRetries: 2))
    try await watch(transcode.id, client)
    print("transcoded to \(try await client.result(of: transcode.id, as: Int.self)) bytes")

    let picture = folder.appendingPathComponent("thumbnail.png").path
    let thumbnail = try await client.submit(
      Thumbnail(input: small, output: picture, atSecond: 2), JobOptions(queue: "video"))
    print("thumbnail of \(try await client.result(of: thumbnail.id, as: Int.self)) bytes")

    // Like SIGTERM, but for a worker that is a part of a program.
    working.cancel()
    try await working.value
  }

  static func worker(_ client: Client) -> Worker {
    var worker = Worker(client: client, queues: ["video"], configuration: WorkerConfiguration(concurrency: 2))

    worker.handle(Transcode.self) { job, context in
      @Sendable func report(_ percent: Int) async throws {
        print("worker: \(percent) %")
        // Extends the lease, too, and throws if somebody has cancelled the job: then ffmpeg is stopped.
        try await context.reportProgress(percent)
      }
      let length = try await duration(of: job.input)
      let scaling = ["-vf", "scale=-2:\(job.height)", "-preset", "veryfast"]
      try await ffmpeg(["-i", job.input] + scaling + [job.output]) { seconds in
        try await report(min(99, Int(100 * seconds / length)))
      }
      try await report(100)
      return try size(of: job.output)
    }

    worker.handle(Thumbnail.self) { job, _ in
      try await ffmpeg(["-ss", "\(job.atSecond)", "-i", job.input, "-frames:v", "1", job.output])
      return try size(of: job.output)
    }
    return worker
  }

  /// Prints what the worker reports until the job has ended.
  static func watch(_ id: JobID, _ client: Client) async throws {
    var last: Int?
    while true {
      let job = try await client.job(id)
      if let percent = try job.progress?.decode(as: Int.self), percent != last {
        print("client: \(percent) %")
        last = percent
      }
      if job.state.isFinal { return }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  static func size(of path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
  }
}
