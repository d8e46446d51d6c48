#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: what README.md and the pages beside the examples show compiles, their programs run, and the
#       README leaves out no environment variable, no example and no file that it links to.
# Method: take out the blocks marked c and cpp, in the order of each page.
#   - One that has a main() is a program: it is linked with the shared library, run, and must exit
#     with the status that its first line names ("exits with 2"), 0 if it names none.
#   - One that begins with "in a coroutine" in a comment is the body of a function; what follows a
#     colon there are the parameters: what the text takes as given.
#   - Any other stands at file scope.
#   A block marked c is compiled as C11 with GNU extensions, one marked cpp as C++17.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
build=${WEFT_BUILD:?run by tests/run.sh}
n_passed=0 n_failed=0 n_skipped=0
readme=README.md

prelude='#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <weft.h>'
flags="-Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter -Wno-unused-variable \
-Iinclude -pthread -fstack-clash-protection"

fail() { # WHAT
    echo "FAIL $1"
    head -n 20 "$work/log"
    n_failed=$((n_failed + 1))
}

# Each block becomes $work/blocks/PAGE:LINE.c or .cpp, where LINE is that of its first line; a slash
# in the name of the page is a comma there.
mkdir "$work/blocks"
for page in "$readme" examples/*.md; do
    awk -v to="$work/blocks/${page//\//,}:" '
        /^```(c|cpp)$/ { file = to NR + 1 "." substr($0, 4); next }
        /^```/ { if (file != "") close(file); file = ""; next }
        file != "" { print > file }' "$page"
done

# What the compiler gets: the block with what it stands in, under the lines of the page.
wrap() { # BLOCK PAGE LINE
    local first given
    read -r first <"$1"
    if grep -q 'main(' "$1"; then
        echo "#line $3 \"$2\""
        cat "$1"
        return
    fi
    echo "$prelude"
    if [[ $first == '/* in a coroutine'* ]]; then
        given=$(sed -n '1s,^/\* in a coroutine:* *\(.*[^ ]\) *\*/.*,\1,p' "$1")
        echo "int snippet(${given:-void});"
        echo "int snippet(${given:-void})"
        echo '{'
        echo "#line $3 \"$2\""
        cat "$1"
        echo 'return 0; }'
    else
        echo "#line $3 \"$2\""
        cat "$1"
    fi
}

check() { # BLOCK
    local page line status expected=0 compiler=${CC:-gcc} standard=gnu11 language=c
    line=$(basename "${1%.*}")
    page=${line%:*}
    page=${page//,//}
    line=${line##*:}
    if [[ $1 == *.cpp ]]; then
        compiler=${CXX:-g++} standard=gnu++17 language=c++
        command -v "${compiler%% *}" >/dev/null || { n_skipped=$((n_skipped + 1)); return; }
    fi
    wrap "$1" "$page" "$line" >"$work/block"
    # shellcheck disable=SC2086  # words
    if ! grep -q 'main(' "$1"; then
        $compiler -std=$standard $flags -x $language -c "$work/block" -o "$work/o" \
            >"$work/log" 2>&1 || { fail "$page:$line does not compile"; return; }
    elif ! $compiler -std=$standard $flags -x $language "$work/block" -x none \
        -L"$build/lib" -lweft -Wl,-rpath,"$build/lib" -o "$work/program" >"$work/log" 2>&1; then
        fail "$page:$line does not build"
        return
    else
        status=$(sed -n '1s,.*exits with \([0-9]*\).*,\1,p' "$1")
        expected=${status:-0}
        (ulimit -c 0; timeout 20 "$work/program") >"$work/log" 2>&1 </dev/null
        status=$?
        [ $status -eq "$expected" ] ||
            { fail "$page:$line exits with $status, not $expected"; return; }
    fi
    n_passed=$((n_passed + 1))
}

blocks=$(find "$work/blocks" -type f | sort -V)
for block in $blocks; do
    check "$block"
done
: >"$work/log"
[ "$n_passed" -ge 10 ] || fail "only $n_passed blocks were found to be right in $readme"

has() { # TEXT WHAT
    if grep -qF -- "$1" "$readme"; then
        n_passed=$((n_passed + 1))
    else
        fail "$readme does not name $2"
    fi
}
for name in $(grep -oh '"WEFT_[A-Z_]*"' src/sched/config.c | tr -d '"' | sort -u); do
    has "\`$name\`" "the environment variable $name"
done
for example in examples/*.c; do
    has "\`$(basename "$example" .c)\`" "the example $example"
done
for path in $(sed '/^```/,/^```/d' "$readme" | grep -oE '\]\([^):#]+\)' | tr -d '()]' | sort -u); do
    if [ -e "$path" ]; then
        n_passed=$((n_passed + 1))
    else
        fail "$readme links to $path, which is not there"
    fi
done
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ $n_failed -eq 0 ]
