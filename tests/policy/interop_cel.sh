#!/usr/bin/env bash
# usage: interop_cel.sh PROGRAM NPM_DIR: installs cel-js there once, then compares.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 modules=$2
skip() { echo "SKIPPED: $1"; exit 77; }
command -v node >/dev/null || skip "no node"
if [ ! -d "$modules/node_modules/@marcbachmann/cel-js" ]; then
  command -v npm >/dev/null || skip "no npm"
  mkdir -p "$modules"
  [ -e "$modules/package.json" ] || echo '{"private": true}' > "$modules/package.json"
  (cd "$modules" && timeout 120 npm install --no-audit --no-fund @marcbachmann/cel-js@8.0.0) \
    || skip "npm could not fetch @marcbachmann/cel-js"
fi
exec node "$here/interop_cel.mjs" "$program" "$modules"
