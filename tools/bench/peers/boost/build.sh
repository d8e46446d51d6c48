#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the Boost.Fiber peer: DIR/boost. It has no servers, since Boost.Fiber has no sockets. The
# contract is tools/bench/README.md.
#
# usage: build.sh DIR
set -u
[ $# -eq 1 ] || { echo "usage: build.sh DIR" >&2; exit 2; }
cxx=${CXX:-g++}

skip() {
    echo "skip boost: $1; install $2"
    exit 77
}

command -v "$cxx" >/dev/null || skip "there is no $cxx command" "a C++17 compiler (Debian: g++)"
mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit 1
cd "$(dirname "$0")" || exit 1

libraries='-lboost_fiber -lboost_context'
# shellcheck disable=SC2086 # several words
echo 'int main() { return BOOST_VERSION < 107400; }' |
    "$cxx" -std=c++17 -include boost/fiber/all.hpp -x c++ - -o "$dir/boost-probe" $libraries \
        -pthread 2>/dev/null && "$dir/boost-probe"
status=$?
rm -f "$dir/boost-probe"
[ "$status" -eq 0 ] || skip "there is no Boost.Fiber 1.74 or later" \
    "it (Debian: libboost-fiber-dev libboost-context-dev)"

# shellcheck disable=SC2086 # several words
"$cxx" -std=c++17 -O2 -DNDEBUG -Wall -Wextra ./*.cc -o "$dir/boost" $libraries -pthread
