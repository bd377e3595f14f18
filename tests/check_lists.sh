#!/bin/sh
# check_lists.sh: Makefile.am names every file of ours (what it does not name is not in a tarball) and none that is not
# there, and its lists of one name a line are sorted. A directory that it names stands for all that is in it.
set -eu
cd "$srcdir"

export LC_ALL=C
bad=0
for file in $(find bench coordinator examples include man proxy python scripts src tests tools -type f \
	! -path 'tests/fuzz/clang/*' ! -path 'tests/fuzz/corpus/*' \
	! -name '.*' ! -name '*.pyc' ! -name '*.o' ! -name '*.l[oa]' ! -name '*.log' ! -name '*.trs' ! -name '*.gc*' 2>/dev/null |
	grep -v '/\.' | sort); do
	# a program without a list of sources has one, of its own name
	if ! grep -qE "(^|[[:blank:]=/)])(${file}|${file%.c})([[:blank:]]|\$)" Makefile.am; then
		echo "Makefile.am does not name $file"
		bad=1
	fi
done
for file in $(sed -n 's,^\t\([a-z]*/[^ ]*\).*,\1,p' Makefile.am); do
	if [ ! -e "$file" ] && [ ! -f "$file.c" ]; then
		echo "Makefile.am names $file, which is not there"
		bad=1
	fi
done

# Within a list, directories keep the order they have; names within one directory are sorted.
awk '
	/^\t[a-z]+\/[^ ]*( \\)?$/ {
		name = $1
		dir = name
		sub(/[^\/]*$/, "", dir)
		if (dir == last_dir && name < last && FNR == line + 1) {
			print "Makefile.am:" FNR ": " name " comes before " last
			bad = 1
		}
		last = name
		last_dir = dir
		line = FNR
	}
	END {
		exit bad
	}' Makefile.am || bad=1
exit $bad
