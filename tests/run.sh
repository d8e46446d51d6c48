#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs test programs, two at once a CPU since they wait as long as they compute, and sums them up in
# the last line.
#
# usage: run.sh -b BUILD [-m MATRIX] [-j JOBS] PROGRAM...
#   PROGRAM is BUILD/tests/<kind>/<name>, or a script tests/<kind>/<name>.sh or .py
#   MATRIX  none     every program once, with the environment as it is (default)
#           cover    unit and stress on each driver x each number of processors, each guard twice
#           short    the same in three rows: each driver, each guard, each number once
#           turn     one of those three for each program, by turns
#           drivers  everything on each driver x each guard
#
# What a program says about itself, each in a comment line of its own in its source:
#   matrix: once     no rows: it never starts a runtime        matrix: all   rows, whatever its kind
#   matrix: short    what it is about knows no driver: three rows where others have six, one where
#                    they have three
#   limit: SECONDS   for the whole program; 120 if not said
#   tests/child only, programs that must die or report, judged by how they end and what they say:
#   expect-exit: 2   or SIGSEGV       expect-stderr: REGEX     expect-stdout: REGEX   (grep -E)
#   env: A=B C=D                      args: WORD...
#   asan: OPTION=...                  more of ASAN_OPTIONS
#
# Environment: WEFT_KERNEL, the words that tools/mk/kernel.c prints (drivers and guards that can be
# had); WEFT_EMULATOR, put before each program; WEFT_TEST_SCALE, which multiplies all limits.
# WEFT_REACTOR, WEFT_GUARD and WEFT_PROCS, where set, win over the rows.
set -u
ulimit -c 0
export LC_ALL=C

build=build matrix=none jobs=$((2 * $(nproc)))
while getopts b:m:j: option; do
    case $option in
    b) build=$OPTARG ;;
    m) matrix=$OPTARG ;;
    j) jobs=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

kernel=" ${WEFT_KERNEL:-io_uring epoll madvise mprotect canary} "
scale=${WEFT_TEST_SCALE:-1}
emulator=${WEFT_EMULATOR:-}
WEFT_BUILD=$(cd "$build" && pwd) || exit 2
export WEFT_BUILD
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

has() { [[ $kernel == *" $1 "* ]]; }
now_ms() { local t=${EPOCHREALTIME/./}; echo $((t / 1000)); }

# The value of a note in a source, empty if it has none: note FILE KEY.
note() { sed -n "s, *\\*/ *\$,,; s,^[ /*#]*$2: *\\(.*[^ ]\\) *\$,\\1,p" "$1"; }

# Where the notes of a program stand; a script carries its own.
source_of() {
    local stem=${1#"$build"/}
    if [ -f "$stem.c" ]; then
        echo "$stem.c"
    elif [ -f "$stem.cc" ]; then
        echo "$stem.cc"
    else
        echo "$1"
    fi
}

# The rows of a matrix, one a line: driver procs guard.
rows() {
    case $1 in
    cover) printf '%s\n' 'io_uring 1 madvise' 'io_uring 2 mprotect' 'io_uring 8 canary' \
        'epoll 1 mprotect' 'epoll 2 canary' 'epoll 8 madvise' ;;
    short | turn) printf '%s\n' 'io_uring 2 madvise' 'epoll 8 mprotect' 'io_uring 1 canary' ;;
    drivers) for d in io_uring epoll; do
        for g in madvise mprotect canary; do echo "$d 2 $g"; done
    done ;;
    esac
}

# Rows for this machine: a driver that cannot be had drops its rows (said once), a guard that
# cannot be had is replaced, and what the environment says wins.
declare -a row_list=()
plan_rows() {
    declare -A seen=()
    local driver procs guard row
    while read -r driver procs guard; do
        driver=${WEFT_REACTOR:-$driver} procs=${WEFT_PROCS:-$procs} guard=${WEFT_GUARD:-$guard}
        if ! has "$driver" && [ -z "${WEFT_REACTOR:-}" ]; then
            [[ $matrix == short || $matrix == turn ]] || continue
            driver=epoll
        fi
        has "$guard" || guard=${WEFT_GUARD:-mprotect}
        row="$driver $procs $guard"
        [ -n "${seen[$row]:-}" ] || row_list+=("$row")
        seen[$row]=1
    done < <(rows "$matrix")
    [ "$matrix" = none ] || has io_uring || echo "without io_uring: it cannot be had here"
    [ "$matrix" = none ] || has madvise || echo "without the madvise guard: it cannot be had here"
}

