// The console's page. Everything shown is text: no markup is ever made from data (the page's
// policy forbids it), and nothing is asked of any other server.
import {verifyProof} from './verify.js';

const main = document.getElementById('main');
const state = {me: null, timer: null, tail: null, rows: [], at: -1, hosts: []};

// ---- small things ----

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

let toastTimer;
function say(text) {
  const status = document.getElementById('status');
  status.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { status.textContent = ''; }, 4000);
}

async function get(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value) query.set(key, value);
  const text = query.toString();
  const answer = await fetch(path + (text ? '?' + text : ''), {cache: 'no-store'});
  const body = await answer.json().catch(() => ({error: 'the server gave no answer'}));
  if (answer.status === 401) { showLogin(); throw new Error(body.error); }
  if (!answer.ok) throw new Error(body.error);
  return body;
}

const local = (iso) => new Date(iso.slice(0, 23) + 'Z');
const two = (n) => String(n).padStart(2, '0');
function clock(iso) {
  const t = local(iso);
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${String(t.getMilliseconds()).padStart(3, '0')}`;
}
const day = (iso) => local(iso).toLocaleDateString(undefined, {weekday: 'short', year: 'numeric', month: 'short', day: 'numeric'});
function ago(iso, now) {
  const s = Math.max(0, (local(now) - local(iso)) / 1000);
  if (s < 120) return `${Math.round(s)} s ago`;
  if (s < 7200) return `${Math.round(s / 60)} min ago`;
  if (s < 172800) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} d ago`;
}
const number = (n) => Number(n).toLocaleString('en');
const hostName = (id) => (state.hosts.find((h) => h.host === id.split('/')[0]) || {}).hostname || id.slice(0, 8);

function chipFor(type) {
  const kinds = {process: 'good', file: 'info', net: 'violet', cred: 'warn', kernel: 'bad', auth: 'warn', account: 'warn'};
  return el('span', {class: 'chip ' + (kinds[type.split('.')[0]] || '')}, type);
}

function show(title, ...children) {
  document.title = title + ' · cairn';
  main.replaceChildren(...children);
  state.rows = [];
  state.at = -1;
}

function row(cells, open, attributes = {}) {
  const tr = el('tr', {tabindex: 0, ...attributes}, cells);
  tr.addEventListener('click', open);
  tr.addEventListener('keydown', (event) => { if (event.key === 'Enter') open(); });
  tr.open = open;
  return tr;
}

const failed = (error) => el('p', {class: 'card pad text-bad', role: 'alert'}, error.message);

// ---- login ----

function showLogin(message) {
  stopTimers();
  state.me = null;
  document.getElementById('top').hidden = true;
  const input = el('input', {type: 'password', id: 'token', autocomplete: 'current-password', required: true, spellcheck: 'false'});
  const problem = el('p', {class: 'text-bad', role: 'alert'}, message || '');
  const form = el('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      const answer = await fetch('/login', {method: 'POST', body: input.value});
      if (answer.ok) { input.value = ''; return start(); }
      problem.textContent = (await answer.json().catch(() => ({error: 'no answer'}))).error;
      input.select();
    },
  }, el('label', {for: 'token'}, 'Access token'), input, el('button', {class: 'main'}, 'Log in'), problem);
  show('Log in', el('div', {class: 'login'},
    el('img', {src: '/icon.svg', alt: ''}), el('h1', {}, 'cairn'),
    el('p', {class: 'sub'}, 'Who did what, on which host, and the proof of it.'), form));
  input.focus();
}

// ---- hosts ----

function hostState(host, now) {
  const silent = !host.last_seen || (local(now) - local(host.last_seen)) > 90000;
  if (host.degraded.length) return ['warn', 'degraded'];
  if (silent) return ['bad', 'silent'];
  if (!host.verified) return ['warn', 'unverified'];
  return ['good', 'trusted'];
}

