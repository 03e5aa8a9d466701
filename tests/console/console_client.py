"""Starts console_site and talks to it: HTTPS with Python's own client."""
import http.client
import json
import ssl
import subprocess
import sys
import urllib.parse


class Site:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit('console_site did not start')
        self.facts = json.loads(line)
        self.url = f"https://localhost:{self.facts['port']}"

    def tell(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        assert self.process.stdout.readline() == 'ok\n'

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def request(self, path, parameters=None, method='GET', body=None, headers=None, certificate=False):
        """(status, headers, body bytes)"""
        context = ssl.create_default_context(cafile=self.facts['dir'] + '/console.crt')
        if certificate:
            context.load_cert_chain(self.facts['dir'] + '/user.crt', self.facts['dir'] + '/user.key')
        connection = http.client.HTTPSConnection('localhost', self.facts['port'], context=context,
                                                 timeout=60)
        if parameters:
            path += '?' + urllib.parse.urlencode(parameters)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def login(self, token):
        status, headers, body = self.request('/login', method='POST', body=token)
        if status != 200:
            return None, status
        return headers['Set-Cookie'].split(';')[0], headers['Set-Cookie']

    def api(self, path, cookie, **parameters):
        status, _, body = self.request('/api/' + path, parameters, headers={'Cookie': cookie or ''})
        return status, json.loads(body)
