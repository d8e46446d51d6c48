#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: a value or a pointer of another type does not compile with a typed channel of any shape.
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
WEFT_ONESHOT_TYPE(answer, struct point);
WEFT_BROADCAST_TYPE(news, struct point);
WEFT_WATCH_TYPE(place, struct point);
int use(point_chan c, answer o, news b, news_subscriber s, place w, struct point p, long l);
int use(point_chan c, answer o, news b, news_subscriber s, place w, struct point p, long l)
{
    (void)c, (void)o, (void)b, (void)s, (void)w, (void)p, (void)l;
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
try good 'return answer_send(o, p) + answer_recv(o, &p) + answer_try_recv(o, &p);'
try bad 'return answer_send(o, l);'
try bad 'return answer_recv(o, &l);'
try good 'return (int)(news_send(b, p) + news_recv(s, &p) + news_try_recv(s, &p));'
try bad 'return (int)news_send(b, l);'
try bad 'return (int)news_recv(s, &l);'
try bad 'return (int)news_recv(b, &p);'
try good 'uint64_t seen = 0; return place_set(w, p) + place_wait(w, &p, &seen);'
try bad 'return place_set(w, l);'
try bad 'uint64_t seen = 0; return place_wait(w, &l, &seen);'
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ $n_failed -eq 0 ]
