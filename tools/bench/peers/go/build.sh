#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the Go peer: DIR/go, DIR/go-echo, DIR/go-http. The contract is tools/bench/README.md.
#
# usage: build.sh DIR
set -u
[ $# -eq 1 ] || { echo "usage: build.sh DIR" >&2; exit 2; }
need=1.23 # as in go.mod

skip() {
    echo "skip go: $1; install Go $need or later (Debian: golang-go)"
    exit 77
}

command -v go >/dev/null || skip "there is no go command"
have=$(GOTOOLCHAIN=local go env GOVERSION) || skip "the go command does not work"
have=${have#go}
oldest=$(printf '%s\n%s\n' "$need" "${have%% *}" | sort -V | head -n 1)
[ "$oldest" = "$need" ] || skip "go $have is too old"

mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit 1
cd "$(dirname "$0")" || exit 1

# No module but the standard library: nothing is downloaded. The cache is in DIR, too.
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0
export GOCACHE="$dir/go-cache" GOPATH="$dir/go-path" GOTELEMETRY=off
for program in bench:go echo:go-echo http:go-http; do
    go build -buildvcs=false -trimpath -o "$dir/${program#*:}" "./${program%%:*}" || exit 1
done
