#!/usr/bin/env bash
# units_test.sh UNITS: how exposed each service is, as systemd sees it, and that units are well-formed.
set -euo pipefail
units=$1
command -v systemd-analyze >/dev/null || { echo "SKIPPED: systemd-analyze is not installed"; exit 77; }
failed=0
for limit in cairnd:2.0 cairn-shipper:1.3 cairn-collectord:1.5 cairn-console:1.5 cairn-export:1.5; do
  unit=${limit%:*}.service most=${limit#*:}
  figure=$(systemd-analyze security --offline=yes --no-pager "$units/$unit" |
    sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  [ -n "$figure" ] || { echo "SKIPPED: this systemd-analyze cannot judge unit files"; exit 77; }
  echo "$unit: $figure (at most $most)"
  awk "BEGIN {exit !($figure <= $most)}" || failed=1
  # What a later systemd no longer knows, or a typing error, would be ignored in silence.
  if systemd-analyze verify "$units/$unit" 2>&1 | grep -E "$unit:[0-9]+: (Unknown|Failed|Invalid)"; then
    failed=1
  fi
done
exit "$failed"
