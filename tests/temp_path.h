/* Paths of a test's own, in $TMPDIR or /tmp. */
#ifndef TESTS_TEMP_PATH_H
#define TESTS_TEMP_PATH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A Unix socket's path has 107 bytes: with so many for $TMPDIR there is room
 * for one in a folder. */
enum { TEMP_FOLDER_MOST = 50 };

struct temp_path {
	char text[256];
};

/* A template for mkstemp, where $TMPDIR has at most so many bytes. */
static inline struct temp_path
temp_template(size_t most)
{
	const char *folder = getenv("TMPDIR");
	struct temp_path path;

	snprintf(path.text, sizeof(path.text), "%s/aibrix-XXXXXX",
		 folder && *folder && strlen(folder) <= most ? folder : "/tmp");
	return path;
}

/* A name that no file has. */
static inline struct temp_path
temp_path_new(void)
{
	struct temp_path path = temp_template(200);
	int fd = mkstemp(path.text);

	if (fd < 0)
		abort();
	close(fd);
	unlink(path.text);
	return path;
}

/* A new directory. */
static inline struct temp_path
temp_folder_new(void)
{
	struct temp_path path = temp_template(TEMP_FOLDER_MOST);

	if (!mkdtemp(path.text))
		abort();
	return path;
}

/* Whatever has been made of it: nothing, a file or a directory. */
static inline void
temp_path_remove(const char *path)
{
	char name[1024];
	struct dirent *entry;
	DIR *dir;

	if (unlink(path) == 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%.700s/%.255s", path,
			 entry->d_name);
		temp_path_remove(name);
	}
	if (dir) {
		closedir(dir);
		rmdir(path);
	}
}

#endif
