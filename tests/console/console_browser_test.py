#!/usr/bin/python3
"""usage: console_browser_test.py PROGRAM DIR: clicks through the console in headless Chromium, and
leaves screenshots in DIR/screenshots: wide, phone, dark."""
import os
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, __file__.rsplit('/', 1)[0])
from console_client import Site  # noqa: E402


def skip(why):
    print('SKIPPED: ' + why)
    sys.exit(77)


try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    skip('no python3-selenium')
DRIVER = shutil.which('chromedriver')
CHROMIUM = shutil.which('chromium')
if not DRIVER or not CHROMIUM:
    skip('no chromium or no chromedriver')

PROGRAM, OUT = sys.argv[1], os.path.join(sys.argv[2], 'screenshots')
WITHIN = 60


class ConsoleBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.makedirs(OUT, exist_ok=True)
        cls.site = Site(PROGRAM)
        cls.profile = tempfile.mkdtemp()
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
                         '--ignore-certificate-errors', '--no-proxy-server',
                         '--user-data-dir=' + cls.profile):
            options.add_argument(argument)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
        cls.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        cls.driver.set_page_load_timeout(WITHIN)

    @classmethod
    def tearDownClass(cls):
        cls.driver.quit()
        cls.site.close()
        shutil.rmtree(cls.profile, ignore_errors=True)

    def wait(self, what, message=''):
        return WebDriverWait(self.driver, WITHIN, poll_frequency=0.1).until(what, message)

    def find(self, css):
        return self.wait(lambda d: d.find_element(By.CSS_SELECTOR, css), css)

    def go(self, where, css):
        self.driver.get(self.site.url + '/' + where)
        return self.find(css)

    def size(self, width, height, dark=False):
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
            'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600})
        self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [
            {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}]})

    def shoot(self, name):
        time.sleep(0.3)
        self.driver.save_screenshot(os.path.join(OUT, name + '.png'))

    def log_in(self, token):
        self.driver.delete_all_cookies()
        self.go('', '#token').send_keys(token + Keys.ENTER)
        self.find('.grid tbody tr')

    def no_dialog_and_no_markup(self):
        self.assertEqual(self.driver.find_elements(By.CSS_SELECTOR, 'main img[src=x], main svg, main script, main b.x'), [])
        for entry in self.driver.get_log('browser'):
            self.assertNotIn('Content Security Policy', entry['message'])
            self.assertFalse(entry['level'] == 'SEVERE' and '401' not in entry['message'] and '400' not in entry['message'], entry)

    def test_1_login_refuses_and_lets_in(self):
        self.size(1360, 860)
        self.go('', '#token').send_keys('wrong' + Keys.ENTER)
        self.wait(lambda d: 'unknown' in d.find_element(By.CSS_SELECTOR, '[role=alert]').text)
        self.shoot('login')
        self.log_in(self.site.facts['admin'])

    def test_2_hosts_to_record_to_proof_to_policy(self):
        self.size(1360, 860)
        self.log_in(self.site.facts['admin'])
        self.shoot('hosts-wide')
        host = next(r for r in self.driver.find_elements(By.CSS_SELECTOR, '.grid tbody tr') if 'web-1' in r.text)
        host.click()
        self.find('#events tr.sev-high')
        self.shoot('events-wide')
        self.find('#events tr.sev-high').click()
        self.find('#verify').click()
        verdict = self.find('.verdict')
        self.assertEqual(verdict.get_attribute('data-ok'), 'true', self.driver.find_element(By.ID, 'proof').text)
        self.shoot('record-wide')
        self.driver.find_element(By.CSS_SELECTOR, 'nav a[data-page=policy]').click()
        changes = self.find('#changes')
        self.assertIn('shadow-read <script>alert(2)</script>', changes.text)
        self.assertIn('− temp-exec', changes.text)
        self.shoot('policy-wide')
        self.driver.find_element(By.CSS_SELECTOR, 'nav a[data-page=alarms]').click()
        self.wait(lambda d: '<b>no receipt</b>' in d.find_element(By.ID, 'main').text)
        self.shoot('alarms-wide')
        self.no_dialog_and_no_markup()

    def test_3_a_changed_proof_is_refused(self):
        self.log_in(self.site.facts['admin'])
        for change in ("p.leaf = btoa('x'.repeat(32)), delete p.block", "p.hashes[0] = btoa('y'.repeat(32))",
                       "p.hashes.pop()", "p.index += 1", "p.block = btoa(atob(p.block) + 'z')",
                       "p.note = p.note.replace(/\\n(\\d+)\\n/, (m, n) => '\\n' + (Number(n) + 1) + '\\n')",
                       "p.key = p.key.slice(0, -4) + 'AAA='"):
            ok = self.driver.execute_async_script(
                "const done = arguments[0]; (async () => { const {verifyProof} = await import('/verify.js');"
                " const list = await (await fetch('/api/events?type=file.open')).json(); const e = list.events[0];"
                " const p = (await (await fetch(`/api/record?log=${e.log}&sequence=${e.sequence}`)).json()).proof;"
                " const before = (await verifyProof(p, p.key)).ok; " + change + ";"
                " done([before, (await verifyProof(p, p.key)).ok]); })().catch(e => done([String(e)]))")
            self.assertEqual(ok, [True, False], change)

    def test_4_live_tail_shows_an_act_soon(self):
        self.size(1360, 860)
        self.log_in(self.site.facts['admin'])
        self.go('#/events', '#events tr')
        self.find('#live').click()
        self.wait(lambda d: d.find_element(By.ID, 'live').get_attribute('aria-pressed') == 'true')
        time.sleep(1.5)
        began = time.monotonic()
        self.site.tell('append 1 /srv/seen-live')
        self.wait(lambda d: '/srv/seen-live' in d.find_element(By.CSS_SELECTOR, '#events tr').text)
        print(f'act to screen: {(time.monotonic() - began) * 1000:.0f} ms')
        self.shoot('live-wide')

    def test_5_hostile_text_stays_text(self):
        self.log_in(self.site.facts['admin'])
        row = None
        self.go('#/events?user=mallory', '#events tr.sev-critical')
        row = self.find('#events tr.sev-critical')
        self.assertIn('<img src=x onerror=alert(1)>', row.text)
        row.click()
        self.wait(lambda d: '<svg onload=alert(4)>' in d.find_element(By.ID, 'main').text)
        self.no_dialog_and_no_markup()

    def test_6_a_broken_condition_shows_its_place(self):
        self.size(1360, 860)
        self.log_in(self.site.facts['admin'])
        self.go('#/events', '#where').send_keys("proces.exe == 'x'" + Keys.ENTER)
        self.wait(lambda d: 'column 1' in d.find_element(By.CSS_SELECTOR, '.problem').text)
        self.shoot('condition-wide')

    def test_7_keyboard_alone(self):
        self.size(1360, 860)
        self.log_in(self.site.facts['admin'])
        body = self.driver.find_element(By.TAG_NAME, 'body')
        body.send_keys('2')
        self.find('#events tr[tabindex]')
        body = self.driver.find_element(By.TAG_NAME, 'body')
        body.send_keys('j')
        body.send_keys('j')
        self.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.find('#verify')
        self.driver.find_element(By.TAG_NAME, 'body').send_keys('v')
        self.assertEqual(self.find('.verdict').get_attribute('data-ok'), 'true')

    def test_8_phone_and_dark(self):
        self.log_in(self.site.facts['admin'])
        for name, width, height, dark in (('phone', 390, 844, False), ('dark', 1360, 860, True), ('phone-dark', 390, 844, True)):
            self.size(width, height, dark)
            for page, css in (('hosts', '.grid tbody tr'), ('events', '#events tr.sev-high'), ('policy', '#changes')):
                self.driver.get('about:blank')
                self.go('#/' + page, css)
                wide = self.driver.execute_script('return document.documentElement.scrollWidth - window.innerWidth')
                self.assertLessEqual(wide, 0, f'{page} is wider than the {name}')
                self.shoot(f'{page}-{name}')
            self.driver.get('about:blank')
            self.go('#/events', '#events tr.sev-high').click()
            self.find('#verify').click()
            self.find('.verdict')
            self.shoot(f'record-{name}')

    def test_9_nothing_is_asked_of_others(self):
        import json
        for entry in self.driver.get_log('performance'):
            message = json.loads(entry['message'])['message']
            if message['method'] == 'Network.requestWillBeSent':
                url = message['params']['request']['url']
                self.assertTrue(url.startswith((self.site.url, 'data:', 'about:', 'chrome', 'blob:')), url)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
