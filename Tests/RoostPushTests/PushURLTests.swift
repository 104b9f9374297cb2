import RoostPush
import Testing

/// What a URL must be that jobs are delivered to.
@Suite("Push URLs")
struct PushURLTests {
  @Test(
    "a URL is taken apart",
    arguments: [
      ("https://example.com/a?b=c", "https://example.com", "/a?b=c", 443),
      ("HTTPS://Example.COM:443", "https://example.com", "/", 443),
      ("http://example.com:80/", "http://example.com", "/", 80),
      ("http://example.com:8080?x", "http://example.com:8080", "/?x", 8_080),
      ("https://[2606:4700::1111]/x", "https://[2606:4700::1111]", "/x", 443),
      ("https://[2606:4700::1111]:8443/x", "https://[2606:4700::1111]:8443", "/x", 8_443),
      ("https://a-b_c.example./x", "https://a-b_c.example.", "/x", 443),
      ("http://2130706433/", "http://2130706433", "/", 80),
      ("https://example.com/%2e%2e/@:x", "https://example.com", "/%2e%2e/@:x", 443),
    ])
  func taken(text: String, origin: String, rest: String, port: Int) throws {
    let url = try PushURL(text)
    #expect(url.origin == origin && url.rest == rest && url.port == port)
    #expect(try PushURL(url.text) == url)
  }

  @Test(
    "what is none, or not only that, is refused",
    arguments: [
      "", "example.com", "/x", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com", "javascript:1",
      "https://", "https:///x", "https://user@example.com/", "https://user:pass@example.com/", "https://:80/",
      "https://example.com:0/", "https://example.com:65536/", "https://example.com:/", "https://example.com:8a/",
      "https://exa mple.com/", "https://example.com/#x", "https://example.com\\@evil.example/",
      "https://ex%61mple.com/",
      "https://example.com/\u{0}", "https://example.com/\n", "https://münchen.example/", "https://[::1", "https://[]/",
      "https://[Example.com]/", "https://[1.2.3]/",
      "https://[fe80::1%25eth0]/", "https://a[b]/", "https://exam|ple.com/", "http:/example.com", "https:example.com",
      "https://" + String(repeating: "a", count: 260) + "/",
      "https://example.com/" + String(repeating: "a", count: 2_040),
    ])
  func refused(text: String) { #expect(throws: PushURL.Problem.self) { try PushURL(text) } }
}
