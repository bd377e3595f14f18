/*
 * names.c: the one place that knows which names are good and where the files of a namespace lie.
 *
 * A good name is safe as a file name, on a terminal and in OBJECT.ATTR, in every locale. The texts set here show a bad
 * name with its unprintable bytes as '?'.
 */
#include "src/names.h"

#include <errno.h>
#include <pwd.h>
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

static int make_paths(const char *name, const char *above, char ret_above[PATH_MAX], char ret_dir[PATH_MAX])
{
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path);
	size_t size = strlen(above) + 1 + strlen(name) + sizeof("/socket");
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

static int make_paths_of(uid_t uid, const char *name, char ret_above[PATH_MAX], char ret_dir[PATH_MAX])
{
	char above[64];
	snprintf(above, sizeof(above), "/dev/shm/stoa-%u", (unsigned)uid);
	return make_paths(name, above, ret_above, ret_dir);
}

int names_dir(const char *name, char ret_above[PATH_MAX], char ret_dir[PATH_MAX])
{
	const char *chosen = chosen_dir();
	/* A daemon changes its directory: a relative path would name another place there. */
	if (chosen && chosen[0] != '/')
		return error_set(-EINVAL, "STOA_DIR is \"%.128s\": it must be an absolute path", chosen);
	return chosen ? make_paths(name, chosen, ret_above, ret_dir)
		      : make_paths_of(geteuid(), name, ret_above, ret_dir);
}

/* The uid of a number or a login name of n bytes. */
static int find_user(const char *name, size_t n, uid_t *ret_uid)
{
	char user[STOA_NAME_MAX + 1], bytes[4096], *end;
	struct passwd entry, *found = NULL;
	snprintf(user, sizeof(user), "%.*s", n < sizeof(user) ? (int)n : 0, name);
	unsigned long uid = strtoul(user, &end, 10);
	bool is_number = user[0] >= '0' && user[0] <= '9' && *end == '\0' && uid < UINT32_MAX;
	if (!is_number && user[0])
		getpwnam_r(user, &entry, bytes, sizeof(bytes), &found);
	for (char *c = user; *c; c++)
		*c = shown(*c);
	if (!is_number && !found)
		return error_set(-EINVAL, "there is no user \"%s\", whose namespace it would be (USER/NAME)", user);
	*ret_uid = found ? found->pw_uid : (uid_t)uid;
	return 0;
}

int names_find(const char *name, char ret_dir[PATH_MAX], uid_t *ret_owner)
{
	char above[PATH_MAX];
	const char *slash = name ? strchr(name, '/') : NULL;
	uid_t owner = chosen_dir() ? NAMES_ANYONE : geteuid();
	int r = slash ? find_user(name, (size_t)(slash - name), &owner) : 0;
	r = r ? r : names_check("namespace", slash ? slash + 1 : name);
	r = r ? r : slash ? make_paths_of(owner, slash + 1, above, ret_dir) : names_dir(name, above, ret_dir);
	if (r == 0)
		*ret_owner = owner;
	return r;
}

bool names_find_shut(const char *path, bool (*is_shut)(const char *dir, const void *data), const void *data,
		     char ret_dir[PATH_MAX])
{
	char dir[PATH_MAX];
	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(end - path), path);
		if (is_shut(dir, data)) {
			strcpy(ret_dir, dir);
			return true;
		}
	}
	return false;
}