# Does it have this row, if it has any?  Where the others have six, some have those of `short`, and
# where those have three, one, which differs from program to program.
is_row_of() { # SOURCE ROW
    local said
    said=$(note "$1" matrix)
    case $matrix:$said in
    cover:short) rows short | grep -q "^${2% *} " ;;
    short:short | turn:*) [ "$2" = "${row_list[${#1} % ${#row_list[@]}]}" ] ;;
    esac
}

# Is the status, as the shell sees it, the one that a child program promised?
is_expected_status() {
    case $2 in
    SIG*) [ "$1" -gt 128 ] && [ "SIG$(kill -l $(($1 - 128)))" = "$2" ] ;;
    *) [ "$1" -eq "$2" ] ;;
    esac
}

# Judges a child program by its status, its two logs and the notes in its source.
judge_child() {
    local status=$1 log=$2 src=$3 expected bad=0 stream regex
    expected=$(note "$src" expect-exit)
    if ! is_expected_status "$status" "${expected:-0}"; then
        echo "FAIL: ended with status $status, expected ${expected:-0}"
        bad=1
    fi
    for stream in stderr stdout; do
        while IFS= read -r regex; do
            [ -z "$regex" ] || grep -Eq -e "$regex" "$log.$stream" ||
                { echo "FAIL: nothing in $stream matches: $regex"; bad=1; }
        done < <(note "$src" "expect-$stream")
    done
    [ $bad -eq 1 ] || { echo "1 passed, 0 failed, 0 skipped"; return; }
    echo "--- stdout"; cat "$log.stdout"
    echo "--- stderr"; cat "$log.stderr"
    echo "0 passed, 1 failed, 0 skipped"
}

