#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: the benchmark's tools compute what they print: medians, ratios, targets, changes, counts.
# Method: programs that print rows with figures known before, in place of benchmarks, git trees and
# valgrind; judged by what bench.py, compare.py and count.py print and write.
set -u
command -v python3 >/dev/null || { echo "skip bench: python3 is not there"; exit 77; }
here=$PWD
tools=$here/tools/bench
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_passed=0 n_failed=0 n_skipped=0
unset MAKEFLAGS MAKELEVEL MFLAGS
cd "$work" || exit 1

verdict() { # NAME STATUS: counts it; with 1 shows what the tool said
    if [ "$2" -eq 0 ]; then
        n_passed=$((n_passed + 1))
    else
        echo "FAIL $1"
        sed 's/^/    | /' "$work/out" "$work/err" | tail -n 25
        n_failed=$((n_failed + 1))
    fi
}

# Do all words, each a pattern of grep -E, stand in one line of the output, one after the other?
says() { # NAME FILE WORD...
    local name=$1 file=$2 pattern
    shift 2
    pattern=$(printf '%s +' "$@")
    pattern=${pattern% +}
    grep -Eq -e "$pattern" "$work/$file"
    verdict "$name: $*" $?
}

ends_with() { # NAME STATUS COMMAND...
    local name=$1 expected=$2 status
    shift 2
    "$@" >"$work/out" 2>"$work/err"
    status=$?
    [ $status -eq "$expected" ]
    verdict "$name: status $status, expected $expected" $?
}

holds() { # NAME PYTHON: an expression over `r`, the content of results.json
    python3 -c "import json; r = json.load(open('$work/build/results.json'))
row = lambda peer, name, procs: [x for x in r['rows']
    if (x['peer'], x['name'], x['procs']) == (peer, name, procs)][0]
assert $2" 2>>"$work/err"
    verdict "$1" $?
}

# A benchmark program: "name procs unit figure..." a line of its .rows, a figure for each call.
fake() { # PATH PEER, rows on stdin
    mkdir -p "$(dirname "$1")"
    cat >"$1.rows"
    cat >"$1" <<SCRIPT
#!/bin/bash
while [ \$# -gt 1 ]; do
    case \$1 in --procs) procs=\$2; shift ;; --runs) shift ;; esac
    shift
