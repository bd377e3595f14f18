/*
 * verbs.h: the verbs of the command line, in the order in which they are shown. A new verb is a line here, and a
 * struct verb, verb_NAME, in a file of its own.
 */
#ifndef STOA_TOOL_VERBS_H
#define STOA_TOOL_VERBS_H

#define VERBS(X) \
	X(namespaces) \
	X(list) \
	X(show) \
	X(get) \
	X(watch) \
	X(set) \
	X(call) \
	X(cast) \
	X(create) \
	X(remove) \
	X(stop) \
	X(evict) \
	X(lock) \
	X(dump) \
	X(load) \
	X(run) \
	X(clean) \
	X(doctor) \
	X(classes) \
	X(health) \
	X(rejected) \
	X(trace) \
	X(log) \
	X(clients) \
	X(top) \
	X(metrics) \
	X(batch) \
	X(complete)

#endif
