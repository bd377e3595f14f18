#!/bin/sh
# check_demo.sh: the demo with fewer requests: workers and the coordinator are killed under load, and the counts agree.
exec "$srcdir/examples/prefork/demo" "$builddir" 40000
