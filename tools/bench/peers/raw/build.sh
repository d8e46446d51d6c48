#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds DIR/raw, DIR/raw-epoll-echo and, where liburing is, DIR/raw-uring-echo.
#
# usage: build.sh DIR        exit 0: built; 77: skipped, after one line that says why
set -eu

dir=${1:?usage: build.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc} # may have options behind it

if ! command -v "${cc%% *}" >/dev/null 2>&1; then
    echo "skip raw: no C compiler ($cc); install gcc"
    exit 77
fi

build() {
    out=$1
    shift
    (cd "$here" && $cc -O2 -std=gnu11 -Wall -Wextra -Werror -pthread -o "$out" "$@")
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
build "$dir/raw" main.c rows.c yield.c threads.c parked.c sleep.c process.c
build "$dir/raw-epoll-echo" epoll_echo.c server.c
if echo '#include <liburing.h>' | $cc -E - >/dev/null 2>&1; then
    build "$dir/raw-uring-echo" uring_echo.c server.c -luring
else
    echo "raw-uring-echo is left out: no liburing; install liburing-dev" >&2
fi
