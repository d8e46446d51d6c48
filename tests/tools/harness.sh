#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: the harness calls a failure a failure, whatever way a test fails, and counts right.
# Method: programs that pass, fail, skip, die, hang and lie, judged by what test.h and run.sh say.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tests/unit" "$work/tests/child"
n_passed=0 n_failed=0

says() { # NAME PATTERN: is there such a line in the output?
    if grep -Eq -e "$2" "$work/out"; then
        n_passed=$((n_passed + 1))
    else
        echo "FAIL $1: no line matches $2"
        cat "$work/out"
        n_failed=$((n_failed + 1))
    fi
}

cat >"$work/tests/unit/sample.c" <<'END'
#include "test.h"
TEST(passes) { CHECK_EQ(1 + 1, 2); }
TEST(fails) { CHECK_EQ(1 + 1, 3); }
TEST(compares_text) { CHECK_STR("warp", "weft"); }
TEST(skips) { SKIP("no loom"); }
TEST(dies) { abort(); }
TEST(exits) { exit(3); }
TEST_LIMIT(hangs, 1)
{
    if (fork() >= 0)
        for (;;)
            pause();
}
END
${CC:-gcc} -std=gnu11 -Wall -Wextra -Werror -Itests "$work/tests/unit/sample.c" \
    -o "$work/tests/unit/sample" || exit 1
WEFT_TEST_SCALE=1 WEFT_TEST_SEED=77 "$work/tests/unit/sample" >"$work/out" 2>&1
status=$?
says "a test passes" '^ok passes \([0-9]+ ms\)$'
says "both values are printed" 'sample.c:3: 1 \+ 1 == 3 is false: 2 and 3$'
says "both texts are printed" '"warp" and "weft"$'
says "a check fails" '^FAIL fails .*exit status 1; WEFT_TEST_SEED=77$'
says "a reason is told" '^skip skips: no loom$'
says "a death is named" '^FAIL dies .*died by signal 6'
says "an early exit fails" '^FAIL exits .*exit status 3'
says "a limit holds" '^FAIL hangs .*not done after 1 s'
says "the sum is right" '^1 passed, 5 failed, 1 skipped$'
echo "status $status" >"$work/out"
says "a failure is in the status" '^status 1$'
"$work/tests/unit/sample" passes skips >"$work/out" 2>&1
says "tests can be named" '^1 passed, 0 failed, 1 skipped$'
"$work/tests/unit/sample" misspelt >"$work/out" 2>&1
says "an unknown name fails" '^0 passed, 1 failed, 0 skipped$'
pgrep -f "$work/tests/unit/sample" >"$work/out" || echo nobody >"$work/out"
says "nothing survives its test" '^nobody$'

child() { # NAME EXIT STDERR BODY
    printf '/*\n * expect-exit: %s\n * expect-stderr: %s\n * env: LOOM=12\n */\n' "$2" "$3"
    printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { %s }\n' "$4"
} >"$work/tests/child/$1.c"
says_loom='fputs(getenv("LOOM"), stderr);'
child right SIGABRT '^1[0-9]$' "$says_loom abort();"
child other_end 2 '^12$' "$says_loom abort();"
child other_text SIGABRT '^13$' "$says_loom abort();"
for name in right other_end other_text; do
    ${CC:-gcc} "$work/tests/child/$name.c" -o "$work/tests/child/$name" || exit 1
done
printf '#!/bin/sh\necho "3 passed, 0 failed, 0 skipped"\nexit 1\n' >"$work/tests/unit/lies.sh"
mkdir "$work/src" && cp tests/run.sh "$work/src"
# From inside the tree, where the sources of the programs are.
(cd "$work" && env -u WEFT_REACTOR -u WEFT_GUARD -u WEFT_PROCS WEFT_KERNEL="epoll mprotect canary" \
    WEFT_TEST_SCALE=1 WEFT_EMULATOR= bash src/run.sh -b . -m cover ./tests/child/{right,other_end} \
    ./tests/child/other_text ./tests/unit/{sample,lies.sh}) >"$work/out" 2>&1
echo "status $?" >>"$work/out"
says "a child ends as promised" '^ok   child/right '
says "a child ends in another way" '^FAIL child/other_end '
says "a child says another thing" '^FAIL child/other_text '
says "what cannot be had is left out" 'without io_uring'
says "a row is named" '^FAIL unit/sample +\[epoll 2 canary\] +1 passed, 5 failed, 1 skipped'
says "a good sum does not hide a bad end" '^FAIL unit/lies.sh .* 3 passed, 1 failed, 0 skipped'
says "the last line is the sum of all" '^[0-9]+ passed, [1-9][0-9]* failed, [0-9]+ skipped$'
says "a failure is in the status of all" '^status 1$'

for name in a bb ccc; do
    printf '#!/bin/sh\nexit 0\n' >"$work/tests/unit/$name.sh"
done
(cd "$work" && env -u WEFT_REACTOR -u WEFT_GUARD -u WEFT_PROCS bash src/run.sh -b . -m turn \
    ./tests/unit/{a,bb,ccc}.sh) >"$work/out" 2>&1
says "one row a program" '^3 passed, 0 failed, 0 skipped$'
for row in "io_uring 2 madvise" "epoll 8 mprotect" "io_uring 1 canary"; do
    says "each row has its turn" "^ok   unit/(a|bb|ccc).sh +\[$row\]"
done
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ $n_failed -eq 0 ]
