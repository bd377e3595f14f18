/*
 * names.c: the one place that knows which names are good and where the files of a namespace lie.
 *
 * A good name is safe as a file name, on a terminal and in OBJECT.ATTR, in every locale. The texts set here show a bad
 * name with its unprintable bytes as '?'.
 */
#include "src/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/error.h"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static char shown(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

static int refuse_byte(const char *what, const char *name, char bad, bool colon)
{
	char copy[STOA_NAME_MAX + 1];
	size_t n = strlen(name);
	for (size_t i = 0; i <= n; i++)
		copy[i] = name[i] ? shown(name[i]) : '\0';
	const char *allowed =
		colon ? "letters, digits, '_', '-' and ':' are allowed" : "letters, digits, '_' and '-' are allowed";
	if (shown(bad) == bad)
		return error_set(-EINVAL, "%s name \"%s\" has '%c': %s", what, copy, bad, allowed);
	return error_set(-EINVAL, "%s name \"%s\" has the byte 0x%02x: %s", what, copy, (unsigned char)bad, allowed);
}

int names_check(const char *what, const char *name)
{
	bool colon = strcmp(what, "object") == 0;
	if (!name || !name[0])
		return error_set(-EINVAL, "%s name is empty: give it 1 to %d bytes", what, STOA_NAME_MAX);
	size_t n = strnlen(name, STOA_NAME_MAX + 1);
	if (n > STOA_NAME_MAX)
		return error_set(-EINVAL, "%s name is longer than %d bytes", what, STOA_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (!is_plain(name[i]) && !(colon && name[i] == ':'))
			return refuse_byte(what, name, name[i], colon);
	if (name[0] == '-')
		return error_set(-EINVAL, "%s name \"%s\" begins with '-', as an option does", what, name);
	return 0;
}

static const char *chosen_dir(void)
{
	const char *chosen = secure_getenv("STOA_DIR");
	return chosen && chosen[0] ? chosen : NULL;
}

bool names_dir_is_chosen(void)
{
	return chosen_dir() != NULL;
}

int names_dir(const char *name, char ret_above[PATH_MAX], char ret_dir[PATH_MAX])
{
	char above[PATH_MAX];
	const char *chosen = chosen_dir();
	/* A daemon changes its directory: a relative path would name another place there. */
	if (chosen && chosen[0] != '/')
		return error_set(-EINVAL, "STOA_DIR is \"%.128s\": it must be an absolute path", chosen);
	if (chosen)
		snprintf(above, sizeof(above), "%s", chosen);
	else
		snprintf(above, sizeof(above), "/dev/shm/stoa-%u", (unsigned)geteuid());
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path);
	size_t size = (chosen ? strlen(chosen) : strlen(above)) + 1 + strlen(name) + sizeof("/socket");
	if (size > most)
		return error_set(-ENAMETOOLONG,
				 "the path of namespace \"%s\" with \"/socket\" takes %zu bytes of the %zu there are: "
				 "shorten it, or STOA_DIR",
				 name, size, most);
	memcpy(ret_above, above, strlen(above) + 1);
	memcpy(ret_dir, above, strlen(above));
	sprintf(ret_dir + strlen(above), "/%s", name);
	return 0;
}
