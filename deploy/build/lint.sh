#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Checks the sources: layout, layering, headers that compile alone, clang-tidy
# and cppcheck. For `make lint`, which gives the compiler's flags in CC, ARCH,
# CPPFLAGS and DPDK_CPPFLAGS. A checker that is not installed is named and
# skipped.
#
# usage: lint.sh FILE...
#
# Ends with 1 if anything was found, after all checks ran.

bad=0
fail()
{
	echo "lint: $*"
	bad=1
}

found=$(mktemp) || exit 1
trap 'rm -f "$found"' EXIT

std="-std=gnu17 -march=$ARCH"

# The flags to compile a file with: no DPDK where none is linked.
flags_of()
{
	case $1 in
	ctl/cli/* | ctl/client/*) echo "$CPPFLAGS" ;;
	*) echo "$CPPFLAGS $DPDK_CPPFLAGS" ;;
	esac
}

# What a file may include of ours, by its folder, as a pattern for paths. The
# programs share common/ and the contract, never each other's code.
allowed_for()
{
	case $1 in
	common/*) echo '^(common|proto)/' ;;
	primary/*) echo '^(common|primary)/' ;;
	fwd-worker/*) echo '^(common|fwd-worker)/' ;;
	vhost-agent/*) echo '^(common|vhost-agent)/' ;;
	ctl/client/*) echo '^(common|proto|ctl/client)/' ;;
	ctl/cli/*) echo '^(common|proto|ctl/cli|ctl/client)/' ;;
	ctl/*) echo '^(common|proto|ctl)/' ;;
	*) echo '.' ;;
	esac
}

echo "lint: first line, layering"
for f in "$@"; do
	head -n 1 "$f" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' ||
		fail "$f: does not begin with its SPDX line"
	allowed=$(allowed_for "$f")
	wrong=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$f" |
		grep '/' | grep -Ev "$allowed")
	[ -z "$wrong" ] || fail "$f: may not include" $wrong
	wrong=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"/]*\)".*/\1/p' "$f")
	[ -z "$wrong" ] || fail "$f: write the path from the repository root for" $wrong
done

echo "lint: log modules"
for f in "$@"; do
	case $f in tests/* | *_test.c) continue ;; esac
	for module in $(sed -n 's/^#define LOG_MODULE  *"\(.*\)".*/\1/p' "$f"); do
		grep -q "^LOG_MODULE_IS(\"$module\"," common/log_modules.def ||
			fail "$f: log module \"$module\" is not in common/log_modules.def"
	done
done

echo "lint: headers alone"
for f in "$@"; do
	case $f in *.h) ;; *) continue ;; esac
	# shellcheck disable=SC2046
	$CC $std $(flags_of "$f") -Wall -Wextra -Werror -fsyntax-only -x c "$f" ||
		fail "$f: does not compile alone"
done

if command -v clang-format >/dev/null; then
	echo "lint: clang-format"
	clang-format --dry-run -Werror "$@" 2>&1 | grep 'error:' | cut -d: -f1 | sort | uniq -c |
		while read -r count file; do
			echo "lint: $file: $count places (make format FILES=$file)"
		done >"$found"
	cat "$found"
	[ -s "$found" ] && bad=1
else
	echo "lint: no clang-format here"
fi

c_files=''
for f in "$@"; do
	case $f in *.c) c_files="$c_files $f" ;; esac
done

if [ -z "$c_files" ]; then
	:
elif command -v clang-tidy >/dev/null; then
	echo "lint: clang-tidy"
	for f in $c_files; do
		echo "$f"
	done | DPDK="$DPDK_CPPFLAGS" OURS="$CPPFLAGS" STD="$std" xargs -P 2 -n 1 sh -c '
		case $1 in
		ctl/cli/* | ctl/client/*) flags=$OURS ;;
		*) flags="$OURS $DPDK" ;;
		esac
		clang-tidy --quiet "$1" -- $STD $flags 2>&1 |
			grep -v "warnings\{0,1\} generated\|^Suppressed\|^Use -header-filter"
		:' sh >"$found"
	cat "$found"
	grep -qE '(warning|error):' "$found" && bad=1
else
	echo "lint: no clang-tidy here"
fi

if [ -z "$c_files" ]; then
	:
elif command -v cppcheck >/dev/null; then
	echo "lint: cppcheck"
	# shellcheck disable=SC2086
	cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr \
		--suppress=missingInclude --suppress='*:/usr/include/*' --error-exitcode=1 \
		-j 2 -I . $c_files || bad=1
else
	echo "lint: no cppcheck here"
fi

[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
