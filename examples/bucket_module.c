/*
 * bucket_module.c: the class bucket as a module, so that stoad can serve it. Apart from bucket.c, which clients link
 * too.
 *
 *     cd examples; cc -shared -fPIC -I.. -o bucket.so bucket.c bucket_module.c $(pkg-config --cflags --libs stoa)
 *     stoad -n web ./bucket.so
 */
#include "examples/bucket.h"

STOA_MODULE(&bucket_class);
