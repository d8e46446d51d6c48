#!/bin/sh
# SPDX-License-Identifier: MIT
# Goal: `make tidy` finds nothing.
command -v python3 >/dev/null || { echo "skip tidy: python3 is not there"; exit 77; }
exec python3 tools/tidy/tidy.py "$WEFT_BUILD"
