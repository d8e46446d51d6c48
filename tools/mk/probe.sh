#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints what the makefile must know of a compiler: its architecture, its family, and whether
# a program can be linked with liburing, as in "x86_64 gcc yes".
# usage: probe.sh CC...
machine=$("$@" -dumpmachine 2>/dev/null) || { echo "none none no"; exit 0; }
family=gcc
"$@" --version 2>/dev/null | grep -q clang && family=clang
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
echo "${machine%%-*} $family $uring"