async function hostsPage() {
  const data = await get('/api/hosts');
  state.hosts = data.hosts;
  const count = (name) => data.hosts.filter((h) => hostState(h, data.now)[1] === name).length;
  const lost = data.hosts.reduce((sum, h) => sum + h.lost, 0);
  const tile = (value, label, kind) => el('div', {class: 'card tile'}, el('b', {class: kind}, value), el('span', {}, label));
  const rows = data.hosts.map((host) => {
    const [kind, word] = hostState(host, data.now);
    const policy = host.policy;
    return row([
      el('td', {}, el('span', {class: 'dot ' + kind, 'aria-hidden': 'true'}), el('span', {class: 'name'}, host.hostname || host.host), el('small', {class: 'mono'}, `${host.host.slice(0, 8)} / ${host.incarnation}${host.environment ? ' · ' + host.environment : ''}`)),
      el('td', {}, el('span', {class: 'chip ' + kind}, word), host.degraded.map((d) => el('small', {}, d))),
      el('td', {'data-label': 'Last seen'}, host.last_seen ? ago(host.last_seen, data.now) : 'never', host.last_seen ? el('small', {}, `${day(host.last_seen)} ${clock(host.last_seen).slice(0, 8)}`) : null),
      el('td', {'data-label': 'Verified through'}, host.verified ? `block ${number(host.verified.blocks)}` : 'nothing yet', host.verified && host.verified.time ? el('small', {}, `receipt ${ago(host.verified.time, data.now)}`) : null),
      el('td', {'data-label': 'Policy'}, policy ? `generation ${policy.generation}` : 'unknown', policy ? el('small', {class: 'mono'}, `${policy.digest.slice(0, 12)} · ${policy.rung}`) : null),
      el('td', {'data-label': 'Backend'}, host.backend || 'unknown', host.audit ? el('small', {}, `audit ${host.audit}`) : null),
      el('td', {'data-label': 'Lost, 24 h', class: host.lost ? 'text-bad' : ''}, number(host.lost)),
    ], () => { location.hash = `#/events?host=${host.host}`; });
  });
  const table = el('table', {class: 'grid'},
    el('thead', {}, el('tr', {}, ['Host', 'State', 'Last seen', 'Verified through', 'Policy', 'Backend', 'Lost, 24 h'].map((h) => el('th', {scope: 'col'}, h)))),
    el('tbody', {}, rows));
  const problems = data.problems.map((p) => el('p', {class: 'card pad text-bad'}, p));
  show('Hosts', el('div', {class: 'head'}, el('h1', {}, 'Hosts')),
    el('div', {class: 'tiles'}, tile(data.hosts.length, 'hosts'), tile(count('trusted'), 'trusted and alive', 'text-good'),
      tile(count('degraded'), 'degraded', count('degraded') ? 'text-warn' : ''), tile(count('silent'), 'silent', count('silent') ? 'text-bad' : ''),
      tile(number(lost), 'events lost, 24 h', lost ? 'text-bad' : '')),
    ...problems,
    rows.length ? el('div', {class: 'card'}, table) : el('div', {class: 'card empty'}, 'No host has shipped a log that you may see.'));
  state.rows = rows;
  every(5000, async () => { const at = state.at; await hostsPage(); move(at, true); });
}

// ---- events ----

const spans = {'15 minutes': 900, '1 hour': 3600, '24 hours': 86400, '7 days': 604800, 'all time': 0};

function eventRow(event, fresh) {
  const failedAct = !['ok', '-', 'exit 0'].includes(event.result);
  return row([
    el('td', {class: 'c-time', title: event.time}, clock(event.time)),
    el('td', {class: 'c-type'}, chipFor(event.type)),
    el('td', {class: 'c-host', title: hostName(event.log)}, hostName(event.log).split('.')[0]),
    el('td', {class: 'c-who'}, event.who),
    el('td', {class: 'c-process'}, event.process),
    el('td', {class: 'c-object', title: event.object}, event.object),
    el('td', {class: 'c-result ' + (failedAct ? 'text-bad' : '')}, event.result),
    el('td', {class: 'c-rule', title: event.rules}, event.rules),
  ], () => { location.hash = `#/record/${event.log}/${event.sequence}`; },
  {class: `sev-${event.severity}${fresh ? ' new' : ''}`});
}

