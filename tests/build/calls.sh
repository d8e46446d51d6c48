#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: each public call has a row in the table of tests/unit/calls*.h, with what its header says of
# who may make it, in the words that include/weft.h explains.
# Method: the names and the first words after `Threads` in the doc comments, against the rows.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
table='tests/unit/calls*.h'

awk '/^ \* weft_[a-z_0-9]+ - / { name = $2 }
     /^ \* Threads +/ { sub(/^ \* Threads +/, ""); print name, $0 }' include/weft/*.h |
    sed -E 's/ everywhere, also in a signal handler[.,; ].*/ SIGNALS/
            s/ everywhere[.,; ].*/ EVERYWHERE/
            s/ everywhere\.$/ EVERYWHERE/
            s/ any thread[.,; ].*/ ANY_THREAD/
            s/ a coroutine[.,; ].*/ COROUTINE/
            s/ a plain thread[.,; ].*/ PLAIN_THREAD/' | sort -u >"$work/headers"
sed -nE 's/^ROW\("(weft_[a-z_0-9]+)[" ][^,]*, ([A-Z_]+),.*/\1 \2/p' tests/unit/calls*.h |
    sort -u >"$work/table"

n_passed=$(comm -12 "$work/headers" "$work/table" | wc -l)
n_failed=0
while read -r name who; do
    echo "FAIL $name: its header says '$who', and $table has no such row"
    n_failed=$((n_failed + 1))
done < <(comm -23 "$work/headers" "$work/table")
while read -r name who; do
    echo "FAIL $name is in $table as $who, but no header says that"
    n_failed=$((n_failed + 1))
done < <(comm -13 "$work/headers" "$work/table")
if [ "$n_passed" -le 100 ]; then
    echo "FAIL only $n_passed names were found"
    n_failed=$((n_failed + 1))
fi
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ "$n_failed" -eq 0 ]
