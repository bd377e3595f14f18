/*
 * classes.h: the classes of this coordinator, and the descriptions in the state that commands and objects refer to.
 * A description is never changed or removed: a class that changes gets a new one, and the rows of the old are bound to
 * those of the new by name, where their canonical text is the same.
 */
#ifndef STOA_CLASSES_H
#define STOA_CLASSES_H

#include "coordinator/coordinator.h"

/* Pack the descriptions of ns->classes, before coordinators are forked. -ENOMEM, and what class_pack says. */
int classes_describe(struct namespace *ns);
void classes_drop(struct namespace *ns); /* with the list of them */

/* Read the descriptions in the state, then bind the program's classes to theirs; and take over what needs no code. */
int classes_load(struct coordinator *c);
/* Add those that are new. A class for which there is no room stays without: it is not there to create objects of. */
int classes_publish(struct coordinator *c);
void classes_fini(struct coordinator *c);

/*
 * A client's description of a class that needs no code, of any bytes: from here on objects of it can be created. 0, also
 * if there is such a class; ret_id: its description in the state. -EBADMSG, -EINVAL, -ENOSYS: it is none; -EPROTO: its
 * name is another's; -ENOSPC: there are too many.
 */
int classes_declare(struct coordinator *c, const void *image, size_t size, uint32_t *ret_id);

struct server_class *classes_find(const struct coordinator *c, const char *name); /* NULL: no code for it */

/* A class is listed by its code alone, and made into what objects of it need before there is one. -ENOMEM. */
int classes_make(struct coordinator *c, struct server_class *cls);

/* The method or attribute that row of a command's class means today. NULL or -1: it is gone, or has changed. */
const struct server_method *classes_method_of(const struct coordinator *c, const struct server_class *cls,
					      uint32_t class_id, uint32_t row);
static inline const struct server_method *classes_method(const struct coordinator *c, const struct server_class *cls,
							 uint32_t class_id, uint32_t row)
{
	return class_id == cls->id && row < cls->n_methods ? &cls->methods[row]
							   : classes_method_of(c, cls, class_id, row);
}
int32_t classes_attr(const struct coordinator *c, const struct server_class *cls, uint32_t class_id, uint32_t attr);

/* The image layout of one attribute's value. NULL when out of memory. */
const struct image_layout *classes_attr_image(struct server_class *cls, uint32_t attr);

/* The name of a command's row, for messages. */
const char *classes_row_name(const struct coordinator *c, uint32_t class_id, uint32_t row, bool is_attr);

#endif
