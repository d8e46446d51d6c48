#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: no call that can block is missing in the table of tests/unit/waits.h, and none is in it
# that does not exist; each row says what a close of the thing does that the call waits for.
# Method: the names whose doc comment has another word than "never" after `Blocks`, against the rows
# of the table and the list of those that are left out, with the reason.  Each row ends with a
# close and its result, or with the reason why there is none; where that names a test, it exists.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
table=tests/unit/waits.h

awk '/^ \* weft_[a-z_0-9]+ - / { name = $2 }
     /^ \* Blocks +/ { if ($3 !~ /^never/) print name }' include/weft/*.h |
    sort -u >"$work/blocking"
{
    sed -n 's/^    {"\(weft_[a-z_0-9]*\)[" ].*/\1/p' "$table"
    sed -n 's/^ \*   not in the table: \(.*\)/\1/p' "$table" | sed 's/(.*//' | tr ' ' '\n'
} | grep weft_ | sort -u >"$work/listed"

n_passed=$(comm -12 "$work/blocking" "$work/listed" | wc -l)
n_failed=0
while read -r name; do
    echo "FAIL $name can block, says its header, and has no row in $table"
    n_failed=$((n_failed + 1))
done < <(comm -23 "$work/blocking" "$work/listed")
while read -r name; do
    echo "FAIL $name is in $table, but no header says that it can block"
    n_failed=$((n_failed + 1))
done < <(comm -13 "$work/blocking" "$work/listed")

# One row a line.
sed -n '/rows\[\] = {/,/^};/p' "$table" | sed -e ':a' -e '/},$/!{N;s/\n */ /;ba' -e '}' |
    grep -o '{"weft_.*' >"$work/rows"
while read -r row; do
    if ! [[ $row =~ \ CLOSED\([a-z_]+,\ [^,]+,\ (KEPT|GONE)\)\},$ ||
        $row =~ \ NOT_CLOSED\(\"[^\"]+\"\)\},$ ]]; then
        echo "FAIL the row says nothing of a close: $row"
        n_failed=$((n_failed + 1))
    fi
    for test in $(grep -oE 'tests/[a-z_/]+\.c' <<<"$row"); do
        [ -e "$test" ] && continue
        echo "FAIL there is no $test: $row"
        n_failed=$((n_failed + 1))
    done
done <"$work/rows"
if [ "$n_passed" -le 20 ] || [ "$(wc -l <"$work/rows")" -le 20 ]; then
    echo "FAIL only $n_passed names and $(wc -l <"$work/rows") rows were found"
    n_failed=$((n_failed + 1))
fi
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ "$n_failed" -eq 0 ]
