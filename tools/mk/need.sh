#!/bin/sh
# SPDX-License-Identifier: MIT
# Says what a check needs and cannot find, and the package that has it.
# usage: need.sh asan|tsan|arm|musl|cross
PATH=$PATH:$PWD/build/zig/ziglang
from="apt-get install"
case $1 in
asan) tools="gcc:gcc" ;;
tsan) tools="clang:clang" ;;
arm) tools="aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu qemu-aarch64:qemu-user" ;;
musl) tools="${MUSL_CC:-musl-gcc}:musl-tools" ;;
cross) tools="zig:ziglang" from="pip install --target build/zig" ;;
*) echo "need.sh: there is no check '$1'" >&2 && exit 2 ;;
esac
for tool in $tools; do
    command -v "${tool%%:*}" >/dev/null && continue
    echo "make $1 needs ${tool%%:*}: $from ${tool##*:}" >&2
    exit 1
done
