#!/bin/sh
# check_demo.sh: the demo with fewer requests: a server under load whose coordinator is killed, and the counts are equal.
exec "$srcdir/examples/prefork/demo" "$builddir" 6000
