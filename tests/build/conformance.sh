#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: no operation of the drivers' contract is missing in the table of tests/unit/conformance.c,
# and no row is of a kind that the contract does not have.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

sed -n '/^enum weft__op_kind {/,/^};/s/^ *WEFT__OP_\([A-Z_]*\),.*/\1/p' src/reactor/op.h |
    sort -u >"$work/contract"
sed -n '/^static const struct row rows\[\]/,/^};/s/^ *{"\([A-Z_]*\)",.*/\1/p' \
    tests/unit/conformance.c | sort -u >"$work/rows"

n_passed=$(comm -12 "$work/contract" "$work/rows" | wc -l)
n_failed=0
while read -r kind; do
    echo "FAIL WEFT__OP_$kind has no row in tests/unit/conformance.c"
    n_failed=$((n_failed + 1))
done < <(comm -23 "$work/contract" "$work/rows")
while read -r kind; do
    echo "FAIL tests/unit/conformance.c has a row of WEFT__OP_$kind, which src/reactor/op.h has not"
    n_failed=$((n_failed + 1))
done < <(comm -13 "$work/contract" "$work/rows")
if [ "$n_passed" -lt 8 ]; then
    echo "FAIL only $n_passed kinds were found"
    n_failed=$((n_failed + 1))
fi
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ "$n_failed" -eq 0 ]