done
while read -r name p unit figures; do
    [ "\$p" = "\$procs" ] && [ "\${name%%.*}" = "\${1%%.*}" ] || continue
    echo x >>"\$0.\$name.\$p"
    set -- "\$1" \$figures
    n=\$((1 + (\$(wc -l <"\$0.\$name.\$p") - 1) % (\$# - 1) + 1))
    v=\${!n}
    [ "\$v" != dies ] || { echo "no loom" >&2; exit 3; }
    [ "\$v" != lies ] || { echo "all is well"; exit 0; }
    printf '{"peer":"%s","version":"1.2","name":"%s","procs":%s,"unit":"%s",' \
        $2 \$name \$p \$unit
    printf '"median":%s,"min":%s,"max":%s,"runs":1}\n' \$v \$v \$v
done <"\$0.rows"
SCRIPT
    chmod +x "$1"
}

build=$work/build
bench() { "$tools/bench.py" --build "$build" --no-servers "$@"; }

# bench.py: what is measured, and what is not there.
fake "$build/weft-bench" weft <<ROWS
yield 1 ns 9 7 8
yield 2 ns 18 18 18
select2 1 ns 30 30 30
skynet 1 ms 40
skynet.rss 1 MB 12
parked.create 1 ms 115
pairs 1 ns 40
pairs 2 ns 20
mutex 1 ns 5
fib 1 ms 50
ROWS
fake "$build/go" go <<ROWS
yield 1 ns 160 90 300
yield 2 ns 12 12 12
skynet 1 ms 80
skynet.rss 1 MB 200
parked.create 1 ms 50
pairs 1 ns 60
pairs 2 ns 60
mutex 1 ns 10
fib 1 ms dies
ROWS
fake "$build/tokio" tokio <<ROWS
yield 1 ns 16 16 16
select2 1 ns 120 120 120
mutex 1 ns lies
ROWS
fake "$build/raw" raw <<ROWS
yield 1 ns 2 2 2
parked.create 1 ms 90
ROWS
ends_with "a failing peer is a failure" 1 bench --rounds 3
says "what a peer is missing is told" err 'skip boost: .*`make bench-peers`'
says "how a peer failed is told" err 'FAIL go fib, P=1: exit status 3: no loom'
says "a line that is no row is told" err "FAIL tokio mutex, P=1: .* 'all is well' is no row"
says "medians, the best peer, a scaled target" out 'yield, P=1' ns 8.00 160 16.0 2.00 0.50 6 \
    12.0 reached
says "a slower row" out 'yield, P=2' ns 18.0 12.0 - - 1.50 9 18.0 reached
says "a workload that a peer lacks" out 'select2, P=1' ns 30.0 - 120 - 0.25 25 50.0 reached
says "a group of rows" out 'skynet.rss, P=1' MB 12.0 200 - - 0.06 16 16.0 reached
says "a target by a peer; bare C is no peer" out 'parked.create, P=1' ms 115 50.0 - 90.0 2.30 \
    '1.15 x raw' 103 short, 1.278
says "what fails leaves the others" out 'mutex, P=1' ns 5.00 10.0 - - 0.50
says "how it scales" out pairs 2.00 1.00 - - 1.8 reached
says "the machine factor" out 'machine factor: 2.00'
says "versions are told" out 'weft 1.2, go 1.2, tokio 1.2, raw 1.2'
holds "all samples are written" "row('weft', 'yield', 1)['samples'] == [9, 7, 8]"
holds "the range is that of all rounds" "(lambda x: (x['median'], x['min'], x['max'], x['runs']))(
    row('go', 'yield', 1)) == (160.0, 90, 300, 3)"
holds "the machine is described" "r['machine']['cores'] >= 1 and r['machine']['date']"
holds "failures are written" "len(r['failures']) == 2 and len(r['skipped']) == 1"
calls() { wc -l <"$build/$1"; }
[ "$(calls go.fib.1)" -eq 1 ] && [ "$(calls weft-bench.skynet.1)" -eq 3 ]
verdict "what failed is not tried again" $?
svg() {
    python3 - "$build/results.svg" <<'PY'
import sys
import xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.find("*") is not None]
assert root.tag == "{http://www.w3.org/2000/svg}svg"
assert "yield, P=1" in texts and "fib, P=1" not in texts, texts
assert len(bars) == 9, len(bars)
PY
}
ends_with "the chart is XML with a bar a row" 0 svg

from="$tools/bench.py --from $build/results.json"
# shellcheck disable=SC2086  # words
{
    ends_with "an earlier run can be printed" 0 $from
    says "it is the same" out 'yield, P=1' ns 8.00 160 16.0 2.00 0.50
    ends_with "as Markdown" 0 $from --markdown
    says "the best is bold" out '[|] yield, P=1 [|] ns [|] [*][*]8.00[*][*] [|] 160 [|] 16.0'
    ends_with "with ranges" 0 $from --ranges
    says "the range" out 'yield, P=1' ns '8.00 \(7.00-9.00\)' '160 \(90.0-300\)'
}
rate='{"version":"1","name":"http","procs":1,"unit":"/s","min":1,"max":99,"runs":3'
echo '{"machine":{},"rows":['"$rate"',"peer":"weft","median":50},' \
    "$rate"',"peer":"go","median":100}]}' >"$work/rates.json"
ends_with "rates are read" 0 "$tools/bench.py" --from "$work/rates.json"
says "of rates more is better" out 'http, P=1' /s 50.0 100 2.00
says "without Go no factor" out 'machine factor: not known'