async function eventsPage(query) {
  const values = Object.fromEntries(query);
  if (!state.hosts.length) state.hosts = (await get('/api/hosts')).hosts;
  const field = (name, control) => { control.name = name; if (values[name]) control.value = values[name]; return control; };
  const host = field('host', el('select', {}, el('option', {value: ''}, 'all hosts'), state.hosts.map((h) => el('option', {value: h.host}, h.hostname || h.host))));
  const type = field('type', el('input', {placeholder: 'file.open, net.*', spellcheck: 'false'}));
  const user = field('user', el('input', {placeholder: 'name or id', spellcheck: 'false'}));
  const rule = field('rule', el('input', {placeholder: 'rule id', spellcheck: 'false'}));
  const span = field('span', el('select', {}, Object.keys(spans).map((s) => el('option', {value: s}, s))));
  if (!values.span) span.value = 'all time';
  const where = field('where', el('input', {id: 'where', placeholder: "process.exe.startsWith('/tmp/') && result == 'success'", spellcheck: 'false', autocapitalize: 'off'}));
  const problem = el('p', {class: 'problem bad', role: 'alert', hidden: true});
  const live = el('button', {type: 'button', 'aria-pressed': 'false', id: 'live', onclick: () => toggleLive()}, '● Live');
  const form = el('form', {class: 'card filter', onsubmit: (event) => {
    event.preventDefault();
    const next = new URLSearchParams();
    for (const control of [host, type, user, rule, span, where]) if (control.value && !(control === span && span.value === 'all time')) next.set(control.name, control.value);
    const hash = '#/events' + (next.size ? '?' + next : '');
    if (hash === location.hash) route(); else location.hash = hash;
  }},
  el('label', {}, 'Host', host), el('label', {}, 'Event', type), el('label', {}, 'User', user), el('label', {}, 'Rule', rule), el('label', {}, 'Since', span),
  el('label', {class: 'where'}, 'Condition (CEL)', where), el('div', {class: 'go'}, el('button', {class: 'main'}, 'Show')), problem);
  for (const control of [host, span]) control.addEventListener('change', () => form.requestSubmit());
  const body = el('tbody', {id: 'events'});
  const table = el('table', {class: 'grid events'}, el('thead', {}, el('tr', {},
    [['time', 'Time'], ['type', 'Event'], ['host', 'Host'], ['who', 'Who'], ['process', 'Process'], ['object', 'Object'], ['result', 'Result'], ['rule', 'Rule']].map(([c, h]) => el('th', {class: 'c-' + c, scope: 'col'}, h)))), body);
  const foot = el('div', {class: 'more'});
  const card = el('div', {class: 'card'}, table, foot);
  show('Events', el('div', {class: 'head'}, el('h1', {}, 'Events'), el('span', {class: 'sub', id: 'summary'}), el('span', {class: 'space'}), live), form, card);

  const asked = () => {
    const seconds = spans[span.value] || 0;
    return {host: host.value, type: type.value, user: user.value, rule: rule.value, where: where.value,
      since: seconds ? String(Date.now() - seconds * 1000) : ''};
  };
  const explain = (error) => {
    problem.hidden = false;
    const at = /column (\d+)/.exec(error.message);
    problem.textContent = at && where.value ? `${where.value}\n${' '.repeat(at[1] - 1)}^\n${error.message}` : error.message;
    where.setAttribute('aria-invalid', String(Boolean(at)));
  };
  let lastDay = '';
  const append = (events) => {
    for (const event of events) {
      if (day(event.time) !== lastDay) { lastDay = day(event.time); body.append(el('tr', {class: 'day'}, el('td', {colspan: 8}, lastDay))); }
      const tr = eventRow(event);
      state.rows.push(tr);
      body.append(tr);
    }
  };
  let shown = 0;
  const load = async (before) => {
    foot.replaceChildren('searching …');
    let page;
    try { page = await get('/api/events', {...asked(), before}); } catch (error) { foot.replaceChildren(); return explain(error); }
    append(page.events);
    shown += page.events.length;
    const index = page.index;
    const sure = index.confirmed === index.segments ? 'index confirmed' : `index confirmed for ${index.confirmed} of ${index.segments} segments`;
    const text = `${number(shown)} shown in ${page.took_ms} ms · ${number(index.chunks_ruled_out)} stretches ruled out, ${number(index.chunks_read)} read · ${sure}`;
    foot.replaceChildren(el('span', {}, text), ...index.problems.map((p) => el('span', {class: 'text-bad'}, p)));
    if (!page.exhausted) foot.append(el('button', {onclick: () => load(page.next), id: 'older'}, page.timed_out ? 'Search on' : 'Older'));
    if (page.exhausted && !shown) body.append(el('tr', {}, el('td', {colspan: 8, class: 'empty'}, 'Nothing fits.')));
  };
  await load(values.before);
  live.load = async () => {
    let tail;
    try { tail = await get('/api/tail', asked()); } catch (error) { explain(error); return; }
    state.tail = tail.id;
    const poll = async () => {
      if (state.tail !== tail.id) return;
      try {
        const answer = await get('/api/tail', {id: tail.id});
        for (const event of answer.events) {
          const tr = eventRow(event, true);
          body.prepend(tr);
          state.rows.unshift(tr);
          if (state.at >= 0) state.at++;
        }
        while (body.rows.length > 2000) body.deleteRow(-1);
      } catch (error) {
        if (state.me) { say('The live tail ended: ' + error.message); toggleLive(false); }
        return;
      }
      setTimeout(poll, document.hidden ? 3000 : 300);
    };
    poll();
  };
  if (values.live) toggleLive(true);
}

