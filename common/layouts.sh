#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Prints the C source of layouts[] (common/layouts.h): for each struct of the list its declaration
# as the preprocessor leaves it, so that bounds that are macros are seen as numbers, and its sizeof.
# Called by the Makefile, from the repository's root:
#
#   common/layouts.sh common/shm_structs.def COMPILER FLAGS... > layouts.c
#
# Fails, naming the struct, if a line of the list makes no sense or a declaration is not found.
set -eu

list=$1
shift

includes=$(sed -n 's/^SHM_STRUCT(.*\("[^"]*"\).*/#include \1/p' "$list" | awk '!seen[$0]++')

echo '/* Made by common/layouts.sh. */'
echo '#include "common/layouts.h"'
echo "$includes"

# One line for each piece of text that ends in a brace or a semicolon.
pieces() {
	tr -s ' \t\r\n' ' ' | sed 's/[{};]/&\n/g'
}

echo "$includes" | "$@" -E -P -x c - | pieces | awk -v list="$list" '
function fail(what) {
	print list ": " what > "/dev/stderr"
	failed = 1
	exit 1
}

# Keeps a blank only between two words.
function normalized(s,    i, c, out) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == " " && (substr(s, i - 1, 1) !~ /[A-Za-z0-9_]/ || substr(s, i + 1, 1) !~ /[A-Za-z0-9_]/))
			continue
		out = out c
	}
	return out
}

function read_list(    line, field) {
	while ((getline line < list) > 0) {
		if (line !~ /^SHM_STRUCT/)
			continue
		if (line !~ /^SHM_STRUCT\([A-Z]+, *[a-z0-9_]+, *[0-9]+, *[0-9]+, *"[^"]+"\)$/)
			fail("cannot read " line)
		gsub(/^SHM_STRUCT\(|\)$/, "", line)
		split(line, field, / *, */)
		n++
		life[n] = field[1]
		name[n] = field[2]
		version[n] = field[3] ", " field[4]
		wanted[field[2]] = 1
	}
}

# The struct whose declaration a piece opens, "" if it opens none.
function opened(piece,    word) {
	if (!match(piece, /struct [A-Za-z0-9_]+ ?(__attribute__.*)?[{]$/))
		return ""
	begin = RSTART
	split(substr(piece, begin), word, /[ {]/)
	return word[2]
}

BEGIN { read_list() }

depth == 0 && capturing == "" {
	who = opened($0)
	if (!(who in wanted) || who in text)
		next
	capturing = who
	$0 = substr($0, begin)
}

capturing != "" {
	text[capturing] = text[capturing] $0
	if (/[{]$/)
		depth++
	else if (/[}]$/)
		depth--
	else if (depth == 0)
		capturing = ""
}

END {
	if (failed)
		exit 1
	print "const struct layout layouts[] = {"
	for (i = 1; i <= n; i++) {
		if (!(name[i] in text))
			fail("no declaration of struct " name[i])
		declaration = normalized(text[name[i]])
		gsub(/["\\]/, "\\\\&", declaration)
		printf "\t{\"%s\", %s, sizeof(struct %s), LAYOUT_%s,\n\t \"%s\"},\n",
		    name[i], version[i], name[i], life[i], declaration
	}
	print "};"
	print "const uint32_t n_layouts = " n ";"
}'
