#!/bin/sh
# coverage.sh: in a build with --enable-coverage whose tests have run: which share of each file's lines ran, and which
# functions never did. What is killed does not write what it counted; what stops, or ends by _exit, does.
LC_ALL=C
export LC_ALL
command -v gcov >/dev/null || { echo "coverage: no gcov here: it belongs to gcc"; exit 77; }
rooms='coordinator proxy src tools'
counted=$(find $rooms -name '*.gcno' -exec gcov -n -f {} + 2>/dev/null)

echo "Lines that ran:"
echo "$counted" | awk -F"[':% ]+" '
	/^File/ { file = $2; sub(/.*\/(coordinator|proxy|src|tools)\//, "&", file); n = split(file, part, "/")
		file = part[n - 1] "/" part[n] }
	/^Lines/ && file ~ /\.c$/ { print $3 * $5 / 100, $5, file }
	!/^File/ { file = "" }' |
	awk '{ ran[$3] += $1; all[$3] += $2 }
		END { for (f in all) printf "%6.1f %% of %5d  %s\n", 100 * ran[f] / all[f], all[f], f }' | sort -k 5
echo "$counted" | awk -F"[':% ]+" '
	/^File/ { is_file = $2 ~ /(coordinator|proxy|src)\/[^\/]*\.c$/ }
	/^Lines/ && is_file { ran += $3 * $5 / 100; all += $5 }
	!/^File/ { is_file = 0 }
	END { printf "%6.1f %% of %5d  src, proxy and coordinator together\n", 100 * ran / all, all }'

echo "Functions that never ran:"
echo "$counted" | awk -F"'" '/^Function/ { name = $2 } /^Lines executed:0.00%/ && name { print "  " name } !/^Function/ { name = "" }' |
	sort -u
