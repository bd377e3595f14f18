/*
 * stoa/gauge.h - the built-in class "gauge": a number that goes up and down, and the least and the greatest it was.
 *
 * Create one with stoa_create(stoa, "load", &gauge_class, &(struct gauge){ .value = 1 }, 0, &proxy). Each method
 * returns the value after it. min and max are of the values that methods made, not of the one it was created with;
 * while n is 0 there are none. -ERANGE: the value would not be a finite number; the gauge is as it was. Since 0.1.
 */
#ifndef STOA_GAUGE_H
#define STOA_GAUGE_H

#include <stoa.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gauge {
	double value;
	double min, max; /* of the values since it was created or reset */
	uint64_t n;      /* how many those were */
};

struct gauge_args {
	double x;
};

struct gauge_cas {
	double expected, value;
};

struct gauge_value {
	double value;
};

struct gauge_done {
	bool done;
	double value; /* after the method: the new one if done, else the one that was not expected */
};

STOA__BUILTIN(stoa_class, gauge_class);
STOA__BUILTIN(stoa_method, gauge_add_row);
STOA__BUILTIN(stoa_method, gauge_cas_row);
STOA__BUILTIN(stoa_method, gauge_mul_row);
STOA__BUILTIN(stoa_method, gauge_reset_row);
STOA__BUILTIN(stoa_method, gauge_set_row);

STOA_STUB(gauge, set, struct gauge_args, struct gauge_value);
STOA_STUB(gauge, add, struct gauge_args, struct gauge_value);
STOA_STUB(gauge, mul, struct gauge_args, struct gauge_value);
STOA_STUB(gauge, cas, struct gauge_cas, struct gauge_done); /* value, if it is expected now; 0 is -0 */
STOA_STUB(gauge, reset, stoa_none, struct gauge_value);     /* all to 0 */

#ifdef __cplusplus
}
#endif

#endif
