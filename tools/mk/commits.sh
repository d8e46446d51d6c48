#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds each commit of a range in a worktree of its own and runs `make quick` there.
# usage: commits.sh RANGE
set -u
range=${1:-main..}
tree=$(mktemp -d) || exit 1
trap 'git worktree remove --force "$tree"; rm -rf "$tree"' EXIT
git worktree add -q --detach "$tree" HEAD || exit 1

n_passed=0 n_failed=0
for commit in $(git rev-list --reverse "$range"); do
    title=$(git log -1 --format='%h %s' "$commit")
    git -C "$tree" checkout -q --detach "$commit" || exit 1
    if log=$(make -C "$tree" -j2 all quick 2>&1); then
        echo "ok   $title: ${log##*$'\n'}"
        n_passed=$((n_passed + 1))
    else
        echo "FAIL $title"
        printf '%s\n' "$log" | tail -n 40 | sed 's/^/     | /'
        n_failed=$((n_failed + 1))
    fi
done
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ "$n_failed" -eq 0 ]
