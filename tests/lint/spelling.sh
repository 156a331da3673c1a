#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# spelling.sh - common misspellings in code, scripts and pages
. "$(dirname "$0")/lib.sh"
need codespell

sources .c .h .S .sh .py .md .scd .build |
	xargs codespell -q 3 --ignore-words tests/lint/words
