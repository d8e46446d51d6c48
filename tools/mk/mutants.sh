#!/bin/bash
# SPDX-License-Identifier: MIT
# Plants each bug of tests/mutants/*.patch in a copy of the tree and runs the test that must catch
# it.  A patch that no longer applies or builds fails, and so does a bug that survives.
#
# The head of a patch, before its first diff, says
#     catch: unit/chan [TEST...] [A=B...]     program, tests of it, environment
#     limit: SECONDS                          30 if not said; a test that is not done is a catch
#     variant: tsan                           or asan, debug, perturb; release if not said
#
# usage: mutants.sh [PATCH...]      JOBS=2 at once
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
jobs=${JOBS:-2}
[ $# -gt 0 ] || set -- tests/mutants/*.patch
[ -e "$1" ] || { echo "0 passed, 0 failed, 0 skipped"; exit 0; }

# Programs are built and run with nothing inherited from the make above.
unset MAKEFLAGS MAKELEVEL MFLAGS WEFT_REACTOR WEFT_GUARD WEFT_PROCS
ulimit -c 0

header() { sed -n "/^\(diff \|--- \)/q; s/^[# ]*$2: *//p" "$1"; }
now_ms() { local t=${EPOCHREALTIME/./}; echo $((t / 1000)); }

# Where a program of a variant is built, below a tree.
program_path() {
    case $2 in
    release) echo "build/tests/$1" ;;
    *) echo "build/$2/tests/$1" ;;
    esac
}

# Builds a program in a tree, log on stdout: build TREE NAME VARIANT.
build() { make -C "$1" -j"$jobs" VARIANT="$3" BUILD=build "$(program_path "$2" "$3")" 2>&1; }

# Runs what a "catch:" line says in a tree; the status is the test's:
# run TREE VARIANT LIMIT WORDS...
run() {
    local tree=$1 variant=$2 limit=$3 program word emulator=() args=() env=()
    shift 3
    program=$(program_path "$1" "$variant")
    shift
    for word; do
        case $word in
        *=*) env+=("$word") ;;
        *) args+=("$word") ;;
        esac
    done
    if [ "$variant" = tsan ] || [ "$variant" = asan ]; then
        setarch -R true 2>/dev/null && emulator=(setarch -R)
        env+=(TSAN_OPTIONS=halt_on_error=1 ASAN_OPTIONS=detect_stack_use_after_return=1)
    fi
    case $program in
    */tests/child/*)
        (cd "$tree" && timeout -s QUIT -k 1 "$limit" env "${env[@]}" \
            tests/run.sh -b "${program%/tests/*}" "$program") ;;
    *) (cd "$tree" && WEFT_BUILD="$PWD/${program%/tests/*}" timeout -s QUIT -k 1 "$limit" \
            env "${env[@]}" "${emulator[@]}" "$program" "${args[@]}" </dev/null) ;;
    esac
}

# How a test that caught something ends.
ends='not done after [0-9.]+ s|died by signal [0-9]+|(Thread|Address)Sanitizer: [a-z -]+'

# One mutant in a copy of its own; leaves a line for the table: mutant INDEX PATCH.
mutant() {
    local tree=$work/$1 patch=$2 name catch limit variant start status how verdict=FAIL
    name=$(basename "$patch" .patch)
    catch=$(header "$patch" catch | head -n 1)
    limit=$(header "$patch" limit | head -n 1)
    variant=$(header "$patch" variant | head -n 1)
    limit=${limit:-30} variant=${variant:-release}
    start=$(now_ms)
    cp -a "$work/base" "$tree"
    if [ -z "$catch" ]; then
        how="names no test (catch:)"
    elif ! patch -d "$tree" -p1 -s -f -F0 <"$patch" >"$tree.log" 2>&1; then
        how="no longer applies"
    # shellcheck disable=SC2086  # the words of the line
    elif ! build "$tree" ${catch%% *} "$variant" >"$tree.log"; then
        how="does not build"
    else
        start=$(now_ms)
        # shellcheck disable=SC2086
        { run "$tree" "$variant" "$limit" $catch >"$tree.log" 2>&1
        status=$?; } 2>/dev/null
        case $status in
        0) how="SURVIVED" ;;
        77) how="SURVIVED: the test was skipped" ;;
        126 | 127) how="the test cannot be run" ;;
        *) verdict=ok how=$(grep -aoE "$ends" "$tree.log" | head -n 1)
            [ -n "$how" ] || how="exit status $status"
            [ $status -ne 124 ] && [ $status -ne 137 ] || how="not done after $limit s" ;;
        esac
    fi
    printf '%-4s  %-34s %-36s %6.1f s  %s\n' $verdict "$name" "${catch:-?}" \
        "$(awk -v ms=$(($(now_ms) - start)) 'BEGIN { print ms / 1000 }')" "$how" >"$tree.result"
    [ $verdict = ok ] || tail -n 15 "$tree.log" 2>/dev/null | sed 's/^/      | /' >>"$tree.result"
    rm -rf "$tree"
}

# The tree as it is, with what has been built of it: a mutant then compiles only what it changes.
# The tests named must pass here, or a catch would mean nothing.
mkdir -p "$work/base/build"
cp -a Makefile include src asm tests tools "$work/base"
for part in obj lib tests flags objects tsan asan debug perturb; do
    [ ! -e "build/$part" ] || cp -a "build/$part" "$work/base/build"
done
n_passed=0 n_failed=0
declare -A sound=()
for patch; do
    catch=$(header "$patch" catch | head -n 1)
    variant=$(header "$patch" variant | head -n 1)
    key="${variant:-release} $catch"
    [ -n "$catch" ] && [ -z "${sound[$key]:-}" ] || continue
    sound[$key]=1
    # shellcheck disable=SC2086
    if ! log=$(build "$work/base" ${catch%% *} "${variant:-release}" &&
        run "$work/base" "${variant:-release}" 120 $catch 2>&1); then
        echo "FAIL  without any bug, $key fails:"
        printf '%s\n' "$log" | tail -n 20 | sed 's/^/      | /'
        n_failed=$((n_failed + 1))
    fi
done

index=0 running=0
for patch; do
    [ $running -lt "$jobs" ] || { wait -n; running=$((running - 1)); }
    mutant $index "$patch" &
    index=$((index + 1)) running=$((running + 1))
done
wait
for ((i = 0; i < index; i++)); do
    cat "$work/$i.result"
    case $(head -n 1 "$work/$i.result") in
    ok*) n_passed=$((n_passed + 1)) ;;
    *) n_failed=$((n_failed + 1)) ;;
    esac
done
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ $n_failed -eq 0 ]
