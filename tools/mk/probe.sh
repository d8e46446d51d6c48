#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints what the makefile must know of a compiler: its architecture, its family, whether a program
# can be linked with liburing, and the system it is for, as in "x86_64 gcc yes linux".
# usage: probe.sh CC...
machine=$("$@" -dumpmachine 2>/dev/null) || { echo "none none no none"; exit 0; }
family=gcc
"$@" --version 2>/dev/null | grep -q clang && family=clang
case $machine in
*darwin* | *macos*) system=darwin ;;
*freebsd*) system=freebsd ;;
*) system=linux ;;
esac
uring=no
out=$(mktemp) || exit 1
"$@" -x c - -o "$out" -luring 2>/dev/null <<'END' && uring=yes
#include <liburing.h>
int main(void)
{
    struct io_uring ring;
    return io_uring_queue_init(1, &ring, 0);
}
END
rm -f "$out"
machine=${machine%%-*}
[ "$machine" != arm64 ] || machine=aarch64
echo "$machine $family $uring $system"
