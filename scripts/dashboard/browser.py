"""Chromium, and how the tests look for things: as a person would, by what stands there."""
import glob
import json
import os
import sys

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException, ElementNotInteractableException, NoSuchElementException,
    StaleElementReferenceException, TimeoutException)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

# Only ends a test that would wait for ever.
LIMIT = 180


class Browser:
    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(LIMIT)
        self.size(1280, 900)

    def close(self):
        self.driver.quit()

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    # Where one is

    def forget(self, daemon):
        """As someone who opens the daemon's page for the first time."""
        self.driver.get(daemon.url)
        self.run("sessionStorage.clear(); localStorage.clear()")
        self.driver.get("about:blank")
        self.driver.get(daemon.url)
        self.problems()

    def sign_in(self, daemon, key="admin"):
        self.forget(daemon)
        self.type("#key", daemon.keys.get(key, key))
        self.click("#signin")
        self.find("#main[data-page=overview] .verdict")

    def go(self, path, page):
        """Opens a page of the dashboard, and waits until it shows what it asked for."""
        self.run("location.hash = arguments[0]", "#/" + path)
        self.until(lambda: self.all(f"#main[data-page='{page}'] h1") and not self.shown(".loading"), path)

    # What one sees

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, is_so, what=""):
        """Waits until something is so."""
        def attempt(_):
            try:
                return is_so()
            except (StaleElementReferenceException, NoSuchElementException, ElementNotInteractableException,
                    ElementClickInterceptedException):
                return False
        try:
            return WebDriverWait(self.driver, LIMIT, poll_frequency=0.03).until(attempt)
        except TimeoutException:
            raise AssertionError(f"waited in vain: {what}; the page says: {self.text()[:600]}") from None

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector):
        return [one for one in self.all(selector) if one.is_displayed()]

    def find(self, selector):
        return self.until(lambda: next(iter(self.shown(selector)), None), selector)

    def text(self, selector="body"):
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def sees(self, text, selector="#main"):
        self.until(lambda: text in self.text(selector), f"“{text}” in {selector}")

    def is_gone(self, selector):
        self.until(lambda: not self.shown(selector), f"{selector} is gone")

    def buttons(self):
        return [one.text for one in self.shown("#main button, #main a.button")]

    # What one does

    def click(self, selector):
        """Clicks what can be clicked: it may be made anew meanwhile."""
        def attempt():
            found = self.find(selector)
            if not found.is_enabled():
                return False
            # Not where a note that passes would be hit instead.
            self.run("arguments[0].scrollIntoView({block: 'center'})", found)
            found.click()
            return True
        self.until(attempt, "click " + selector)

    def press_button(self, label, within="#main"):
        def attempt():
            found = next((one for one in self.all(f"{within} button") if one.text == label and one.is_enabled()), None)
            if found:
                found.click()
            return found
        self.until(attempt, label)

    def type(self, selector, text):
        def attempt():
            field = self.find(selector)
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text)
            return True
        self.until(attempt, "type into " + selector)

    def keys(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    # What must not be

    def problems(self):
        """What the console holds that nobody should have to see there, since the last look."""
        # Answers of 4xx and of a daemon that is down stand there, too: those are looked at in the page.
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]
                and "net::ERR" not in entry["message"]]

    def axe(self):
        """What axe finds on this page, a line each."""
        pattern = os.path.join(sys.prefix, "lib", "python*", "site-packages", "axe_playwright_python", "axe.min.js")
        with open(glob.glob(pattern)[0], encoding="utf-8") as file:
            self.run(file.read() + "; window.axe = axe")
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']})"
            ".then((all) => done(all.violations), (error) => done([{id: String(error), nodes: []}]))")
        return [f"{one['id']}: {node['html'][:160]} {json.dumps(node['any'][:1])[:200]}" for one in found for node in one["nodes"] or [
            {"html": "", "any": []}]]
