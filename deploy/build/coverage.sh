#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Shows how many lines the unit tests reached, for each folder and, with -v,
# for each file. For `make coverage`; needs gcov and awk only.
#
# usage: coverage.sh [-v] OBJECT_DIR

verbose=0
if [ "$1" = -v ]; then
	verbose=1
	shift
fi

# gcov names each source of an object, then its share of lines; inline
# functions of headers appear once per object and are left out, and so are the
# tests themselves and what is generated.
find "$1" -name '*.gcno' ! -name '*_test.gcno' ! -path '*/gen/*' -print |
	xargs -r gcov -n 2>/dev/null |
	awk -v verbose=$verbose '
		/^File / {
			file = substr($0, 7, length($0) - 7)
			next
		}
		/^Lines executed:/ && file ~ /\.c$/ && file !~ /^\// {
			split($0, part, /[:% ]+/)
			total = part[length(part)]
			hit = int(part[3] * total / 100 + 0.5)
			folder = file
			sub(/\/[^\/]*$/, "", folder)
			lines[folder] += total
			hits[folder] += hit
			all += total
			all_hits += hit
			if (verbose)
				printf "%6.1f %%  %6d of %6d  %s\n", part[3], hit, total, file
			file = ""
			next
		}
		/^No executable lines/ { file = "" }
		END {
			for (folder in lines)
				printf "%6.1f %%  %6d of %6d  %s/\n", 100 * hits[folder] / lines[folder],
					hits[folder], lines[folder], folder | "sort -k 6"
			close("sort -k 6")
			if (all)
				printf "%6.1f %%  %6d of %6d  in all\n", 100 * all_hits / all, all_hits, all
		}'
