/*
 * Input: a byte of options, then a key, or what a directory shows.  Property:
 * a key's name is a value's name in its own directories only, and two keys
 * have two names; what a directory shows is taken for a value when it is
 * spelled like one, letter by letter, and then a key has that name.
 */

#include <stdlib.h>
#include <string.h>

#include "store/store_shfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { KEY_MAX = 512, ENTRY_MAX = 255, WHOLE = 254, PART = 190, DIGEST = 64 };

struct dirs {
	char a[3], b[3];
};

static void
require(int ok)
{
	if (!ok)
		abort();
}

/* The value of a lower-case digit, or -1. */
static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits only, but for a '-' at one place (or none, at n). */
static int
is_spelled(const char *name, size_t n, size_t dash)
{
	for (size_t i = 0; i < n; i++)
		if (i == dash ? name[i] != '-' : digit_of(name[i]) < 0)
			return 0;
	return 1;
}

static int
is_value(const char *name, const struct dirs *d)
{
	const size_t n = strlen(name);

	if (!d)
		return n == 3 && is_spelled(name, n, 2);
	if (n < 4 || strncmp(name, d->a, 2) || strncmp(name + 2, d->b, 2))
		return 0;
	if (n == PART + 1 + DIGEST)
		return is_spelled(name, n, PART);
	return n % 2 == 0 && n <= WHOLE && is_spelled(name, n, n);
}

static int
is_temp(const char *name)
{
	size_t n = strlen(name), from = name[0] == '.';

	return n >= from + 6 && strcmp(name + n - 4, ".tmp") == 0 &&
	       is_spelled(name + from, n - 4 - from, n);
}

static struct dirs
dirs_of(const char *name)
{
	struct dirs d = {{name[0], name[1], 0}, {name[2], name[3], 0}};

	return d;
}

static void
try_key(const struct sha256_impl *sha, const uint8_t *key, uint32_t n)
{
	char name[SHFS_NAME], other[SHFS_NAME];
	uint8_t changed[KEY_MAX];
	struct dirs d, e;

	aibrix__shfs_name(sha, key, n, name);
	require(strlen(name) <= ENTRY_MAX);
	require(!aibrix__shfs_is_temp(name) && !aibrix__shfs_is_dir(name));
	require(aibrix__shfs_is_value(name, NULL, NULL) == (n == 1));
	if (n > 1) {
		d = dirs_of(name);
		require(aibrix__shfs_is_dir(d.a) && aibrix__shfs_is_dir(d.b));
		require(aibrix__shfs_is_value(name, d.a, d.b));
		require(is_value(name, &d));
		e = d;
		e.b[1] = e.b[1] == '0' ? '1' : '0';
		require(!aibrix__shfs_is_value(name, e.a, e.b));
		require(!aibrix__shfs_is_value(name, e.b, d.b) ||
			!memcmp(e.b, d.a, 2));
	}
	memcpy(changed, key, n);
	changed[key[0] * 2u % n] ^= 1;
	aibrix__shfs_name(sha, changed, n, other);
	require(strcmp(name, other) != 0);
	aibrix__shfs_name(sha, key, n > 1 ? n - 1 : 1, other);
	require((strcmp(name, other) == 0) == (n == 1));
}

/* A name of whole keys says which key it is. */
static void
try_back(const struct sha256_impl *sha, const char *name)
{
	char again[SHFS_NAME];
	uint8_t key[WHOLE / 2];
	uint32_t n = 0;

	while (name[2 * n] && name[2 * n] != '-') {
		key[n] = (uint8_t)(digit_of(name[2 * n]) * 16 +
				   digit_of(name[2 * n + 1]));
		n++;
	}
	aibrix__shfs_name(sha, key, n, again);
	require(strcmp(name, again) == 0);
}

static void
try_entry(const struct sha256_impl *sha, const struct dirs *d, const char *name)
{
	int value;

	value = d ? aibrix__shfs_is_value(name, d->a, d->b)
		  : aibrix__shfs_is_value(name, NULL, NULL);
	require(value == is_value(name, d));
	require(aibrix__shfs_is_temp(name) == is_temp(name));
	require(aibrix__shfs_is_dir(name) ==
		(strlen(name) == 2 && is_spelled(name, 2, 2)));
	if (value && strlen(name) <= WHOLE)
		try_back(sha, name);
}

static void
try_temp(const uint8_t *data)
{
	uint64_t random[2];
	char name[40];

	memcpy(random, data, sizeof(random));
	aibrix__shfs_temp_name(random, name);
	require(strlen(name) == 37 && is_temp(name));
	require(aibrix__shfs_is_temp(name));
	require(!aibrix__shfs_is_value(name, NULL, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct sha256_impl *sha = aibrix__sha256_select(0);
	struct dirs d = {"00", "00"};
	char *name;
	size_t n;

	if (len < 2 || len > 1 + KEY_MAX)
		return 0;
	if (data[0] % 4 == 0) {
		try_key(sha, data + 1, (uint32_t)len - 1);
		if (len > sizeof(uint64_t[2]))
			try_temp(data + 1);
		return 0;
	}
	n = len - 1 < ENTRY_MAX ? len - 1 : ENTRY_MAX;
	/* Of its own size, so that a read behind its end is seen. */
	name = calloc(1, n + 1);
	require(name != NULL);
	memcpy(name, data + 1, n);
	if (data[0] % 4 == 1 && strlen(name) >= 4 && is_spelled(name, 4, 4))
		d = dirs_of(name);
	try_entry(sha, data[0] % 4 == 3 ? NULL : &d, name);
	free(name);
	return 0;
}
