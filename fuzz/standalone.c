/*
 * Runs a fuzz target over files and folders of files: the corpus is a
 * regression test, with any compiler.
 *
 * Each input is copied to a heap block of its exact size, so that a sanitizer
 * sees a read one byte too far.
 */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = NULL;
	long len = -1;
	int ok = 0;

	if (f && fseek(f, 0, SEEK_END) == 0)
		len = ftell(f);
	if (len >= 0)
		buf = malloc((size_t)len + !len);
	if (buf) {
		rewind(f);
		ok = fread(buf, 1, (size_t)len, f) == (size_t)len;
	}
	if (ok)
		LLVMFuzzerTestOneInput(buf, (size_t)len);
	else
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	free(buf);
	if (f)
		fclose(f);
	return ok;
}

/* All files of a folder; -1: not a folder. */
static int
replay_folder(const char *path, int *files)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char file[4096];
	int ok = 1;

	if (!dir)
		return -1;
	while (ok && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path,
			     entry->d_name) >= (int)sizeof(file))
			ok = 0;
		else
			ok = replay_file(file);
		++*files;
	}
	closedir(dir);
	return ok;
}

int
main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		int ok = replay_folder(argv[i], &files);

		if (ok < 0) {
			ok = replay_file(argv[i]);
			files++;
		}
		if (!ok)
			return 1;
	}
	printf("%d inputs\n", files);
	return files == 0; /* a test of nothing is a failure */
}
