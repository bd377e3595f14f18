/*
 * builtin.c: the list of the built-in classes. Each has its own file in coordinator/builtin/, and its public header in
 * include/stoa/.
 */
#include "coordinator/builtin.h"

#include "include/stoa/blob.h"
#include "include/stoa/breaker.h"
#include "include/stoa/bucket.h"
#include "include/stoa/counter.h"
#include "include/stoa/dict.h"
#include "include/stoa/gauge.h"
#include "include/stoa/histogram.h"
#include "include/stoa/latch.h"
#include "include/stoa/lease.h"
#include "include/stoa/list.h"
#include "include/stoa/queue.h"
#include "include/stoa/rendezvous.h"
#include "include/stoa/set.h"
#include "include/stoa/text.h"
#include "include/stoa/timer.h"

const struct stoa_class *const builtin_classes[] = {
	&blob_class,
	&breaker_class,
	&bucket_class,
	&counter_class,
	&dict_class,
	&gauge_class,
	&histogram_class,
	&latch_class,
	&lease_class,
	&list_class,
	&queue_class,
	&rendezvous_class,
	&set_class,
	&text_class,
	&timer_class,
	NULL,
};
