#!/bin/sh
# check_planted.sh: the mistakes of check-planted can still be planted. Who changes a line that one of them changes, changes
# the patch too.
exec sh "$srcdir/tests/planted/run" -n