function toggleLive(on) {
  const live = document.getElementById('live');
  if (!live) return;
  const now = on !== undefined ? on : live.getAttribute('aria-pressed') !== 'true';
  live.setAttribute('aria-pressed', String(now));
  if (now) live.load(); else state.tail = null;
}

// ---- one record ----

function tree(value) {
  if (Array.isArray(value)) {
    if (value.every((v) => typeof v !== 'object')) return el('span', {class: 'mono'}, value.length ? value.join(' ') : '[]');
    return el('div', {}, value.map((v) => el('div', {class: 'mono'}, Object.values(v).join(' · '))));
  }
  if (value && typeof value === 'object') return el('dl', {class: 'rows'}, Object.entries(value).map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, tree(v)))));
  return el('span', {class: 'mono'}, String(value));
}

async function recordPage(parts) {
  const sequence = parts.pop();
  const log = parts.join('/');
  if (!state.hosts.length) state.hosts = (await get('/api/hosts')).hosts;
  const data = await get('/api/record', {log, sequence});
  const line = data.row;
  const sentence = el('p', {class: 'mono'}, [line.who, line.process, line.type, line.object, line.result].filter(Boolean).join('  →  '));
  const head = el('div', {class: 'head'}, el('h1', {}, `Record ${number(sequence)}`), chipFor(line.type),
    line.severity !== 'none' ? el('span', {class: 'chip ' + (line.severity === 'low' ? 'info' : line.severity === 'medium' ? 'warn' : 'bad')}, line.severity) : null,
    el('span', {class: 'space'}), el('button', {onclick: () => history.back(), class: 'quiet'}, '← Back'));
  const step = (n) => el('a', {href: `#/record/${log}/${n}`}, n < sequence ? '← earlier' : 'later →');
  const summary = el('div', {class: 'card pad'}, sentence, el('dl', {class: 'rows'},
    [['Time', `${day(line.time)} ${clock(line.time)}`], ['Host', hostName(log)], ['Log', log], ['Block', number(data.block)], ['Rules', line.rules || 'none']].map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {class: k === 'Log' ? 'mono' : ''}, v)))),
  el('p', {}, Number(sequence) > 0 ? step(Number(sequence) - 1) : null, ' ', step(Number(sequence) + 1)));
  show(`Record ${sequence}`, head, el('div', {class: 'facts'}, el('div', {class: 'stack'}, summary, proofCard(data)),
    el('div', {class: 'card pad'}, el('h2', {}, 'Everything recorded'), tree(data.record))));
}

