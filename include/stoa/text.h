/*
 * stoa/text.h - the built-in class "text": one value of any length that processes replace, extend, and compare and set.
 *
 * Create one with stoa_create(stoa, "motd", &text_class, NULL, 0, &proxy), or with a value. It can also be assigned.
 * A text that never had a value is as good as "". append costs in proportion to what is there. -ENOSPC: the namespace
 * has no room for it. Since 0.1.
 */
#ifndef STOA_TEXT_H
#define STOA_TEXT_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct text {
	stoa_text value;
};

struct text_args {
	stoa_text value;
};

struct text_cas {
	stoa_text expected, value;
};

struct text_size {
	uint64_t size; /* bytes after the method */
};

struct text_done {
	bool done; /* it was as expected, and is the new value now */
};

STOA__BUILTIN(stoa_class, text_class);
STOA__BUILTIN(stoa_method, text_append_row);
STOA__BUILTIN(stoa_method, text_cas_row);
STOA__BUILTIN(stoa_method, text_set_row);

STOA_STUB(text, set, struct text_args, struct text_size);
STOA_STUB(text, append, struct text_args, struct text_size);
STOA_STUB(text, cas, struct text_cas, struct text_done); /* value, if it is expected now */

#ifdef __cplusplus
}
#endif

#endif
