#!/bin/sh
# check_symbols.sh: what the public headers declare with STOA_PUBLIC is what src/stoa.map lists, and what the library has;
# all of it begins with stoa_, the tables of built-in classes too, since a program may have classes of the same names.
set -eu
export LC_ALL=C
library="$builddir/.libs/libstoa.so"
if [ ! -e "$library" ]; then
	echo "no shared library in this build"
	exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Without comments and directives; then each declaration's last words before its parenthesis, commas or semicolon.
find "$srcdir/include" -name '*.h' -exec cat {} + | awk '
	{
		text = text $0 "\n"
	}
	END {
		while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//))
			text = substr(text, 1, RSTART - 1) " " substr(text, RSTART + RLENGTH)
		n = split(text, lines, "\n")
		for (i = 1; i <= n; i++) {
			if (lines[i] ~ /^[ \t]*#/) {
				while (lines[i] ~ /\\$/)
					i++
				continue
			}
			sub(/STOA__BUILTIN\([a-z_]+, /, "STOA_PUBLIC stoa_", lines[i])
			code = code " " lines[i]
		}
		n = split(code, parts, /STOA_PUBLIC/)
		for (i = 2; i <= n; i++) {
			sub(/[;(){=[].*/, "", parts[i])
			m = split(parts[i], names, /,/)
			for (j = 1; j <= m; j++) {
				sub(/[ \t]*$/, "", names[j])
				sub(/.*[^a-z0-9_]/, "", names[j])
				print names[j]
			}
		}
	}' | sort >"$tmp/headers"
sed -n '/^global:/,/^local:/s/^[ \t]*\([a-z0-9_]*\);$/\1/p' "$srcdir/src/stoa.map" >"$tmp/map"
${NM:-nm} -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$tmp/library"

bad=0
if ! sort -c "$tmp/map"; then
	echo "src/stoa.map is not sorted"
	bad=1
fi
for other in map library; do
	if ! diff -u --label headers --label $other "$tmp/headers" "$tmp/$other"; then
		bad=1
	fi
done
if grep -v '^stoa_' "$tmp/library"; then
	echo "does not begin with stoa_: a program's own would take its place"
	bad=1
fi
if [ ! -s "$tmp/headers" ]; then
	echo "no public symbol found"
	bad=1
fi
echo "$(wc -l <"$tmp/headers") public symbols"
exit $bad