function proofCard(data) {
  const proof = data.proof;
  if (proof.error) return el('div', {class: 'card pad'}, el('h2', {}, 'Proof'), el('p', {class: 'sub'}, proof.error), el('button', {onclick: () => route()}, 'Look again'));
  const key = el('input', {value: proof.key || '', class: 'mono', spellcheck: 'false', id: 'vkey'});
  const out = el('div', {id: 'proof', 'aria-live': 'polite'});
  const verify = el('button', {class: 'main', id: 'verify', onclick: async () => {
    verify.disabled = true;
    const result = await verifyProof(proof, key.value.trim());
    out.replaceChildren(el('ol', {class: 'steps'}, result.steps.map((s) => el('li', {},
      el('span', {class: 'mark ' + (s.ok ? 'good' : s.ok === null ? 'warn' : 'bad')}, s.ok ? '✓' : s.ok === null ? '–' : '✗'),
      el('span', {}, s.what, el('small', {}, s.detail))))),
    el('div', {class: 'verdict ' + (result.ok ? 'good' : 'bad'), 'data-ok': String(result.ok)}, result.verdict));
    verify.disabled = false;
  }}, 'Verify in this browser');
  const file = () => {
    const lines = ['c2sp.org/tlog-proof@v1', `index ${proof.index}`, ...proof.hashes, '', proof.note];
    const link = el('a', {href: URL.createObjectURL(new Blob([lines.join('\n')])), download: `record-${data.row.sequence}.tlog-proof`});
    link.click();
  };
  return el('div', {class: 'card pad'}, el('h2', {}, 'Proof'),
    el('p', {class: 'sub'}, `This record stands in block ${number(proof.index)}. Your browser hashes the block, follows ${proof.hashes.length} hashes up the Merkle tree and compares the root with the checkpoint that the host signed.`),
    data.others_hidden ? el('p', {class: 'sub'}, 'The block also holds records that your role does not show, so its hash is given instead of its bytes.') : null,
    el('label', {for: 'vkey', class: 'sub'}, 'Key to check with: the collector’s word; put in the one you pinned to trust nobody'), key,
    el('p', {}, verify, ' ', el('button', {onclick: file, class: 'quiet'}, 'Save the proof')), out,
    el('details', {}, el('summary', {}, 'Checkpoint'), el('pre', {class: 'mono'}, proof.note)));
}

// ---- policy ----

async function policyPage(query) {
  if (!state.hosts.length) state.hosts = (await get('/api/hosts')).hosts;
  const data = await get('/api/policy', {host: query.get('host') || ''});
  const host = el('select', {'aria-label': 'Host', onchange: () => { location.hash = '#/policy' + (host.value ? '?host=' + host.value : ''); }},
    el('option', {value: ''}, 'all hosts'), state.hosts.map((h) => el('option', {value: h.host}, h.hostname || h.host)));
  host.value = query.get('host') || '';
  const marks = [['removed', '−', 'bad'], ['weakened', '↓', 'warn'], ['strengthened', '↑', 'good'], ['added', '+', 'good']];
  const cards = data.changes.map((change) => {
    const rejected = change.type === 'agent.policy_rejected';
    const lines = marks.flatMap(([name, mark, kind]) => change[name].map((rule) => el('li', {class: kind}, `${mark} ${rule}`, name === 'weakened' ? '  (weakened)' : '')));
    const by = [change.trigger, change.requester, change.writer.length ? 'written by ' + change.writer.join(' ← ') : null, change.signers.length ? 'signed by ' + change.signers.join(', ') : null].filter(Boolean).join(' · ');
    return el('article', {class: 'card pad'},
      el('div', {class: 'head'}, el('h2', {}, rejected ? 'Rejected' : `Generation ${change.new_generation}`),
        el('span', {class: 'chip ' + (rejected ? 'bad' : change.rung === 'configured' ? 'good' : 'warn')}, rejected ? 'the old policy stays' : change.rung),
        el('span', {class: 'sub'}, hostName(change.log)), el('span', {class: 'space'}),
        el('a', {href: `#/record/${change.log}/${change.sequence}`}, `${day(change.time)} ${clock(change.time).slice(0, 8)}`)),
      el('div', {class: 'sub'}, by),
      el('div', {class: 'mono sub'}, `${change.old_digest.slice(0, 12) || 'none'} → ${change.new_digest.slice(0, 12) || 'none'}`),
      lines.length ? el('ul', {class: 'diff'}, lines) : el('p', {class: 'sub'}, rejected ? '' : 'No rule differs.'),
      change.errors.length ? el('ul', {class: 'diff'}, change.errors.map((e) => el('li', {class: 'bad'}, e))) : null,
      change.files.length ? el('details', {}, el('summary', {}, change.files.length === 1 ? '1 file' : `${change.files.length} files`), el('ul', {class: 'diff'}, change.files.map((f) => el('li', {}, f)))) : null);
  });
  show('Policy', el('div', {class: 'head'}, el('h1', {}, 'Policy history'), el('span', {class: 'space'}), host),
    cards.length ? el('div', {class: 'stack', id: 'changes'}, cards) : el('div', {class: 'card empty'}, 'No change of policy that you may see.'));
}

// ---- alarms ----

