/*
 * files.h: the directory, the segments and the socket of a namespace. For the holder of its lock; files_open and
 * files_peek for anyone.
 */
#ifndef STOA_FILES_H
#define STOA_FILES_H

#include "coordinator/namespace.h"

/* Open the directory ns->dir, making it and the one above if need be. -EAGAIN: removed meanwhile, try again. */
int files_open(struct namespace *ns);

/* What stands in the socket's place: -EACCES or -EEXIST if it is not a leftover of ours. For the holder of the lock. */
int files_check_socket(const struct namespace *ns);

/* After a start that changed nothing: remove the lock beside no state, and the directories that files_open has made. */
void files_unmake(const struct namespace *ns);

/* Does the path still lead to our directory and our lock, or has a predecessor removed them? */
bool files_in_place(const struct namespace *ns);

/* A copy of the head of the state; false: there is none that is whole. */
bool files_exist(int dir_fd); /* the file "state", whatever is in it */
bool files_peek(int dir_fd, struct state_head *ret_head);

/* Make the segments, or take them over, and map them; ns->made tells which. Damaged ones are set aside. */
int files_prepare(struct namespace *ns);

/* Something in the state is damaged and will be dropped: copy the state, as it is, beside the namespace. Once. */
int files_copy_aside(struct namespace *ns);

int files_listen(struct namespace *ns);

/* Remove the socket; with all also segments, lock and directory, each if it is there. */
void files_remove(struct namespace *ns, bool all);

#endif
