#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs what is missing, where that is allowed (root, or sudo without a password); else says
# the one command to run and goes on with what is there.
#
# usage: setup.sh build|check|ci      what for: the library and the demo, `make check`, .ci/run
set -u
what=${1:-check}

# A row each: for what, how to see that it is there, the Debian package.
table='
build  command:gcc                      gcc
build  header:stdlib.h                  libc6-dev
build  command:make                     make
build  header:liburing.h                liburing-dev
check  command:ar                       binutils
check  command:g++                      g++
check  command:python3                  python3
check  command:pkg-config               pkg-config
check  command:setarch                  util-linux
ci     command:clang                    clang
ci     tsan:clang                       @clang-rt
ci     command:ld.lld                   lld
ci     command:qemu-aarch64             qemu-user
ci     command:aarch64-linux-gnu-gcc    gcc-aarch64-linux-gnu
ci     file:/usr/aarch64-linux-gnu/include/stdlib.h libc6-dev-arm64-cross
ci     command:gdb                      gdb
ci     command:patch                    patch
ci     command:nc                       netcat-openbsd
ci     command:wrk                      wrk
ci     command:redis-cli                redis-tools
ci     command:redis-server             redis-server
ci     command:git                      git
ci     command:musl-gcc                 musl-tools
ci     command:pip3                     python3-pip
'

is_there() {
    case $1 in
    command:*) command -v "${1#*:}" >/dev/null ;;
    header:*) echo "#include <${1#*:}>" | ${CC:-gcc} -E -x c - >/dev/null 2>&1 ;;
    file:*) [ -e "${1#*:}" ] ;;
    tsan:*) echo 'int main(void) { return 0; }' |
        "${1#*:}" -fsanitize=thread -x c - -o /dev/null 2>/dev/null ;;
    esac
}

missing() {
    local for probe package
    while read -r for probe package; do
        case $what:$for in
        build:build | check:build | check:check | ci:?*) is_there "$probe" || echo "$package" ;;
        esac
    done <<<"$table"
}

# The sanitizers' runtime is a package with clang's version in its name.
runtime_of_clang() {
    apt-cache depends clang 2>/dev/null |
        sed -n 's/.*Depends: clang-\([0-9]*\)$/libclang-rt-\1-dev/p'
}

# Debian has no zig; PyPI has one that needs no installation.
get_zig() {
    [ "$what" != ci ] || tools/mk/need.sh cross 2>/dev/null ||
        pip3 install --quiet --retries 3 --target build/zig ziglang >/dev/null ||
        echo "setup: ziglang could not be installed: \`make cross\` will not work"
}

packages=$(missing | sort -u | tr '\n' ' ')
if [ -z "$packages" ]; then
    get_zig
    exit 0
fi
as_root=no
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
fi

if command -v apt-get >/dev/null && [ "$as_root" != no ]; then
    echo "setup: installing $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt="$as_root apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0"
    $apt update </dev/null || echo "setup: apt-get update failed; trying with the lists there are"
    packages=${packages/@clang-rt/$(runtime_of_clang)}
    # One that cannot be had must not keep the others away.
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends $packages </dev/null >/dev/null ||
        for package in $packages; do
            $apt install -y --no-install-recommends "$package" </dev/null >/dev/null ||
                echo "setup: $package could not be installed"
        done
else
    echo "setup: some parts will be left out; to have them:"
    echo "    sudo apt-get install ${packages/@clang-rt/libclang-rt-dev}"
fi

get_zig

if ! is_there "command:${CC:-gcc}" || ! is_there header:stdlib.h || ! is_there command:make; then
    echo "setup: nothing can be built without a C compiler, the C library's headers and make" >&2
    exit 1
fi
