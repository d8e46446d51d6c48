#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds DIR/load, the load generator for the echo servers.
#
# usage: build.sh DIR        exit 0: built; 77: skipped, after one line that says why
set -eu

dir=${1:?usage: build.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc} # may have options behind it

if ! command -v "${cc%% *}" >/dev/null 2>&1; then
    echo "skip load: no C compiler ($cc); install gcc"
    exit 77
fi

mkdir -p "$dir"
$cc -O2 -std=gnu11 -Wall -Wextra -Werror -o "$dir/load" \
    "$here/main.c" "$here/run.c" "$here/connection.c" "$here/histogram.c"
