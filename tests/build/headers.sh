#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: a program may include any public header alone, in C and in C++17, without a warning.
# Method: each header as the only line of a source, by every compiler that is there.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_passed=0 n_failed=0 n_skipped=0
warnings="-Wall -Wextra -Wundef -Wpointer-arith -pedantic -Werror"

try() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        n_passed=$((n_passed + 1))
    else
        echo "FAIL $name: $*"
        head -n 20 "$work/log"
        n_failed=$((n_failed + 1))
    fi
}

declare -A done_with=()
for compiler in "${CC:-gcc}" gcc clang; do
    command -v "${compiler%% *}" >/dev/null || { echo "skip $compiler: not there"
        n_skipped=$((n_skipped + 1)); continue; }
    [ -z "${done_with[$compiler]:-}" ] || continue
    done_with[$compiler]=1
    for header in include/weft.h include/weft/*.h; do
        echo "#include <${header#include/}>" >"$work/alone.c"
        # shellcheck disable=SC2086  # words
        try "${header#include/} alone in C" $compiler -std=gnu11 $warnings -Wshadow \
            -Wstrict-prototypes -Iinclude -fsyntax-only "$work/alone.c"
    done
    # A program that leaves the short names out may use them for its own things.
    printf '#define WEFT_NO_SHORT_NAMES\n#include <weft.h>\nint go, chan;\n' >"$work/names.c"
    # shellcheck disable=SC2086
    try "without the short names" $compiler -std=gnu11 $warnings -Iinclude -fsyntax-only \
        "$work/names.c"
done
for compiler in "${CXX:-g++}" g++ clang++; do
    command -v "${compiler%% *}" >/dev/null || { echo "skip $compiler: not there"
        n_skipped=$((n_skipped + 1)); continue; }
    [ -z "${done_with[$compiler]:-}" ] || continue
    done_with[$compiler]=1
    for header in include/weft.h include/weft/*.h; do
        echo "#include <${header#include/}>" >"$work/alone.cc"
        # shellcheck disable=SC2086
        try "${header#include/} alone in C++17" $compiler -std=gnu++17 $warnings -Iinclude \
            -fsyntax-only "$work/alone.cc"
    done
done
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ $n_failed -eq 0 ]
