"""where.py PREFIX: where this python3 looks for modules below PREFIX, relative to it, or status 1. For configure."""

import os
import site
import sys

prefix = os.path.join(sys.argv[1], "")
for path in site.getsitepackages():
    local = path.startswith("/usr/local/") and prefix == "/usr/"  # the distribution's own packages are not there
    if path.startswith(prefix) and not local:
        print(path[len(prefix):])
        sys.exit(0)
sys.exit(1)
