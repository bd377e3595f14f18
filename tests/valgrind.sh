#!/bin/sh
# valgrind.sh: PROGRAM under valgrind. What it finds in a process that was forked, as a guardian or a coordinator, whose
# status and standard error nobody sees, is printed, and makes PROGRAM fail. That a process dies of a signal is no error.
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 1777 "$dir" # some become other users
# Where a handler of SIGBUS puts memory and the access is tried again, all registers have to be right: allregs-at-mem-access.
valgrind -q --log-file="$dir/%p" --error-exitcode=1 --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite --vex-iropt-register-updates=allregs-at-mem-access \
	--max-threads=2000 --suppressions="$srcdir/tests/valgrind.supp" "$@"
status=$?
# Errors are parted by empty lines, and from what else it has to say by how they begin.
find "$dir" -type f -name '[0-9]*' -exec awk '
	BEGIN { begins = 1 }
	!/^==[0-9]+== *[^ ]/ { begins = 1; next }
	begins { error = /== (Argument|Conditional|Invalid|Jump|Mismatched|Source|Syscall|Use) |definitely lost/; begins = 0 }
	error' {} \; >"$dir/errors"
[ ! -s "$dir/errors" ] || { cat "$dir/errors"; [ $status != 0 ] || status=1; }
exit $status
