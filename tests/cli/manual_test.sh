#!/usr/bin/env bash
# manual_test.sh PAGES BIN: groff has nothing to say about any page; every option that `--help` of a
# program or command names is in its page; and completions parse.
set -euo pipefail
pages=$1 bin=$2
command -v groff >/dev/null || { echo "SKIPPED: groff is not installed (tools/setup test)"; exit 77; }
failed=0
complain() { echo "$*"; failed=1; }

rendered() { zcat "$1" | groff -Kutf8 -man -Tutf8 -P-c | sed 's/.\x08//g; s/\x1b\[[0-9;]*m//g'; }
count=0
for page in "$pages"/{cli,agent,collector}/*.gz; do
  count=$((count + 1))
  warnings=$(zcat "$page" | groff -Kutf8 -man -Tutf8 -ww -z 2>&1 || true)
  [ -z "$warnings" ] || complain "$page: $warnings"
done
[ "$count" -ge 20 ] || complain "only $count pages in $pages"

says_all() {  # PAGE HELP
  local option text
  text=$(rendered "$1")
  for option in $(grep -oE -- '--[a-z-]+' <<< "$2" | sort -u); do
    grep -qF -- "$option" <<< "$text" || complain "$1 does not say $option"
  done
}
while read -r command; do
  page=$pages/cli/cairn-${command// /-}.1.gz
  [ -s "$page" ] || { complain "no page for: cairn $command"; continue; }
  # shellcheck disable=SC2086  # two words name some commands
  says_all "$page" "$("$bin/cairn" $command --help)"
done < <("$bin/cairn" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\( [a-z-]*\)\{0,1\}\)  *[A-Z].*/\1/p' | sed 's/ *$//')
says_all "$pages/agent/cairnd.8.gz" "$("$bin/cairnd" --help)"
says_all "$pages/agent/cairn-shipper.8.gz" "$("$bin/cairn-shipper" --help)"
says_all "$pages/collector/cairn-collectord.8.gz" "$("$bin/cairn-collectord" --help)"
bash -n "$pages/completions/cairn" || complain "the bash completion does not parse"
[ "$failed" -eq 0 ] && echo "$count pages"
exit "$failed"
