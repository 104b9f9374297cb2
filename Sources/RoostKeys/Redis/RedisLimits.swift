/// How long and how much Redis may keep others waiting.
package struct RedisLimits: Sendable {
  /// For a connection to come about, the look-up of the host's name included.
  package var connect = Duration.milliseconds(500)
  /// From a command to its answer; then the connection is dropped.
  package var command = Duration.seconds(1)
  /// Between the questions that find out whether an idle connection still lives.
  package var ping = Duration.seconds(2)
  /// The pause after the first failed attempt to connect; it doubles with each up to `longestPause`, and a random
  /// part of up to a half is taken off, so that many daemons do not come back in one instant.
  package var firstPause = Duration.milliseconds(50)
  package var longestPause = Duration.seconds(2)
  /// Commands sent or waiting to be sent; more are refused at once.
  package var commandsInFlight = 8_192

  package init() {}

  /// The pause before the next attempt.
  ///
  /// - Parameter failures: Failed attempts in a row, from 1.
  func pause(after failures: Int, random: Double) -> Duration {
    let doubled = firstPause * (1 << min(failures - 1, 20))
    return min(doubled, longestPause) * (1 - random / 2)
  }
}
