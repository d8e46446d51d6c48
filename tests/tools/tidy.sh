#!/bin/bash
# SPDX-License-Identifier: MIT
# Goal: `make tidy` finds each kind of fault that it is there for, and nothing in a clean tree.
# Method: a tree of two modules and a header, clean at first, then with one fault at a time.
set -u
command -v python3 >/dev/null || { echo "skip tidy: python3 is not there"; exit 77; }
here=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n_passed=0 n_failed=0
spdx='/* SPDX-License-Identifier: MIT */'

clean_tree() {
    rm -rf "${work:?}/tree"
    mkdir -p "$work/tree"/{include/weft,src/base,src/chan,tools/tidy,build/lib}
    cd "$work/tree" || exit 1
    printf '0 base\n6 chan\n' >src/LAYERS
    cp "$here/tools/tidy/ratchet" tools/tidy
    printf '# SPDX-License-Identifier: MIT\n' >Makefile
    cat >include/weft/chan.h <<END
$spdx
/**
 * weft_chan_close - say that no more values will be sent.
 *
 * @ch  the channel.
 *
 * Returns    0.
 * Errors     none
 * Blocks     never.
 * Threads    any.
 */
WEFT_API int weft_chan_close(struct weft_chan *ch);
END
    cat >src/chan/close.c <<END
$spdx
#include "base/atomic.h"
int weft_chan_close(struct weft_chan *ch)
{
    /* release [CHAN-CLOSE]: pairs with the load in is_closed(). */
    atomic_store_explicit(&ch->closed, 1, memory_order_release);
    return 0;
}

static int is_closed(struct weft_chan *ch)
{
    /* acquire [CHAN-CLOSE]: what the closer wrote is visible. */
    return atomic_load_explicit(&ch->closed, memory_order_acquire);
}
END
    printf '%s\n#include <stdatomic.h>\n' "$spdx" >src/base/atomic.h
    printf '%s\n' "$spdx" >src/base/sys.c
}

finds() { # PATTERN, or nothing for a clean tree
    "$here/tools/tidy/tidy.py" build >"$work/out" 2>&1
    local status=$?
    if [ -n "$1" ] && [ $status -eq 1 ] && grep -qE -e "$1" "$work/out" &&
        grep -q ', 1 finding$' "$work/out"; then
        n_passed=$((n_passed + 1))
    elif [ -z "$1" ] && [ $status -eq 0 ] && grep -q ', 0 findings$' "$work/out"; then
        n_passed=$((n_passed + 1))
    else
        echo "FAIL expected: ${1:-nothing}"
        cat "$work/out"
        n_failed=$((n_failed + 1))
    fi
}

fault() { # PATTERN FILE LINE...: a clean tree with more lines in a file
    local pattern=$1 file=$2
    shift 2
    clean_tree
    printf '%s\n' "$@" >>"$file"
    finds "$pattern"
}

edit() { # PATTERN FILE SED
    clean_tree
    sed -i "$3" "$2"
    finds "$1"
}

clean_tree
finds ''
fault 'sys.c:2: 101 columns' src/base/sys.c "$(printf '%101s' x | tr ' ' ';')"
fault 'sys.c:600: .* lines; a file' src/base/sys.c "$(yes ';' | head -n 600)"
fault 'long_one\(\) has 71 lines' src/base/sys.c 'int long_one(void)' '{' \
    "$(yes '    ;' | head -n 68)" '}'
fault 'left to be done' src/base/sys.c "/* TO""DO: the rest */"
fault 'base, of rank 0, includes chan/chan.h' src/base/sys.c '#include "chan/chan.h"'
fault 'thread-local' src/base/sys.c 'static __thread int x;'
fault 'stdatomic' src/base/sys.c '#include <stdatomic.h>'
fault 'errno outside' src/chan/close.c 'int e(void) { return errno; }'
fault 'an #if on the system' src/chan/close.c '#ifdef __linux__' '#endif'
fault 'memory from elsewhere' src/chan/close.c 'void *f(void) { return malloc(1); }'
fault 'liburing outside' src/chan/close.c '#include <liburing.h>'
fault 'one end only' src/base/sys.c '/* [RUNQ-PUSH] */'
fault 'has no comment' include/weft/chan.h 'WEFT_API int weft_chan_open(void);'
edit 'without a tag' src/chan/close.c 's/release .CHAN-CLOSE.//; s/acquire \[/[CHAN-CLOSE] [/'
edit 'no SPDX' src/base/sys.c 's/SPDX/spdx/'
edit 'lacks the field Blocks' include/weft/chan.h '/Blocks/d'
edit 'another order' include/weft/chan.h 's/Blocks    /Threads   /; t; s/Threads  /Blocks   /'
edit 'does not describe @ch' include/weft/chan.h '/@ch/d'
edit 'does not begin with its name' include/weft/chan.h 's/weft_chan_close - /close - /'

# The symbols of a library that was built.
if command -v nm >/dev/null; then
    library() { # SOURCE
        clean_tree
        echo "$1" | ${CC:-gcc} -fPIC -fvisibility=hidden -x c -c - -o build/x.o &&
            ar rcs build/lib/libweft.a build/x.o &&
            ${CC:-gcc} -shared build/x.o -o build/lib/libweft.so.0.1.0
    }
    api='__attribute__((visibility("default"))) int'
    close='weft_chan_close(void *c) { return !c; }'
    library "$api $close" && finds ''
    library "$api $close int helper(void) { return 1; }" && finds 'helper does not begin with weft_'
    library "int $close" && finds 'and not exported'
    library "$api $close $api weft__x(void) { return 1; }" && finds 'declared nowhere'
fi
echo "$n_passed passed, $n_failed failed, 0 skipped"
[ $n_failed -eq 0 ]