# Runs one program in one row; leaves a log and a line of results: run_one INDEX PROGRAM ROW.
run_one() {
    local log=$work/$1 prog=$2 row=$3 src limit start status sum cmd=() child=no
    src=$(source_of "$prog")
    limit=$(note "$src" limit)
    limit=$((${limit:-120} * scale))
    case $prog in
    *.sh) cmd=(bash "$prog") ;;
    *.py) cmd=(python3 "$prog") ;;
    # shellcheck disable=SC2206  # the emulator is several words
    *) cmd=($emulator "$prog") ;;
    esac
    [ -z "$row" ] || read -r WEFT_REACTOR WEFT_PROCS WEFT_GUARD <<<"$row"
    [ -z "$row" ] || export WEFT_REACTOR WEFT_PROCS WEFT_GUARD

    start=$(now_ms)
    if [[ $prog == */tests/child/* && $prog != *.sh && $prog != *.py ]]; then
        # The program's own way to die is judged here, so the sanitizers keep out of it.
        child=handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0
        # shellcheck disable=SC2046  # words, on purpose
        { env $(note "$src" env) ASAN_OPTIONS="${ASAN_OPTIONS:-}:$child:$(note "$src" asan)" \
            TSAN_OPTIONS="${TSAN_OPTIONS:-}:$child" timeout -s QUIT -k 3 "$limit" \
            "${cmd[@]}" $(note "$src" args) </dev/null >"$log.stdout" 2>"$log.stderr"
        status=$?; } 2>/dev/null # the shell's own word on how it died
        judge_child "$status" "$log" "$src" >"$log.log"
        [ "$status" -eq 124 ] && echo "FAIL: not done after $limit s" >>"$log.log"
    else
        { timeout -s QUIT -k 3 "$limit" "${cmd[@]}" </dev/null >"$log.log" 2>&1
        status=$?; } 2>/dev/null
    fi
    local ms=$(($(now_ms) - start))

    sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log.log" | tail -n 1)
    if [ -z "$sum" ]; then
        case $status in
        0) sum="1 passed, 0 failed, 0 skipped" ;;
        77) sum="0 passed, 0 failed, 1 skipped" ;;
        124 | 137) sum="0 passed, 1 failed, 0 skipped"
            echo "FAIL: not done after $limit s" >>"$log.log" ;;
        *) sum="0 passed, 1 failed, 0 skipped"
            echo "FAIL: ended with status $status and without a sum" >>"$log.log" ;;
        esac
    elif [ "$child" = no ] && [ "$status" -ne 0 ] && [[ $sum == *" 0 failed"* ]]; then
        # All tests passed and then it ended badly: a leak report at exit, for one.
        sum=${sum/ 0 failed/ 1 failed}
        echo "FAIL: ended with status $status" >>"$log.log"
    fi
    echo "$sum|$ms|$prog|$row" >"$log.new" && mv "$log.new" "$log.result" # whole, or not there
}

n_passed=0 n_failed=0 n_skipped=0 n_running=0 n_reported=0 n_planned=0
declare -a failures=() times=()
declare -A kind_ms=() kind_runs=()

# The lines of a log that say what went wrong, for the end, where nothing stands between them.
why() {
    grep -aE '^FAIL|is false|^SUMMARY: |^weft: fatal' "$1" | head -n 4 | tr '\n' ';' | cut -c1-400
}

# Prints and adds up every result that has come in, in the order of the plan.
report() {
    local sum ms prog row name kind p f s rest
    while [ -f "$work/$n_reported.result" ]; do
        IFS='|' read -r sum ms prog row <"$work/$n_reported.result"
        read -r p rest f rest s rest <<<"${sum//,/}"
        name=${prog#"$build"/}
        name=${name#tests/}
        kind=${name%%/*}
        n_passed=$((n_passed + p)) n_failed=$((n_failed + f)) n_skipped=$((n_skipped + s))
        kind_ms[$kind]=$((${kind_ms[$kind]:-0} + ms))
        kind_runs[$kind]=$((${kind_runs[$kind]:-0} + 1))
        times+=("$ms $name${row:+ [$row]}")
        printf '%-4s %-32s %-22s %s (%d ms)\n' "$([ "$f" -eq 0 ] && echo ok || echo FAIL)" \
            "$name" "${row:+[$row]}" "$sum" "$ms"
        grep -aE '^skip ' "$work/$n_reported.log" | sed 's/^/     /'
        if [ "$f" -ne 0 ]; then
            failures+=("$name${row:+ [$row]}: $(why "$work/$n_reported.log")")
            sed 's/^/     | /' "$work/$n_reported.log" | tail -n 120
        fi
        n_reported=$((n_reported + 1))
    done
}

start_job() {
    while [ "$n_running" -ge "$jobs" ]; do
        wait -n
        n_running=$((n_running - 1))
        report
    done
    run_one "$n_planned" "$1" "$2" &
    n_planned=$((n_planned + 1)) n_running=$((n_running + 1))
}

has_rows() {
    local said
    [ "${#row_list[@]}" -gt 0 ] || return 1
    said=$(note "$(source_of "$1")" matrix)
    [ "$said" = all ] && return 0
    [ "$said" = once ] && return 1
    [[ $1 == */tests/unit/* || $1 == */tests/stress/* ]] && return 0
    [[ $matrix == drivers && $1 == */tests/* && $1 != */tests/build/* && $1 != */tests/asm/* ]]
}

plan_rows
declare -a plan=() # "PROGRAM|ROW"
for prog in "$@"; do
    if has_rows "$prog"; then
        for row in "${row_list[@]}"; do
            ! is_row_of "$(source_of "$prog")" "$row" || plan+=("$prog|$row")
        done
    else
        plan+=("$prog|")
    fi
done
n_expected=${#plan[@]}
began=$(now_ms)
for job in ${plan[@]+"${plan[@]}"}; do
    start_job "${job%|*}" "${job##*|}"
done
wait
report

if [ "$n_reported" -gt 1 ]; then
    echo
    echo "where the time goes      runs   seconds"
    for kind in "${!kind_ms[@]}"; do
        printf '%s %d %d\n' "$kind" "${kind_runs[$kind]}" "${kind_ms[$kind]}"
    done | sort -k3 -rn | awk '{ printf "  %-20s %6d %9.1f\n", $1, $2, $3 / 1000 }'
    printf '%s\n' "${times[@]}" | sort -rn | head -n 8 |
        awk '{ ms = $1; $1 = ""; printf "    slowest %23.1f %s\n", ms / 1000, $0 }'
    awk -v ms=$(($(now_ms) - began)) -v j="$jobs" \
        'BEGIN { printf "  %-27s %9.1f\n", "by the clock, " j " at once", ms / 1000 }'
fi
for name in "${failures[@]}"; do echo "FAILED $name"; done
if [ "$n_reported" -ne "$n_expected" ]; then
    echo "FAILED tests/run.sh: $n_reported of $n_expected runs were reported"
    n_failed=$((n_failed + 1))
fi
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ "$n_failed" -eq 0 ]
