// Checks in the browser what the server claims: leaf, path, root (RFC 9162 §2.1.3.2), and the
// host's signature on the checkpoint (C2SP signed note, Ed25519). Nothing but WebCrypto is used.

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);

async function sha256(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', all));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

// The root that `leaf` at `index` of `size` leads to along `hashes`; null: the path has a wrong length.
export async function rootOf(leaf, index, size, hashes) {
  let fn = BigInt(index);
  let sn = BigInt(size) - 1n;
  if (fn > sn) return null;
  let r = leaf;
  for (const hash of hashes) {
    if (sn === 0n) return null;
    if ((fn & 1n) === 1n || fn === sn) {
      r = await sha256(NODE, hash, r);
      while ((fn & 1n) === 0n && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      r = await sha256(NODE, r, hash);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? r : null;
}

export function parseNote(note) {
  const split = note.indexOf('\n\n');
  const text = note.slice(0, split + 1);
  const [origin, size, root] = text.split('\n');
  const signatures = note.slice(split + 2).split('\n').filter(Boolean).map((line) => {
    const [, name, base64] = /^— (\S+) (\S+)$/.exec(line) || [];
    const bytes = base64 ? bytesOf(base64) : new Uint8Array();
    return {name, id: bytes.slice(0, 4), signature: bytes.slice(4)};
  });
  return {text, origin, size, root: bytesOf(root), signatures};
}

async function checkSignature(note, vkey) {
  const at = [vkey.indexOf('+'), vkey.indexOf('+', vkey.indexOf('+') + 1)];
  if (at[0] < 0 || at[1] < 0) return {ok: false, detail: 'this is no verifier key'};
  const name = vkey.slice(0, at[0]);
  const typed = bytesOf(vkey.slice(at[1] + 1));
  if (typed.length !== 33 || typed[0] !== 1) return {ok: false, detail: 'not an Ed25519 verifier key'};
  if (name !== note.origin) return {ok: false, detail: `the key is of ${name}`};
  const id = (await sha256(new TextEncoder().encode(name + '\n'), typed)).slice(0, 4);
  const line = note.signatures.find((s) => s.name === name && same(s.id, id));
  if (!line) return {ok: false, detail: 'no signature by this key'};
  try {
    const key = await crypto.subtle.importKey('raw', typed.slice(1), {name: 'Ed25519'}, false, ['verify']);
    const good = await crypto.subtle.verify({name: 'Ed25519'}, key, line.signature, new TextEncoder().encode(note.text));
    return {ok: good, detail: good ? `by ${name}` : 'the signature is wrong'};
  } catch {
    return {ok: null, detail: 'this browser has no Ed25519; save the proof and check it elsewhere'};
  }
}

export async function verifyProof(proof, vkey) {
  const steps = [];
  const add = (ok, what, detail) => steps.push({ok, what, detail});
  const result = (ok, verdict) => ({ok, verdict, steps});
  try {
    let leaf = bytesOf(proof.leaf);
    if (proof.block) {
      const own = await sha256(LEAF, bytesOf(proof.block));
      add(same(own, leaf), 'The block’s bytes hash to its leaf', `SHA-256(00 ‖ ${bytesOf(proof.block).length} bytes) = ${hex(own)}`);
      leaf = own;
    } else {
      add(null, 'The leaf is taken as given', hex(leaf));
    }
    const note = parseNote(proof.note);
    const root = await rootOf(leaf, proof.index, note.size, proof.hashes.map(bytesOf));
    add(root !== null, `${proof.hashes.length} hashes lead from leaf ${proof.index} to the root of ${note.size} blocks`, root ? hex(root) : 'the path has a wrong length');
    const equal = root !== null && same(root, note.root);
    add(equal, 'That is the root of the signed checkpoint', hex(note.root));
    const signed = await checkSignature(note, vkey);
    add(signed.ok, 'The host’s log key signed the checkpoint', signed.detail);
    const cosigned = note.signatures.filter((s) => s.signature.length === 72);
    if (cosigned.length) add(null, 'Cosigned, as its receipt', cosigned.map((s) => s.name).join(', '));
    const bad = steps.some((s) => s.ok === false);
    if (bad) return result(false, 'NOT PROVEN: something does not hold. Keep this page as evidence.');
    return result(signed.ok === true, signed.ok ? 'Proven: this block is in the log that the key vouches for.' : 'The tree holds; the signature could not be checked here.');
  } catch (error) {
    add(false, 'The proof could not be read', String(error));
    return result(false, 'NOT PROVEN');
  }
}
