"""The dashboard in Chromium, against daemons of its own. See scripts/dashboard-test.sh."""
import os
import unittest

from selenium.webdriver.common.keys import Keys

from browser import Browser
from daemon import Daemon

HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
# Path, name of the page as it calls itself when it shows what it asked for.
PAGES = [("", "overview"), ("queues", "queues"), ("jobs", "jobs"), ("dead", "dead"), ("schedules", "schedules"), ("workers", "workers"),
         ("operations", "operations"), ("keys", "keys")]


class DashboardTest(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.maxDiff = None
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.daemon = Daemon(*self.arguments)
        self.addCleanup(self.daemon.stop)

    def tearDown(self):
        # Nothing may be refused by the policy, and no script may fail, whatever was done.
        self.assertEqual(self.browser.problems(), [])
        self.assertIsNone(self.browser.run("return window.pwned ?? null"))

    def fill(self):
        """Something on every page, with hostile texts wherever a text can be."""
        daemon, long = self.daemon, "x" * 200
        daemon.submit("email", 3, type=HOSTILE, tags=[HOSTILE], metadata={HOSTILE: HOSTILE})
        daemon.submit("tenants", 2, group=HOSTILE)
        daemon.submit(long, 1, type=long)
        daemon.submit("later", 1, delay="1h")
        daemon.kill_jobs("mail", [HOSTILE, "timeout after 17 ms", "timeout after 4 ms"], type=HOSTILE)
        daemon.ask("POST", "queues/later/pause", {"reason": HOSTILE})
        daemon.ask("POST", "jobs/lease", {"queues": ["email"], "worker_id": HOSTILE})
        daemon.ask("POST", "admin/keys", {"name": HOSTILE, "owner_id": HOSTILE, "type": "client"})
        daemon.ask("POST", "operations", {"action": "cancel", "type": HOSTILE, "queue": "none"})
        daemon.ask("PUT", "schedules/night", {"cron": "30 2 * * 1-5", "job": {"payload": 1, "queue": "later", "type": HOSTILE}})
        daemon.ask("POST", "schedules/night/pause", {"reason": HOSTILE})
        done = daemon.submit("whole", 1, type="big")[0]
        job = daemon.ask("POST", "jobs/lease", {"queues": ["whole"], "worker_id": HOSTILE})
        daemon.ask("POST", f"jobs/{done}/ack", {"lease_id": job["lease_id"], "result": {"html": HOSTILE}})
        return done


class Visit(DashboardTest):
    def test_signing_in(self):
        """A wrong key is told so, a good one stays in the tab and nowhere else, and signing out forgets it."""
        browser, daemon = self.browser, self.daemon
        browser.forget(daemon)
        browser.type("#key", "admin_nonsense")
        browser.click("#signin")
        browser.sees("the API key is not valid")
        browser.type("#key", "clé")
        browser.click("#signin")
        browser.sees("That is no key")
        browser.type("#key", daemon.keys["admin"])
        browser.click("#signin")
        browser.find(".verdict")
        self.assertNotIn(daemon.keys["admin"][:20], browser.driver.current_url + browser.run("return document.documentElement.outerHTML"))
        self.assertEqual(browser.run("return [sessionStorage.length, localStorage.length, document.cookie]"), [1, 0, ""])
        browser.driver.refresh()
        browser.find(".verdict")
        urls = browser.run("return performance.getEntriesByType('resource').map((one) => one.name)")
        self.assertTrue(all(url.startswith(daemon.url) for url in urls), "nothing is loaded from elsewhere")
        self.assertFalse([url for url in urls if daemon.keys["admin"][6:] in url])
        browser.click("#signout")
        browser.find("#key")
        self.assertEqual(browser.run("return sessionStorage.length"), 0)
        # What the console says of the wrong key is the 401 itself.

    def test_empty(self):
        """A daemon without jobs says how to submit the first one, and nothing is wrong with it."""
        browser = self.browser
        browser.sign_in(self.daemon)
        browser.sees("All is well")
        browser.sees("curl -H")
        for path, page in PAGES[1:4]:
            browser.go(path, page)
            browser.find(".empty")
        browser.go("operations", "operations")
        browser.sees("No operations")
        browser.sign_in(self.daemon, "client")
        browser.sees("No jobs yet")
        self.assertNotIn("NaN", browser.text())

    def test_overview(self):
        """What is wrong stands at the top with what to do, and goes when it is over."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("reports", 3)
        daemon.ask("POST", "queues/reports/pause", {"reason": "month end"})
        daemon.ask("PATCH", "queues/full", {"max_length": 2})
        daemon.submit("full", 2)
        browser.sign_in(daemon)
        browser.sees("full is full: 2 of 2 jobs wait.", ".verdict")
        browser.sees("reports is paused (“month end”) and 3 jobs wait.", ".verdict")
        self.assertEqual([row.text.split()[0] for row in browser.all(".queuelist .name")], ["full", "reports"])
        self.assertEqual(browser.text(".tile b"), "5")
        daemon.ask("POST", "queues/reports/resume")
        daemon.ask("PATCH", "queues/full", {"max_length": None})
        browser.sees("All is well", ".verdict")
        browser.until(lambda: browser.all(".chart path.line"), "lines in the charts")

    def test_frame(self):
        """Light and dark stay chosen; help is a dialog; the parts of the page do not jump."""
        browser = self.browser
        self.daemon.submit("email", 2)
        browser.sign_in(self.daemon)
        ground = "return getComputedStyle(document.body).backgroundColor"
        browser.click("#theme")
        light = browser.run(ground)
        browser.click("#theme")
        self.assertNotEqual(browser.run(ground), light)
        dark = browser.run(ground)
        browser.driver.refresh()
        browser.find(".verdict")
        self.assertEqual(browser.run(ground), dark)
        browser.until(lambda: browser.all(".chart path.line"), "lines in the charts")
        jumps = browser.driver.execute_async_script(
            "const done = arguments[0]; new PerformanceObserver((list) => done(list.getEntries()"
            ".filter((one) => !one.hadRecentInput).reduce((sum, one) => sum + one.value, 0))).observe({type: 'layout-shift', buffered: true});"
            "setTimeout(() => done(0), 300)")
        self.assertLess(jumps, 0.1)
        paint = browser.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
        size = browser.run("return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                           ".filter((one) => /\\/$|\\/ui\\//.test(new URL(one.name).pathname)).reduce((sum, one) => sum + one.decodedBodySize, 0)")
        print(f"first paint {paint:.0f} ms, {size / 1000:.1f} KB loaded for the overview")

    def test_keyboard(self):
        """Everything can be reached without a mouse."""
        browser = self.browser
        self.daemon.submit("alpha")
        self.daemon.submit("beta")
        browser.sign_in(self.daemon)
        browser.keys("g", "q")
        browser.find("#main[data-page=queues] table")
        browser.keys("/")
        browser.until(lambda: browser.driver.switch_to.active_element.get_attribute("type") == "search", "the filter")
        browser.keys("bet")
        browser.until(lambda: [row.text for row in browser.all("tbody th a")] == ["beta"], "one queue")
        browser.keys(Keys.ESCAPE)
        browser.keys("j")
        browser.until(lambda: browser.driver.switch_to.active_element.text == "beta", "the first row")
        browser.keys(Keys.ENTER)
        browser.find("#main[data-page='queues/one'] h1")
        browser.keys("g", "j")
        browser.find("#main[data-page=jobs] table")
        browser.keys("j")
        browser.keys("j")
        browser.keys("x")
        browser.sees("1 selected")
        browser.keys("?")
        browser.sees("Keyboard", "#dialog")
        browser.keys(Keys.ESCAPE)
        browser.is_gone("#dialog")

    def test_hostile(self):
        """Names, errors, payloads and reasons of an attacker are texts, on every page and in every dialog."""
        browser, daemon = self.browser, self.daemon
        done = self.fill()
        browser.sign_in(daemon)
        jobs = [(f"jobs/{done}", "jobs/one")] + [(f"jobs/{job['job_id']}", "jobs/one") for job in daemon.ask("GET", "dlq")["items"]]
        queues = [(f"queues/{name}", "queues/one") for name in ("email", "tenants", "later", "mail")]
        shown = 0
        for path, page in PAGES + jobs + queues:
            browser.go(path, page)
            for details in browser.all("details"):
                browser.run("arguments[0].open = true", details)
            browser.is_gone(".loading")
            self.assertEqual(browser.run("return document.querySelectorAll('#main img, #main script, #main iframe').length"), 0, path)
            shown += HOSTILE[:20] in browser.text()
        self.assertGreater(shown, 8, "they stand there as they are")
        browser.go(jobs[1][0], "jobs/one")
        browser.click("#delete")
        browser.find("#dialog")
        browser.keys(Keys.ESCAPE)
        browser.go("keys", "keys")
        browser.press_button("Revoke")
        browser.find("#dialog")
        # The policy holds even where a script would try.
        self.assertEqual(browser.run("try { document.body.innerHTML = '<b>x</b>'; return 'taken' } catch (error) { return error.name }"), "TypeError")
        self.assertTrue(all("TrustedHTML" in one or "trusted-types" in one.lower() for one in browser.problems()))

    def test_access(self):
        """axe finds nothing on any page, in light and dark, wide and narrow; nothing is wider than a small screen."""
        browser, daemon = self.browser, self.daemon
        done = self.fill()
        dead = daemon.ask("GET", "dlq")["items"][0]["job_id"]
        browser.forget(daemon)
        self.assertEqual(browser.axe(), [], "signing in")
        browser.sign_in(daemon)
        pages = PAGES + [("queues/tenants", "queues/one"), (f"jobs/{dead}", "jobs/one"), (f"jobs/{done}", "jobs/one")]
        pictures, found = os.environ.get("ROOST_SCREENSHOTS"), []
        for width, theme in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]:
            browser.size(width, 900)
            browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
            for path, page in pages:
                browser.go(path, page)
                found += [f"{path} {width} {theme}: {one}" for one in browser.axe()]
                self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), width, path)
                if pictures:
                    browser.driver.save_screenshot(f"{pictures}/{page.replace('/', '-')}-{width}-{theme}.png")
        self.assertEqual(found, [])
        browser.size(1280, 900)
        browser.go("keys", "keys")
        browser.click("#make")
        browser.find("#dialog")
        self.assertEqual(browser.axe(), [], "a dialog")


class Actions(DashboardTest):
    def setUp(self):
        super().setUp()
        self.browser.size(1280, 900)

    def test_queue(self):
        """A queue is paused with its reason, resumed, set, purged after a count, and deleted."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("email", 7)
        browser.sign_in(daemon)
        browser.go("queues/email", "queues/one")
        browser.click("#pause")
        browser.type("#pause-reason", "the provider is down")
        browser.keys(Keys.ENTER)
        browser.sees("Paused")
        browser.sees("the provider is down", ".callout")
        self.assertEqual(daemon.ask("GET", "queues/email")["pause"]["reason"], "the provider is down")
        browser.click("#resume")
        browser.find("#pause")
        self.assertFalse(daemon.ask("GET", "queues/email")["paused"])

        browser.type("[name=concurrency]", "4")
        browser.type("[name=rate]", "nonsense")
        browser.click("#save")
        browser.sees("A rate is written as 100/1m")
        browser.type("[name=rate]", "100/1m/10")
        browser.type("[name='groups.max_length']", "9")
        browser.click("#save")
        browser.sees("Saved.", "#toasts")
        settings = daemon.ask("GET", "queues/email")["settings"]
        self.assertEqual(settings, {"concurrency": 4, "rate": {"limit": 100, "per": "1m", "burst": 10}, "groups": {"max_length": 9}})
        browser.sees("0 of 4")
        browser.type("[name=retry]", '{"initial": "5s", "max": "1m"}')
        self.assertEqual(browser.run("return document.querySelector('[name=retry]').value"), '{"initial": "5s", "max": "1m"}')
        browser.press_button("Undo")
        browser.type("[name=max_bytes]", "-1")
        browser.click("#save")
        browser.sees("max_bytes must be")
        browser.press_button("Undo")
        browser.type("[name=concurrency]", Keys.BACKSPACE)
        browser.click("#save")
        browser.until(lambda: "concurrency" not in daemon.ask("GET", "queues/email")["settings"], "the default")

        browser.click("#purge")
        browser.click("#count")
        browser.sees("7 jobs will be cancelled or deleted.", "#dialog")
        self.assertEqual(daemon.ask("GET", "queues/email")["counts"]["READY"], 7, "counting changes nothing")
        browser.click("#begin")
        browser.sees("done", "#operation-progress")
        browser.click("#close")
        browser.until(lambda: daemon.ask("GET", "queues/email")["counts"]["READY"] == 0, "it is purged")
        browser.click("#delete")
        browser.press_button("Delete the queue", "#dialog")
        browser.find("#main[data-page=operations] table")
        browser.until(lambda: daemon.ask("GET", "queues?match=email")["matches"] == 0, "it is deleted")

    def test_groups(self):
        """A group is paused, resumed and limited."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("tenants", 2, group="acme")
        browser.sign_in(daemon)
        browser.go("queues/tenants", "queues/one")
        browser.press_button("Pause", "table[aria-label=groups]")
        browser.press_button("Resume", "table[aria-label=groups]")
        browser.press_button("Limits", "table[aria-label=groups]")
        browser.find("#dialog input").send_keys("3")
        browser.press_button("Save", "#dialog")
        browser.sees("0 / 3", "table[aria-label=groups]")
        group = daemon.ask("GET", "queues/tenants/groups/acme?owner_id=dev")
        self.assertEqual((group["settings"], group["paused"]), ({"concurrency": 3}, False))

    def test_jobs(self):
        """Jobs are found by a line with completion; those that are selected are cancelled, run now, deleted."""
        browser, daemon = self.browser, self.daemon
        mine = daemon.submit("email", 3)
        daemon.submit("other", 2, delay="1h")
        browser.sign_in(daemon)
        browser.go("jobs", "jobs")
        browser.until(lambda: len(browser.all("tbody tr")) == 5, "all of them")
        browser.type("#filter", "qu")
        browser.keys(Keys.TAB)
        browser.keys("em")
        browser.sees("queue:email", "#suggestions")
        browser.keys(Keys.ARROW_DOWN, Keys.ENTER)
        browser.until(lambda: len(browser.all("tbody tr")) == 3, "those of email")
        self.assertIn("queue%3Aemail", browser.driver.current_url)
        browser.type("#filter", "queue:email type:x")
        browser.keys(Keys.ENTER)
        browser.sees("Lists are filtered by")
        browser.type("#filter", "queue:email")
        browser.keys(Keys.ENTER)
        browser.click("[aria-label='select all that are shown']")
        browser.click("#cancel-selected")
        browser.click("#confirm")
        browser.sees("3 of 3 done", "#dialog")
        browser.click("#close")
        self.assertEqual({daemon.state(job) for job in mine}, {"CANCELLED"})
        browser.until(lambda: len(browser.all("tbody .badge.CANCELLED")) == 3, "their state")
        browser.click(f"[aria-label='select job {mine[0]}']")
        browser.click("#retry-selected")
        browser.click("#confirm")
        browser.sees("1 of 1 done", "#dialog")
        browser.click("#close")
        self.assertEqual(daemon.state(mine[0]), "READY")
        browser.click(f"[aria-label='select job {mine[1]}']")
        browser.click("#delete-selected")
        browser.click("#confirm")
        browser.sees("1 of 1 done", "#dialog")
        browser.click("#close")
        browser.until(lambda: len(browser.all("tbody tr")) == 2, "one is gone")
        # One of the two that are selected is taken away meanwhile: that is told.
        browser.click("[aria-label='select all that are shown']")
        daemon.ask("POST", f"jobs/{mine[0]}/cancel")
        daemon.ask("DELETE", f"jobs/{mine[0]}")
        browser.click("#cancel-selected")
        browser.click("#confirm")
        browser.sees("0 of 1 done, 1 refused", "#dialog")
        browser.click("#close")

    def test_pages(self):
        """Lists go on by cursor, both ways."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("many", 120)
        browser.sign_in(daemon)
        browser.go("jobs", "jobs")
        first = browser.find("tbody tr .id").text
        browser.press_button("Older →")
        browser.sees("page 2")
        self.assertNotEqual(browser.find("tbody tr .id").text, first)
        browser.press_button("Older →")
        browser.until(lambda: len(browser.all("tbody tr")) == 20, "the rest")
        browser.press_button("← Newer")
        browser.press_button("← Newer")
        browser.until(lambda: browser.find("tbody tr .id").text == first, "the first page")

    def test_all_that_match(self):
        """All that match are counted first, cancelled then, and how far it is shown."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("email", 40)
        daemon.submit("email", 10, type="keep")
        daemon.submit("other", 5)
        browser.sign_in(daemon)
        browser.go("jobs?q=queue:email", "jobs")
        browser.click("#all-cancel")
        browser.click("#count")
        browser.sees("50 jobs will be cancelled.", "#dialog")
        browser.type("[data-field=limit]", "40")
        browser.click("#count")
        browser.sees("40 jobs will be cancelled.", "#dialog")
        browser.click("#begin")
        browser.sees("40 changes", "#operation-progress")
        browser.sees("Done.", "#operation-progress")
        browser.click("#close")
        counts = daemon.ask("GET", "queues/email")["counts"]
        self.assertEqual((counts["CANCELLED"], counts["READY"]), (40, 10))
        self.assertEqual(daemon.ask("GET", "queues/other")["counts"]["READY"], 5)
        browser.go("operations", "operations")
        browser.sees("at most 40")

    def test_job(self):
        """One job shows its attempts with their errors, and its payload byte for byte; it is replayed, cancelled, deleted."""
        browser, daemon = self.browser, self.daemon
        job = daemon.ask("POST", "jobs", {"queue": "email", "type": "send", "max_retries": 1, "payload": 12345678901234567890123})["job_id"]
        for error in ("first\nat line 2", "second"):
            leased = daemon.ask("POST", "jobs/lease", {"queues": ["email"], "worker_id": "mailer-1"})
            daemon.ask("POST", f"jobs/{job}/fail", {"lease_id": leased["lease_id"], "error": error})
            if error != "second":
                daemon.ask("POST", f"jobs/{job}/retry")
        browser.sign_in(daemon)
        browser.go("jobs", "jobs")
        browser.type("#filter", job)
        browser.keys(Keys.ENTER)
        browser.find("#main[data-page='jobs/one'] h1")
        for text in ("Attempt 1", "Attempt 2", "mailer-1", "second", "Dead"):
            browser.sees(text, ".timeline")
        browser.click("#payload summary")
        browser.sees("12345678901234567890123", "#payload")
        browser.click("#replay")
        browser.sees("Waits for a worker", ".timeline")
        self.assertEqual(daemon.state(job), "READY")
        browser.click("#cancel")
        browser.type("#cancel-reason", "not needed")
        browser.keys(Keys.ENTER)
        browser.sees("not needed", ".timeline")
        self.assertEqual(daemon.ask("GET", "jobs/" + job)["cancel_reason"], "not needed")
        browser.click("#delete")
        browser.press_button("Delete", "#dialog")
        browser.find("#main[data-page='queues/one'] h1")
        browser.run("location.hash = arguments[0]", "#/jobs/" + job)
        browser.sees("There is no such job")

    def test_running(self):
        """A job that runs is marked, and shows what its worker says of it."""
        browser, daemon = self.browser, self.daemon
        job = daemon.submit("email", 1)[0]
        leased = daemon.ask("POST", "jobs/lease", {"queues": ["email"], "worker_id": "mailer-1", "lease": "10m"})
        daemon.ask("POST", f"jobs/{job}/extend", {"lease_id": leased["lease_id"], "lease": "10m", "progress": {"percent": 40}})
        browser.sign_in(daemon)
        browser.go("workers", "workers")
        browser.sees("mailer-1")
        browser.click("tbody a[data-open]")
        browser.find("#main[data-page='jobs/one'] h1")
        browser.sees('"percent": 40')
        browser.click("#cancel")
        browser.press_button("Cancel the job", "#dialog")
        browser.sees("CANCEL ASKED FOR".lower())
        self.assertTrue(daemon.ask("GET", "jobs/" + job)["cancel_requested"])

    def test_dead_letters(self):
        """Dead letters stand by the shape of their errors; some or all are replayed or deleted."""
        browser, daemon = self.browser, self.daemon
        daemon.kill_jobs("email", [f"timeout after {number} ms" for number in range(6)] + ["no such user", "no such user"])
        browser.sign_in(daemon)
        browser.go("dead", "dead")
        browser.sees("timeout after # ms")
        shapes = [row.text for row in browser.all("table[aria-label='errors by shape'] tbody .number")]
        self.assertEqual(shapes, ["6", "2"])
        browser.press_button("no such user")
        browser.until(lambda: len(browser.all("table[aria-label='dead letters'] tbody tr")) == 2, "only those")
        browser.click("[aria-label='select all that are shown']")
        browser.click("#replay-selected")
        browser.click("#confirm")
        browser.sees("2 of 2 done", "#dialog")
        browser.click("#close")
        self.assertEqual(daemon.ask("GET", "queues/email")["counts"]["READY"], 2)
        browser.until(lambda: len(browser.all("table[aria-label='dead letters'] tbody tr")) == 6, "the others")
        browser.click("table[aria-label='dead letters'] tbody input")
        browser.click("#delete-selected")
        browser.click("#confirm")
        browser.sees("1 of 1 done", "#dialog")
        browser.click("#close")
        browser.click("#replay-all")
        browser.click("#count")
        browser.sees("5 jobs will be replayed.", "#dialog")
        browser.click("#begin")
        browser.sees("Done.", "#operation-progress")
        browser.click("#close")
        browser.sees("No dead letters")
        self.assertEqual(daemon.ask("GET", "queues/email")["counts"]["READY"], 7)
        daemon.kill_jobs("other", ["x", "y"])
        browser.go("dead?queue=other", "dead")
        browser.click("#delete-all")
        browser.click("#count")
        browser.sees("2 jobs will be deleted.", "#dialog")
        browser.click("#begin")
        browser.sees("Done.", "#operation-progress")
        browser.until(lambda: daemon.ask("GET", "dlq")["items"] == [], "they are gone")

    def test_schedules(self):
        """A schedule says when it fires in plain words; it is paused with a reason, resumed, triggered."""
        browser, daemon = self.browser, self.daemon
        job = {"queue": "reports", "payload": 1}
        daemon.ask("PUT", "schedules/night", {"cron": "30 2 * * MON-FRI", "timezone": "Europe/Berlin", "job": job})
        daemon.ask("PUT", "schedules/tick", {"every": "15m", "job": job})
        browser.sign_in(daemon)
        browser.go("schedules", "schedules")
        browser.sees("at 02:30 on weekdays, Europe/Berlin")
        browser.sees("every 15 min")
        browser.click("table[aria-label=schedules] summary")
        browser.until(lambda: len([one for one in browser.all("details[open] li") if one.text]) == 10, "the next ten times")
        browser.press_button("Pause")
        browser.find("#dialog input").send_keys("month end")
        browser.click("#dialog footer .primary")
        browser.sees("month end")
        self.assertTrue(daemon.ask("GET", "schedules/night")["paused"])
        browser.press_button("Resume")
        browser.click("#dialog footer .primary")
        browser.until(lambda: not daemon.ask("GET", "schedules/night")["paused"], "it is resumed")
        browser.until(lambda: "month end" not in browser.text("#main"), "the reason is gone")
        browser.press_button("Trigger")
        browser.click("#dialog footer .primary")
        browser.until(lambda: daemon.ask("GET", "queues/reports")["counts"]["READY"] == 1, "its job")

    def test_keys(self):
        """A key is made and shown once; signed in with it, its owner sees what it may do; revoked, it is signed out."""
        browser, daemon = self.browser, self.daemon
        browser.sign_in(daemon)
        browser.go("keys", "keys")
        browser.click("#make")
        browser.press_button("Make it", "#dialog")
        browser.sees("name", "#dialog .failure")
        browser.type("#key-name", "shop")
        browser.type("#key-owner", "shop")
        browser.type("#key-queues", "email img-*")
        browser.press_button("Make it", "#dialog")
        made = browser.find("#new-key").text
        browser.click("#close")
        browser.is_gone("#dialog")
        self.assertNotIn(made, browser.run("return document.documentElement.outerHTML"))
        who = daemon.ask("GET", "whoami", key=made)
        self.assertEqual((who["owner_id"], who["queues"]), ("shop", ["email", "img-*"]))
        browser.sign_in(daemon, made)
        browser.go("keys", "keys")
        browser.sees(who["key_id"])
        daemon.ask("DELETE", "keys/" + who["key_id"])
        browser.find("#key")
        browser.sees("revoked")
        self.assertEqual(browser.run("return sessionStorage.length"), 0)

    def test_revoking(self):
        """A key is revoked from the list."""
        browser, daemon = self.browser, self.daemon
        browser.sign_in(daemon)
        browser.go("keys", "keys")
        row = next(row for row in browser.all("tbody tr") if "dev-worker" in row.text)
        row.find_element("tag name", "button").click()
        browser.press_button("Revoke", "#dialog")
        browser.until(lambda: "dev-worker" not in browser.text("tbody"), "it is gone")
        keys = {key["name"]: key for key in daemon.ask("GET", "admin/keys")}
        self.assertIn("revoked_at", keys["dev-worker"])
        self.assertNotIn("revoked_at", keys["dev-admin"])


class Rights(DashboardTest):
    CHANGES = {"Pause", "Resume", "Purge", "Delete", "Make a key", "Revoke", "Replay all …", "Delete all …", "Cancel …",
               "Delete …", "Replay …", "Save", "Limits", "Cancel", "Replay", "Run now", "Stop"}

    def changes(self):
        return [label for label in self.browser.buttons() if label in self.CHANGES or label.startswith("Replay ")]

    def pages(self):
        dead = self.daemon.ask("GET", "dlq")["items"][0]["job_id"]
        return PAGES + [("queues/email", "queues/one"), (f"jobs/{dead}", "jobs/one")]

    def test_client(self):
        """A client's key sees its jobs and may cancel them; what it may not do is not there."""
        browser, daemon = self.browser, self.daemon
        daemon.kill_jobs("email")
        daemon.submit("email", 2)
        browser.sign_in(daemon, "client")
        self.assertEqual(browser.text("#nav").split("\n")[:3], ["Overview", "Queues", "Jobs"])
        self.assertFalse({"Workers", "Operations"} & set(browser.text("#nav").split("\n")))
        # An address of a page that it may not see leads to one that it may.
        browser.run("location.hash = '#/operations'")
        browser.find("#main[data-page=overview] .verdict")
        found = {}
        for path, page in [one for one in self.pages() if one[0] not in ("workers", "operations")]:
            browser.go(path, page)
            found[page] = self.changes()
        self.assertEqual(found, {"overview": [], "queues": [], "jobs": [], "dead": [], "keys": ["Revoke"],
                                 "schedules": [], "queues/one": [], "jobs/one": ["Replay", "Delete"]})
        self.assertFalse(any(one.is_enabled() for one in browser.all("#settings input")))

    def test_worker(self):
        """A worker's key sees the jobs of its queues and who else works, and may change none of it."""
        browser, daemon = self.browser, self.daemon
        daemon.kill_jobs("email")
        browser.sign_in(daemon, "worker")
        for path, page in [one for one in self.pages() if one[0] not in ("operations", "keys")]:
            browser.go(path, page)
            self.assertEqual(self.changes(), [], path)


class ReadOnly(Rights):
    arguments = ("--dashboard", "readonly")

    def test_client(self):
        """With DASHBOARD=readonly even an admin is offered no change, and a script of the page gets none through."""
        browser, daemon = self.browser, self.daemon
        daemon.kill_jobs("email")
        daemon.submit("email", 2)
        daemon.submit("tenants", 1, group="acme")
        browser.sign_in(daemon)
        browser.sees("read-only", "#tools")
        for path, page in self.pages() + [("queues/tenants", "queues/one")]:
            browser.go(path, page)
            self.assertEqual(self.changes(), [], path)
            self.assertEqual(browser.all("tbody input[type=checkbox]"), [], path)
        said = browser.driver.execute_async_script(
            "const done = arguments[0]; import('./ui/api.js').then((one) => one.api.post('/queues/email/pause'))"
            ".then(() => done('done'), (error) => done(error.code))")
        self.assertEqual(said, "readonly")

    def test_worker(self):
        """The API itself stays what it was."""
        self.daemon.ask("POST", "queues/email/pause")
        self.assertTrue(self.daemon.ask("GET", "queues/email")["paused"])


class Trouble(DashboardTest):
    def test_restart(self):
        """When the daemon goes the page says so and keeps what it showed; when it is back the page goes on by itself."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("email", 3)
        browser.sign_in(daemon)
        browser.go("queues/email", "queues/one")
        daemon.kill()
        browser.sees("The daemon does not answer", "#banner")
        browser.sees("email", "h1")
        browser.click("#pause")
        browser.press_button("Pause", "#dialog")
        browser.sees("The daemon does not answer.", "#dialog")
        browser.keys(Keys.ESCAPE)
        daemon.start()
        browser.until(lambda: not browser.text("#banner"), "the banner goes")
        daemon.submit("email", 2)
        browser.until(lambda: browser.text(".tile b") == "5", "what is new is seen")
        browser.go("jobs", "jobs")
        browser.until(lambda: len(browser.all("tbody tr")) == 5, "all five")

    def test_opened_meanwhile(self):
        """A page that is opened while the daemon is down shows itself once that is back; nothing fails unheard."""
        browser, daemon = self.browser, self.daemon
        daemon.submit("email", 3)
        browser.sign_in(daemon)
        browser.run("window.heard = []; addEventListener('unhandledrejection', (event) => window.heard.push(String(event.reason)))")
        daemon.kill()
        browser.sees("The daemon does not answer", "#banner")
        browser.run("location.hash = '#/jobs'")
        browser.sees("Jobs", "h1")
        daemon.start()
        browser.until(lambda: len(browser.all("tbody tr")) == 3, "the jobs")
        browser.until(lambda: not browser.text("#banner"), "the banner goes")
        self.assertEqual(browser.run("return window.heard"), [])

    def test_key_ends(self):
        """A key that expires or is revoked while the page is open signs out, and says why."""
        browser, daemon = self.browser, self.daemon
        made = daemon.ask("POST", "admin/keys", {"name": "n", "owner_id": "dev", "type": "admin"})
        browser.sign_in(daemon, made["key"])
        browser.go("queues", "queues")
        daemon.ask("DELETE", "keys/" + made["id"])
        browser.find("#key")
        browser.sees("the API key was revoked")
        self.assertEqual(browser.text("#nav"), "")
