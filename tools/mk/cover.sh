#!/bin/bash
# SPDX-License-Identifier: MIT
# Prints how many lines of each source file the tests of a build with --coverage reached.
# usage: cover.sh BUILD
set -u
find "$1/obj/src" -name '*.gcda' | while read -r data; do
    ${GCOV:-gcov} -n -o "$(dirname "$data")" "$data" 2>/dev/null
done | awk '
    /^File / { file = $2; gsub(/\047/, "", file); next }
    /^Lines executed:/ && file ~ /^src\// {
        split($0, part, /[:% ]+/); n = $NF
        # A header is seen from many sources: its best showing counts.
        reached = part[3] * n / 100
        if (reached >= got[file] + 0) { got[file] = reached; all[file] = n }
        file = ""
    }
    END { for (f in all) printf "%6.1f %% of %5d  %s\n", 100 * got[f] / all[f], all[f], f
          for (f in all) { a += all[f]; g += got[f] }
          if (a) printf "%6.1f %% of %5d  in all\n", 100 * g / a, a }' | sort -n