ends_with "only these peers and workloads" 0 bench --rounds 3 --peers weft,tokio --procs 1 yield
says "those asked for" out 'yield, P=1' ns 8.00 16.0 0.50 6 '\?' '\?'
[ "$(grep -c P= "$work/out")" -eq 2 ] # the second is in the line on the factor
verdict "no others" $?
ends_with "quick leaves out what is heavy" 0 bench --quick --rounds 1 --peers weft
[ "$(grep -c -e skynet -e fib "$work/out")" -eq 0 ]
verdict "quick leaves out what is heavy" $?
ends_with "an unknown peer" 2 bench --peers weft,loom
says "the peers are listed" err "unknown peer 'loom': there are weft, go, tokio, boost, raw, "
ends_with "an unknown workload" 2 bench weave
says "the workloads are listed" err "unknown workload 'weave': there are yield, "
ends_with "nothing is built" 2 "$tools/bench.py" --build "$work/empty"
says "what to do is said" err 'run .make bench-build. first'

# servers.py is called in the end, with a list of peers; its rows have a table of their own.
mkdir "$work/copy"
cp "$tools"/*.py "$tools/targets.json" "$work/copy"
cat >"$work/copy/servers.py" <<'PY'
import sys
ROW = '{"version":"1","name":"%s","procs":1,"unit":"%s","min":1,"max":9,"runs":5,'
for peer, cpu, rps in [("weft", 4, 200), ("weft-epoll", 3, 210), ("go", 5, 250), ("nginx", 6, 190),
                       ("raw-epoll", 2, 300)]:
    print(ROW % ("echo.50.split.cpu", "us/request") + f'"peer":"{peer}","median":{cpu}}}')
    print(ROW % ("http.50.split.rps", "1/s") + f'"peer":"{peer}","median":{rps}}}')
for peer, slow, samples in [("weft", 100, [100, 100, 200]), ("nginx", 199, [101, 199, 199])]:
    print(ROW % ("http.500.split.rps", "1/s") + f'"peer":"{peer}","median":{slow},'
          f'"samples":{samples}}}')
print(sys.argv[4:])
PY
ends_with "a line of servers.py that is no row is a failure" 1 \
    "$work/copy/bench.py" --build "$build" --rounds 1 --peers weft,nginx --procs 1
says "its options" err "FAIL servers: .*'--peers', 'weft,nginx', '--rounds', '1'.* is no row"
says "its columns" out unit weft weft-epoll go nginx raw-epoll
says "a cost, by that of bare C" out 'echo.50.split.cpu, P=1' us/request 4.00 3.00 5.00 6.00 2.00 \
    0.80 '1.05 x raw-epoll/raw-uring' 2.10 short
says "a rate, by that of a peer" out 'http.50.split.rps, P=1' 1/s 200 210 250 190 300 1.25 \
    'level with nginx' 186 reached
says "a rate, round by round where that is known" out 'http.500.split.rps, P=1' 1/s 100 - - 199 - \
    1.99 'level with nginx' 195 reached, 0.990

# compare.py: the second program is a tenth slower in one row, noisy in another, better in a third.
fake "$work/old/weft-bench" weft <<ROWS
yield 1 ns 10 10.1 9.9 10 10
mutex 1 ns 20 22 18 21 20
skynet 1 ms 80 80 80
select2 1 ns dies
ROWS
fake "$work/new/weft-bench" weft <<ROWS
yield 1 ns 11 11.1 10.9 11 11
mutex 1 ns 21 20 21 20 22
skynet 1 ms 40 40 40
select2 1 ns 30
ROWS
compare() { "$tools/compare.py" --procs 1 --rounds 5 "$@"; }
ends_with "two programs are compared" 0 compare --old "$work/old/weft-bench" \
    --new "$work/new/weft-bench"
says "a change for the worse" out 'yield, P=1' ns 10.0 11.0 '\+10.0 %' '0.1 %' WORSE
says "noise is not called a change" out 'mutex, P=1' ns 20.0 21.0 '\+5.0 %' '[0-9.]+ %$'
says "a change for the better" out 'skynet, P=1' ms 80.0 40.0 '-50.0 %' '0.0 %' better
says "what fails is left out" err 'left out select2, P=1: exit status 3: no loom'
ends_with "the new program is missing" 2 compare --old "$work/old/weft-bench"
says "what to do is said" err 'run .make bench-build. first'

# A repository whose first revision has neither benchmark nor rules for it.
toy_tree() ( # in a shell of its own: it changes the folder
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
    export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
    mkdir -p toy/tools/mk && cd toy && git init -q . || return 1
    echo 'figure := 10' >Makefile
    git add . && git commit -q -m first || return 1
    mkdir -p tools/bench/weft
    cp "$work/new/weft-bench" tools/bench/weft/program.c
    printf 'build/bench/weft-bench: tools/bench/weft/program.c\n\tmkdir -p $(@D)\n\tcp $< $@\n' \
        >tools/mk/bench.mk
    printf '\techo "yield 1 ns $(figure)" >$@.rows\n' >>tools/mk/bench.mk
    printf 'figure := 20\ninclude tools/mk/bench.mk\n' >Makefile
    git add . && git commit -q -m second && make -s build/bench/weft-bench
)
if command -v git >/dev/null; then
    ends_with "a repository" 0 toy_tree
    cd toy || exit 1
    ends_with "a revision without a benchmark" 0 compare --base HEAD~1 yield
    says "its library runs the benchmark of today" err "note: the old library runs this tree's"
    says "it is compared" out 'yield, P=1' ns 10.0 20.0 '\+100.0 %' '0.0 %' WORSE
    ends_with "a revision with its own" 0 compare --base HEAD yield
    says "nothing changed" out 'yield, P=1' ns 20.0 20.0 '\+0.0 %' '0.0 %$'
    ends_with "an unknown revision" 2 compare --base loom yield
    says "it is named" err "'loom' is no revision here"
    git worktree list >"$work/out"
    [ "$(wc -l <"$work/out")" -eq 1 ] && [ -z "$(git status --porcelain | grep -v build)" ]
    verdict "no worktree is left" $?
    cd .. || exit 1
else
    n_skipped=$((n_skipped + 9))
fi

# count.py: 1,000 instructions to start, 42 an operation.
mkdir bin
cat >bin/valgrind <<'END_OF_FAKE'
#!/bin/bash
for word; do
    case $word in --callgrind-out-file=*) out=${word#*=} ;; esac
    [ "${last:-}" != --count ] || n=$word
    last=$word
done
[ "$last" != mutex ] || { echo "no loom" >&2; exit 4; }
echo "totals: $((1000 + 42 * n))" >"$out"
END_OF_FAKE
chmod +x bin/valgrind
PATH=$work/bin:$PATH ends_with "instructions are counted" 0 \
    "$tools/count.py" --build "$build" yield select8
says "the difference quotient" out yield 42.0
PATH=$work/bin:$PATH ends_with "a failing count is a failure" 1 "$tools/count.py" --build "$build"
says "it is told" err 'FAIL mutex: exit status 4: no loom'
ln -s "$(python3 -c 'import sys; print(sys.executable)')" bin/python3
rm bin/valgrind
PATH=$work/bin ends_with "without valgrind it is skipped" 77 \
    "$work/bin/python3" "$tools/count.py" --build "$build"
says "what to install is said" out 'skip count: .*apt-get install valgrind'
PATH=$work/bin:$PATH ends_with "an unknown count" 2 "$tools/count.py" --build "$build" loom

[ ! -e "$tools/__pycache__" ]
verdict "the tree stays clean" $?
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ $n_failed -eq 0 ]
