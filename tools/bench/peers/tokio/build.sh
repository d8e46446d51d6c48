#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the Tokio peer: DIR/tokio (with DIR/tokio-idle, which it starts), DIR/tokio-echo,
# DIR/tokio-http. The contract is tools/bench/README.md. Cargo downloads what Cargo.lock names; its
# cache is its own (CARGO_HOME).
#
# usage: build.sh DIR
set -u
[ $# -eq 1 ] || { echo "usage: build.sh DIR" >&2; exit 2; }
need=1.85 # what the tokio in Cargo.lock needs

skip() {
    echo "skip tokio: $1; install Rust $need or later (https://rustup.rs)"
    exit 77
}

command -v cargo >/dev/null || skip "there is no cargo command"
version=$(rustc --version 2>/dev/null) || skip "the rustc command does not work"
have=$(echo "$version" | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1)
[ "$oldest" = "$need" ] || skip "rustc $have is too old"

mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit 1
cd "$(dirname "$0")" || exit 1

export CARGO_TARGET_DIR="$dir/tokio-target"
cargo build --release --locked --quiet || exit 1
release=$CARGO_TARGET_DIR/release
# A new file: one that still runs cannot be written to.
for program in tokio-bench tokio-idle tokio-echo tokio-http; do
    rm -f "$dir/${program%-bench}"
    cp "$release/$program" "$dir/${program%-bench}" || exit 1
done
