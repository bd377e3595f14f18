/*
 * test_remove_ipc.c: what logind's configuration says of RemoveIPC, file by file.
 */
#include "tools/remove_ipc.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/stoa-remove-ipc.XXXXXX";

static void put(const char *file, const char *text)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", root, file);
	for (char *slash = path + sizeof(root); *slash; slash++)
		if (*slash == '/') {
			*slash = '\0';
			mkdir(path, 0700);
			*slash = '/';
		}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void it_is_on_where_nothing_is_said(void **state)
{
	(void)state;
	assert_true(remove_ipc_is_set(root));
	put("usr/lib/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
	assert_true(remove_ipc_is_set(root));
}

static void the_administrators_file_comes_first(void **state)
{
	(void)state;
	put("usr/lib/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
	assert_false(remove_ipc_is_set(root));
	put("etc/systemd/logind.conf", "[Login]\nRemoveIPC = yes\n");
	assert_true(remove_ipc_is_set(root));
	put("etc/systemd/logind.conf", "[Login]\nRemoveIPC=yes\n RemoveIPC=off\n");
	assert_false(remove_ipc_is_set(root));
}

static void drop_ins_come_in_order_of_their_names(void **state)
{
	(void)state;
	put("usr/lib/systemd/logind.conf.d/50-on.conf", "RemoveIPC=1\n");
	assert_true(remove_ipc_is_set(root));
	put("etc/systemd/logind.conf.d/10-off.conf", "RemoveIPC=false\n");
	assert_true(remove_ipc_is_set(root));
	put("run/systemd/logind.conf.d/90-off.conf", "RemoveIPC=0\n");
	assert_false(remove_ipc_is_set(root));
	put("etc/systemd/logind.conf.d/90-off.conf", "");
	assert_true(remove_ipc_is_set(root));
}

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[sizeof(root) + 16];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_on_where_nothing_is_said),
		cmocka_unit_test(the_administrators_file_comes_first),
		cmocka_unit_test(drop_ins_come_in_order_of_their_names),
	};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
