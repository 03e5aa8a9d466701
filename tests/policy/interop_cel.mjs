// Compares cairn's CEL with @marcbachmann/cel-js: generated conditions over the same event.
// usage: node interop_cel.mjs PROGRAM MODULE_DIR
import {spawnSync} from 'node:child_process';
import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';

const [program, modules] = process.argv.slice(2);
const require = createRequire(modules + '/x.js');
const {evaluate} = await import(pathToFileURL(require.resolve('@marcbachmann/cel-js')).href);

const event = {
  type: 'file.open', result: 'failure', error: 'ENOENT', errno: 2n, ret: -2n,
  file: {path: '/etc/shadow', access: ['read', 'write'], fd: 0n},
  process: {pid: 7n, exe: '/bin/a', auid: 1000n, euid: 0n, unit: '', argv: ['sh', '-c', 'x y'],
            container: {id: ''}},
  lists: {tools: ['/bin/a', '/bin/b']}, unset: 4294967295n,
};

let state = 12345;
const random = (n) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
const pick = (list) => list[random(list.length)];
const text = () => pick(['process.exe', 'file.path', 'process.unit', 'error', "'/bin/a'", "'sh'",
  "'/etc/'", "''", "('/bin' + '/a')", 'process.argv[0]', 'process.argv[7]']);
const number = (d) => d > 2 ? pick(['0', '1', '7', '1000', 'process.pid', 'process.auid', 'errno',
  'ret', 'file.fd', 'unset', 'size(process.argv)', 'size(file.path)'])
  : pick([() => number(9), () => `(${number(d + 1)} ${pick(['+', '-', '*', '/', '%'])} ${number(d + 1)})`,
          () => `(${bool(d + 1)} ? ${number(d + 1)} : ${number(d + 1)})`])();
const bool = (d) => d > 3 ? pick(['true', 'false', 'process.exe in lists.tools',
  "'read' in file.access", '1 / file.fd == 1'])
  : pick([() => `${number(d)} ${pick(['==', '!=', '<', '<=', '>', '>='])} ${number(d)}`,
          () => `${text()} ${pick(['==', '!=', '<', '>='])} ${text()}`,
          () => `${text()}.${pick(['startsWith', 'endsWith', 'contains'])}(${text()})`,
          () => `${text()}.matches(${pick(["'^/etc'", "'^/bin/[ab]$'", "'s'", "'^$'"])})`,
          () => `${text()} in ${pick(['lists.tools', 'file.access', 'process.argv', "['a', '/bin/a']"])}`,
          () => `!(${bool(d + 1)})`,
          () => `(${bool(d + 1)} && ${bool(d + 1)})`,
          () => `(${bool(d + 1)} || ${bool(d + 1)})`,
          () => `(${bool(d + 1)} ? ${bool(d + 1)} : ${bool(d + 1)})`,
          () => `process.argv.${pick(['exists', 'all', 'exists_one'])}(a, ${pick([
            "a == 'sh'", "a.startsWith('-')", 'size(a) > 1', "1 / (a == 'sh' ? 0 : 1) == 1"])})`])();

const conditions = [];
for (let i = 0; i < 5000; ++i) conditions.push(bool(0));
const ours = spawnSync(program, {input: conditions.join('\n') + '\n', encoding: 'utf8'})
  .stdout.trim().split('\n');
const tally = {true: 0, false: 0, error: 0};
let differing = 0;
// What fails with constants alone is the author's mistake: cairn refuses it at load.
const atLoad = /^refused: (division by zero|modulus by zero|integer overflow)$/;
let refused = 0;
conditions.forEach((condition, i) => {
  if (atLoad.test(ours[i])) return void ++refused;
  let theirs;
  try {
    theirs = String(evaluate(condition, event));
  } catch {
    theirs = 'error';
  }
  ++tally[theirs];
  if (theirs !== ours[i] && ++differing <= 10) {
    console.log(`${condition}\n    cairn ${ours[i]}, cel-js ${theirs}`);
  }
});
console.log(`${conditions.length} conditions, ${JSON.stringify(tally)}, ${refused} refused at load, ${differing} differ`);
process.exit(differing === 0 && ours.length === conditions.length ? 0 : 1);
