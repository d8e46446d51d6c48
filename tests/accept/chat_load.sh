#!/bin/bash
# SPDX-License-Identifier: MIT
# The acceptance of the chat server: the load of chat_load.c on each reactor, and with io_uring
# refused by the kernel.
#
# usage: chat_load.sh [-r "ROW..."] [-s SERVER] [OPTION OF chat_load...]
#   ROW     io_uring  epoll   the reactor asked for by name
#           eperm     enosys  io_uring fails with that error, and the server is left to choose
#   SERVER  the program; the chat_server among the examples if not given
#
# A row passes if chat_load says so (every line once, in one order, in time; the silent one cut; the
# server gone within a second of SIGTERM), if the server's status is 0, and if it really ran on the
# reactor of the row.
#
# Environment: WEFT_BUILD, the build directory; WEFT_KERNEL, the reactors that this machine has.
# limit: 300
# matrix: once
set -u
export LC_ALL=C

build=${WEFT_BUILD:-build}
rows="io_uring epoll eperm enosys"
server=$build/examples/chat_server
while [ $# -gt 0 ]; do
    case $1 in
    -r) rows=$2; shift 2 ;;
    -s) server=$2; shift 2 ;;
    *) break ;;
    esac
done
load=$build/tests/accept/chat_load
no_uring=$build/tests/accept/no_uring
kernel=" ${WEFT_KERNEL:-io_uring epoll} "
for program in "$server" "$load" "$no_uring"; do
    [ -x "$program" ] || { echo "chat_load.sh: $program is not there" >&2; exit 2; }
done

work=$(mktemp -d) || exit 2
server_pid=
# The server is ended whatever happens, and by its own number.
clean_up() {
    [ -z "$server_pid" ] || kill -KILL "$server_pid" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Waits until the server says where it listens, or has ended: address_of FILE PID.
address_of() {
    local until=$((SECONDS + 10)) line
    while [ $SECONDS -lt $until ] && kill -0 "$2" 2>/dev/null; do
        line=$(sed -n 's/^listening on //p' "$1")
        [ -n "$line" ] && { echo "$line"; return 0; }
        sleep 0.05
    done
    return 1
}

# One row: 0 passed, 1 failed, 77 left out.
run_row() {
    local row=$1 reactor command address status verdict
    shift
    case $row in
    io_uring | epoll) reactor=$row command=("$server" --port 0 --reactor "$row") ;;
    eperm | enosys) reactor=epoll
        command=("$no_uring" --errno "${row^^}" "$server" --port 0 --reactor auto) ;;
    *) echo "chat_load.sh: no row '$row'" >&2; return 1 ;;
    esac
    [[ $kernel == *" $reactor "* ]] || { echo "skip $row: this machine has none"; return 77; }

    : >"$work/out" # it must be there when it is looked into
    # exec in the job makes the number of the job that of the server.
    (unset WEFT_REACTOR; WEFT_VERBOSE=1 exec "${command[@]}") >"$work/out" 2>"$work/err" &
    server_pid=$!
    if ! address=$(address_of "$work/out" $server_pid); then
        kill -KILL $server_pid 2>/dev/null
        wait $server_pid
        status=$?
        server_pid=
        [ $status -eq 77 ] && { echo "skip $row: no seccomp filter can be set"; return 77; }
        echo "$row: the server did not start, status $status"
        sed 's/^/  | /' "$work/err"
        return 1
    fi
    "$load" --server-pid $server_pid "$@" "$address" | sed "s/^/$row: /"
    verdict=${PIPESTATUS[0]}
    [ "$verdict" -eq 0 ] || kill -KILL $server_pid 2>/dev/null
    wait $server_pid
    status=$?
    server_pid=
    if [ "$verdict" -eq 0 ] && [ $status -ne 0 ]; then
        echo "$row: the server's status is $status"
        verdict=1
    fi
    if ! grep -q "reactor $reactor" "$work/err"; then
        echo "$row: the server did not say that it runs on $reactor"
        verdict=1
    fi
    [ "$verdict" -eq 0 ] || tail -n 40 "$work/err" | sed 's/^/  | /'
    return "$verdict"
}

passed=0 failed=0 skipped=0
for row in $rows; do
    run_row "$row" "$@"
    case $? in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
