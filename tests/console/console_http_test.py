#!/usr/bin/python3
"""usage: console_http_test.py PROGRAM DIR: logins, roles, paging, errors, headers, the access log."""
import base64
import hashlib
import json
import sys
import unittest

sys.path.insert(0, __file__.rsplit('/', 1)[0])
from console_client import Site  # noqa: E402

PROGRAM = sys.argv[1]


class ConsoleHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(PROGRAM)
        cls.admin, cls.set_cookie = cls.site.login(cls.site.facts['admin'])
        cls.viewer, _ = cls.site.login(cls.site.facts['viewer'])

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def all_events(self, cookie, **parameters):
        events, before = [], ''
        for _ in range(1000):
            status, page = self.site.api('events', cookie, before=before, **parameters)
            self.assertEqual(status, 200, page)
            events += page['events']
            if page['exhausted']:
                return events
            before = page['next']
        self.fail('the timeline does not end')

    def test_nothing_without_login(self):
        for path in ('me', 'hosts', 'events', 'tail', 'record', 'policy', 'alarms'):
            for cookie in ('', '__Host-cairn=', '__Host-cairn=' + '0' * 64, self.admin + 'x'):
                status, body = self.site.api(path, cookie)
                self.assertEqual(status, 401, path)
                self.assertEqual(body, {'error': 'log in first'})
        self.assertEqual(self.site.request('/metrics')[0], 401)

    def test_cookie_is_kept_from_scripts_and_other_sites(self):
        for word in ('__Host-', 'Secure', 'HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=600'):
            self.assertIn(word, self.set_cookie)
        status, _, _ = self.site.request('/login', method='POST', body=self.site.facts['admin'],
                                         headers={'Sec-Fetch-Site': 'cross-site'})
        self.assertEqual(status, 403)

    def test_wrong_expired_and_oversized_tokens(self):
        self.assertEqual(self.site.login(self.site.facts['gone'])[1], 401)
        self.assertEqual(self.site.login('cairn_' + '0' * 64)[1], 401)
        self.assertIn(self.site.request('/login', method='POST', body='x' * 100000)[0], (400, 413))

    def test_logout_ends_the_session(self):
        cookie, _ = self.site.login(self.site.facts['admin'])
        self.assertEqual(self.site.api('me', cookie)[0], 200)
        self.site.request('/logout', method='POST', headers={'Cookie': cookie})
        self.assertEqual(self.site.api('me', cookie)[0], 401)

    def test_client_certificate(self):
        status, _, body = self.site.request('/api/me', certificate=True)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body)['how'], 'certificate')

    def test_headers_are_strict(self):
        for path in ('/', '/app.js', '/app.css', '/api/me', '/nothing'):
            _, headers, _ = self.site.request(path)
            policy = headers['Content-Security-Policy']
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn('unsafe', policy)
            self.assertEqual(headers['X-Content-Type-Options'], 'nosniff')

    def test_page_is_small_and_whole(self):
        total = 0
        for path in ('/', '/app.js', '/verify.js', '/app.css', '/icon.svg'):
            status, _, body = self.site.request(path)
            self.assertEqual(status, 200, path)
            self.assertNotIn(b'http://', body.replace(b'http://www.w3.org/', b''))
            self.assertNotIn(b'https://', body.replace(b'https://203.0.113.7', b''))
            total += len(body)
        self.assertLess(total, 300 << 10)

    def test_hosts(self):
        _, body = self.site.api('hosts', self.admin)
        hosts = {host['hostname']: host for host in body['hosts']}
        self.assertEqual(hosts['build-7.test.example']['lost'], 1234)
        self.assertEqual(hosts['build-7.test.example']['degraded'], ['no BPF: the kernel is locked down'])
        self.assertEqual(hosts['web-1.test.example']['policy']['generation'], 2)
        self.assertEqual(hosts['web-1.test.example']['backend'], 'lsm')
        self.assertGreater(hosts['web-1.test.example']['verified']['blocks'], 100)

    def test_pages_join_to_the_whole_timeline(self):
        whole = self.all_events(self.admin, limit=1000)
        self.assertGreater(len(whole), 800)
        self.assertEqual(self.all_events(self.admin, limit=37), whole)
        self.assertEqual(whole, sorted(whole, key=lambda e: e['time'], reverse=True))
        status, page = self.site.api('events', self.admin, limit=10**9)
        self.assertEqual(status, 200)
        self.assertLessEqual(len(page['events']), 1000)

    def test_filters(self):
        everything = self.all_events(self.admin, limit=1000)
        def same(expected, **parameters):
            self.assertEqual(self.all_events(self.admin, limit=1000, **parameters), expected)
        same([e for e in everything if e['type'].startswith('net.')], type='net.*')
        same([e for e in everything if e['type'] in ('net.connect', 'file.delete')], type='net.connect,file.delete')
        same([e for e in everything if 'outgoing' == e['rules']], rule='outgoing')
        same([e for e in everything if e['who'].startswith('bob')], user='bob')
        same([e for e in everything if e['object'].startswith('/etc/shadow')], where="file.path.startsWith('/etc/sh')")
        same([e for e in everything if e['process'].startswith('curl')], where="process.argv.exists(a, a == 'https://203.0.113.7/')")
        same([], where="file.path == '/no/such'")

    def test_broken_filters_say_where(self):
        for parameters, text in (({'where': "proces.exe == 'x'"}, 'where: column 1: '),
                                 ({'where': "type == "}, 'where: column '),
                                 ({'type': 'file.opne'}, "type: no event 'file.opne'"),
                                 ({'since': 'yesterday'}, 'since: '),
                                 ({'before': '1,2'}, 'before: '),
                                 ({'limit': '0'}, 'limit: '),
                                 ({'where': 'x' * 5000}, 'where: longer than 4096 bytes')):
            status, body = self.site.api('events', self.admin, **parameters)
            self.assertEqual(status, 400, parameters)
            self.assertIn(text, body['error'])

    def test_roles_leak_nothing(self):
        web, db, _ = self.site.facts['hosts']
        seen = self.all_events(self.viewer, limit=1000)
        self.assertTrue(seen)
        for event in seen:
            self.assertTrue(event['log'].startswith(web), event)
            self.assertIn(event['type'].split('.')[0], ('process', 'net'))
            self.assertNotIn('mallory', event['who'])
        self.assertEqual([h['host'] for h in self.site.api('hosts', self.viewer)[1]['hosts']], [web])
        self.assertEqual(self.site.api('alarms', self.viewer)[0], 404)
        self.assertEqual(self.site.api('policy', self.viewer)[1]['changes'], [])
        self.assertEqual(self.all_events(self.viewer, host=db), [])
        self.assertEqual(self.all_events(self.viewer, type='file.*'), [])
        hidden = [e for e in self.all_events(self.admin, limit=1000)
                  if e['log'].startswith(db) or e['type'].startswith('file.')][:20]
        for event in hidden:
            status, body = self.site.api('record', self.viewer, log=event['log'], sequence=event['sequence'])
            self.assertEqual((status, body['error']), (404, 'no such record for you'))
        self.assertEqual(self.site.request('/metrics', headers={'Authorization': 'Bearer ' + self.site.facts['viewer']})[0], 401)

    def test_tails_belong_to_their_viewer(self):
        _, begun = self.site.api('tail', self.admin)
        self.assertEqual(self.site.api('tail', self.viewer, id=begun['id'])[0], 404)
        self.site.tell('append 3 /srv/fresh')
        for _ in range(50):
            _, body = self.site.api('tail', self.admin, id=begun['id'])
            if body['events']:
                break
        self.assertTrue(all('/srv/fresh' in e['object'] for e in body['events']), body)

    def test_a_proof_holds_under_an_independent_check(self):
        event = next(e for e in self.all_events(self.admin, limit=1000) if e['object'].startswith('/etc/shadow'))
        status, body = self.site.api('record', self.admin, log=event['log'], sequence=event['sequence'])
        self.assertEqual(status, 200)
        proof = body['proof']
        node = hashlib.sha256(b'\0' + base64.b64decode(proof['block'])).digest()
        self.assertEqual(node, base64.b64decode(proof['leaf']))
        origin, size, root = proof['note'].split('\n')[:3]
        index, last = proof['index'], int(size) - 1
        for text in proof['hashes']:
            other = base64.b64decode(text)
            if index & 1 or index == last:
                node = hashlib.sha256(b'\1' + other + node).digest()
                while not index & 1 and index:
                    index, last = index >> 1, last >> 1
            else:
                node = hashlib.sha256(b'\1' + node + other).digest()
            index, last = index >> 1, last >> 1
        self.assertEqual(last, 0)
        self.assertEqual(base64.b64encode(node).decode(), root)
        self.assertEqual(body['record']['file']['path'], '/etc/shadow')

    def test_text_from_hosts_is_escaped(self):
        attack = next(e for e in self.all_events(self.admin, limit=1000) if e['who'].startswith('mallory'))
        self.assertIn('\\x1b[31m', attack['object'])
        self.assertNotIn('\x1b', json.dumps(attack, ensure_ascii=False))
        self.assertNotIn('\u202e', json.dumps(attack, ensure_ascii=False))
        _, body = self.site.api('alarms', self.admin)
        self.assertEqual([a['text'] for a in body['alarms']], ['<b>no receipt</b> asked for'])

    def test_tiles_are_for_anybody_and_nothing_else_is(self):
        status, headers, body = self.site.request('/tlog/checkpoint')
        self.assertEqual((status, body), (200, b'collector\n1\nAAAA\n'))
        self.assertEqual(self.site.request('/tlog/tile/0/000')[2], bytes(32))
        for path in ('../alarms.jsonl', '%2e%2e/alarms.jsonl', 'tile/../../alarms.jsonl', '/etc/passwd', '.key', 'nothing'):
            self.assertEqual(self.site.request('/tlog/' + path)[0], 404, path)

    def test_metrics(self):
        status, _, body = self.site.request('/metrics', headers={'Authorization': 'Bearer ' + self.site.facts['admin']})
        self.assertEqual(status, 200)
        self.assertIn(b'# TYPE cairn_console_requests_total counter\n', body)

    def test_who_looked_is_written_down(self):
        self.site.api('events', self.viewer, where="type == 'net.connect'")
        with open(self.site.facts['dir'] + '/console/access.jsonl', encoding='utf-8') as log:
            lines = [json.loads(line) for line in log]
        looked = [l for l in lines if l['user'] == 'wendy' and l['asked'].get('where') == "type == 'net.connect'"]
        self.assertTrue(looked)
        self.assertEqual(looked[-1]['status'], 200)
        self.assertGreater(looked[-1]['records'], 0)
        self.assertTrue([l for l in lines if l['status'] == 401])
        self.assertNotIn(self.site.facts['admin'], json.dumps(lines))


class ConsoleAccess(unittest.TestCase):
    def test_taking_rights_away_works_at_once(self):
        site = Site(PROGRAM)
        try:
            cookie, _ = site.login(site.facts['admin'])
            self.assertEqual(site.api('me', cookie)[0], 200)
            site.tell('access roles: {}\\nusers: []\\n')
            self.assertEqual(site.api('me', cookie)[0], 401)
            self.assertEqual(site.login(site.facts['admin'])[1], 401)
            for _ in range(12):
                status = site.login('wrong')[1]
            self.assertEqual(status, 429)
        finally:
            site.close()


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
