#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: a value or a pointer of another type does not compile with a typed channel or future.
# Method: one program that is right, and the same with one wrong line each, in C and in C++.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_passed=0 n_failed=0 n_skipped=0

program() { # LINE
    cat <<END
#include <weft.h>
struct point { int x, y; };
WEFT_CHAN_TYPE(point_chan, struct point);
WEFT_FUTURE_TYPE(point_future, struct point);
int use(point_chan c, point_future_promise q, point_future f, struct point p, long l);
int use(point_chan c, point_future_promise q, point_future f, struct point p, long l)
{
    (void)c, (void)q, (void)f, (void)p, (void)l;
    $1
}
END
}

try() { # good|bad LINE
    local expected=0 language compiler status
    [ "$1" = good ] || expected=1
    for language in c c++; do
        compiler=${CC:-gcc} options=-std=gnu11
        [ $language = c ] || compiler=${CXX:-g++} options=-std=gnu++17
        command -v "${compiler%% *}" >/dev/null || { n_skipped=$((n_skipped + 1)); continue; }
        # shellcheck disable=SC2086
        program "$2" | $compiler -x $language $options -Iinclude -fsyntax-only - >"$work/log" 2>&1
        status=$?
        if [ $((status != 0)) -eq $expected ]; then
            n_passed=$((n_passed + 1))
        else
            echo "FAIL $language: $1 line compiles with status $status: $2"
            cat "$work/log"
            n_failed=$((n_failed + 1))
        fi
    done
}

try good 'return point_chan_send(c, p);'
try good 'return point_chan_recv(c, &p);'
try good 'return point_chan_try_send(c, p) + point_chan_try_recv(c, &p) + point_chan_close(c);'
try bad 'return point_chan_send(c, l);'
try bad 'return point_chan_send(c, &p);'
try bad 'return point_chan_recv(c, &l);'
try bad 'return point_chan_try_recv(c, &c);'
try bad 'return point_chan_send(c.ch, p);'
try good 'return point_future_resolve(q, p) + point_future_await(f, &p);'
try good 'return point_future_try_await(point_future_of(q), &p) + point_future_cancel(f);'
try bad 'return point_future_resolve(q, l);'
try bad 'return point_future_resolve(f, p);'
try bad 'return point_future_await(f, &l);'
try bad 'return point_future_await(q, &p);'
try bad 'return point_future_cancel(q);'
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ $n_failed -eq 0 ]