async function alarmsPage() {
  const data = await get('/api/alarms');
  const worst = ['tampered', 'fork', 'gap', 'untrusted_key', 'identity'];
  const rows = data.alarms.map((alarm) => {
    const host = (alarm.origin.split('/')[2] || '');
    return row([
      el('td', {}, alarm.time ? `${day(alarm.time)} ${clock(alarm.time).slice(0, 8)}` : ''),
      el('td', {}, el('span', {class: 'chip ' + (worst.includes(alarm.kind) ? 'bad' : 'warn')}, alarm.kind)),
      el('td', {}, host ? hostName(host) : '', el('small', {class: 'mono'}, alarm.origin)), el('td', {}, alarm.text),
    ], () => { if (host) location.hash = `#/events?host=${host}`; });
  });
  show('Alarms', el('div', {class: 'head'}, el('h1', {}, 'Alarms')),
    rows.length ? el('div', {class: 'card'}, el('table', {class: 'grid'}, el('thead', {}, el('tr', {}, ['When', 'What', 'Host', 'Why'].map((h) => el('th', {scope: 'col'}, h)))), el('tbody', {}, rows)))
      : el('div', {class: 'card empty'}, 'No alarm. Every host that ships is verified as it arrives.'));
  state.rows = rows;
  every(5000, alarmsPage);
}

// ---- where to, keys, start ----

function stopTimers() {
  clearTimeout(state.timer);
  state.tail = null;
}
function every(ms, what) {
  clearTimeout(state.timer);
  const page = location.hash;
  state.timer = setTimeout(() => {
    if (location.hash !== page || !state.me) return;
    if (document.hidden || document.activeElement.closest('dialog')) return every(ms, what);
    what().catch(() => every(ms, what));
  }, ms);
}

async function route() {
  if (!state.me) return;
  stopTimers();
  const [path, query] = (location.hash.slice(2) || 'hosts').split('?');
  const parts = path.split('/').map(decodeURIComponent);
  const pages = {hosts: hostsPage, events: eventsPage, policy: policyPage, alarms: alarmsPage};
  const name = parts[0];
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.page === (name === 'record' ? 'events' : name)) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  try {
    if (name === 'record') await recordPage(parts.slice(1));
    else await (pages[name] || hostsPage)(new URLSearchParams(query || ''));
  } catch (error) {
    if (state.me) show('Problem', failed(error));
  }
}

function move(to, quietly) {
  if (!state.rows.length) return;
  const at = Math.max(-1, Math.min(state.rows.length - 1, to));
  if (state.rows[state.at]) state.rows[state.at].classList.remove('at');
  state.at = at;
  if (at < 0) return;
  state.rows[at].classList.add('at');
  if (!quietly) { state.rows[at].focus({preventScroll: true}); state.rows[at].scrollIntoView({block: 'nearest'}); }
}

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest && event.target.closest('input, select, textarea, dialog');
  if (event.ctrlKey || event.metaKey || event.altKey || !state.me) return;
  if (event.key === 'Escape') {
    if (typing && event.target.blur) event.target.blur();
    else if (location.hash.startsWith('#/record')) history.back();
    return;
  }
  if (typing) return;
  const sections = {1: 'hosts', 2: 'events', 3: 'policy', 4: 'alarms'};
  if (sections[event.key]) location.hash = '#/' + sections[event.key];
  else if (event.key === 'j') move(state.at + 1);
  else if (event.key === 'k') move(state.at - 1);
  else if (event.key === 'l') toggleLive();
  else if (event.key === 'v') document.getElementById('verify')?.click();
  else if (event.key === '?') document.getElementById('keys').showModal();
  else if (event.key === '/') {
    const where = document.getElementById('where');
    if (where) where.focus(); else { location.hash = '#/events'; }
    event.preventDefault();
  }
});
document.getElementById('help').addEventListener('click', () => document.getElementById('keys').showModal());
document.getElementById('logout').addEventListener('click', async () => { await fetch('/logout', {method: 'POST'}); showLogin('You are logged out.'); });
window.addEventListener('hashchange', route);

async function start() {
  try { state.me = await get('/api/me'); } catch { return; }
  state.hosts = [];
  document.getElementById('top').hidden = false;
  document.getElementById('who').textContent = `${state.me.name} · ${state.me.role}`;
  document.querySelector('[data-page=alarms]').hidden = !state.me.alarms;
  document.getElementById('logout').hidden = state.me.how !== 'token';
  await route();
}
start();
