/*
 * class.h: class tables checked, described and compared.
 *
 * A class comes from a program's tables (class_check) or from the description that the coordinator keeps in the state
 * (class_unpack). Rows are compared by their canonical text, one by one, by name; docs and units are not in it.
 */
#ifndef STOA_CLASS_H
#define STOA_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "include/stoa.h"

/*
 * Check a class and, if it is right, number its rows (*method->index). On -EINVAL text says which class, which row and
 * why. Idempotent. Limits: names of STOA_NAME_MAX bytes, 65535 attributes and as many parts of hooks, 4096 methods,
 * structs of 1 GiB. run may be NULL (a client need not have the code): who runs methods looks first. -ENOMEM: text is
 * untouched.
 */
int class_check(const struct stoa_class *cls, char text[STOA_ERROR_MAX]);

/* The same for a description: hooks without functions are right. class_unpack has done this. */
int class_check_described(const struct stoa_class *cls, char text[STOA_ERROR_MAX]);

#define CLASS_RET_MAX (64u << 10) /* what .ret_max 0 means for a result with text or blobs */

uint32_t class_n_methods(const struct stoa_class *cls);

/* Index by name, or -ENOENT. Linear: for binding and tools, never per call. */
int class_find_attr(const struct stoa_struct *s, const char *name);
int class_find_method(const struct stoa_class *cls, const char *name);

/*
 * Resolve "a b position.x": indexes of the attributes, ascending, without duplicates; "*" is all; a prefix "position"
 * stands for all of position.*. NULL or "" is none. On -EINVAL ret_bad points at the unknown word. Free ret_select.
 */
int class_select(const struct stoa_struct *s, const char *names, uint32_t **ret_select, uint32_t *ret_n,
		 const char **ret_bad);

/*
 * Canonical texts, malloc'ed: "requests:u64", "m:f64[2][3] writable", "name:text[32]", "note:text"; for a method
 * "record(bytes:u32) -> (n:u64) writes=bytes,requests" or "reader total() -> (n:u64) reads=*". NULL when out of memory.
 * What is written is listed by name, sorted, "*" too, so that no client overlooks an attribute that it does not know;
 * a reader without .reads, or with "*", reads "*". Nothing written: no "writes=". text[32] is char[32], and text[3][]
 * an array of three stoa_text.
 */
char *class_attr_text(const struct stoa_attr *attr);
char *class_method_text(const struct stoa_class *cls, const struct stoa_method *method);

/* "f64[2][3]": the type alone, into text. Returns text. */
const char *class_type_text(const struct stoa_attr *attr, char text[64]);

/* The kinds by their names there; of "text", STOA_CHARS. -ENOENT. And what one element takes in a C struct, in bytes. */
int class_find_kind(const char *name, size_t size);
const char *class_kind_name(uint32_t kind); /* NULL: there is none */
uint32_t class_kind_size(uint8_t kind);
uint32_t class_kind_align(uint8_t kind);

/* Of the canonical texts of all rows, in any order, and the name: equal classes have equal ones. 0: out of memory. */
uint64_t class_fingerprint(const struct stoa_class *cls);

/*
 * Describe as a tpl image (with libtpl), malloc'ed, and back. The class has passed class_check. The described class has
 * no code: run is NULL; hooks is kept only as hooks->init_args and hooks->parts. It passes class_check_described, and
 * its rows are numbered. -EBADMSG: not such an image; withstands any bytes, and never prints. class_free is for what
 * class_unpack gave; NULL is allowed, and returned.
 */
int class_pack(const struct stoa_class *cls, void **ret_image, size_t *ret_size);
int class_unpack(const void *image, size_t size, struct stoa_class **ret);
struct stoa_class *class_free(struct stoa_class *cls);

#endif
