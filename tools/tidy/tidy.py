#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The look at the tree: sizes, layers, prefixes, doc comments, order tags.

usage: tidy.py [BUILD]     BUILD (default: build) is where lib/libweft.a is, for its symbols.

Each finding is one line "file:line: what"; the last line counts them.  tools/tidy/ratchet lists
functions that may be longer than the limit: "path function lines", and none may grow past its
number.  src/LAYERS is the order of the modules.
"""
import fnmatch
import glob
import os
import re
import shutil
import statistics
import subprocess
import sys

FILE_LINES = 600
FUNCTION_LINES = 70
LINE_COLUMNS = 100
TAG_DISTANCE = 6  # lines from an order up to its tag
FIELDS = ["Returns", "Errors", "Blocks", "Threads"]

# What only some files may name: pattern, those files, what to say.
PLACES = [
    (r"\b(_Thread_local|__thread|thread_local)\b", ["src/base/self.c"],
     "a thread-local outside src/base/self.c: use the accessor in base/self.h"),
    (r"#\s*include\s*<stdatomic\.h>", ["src/base/atomic.h"],
     "<stdatomic.h> outside src/base/atomic.h"),
    (r"(?<![\w\"<./])errno\b(?!\.h)", ["src/base/self.c", "src/base/sys*.[ch]"],
     "errno outside src/base: a coroutine may wake on another thread"),
    (r"\b(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|free|strn?dup"
     r"|v?asprintf)\s*\(", ["src/base/memory.c"],
     "memory from elsewhere than src/base/memory.c: the program may have set an allocator"),
    (r"#\s*include\s*<liburing", ["src/reactor/uring*.[ch]"],
     "liburing outside its driver"),
    (r"#\s*if.*\b(__linux__|__FreeBSD__|__APPLE__)\b", ["src/base/*", "src/reactor/*"],
     "an #if on the system outside base/ and reactor/"),
]

findings = []


def find(path, line, what):
    findings.append((path, line, what))


def tree():
    """Every text file that is ours, by path."""
    texts = {}
    for top in ["include", "src", "asm", "tests", "examples", "tools", ".ci"]:
        for folder, _, names in os.walk(top):
            for name in names:
                texts[os.path.join(folder, name)] = None
    texts["Makefile"] = None
    for path in list(texts):
        if "__pycache__" in path or path.startswith("tests/mutants/"):
            del texts[path]
            continue
        try:
            with open(path, encoding="utf-8") as f:
                texts[path] = f.read()
        except (OSError, UnicodeDecodeError):
            find(path, 1, "cannot be read as UTF-8")
            del texts[path]
    return texts


def is_c(path):
    return path.endswith((".c", ".h", ".cc"))


def without_comments(text):
    """The text with comments and strings blanked, lines and columns kept."""
    def blank(match):
        token = match.group(0)
        if token.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_text(path, text):
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES:
        find(path, FILE_LINES, f"{len(lines) - 1} lines; a file has at most {FILE_LINES}")
    if "SPDX-License-Identifier: MIT" not in "\n".join(lines[:3]) and not path.endswith(
            (".md", "LAYERS", ".in", "ratchet")):
        find(path, 1, "no SPDX line on top")
    for i, line in enumerate(lines, 1):
        is_table_row = path.endswith(".md") and line.startswith("|")
        if len(line) > LINE_COLUMNS and not is_table_row:
            find(path, i, f"{len(line)} columns; a line has at most {LINE_COLUMNS}")
        if re.search(r"[ \t]$", line):
            find(path, i, "space at the end of the line")
        if is_c(path) and "\t" in line:
            find(path, i, "a tab")
        # In two parts, so that this file passes.
        if re.search(r"\b(FIX" + r"ME|TO" + r"DO)\b", line):
            find(path, i, "something is left to be done")
    if text and not text.endswith("\n"):
        find(path, len(lines), "no newline at the end")


def functions(code):
    """(name, first line, lines) of each function: a brace in column 0 opens and closes it."""
    lines = code.split("\n")
    for i, line in enumerate(lines):
        if not line.startswith("{"):
            continue
        start = i
        while start > 0 and lines[start - 1].strip() and not re.match(r"[}#]|.*;\s*$",
                                                                      lines[start - 1]):
            start -= 1
        end = i
        while end < len(lines) - 1 and not lines[end].startswith("}"):
            end += 1
        head = " ".join(lines[start:i])
        test = re.match(r"[A-Z_]*TEST[A-Z_]*\((\w+)", head)
        name = test or re.search(r"(\w+)\s*\(", head)
        yield (name.group(1) if name else "?"), start + 1, end - start + 1


def check_functions(path, code, ratchet):
    lengths = []
    for name, line, n in functions(code):
        limit = max(FUNCTION_LINES, ratchet.get((path, name), 0))
        if n > limit:
            find(path, line, f"{name}() has {n} lines; at most {limit}")
        lengths.append(n)
    return lengths


def read_ratchet():
    ratchet = {}
    with open("tools/tidy/ratchet", encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if len(words) == 3:
                ratchet[(words[0], words[1])] = int(words[2])
    return ratchet


def read_layers():
    ranks = {}
    with open("src/LAYERS", encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            for module in words[1:]:
                ranks[module] = int(words[0])
    return ranks


def check_layers(path, code_with_strings, ranks):
    module = path.split("/")[1]
    if module not in ranks:
        find(path, 1, f"module {module} has no rank in src/LAYERS")
        return
    for match in re.finditer(r'^[ \t]*#\s*include\s*"([^"]+)"', code_with_strings, re.M):
        line = line_of(code_with_strings, match.start())
        named = match.group(1)
        near = os.path.normpath(os.path.join(os.path.dirname(path), named))
        target = near if "/" not in named or named.startswith("../") else "src/" + named
        other = target.split("/")[1] if target.startswith("src/") else named.split("/")[0]
        if other == "weft":
            find(path, line, "public headers are included as <weft/...>")
        elif other not in ranks:
            find(path, line, f"{named} belongs to no module of src/LAYERS")
        elif other != module and ranks[other] >= ranks[module]:
            find(path, line, f"{module}, of rank {ranks[module]}, includes {named}, of rank "
                             f"{ranks[other]}")


def check_places(path, code):
    for pattern, allowed, what in PLACES:
        if any(fnmatch.fnmatch(path, a) for a in allowed):
            continue
        for match in re.finditer(pattern, code):
            find(path, line_of(code, match.start()), what)


TAG = re.compile(r"\[([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)\]")
ORDER = re.compile(r"\bmemory_order_(?!relaxed\b)\w+|__ATOMIC_(?!RELAXED\b)[A-Z_]+\b")


def check_orders(path, text, code, tags):
    lines = text.split("\n")
    for i, line in enumerate(lines, 1):
        for tag in TAG.findall(line):
            tags.setdefault(tag, []).append((path, i))
    for i, line in enumerate(code.split("\n"), 1):
        if ORDER.search(line):
            near = "\n".join(lines[max(0, i - 1 - TAG_DISTANCE):i])
            if not TAG.search(near):
                find(path, i, "a memory order without a tag such as [RUNQ-PUSH] above it")


def split_parameters(text):
    """The parameters of a prototype, split at the commas that are in no parentheses."""
    parts, depth, part = [], 0, ""
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    return [p.strip() for p in parts + [part] if p.strip() not in ("", "void", "...")]


def parameter_name(text):
    pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)", text)
    plain = re.search(r"(\w+)\s*(\[[^]]*\])*$", text)
    return pointer.group(1) if pointer else plain.group(1) if plain else "?"


PROTOTYPE = re.compile(r"^WEFT_API(?:_MUST)?\s+([^;{]*?)\b(\w+)\s*\(((?:[^;{])*)\)[^;{()]*;", re.M)


def check_header(path, text, code):
    """Each prototype has its comment in the fixed fields; returns the names that are declared."""
    names = []
    for match in PROTOTYPE.finditer(code):
        name, line = match.group(2), line_of(code, match.start())
        names.append(name)
        if name.startswith("weft__"):
            continue  # for macros of ours only
        before = text[:match.start()].rstrip()
        start = before.rfind("/**")
        comment = before[start:]
        if start < 0 or not before.endswith("*/") or comment.count("*/") != 1:
            find(path, line, f"{name}() has no comment /** ... */ right above it")
            continue
        if not re.search(r"^ \* " + re.escape(name) + r" - ", comment, re.M):
            find(path, line, f"the comment of {name}() does not begin with its name")
        where = [m.start() if (m := re.search(r"^ \* " + field + r"\s", comment, re.M)) else -1
                 for field in FIELDS]
        for field, offset in zip(FIELDS, where):
            if offset < 0:
                find(path, line, f"the comment of {name}() lacks the field {field}")
        if min(where) >= 0 and where != sorted(where):
            find(path, line, f"the fields of {name}() stand in another order than "
                             + ", ".join(FIELDS))
        for parameter in map(parameter_name, split_parameters(match.group(3))):
            if not re.search(r"^ \* @" + re.escape(parameter) + r"\s", comment, re.M):
                find(path, line, f"the comment of {name}() does not describe @{parameter}")
    return names


def symbols(*command):
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return {words[2].split("@")[0] for words in map(str.split, out.split("\n"))
            if len(words) == 3 and words[1].isupper()}


def check_symbols(build, declared):
    archive = os.path.join(build, "lib", "libweft.a")
    shared = sorted(glob.glob(os.path.join(build, "lib", "libweft.so.*.*")))
    if not shutil.which("nm") or not os.path.exists(archive):
        print(f"tidy: no look at the symbols: no nm, or no {archive}")
        return
    for symbol in sorted(symbols("nm", "-g", "--defined-only", archive)):
        if not symbol.startswith("weft_"):
            find(archive, 0, f"the global symbol {symbol} does not begin with weft_")
    for library in shared[-1:]:
        exported = symbols("nm", "-D", "--defined-only", library)
        for symbol in sorted(exported - declared):
            find(library, 0, f"{symbol} is exported, and declared nowhere in include/")
        for symbol in sorted(declared - exported):
            find(library, 0, f"{symbol} is declared in include/, and not exported")


def report(texts, lengths):
    """What is looked at and not gated."""
    n_all = n_comment = n_code = n_assert = 0
    for path, text in texts.items():
        if path.startswith("src/") and is_c(path):
            bare = without_comments(text)
            for line, rest in zip(text.split("\n"), bare.split("\n")):
                n_all += bool(line.strip())
                n_code += bool(rest.strip())
                n_comment += bool(line.strip()) and not rest.strip()
            n_assert += len(re.findall(r"\b(?:WEFT__\w*CHECK\w*|WEFT__\w*ASSERT\w*|weft__check\w*"
                                       r"|weft__fatal\w*|_Static_assert)\s*\(", bare))
    if n_all and lengths:
        print(f"tidy: src has {n_code} lines of code, {100 * n_comment // n_all} % comment lines, "
              f"{len(lengths)} functions of {statistics.median(lengths):g} lines (median), "
              f"a check every {n_code // max(1, n_assert)} lines")


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    if os.environ.get("WEFT_TIDY_ROOT"):
        os.chdir(os.environ["WEFT_TIDY_ROOT"])
    texts, ratchet, ranks = tree(), read_ratchet(), read_layers()
    tags, declared, lengths = {}, set(), []
    for path, text in sorted(texts.items()):
        check_text(path, text)
        if not is_c(path):
            if path.startswith("asm/"):
                check_orders(path, text, "", tags)
            continue
        code = without_comments(text)
        n = check_functions(path, code, ratchet)
        if path.startswith("src/"):
            lengths += n
            check_layers(path, text, ranks)
            check_places(path, code)
            check_orders(path, text, code, tags)
        if path.startswith("include/"):
            declared.update(check_header(path, text, code))
    for tag, places in sorted(tags.items()):
        if len(places) < 2:
            find(*places[0], f"the order tag [{tag}] has one end only")
    check_symbols(build, declared)
    for path, line, what in findings:
        print(f"{path}:{line}: {what}")
    report(texts, lengths)
    print(f"tidy: {len(texts)} files, {len(findings)} finding{'' if len(findings) == 1 else 's'}")
    return 1 if findings else 0


sys.exit(main())
