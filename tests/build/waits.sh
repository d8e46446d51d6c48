#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: no call that can block is missing in the table of tests/unit/waits.h, and none is in it
# that does not exist.
# Method: the names whose doc comment has another word than "never" after `Blocks`, against the rows
# of the table, whose parts are in files of that beginning, and the list of those that are left out,
# with the reason.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
table=tests/unit/waits

awk '/^ \* weft_[a-z_0-9]+ - / { name = $2 }
     /^ \* Blocks +/ { if ($3 !~ /^never/) print name }' include/weft/*.h |
    sort -u >"$work/blocking"
{
    sed -n 's/^    {"\(weft_[a-z_0-9]*\)[" ].*/\1/p' "$table"*.h
    sed -n 's/^ \*   not in the table: \(.*\)/\1/p' "$table"*.h | sed 's/(.*//' | tr ' ' '\n'
} | grep weft_ | sort -u >"$work/listed"

n_passed=$(comm -12 "$work/blocking" "$work/listed" | wc -l)
n_failed=0
while read -r name; do
    echo "FAIL $name can block, says its header, and has no row in $table*.h"
    n_failed=$((n_failed + 1))
done < <(comm -23 "$work/blocking" "$work/listed")
while read -r name; do
    echo "FAIL $name is in $table*.h, but no header says that it can block"
    n_failed=$((n_failed + 1))
done < <(comm -13 "$work/blocking" "$work/listed")
if [ "$n_passed" -le 20 ]; then
    echo "FAIL only $n_passed names were found"
    n_failed=$((n_failed + 1))
fi
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ "$n_failed" -eq 0 ]
