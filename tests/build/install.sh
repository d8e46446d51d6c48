#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: what `make install` puts down is enough: a stranger's program builds with what pkg-config
#       says, runs with the shared and with the static library, and needs libc and liburing only.
# Method: install into an image and under a prefix; build and run a program against the latter.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
build=${WEFT_BUILD:?run by tests/run.sh}
n_passed=0 n_failed=0 n_skipped=0

try() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $name"
        n_passed=$((n_passed + 1))
    else
        echo "FAIL $name: $*"
        head -n 30 "$work/log"
        n_failed=$((n_failed + 1))
    fi
}

finish() {
    echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
    [ $n_failed -eq 0 ]
    exit
}

cat >"$work/user.c" <<'END'
#include <stdio.h>
#include <weft.h>
static int app(void *arg)
{
    *(int *)arg = 42;
    return puts(weft_version()) < 0;
}
int main(void)
{
    int answer = 0;
    return weft_run(app, &answer) != 0 || answer != 42;
}
END

built() { stat -Lc '%i %y' "$build/lib/libweft.so" "$build/lib/libweft.a"; }
was_built=$(built)
install_to() { make --no-print-directory BUILD="$build" install "$@"; }
try "it installs into an image" install_to prefix=/usr DESTDIR="$work/image"
in_its_place() (
    cd "$work/image/usr" && [ -f lib/libweft.a ] && [ -f lib/pkgconfig/weft.pc ] &&
        [ -f include/weft.h ] && [ -f include/weft/chan.h ] && [ -e lib/libweft.so.0 ] &&
        [ "$(readlink lib/libweft.so)" = libweft.so.0 ] && ! grep -q image lib/pkgconfig/weft.pc &&
        [ "$(ls ..)" = usr ]
)
try "every part is in its place" in_its_place
try "it installs under a prefix" install_to prefix="$work/usr"
lib=$work/usr/lib
# Others run programs with this library meanwhile.
try "it links nothing anew" [ "$(built)" = "$was_built" ]

# What the shared library needs at run time, and that its stack is not executable.
needs_little() {
    ! readelf -d "$lib/libweft.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
        grep -vE '^(lib(c|pthread|uring)\.so|ld-linux)'
}
no_exec_stack() { readelf -lW "$lib/libweft.so" | grep -qE 'GNU_STACK .* RW  *0x'; }
if command -v readelf >/dev/null; then
    try "it needs libc and liburing only" needs_little
    try "its stack is not executable" no_exec_stack
else
    n_skipped=$((n_skipped + 2))
fi

if ! command -v pkg-config >/dev/null; then
    echo "skip: pkg-config is not there"
    n_skipped=$((n_skipped + 2))
    finish
fi
export PKG_CONFIG_PATH=$lib/pkgconfig
is_protected() { pkg-config --cflags weft | grep -q -e -fstack-clash-protection; }
shared() {
    # shellcheck disable=SC2046  # words
    ${CC:-gcc} -std=gnu11 "$work/user.c" $(pkg-config --cflags --libs weft) -o "$work/shared" &&
        LD_LIBRARY_PATH=$lib "$work/shared"
}
static() {
    local libs
    libs=$(pkg-config --static --libs weft)
    # shellcheck disable=SC2046,SC2086
    ${CC:-gcc} -std=gnu11 "$work/user.c" $(pkg-config --cflags weft) \
        ${libs/-lweft/-l:libweft.a} -o "$work/static" && "$work/static"
}
try "pkg-config protects large frames" is_protected
try "a program runs with the shared library" shared
try "a program runs with the static library" static
finish
